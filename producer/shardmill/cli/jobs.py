"""``probe`` and ``run``: whole jobs on this machine."""

import shlex
from typing import Any

import click

from shardmill import api
from shardmill.cli.options import (
    EXTRACT_FIELDS,
    PROBE_FIELDS,
    inputs_arguments,
    local_path,
    prune_option,
    spec_options,
    take_inputs,
    take_spec,
)
from shardmill.cli.outcome import end, keep_loaded, print_survey
from shardmill.cli.watching import Watching
from shardmill.storage import scratch


@click.command(
    "run", short_help="Turn a directory into shards, on this machine.", no_args_is_help=True
)
@click.option("--out", required=True, metavar="OUT", help="where the shards go")
@inputs_arguments
@spec_options(EXTRACT_FIELDS)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="decoders at a time  [cores]")
@click.option("--overwrite", is_flag=True, help="OUT holds another spec's work: replace it")
@prune_option
@click.option("--allow-failures", is_flag=True, help="exit with 0 even if some files failed")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object at the end")
def run_command(out: str, jobs: int | None, **options: Any) -> int:
    """Turn a directory of videos and images into shards, on this machine.

    \b
    Example:
      shardmill run ucf11 --out shards --size 160x120 --fps 24

    Everything the cluster has is started for this one run, and gone at its end: a private Redis
    on a unix socket, and a worker with one decoder a core.  The same command again goes on where
    it stopped.  DIR may be a tar or a zip, too: it is read in place.

    With several directories, paths begin with the name of theirs; a label is still the first
    folder below it.
    """
    allow_failures, as_json = options.pop("allow_failures"), options.pop("as_json")
    overwrite = options.pop("overwrite")
    spec, inputs = take_spec(options), take_inputs(options)
    out = local_path(out)
    with Watching(extracting=True) as watcher:
        status = api.run(
            inputs,
            out=out,
            spec=spec,
            jobs=jobs,
            overwrite=overwrite,
            watcher=watcher,
        )
    keep_loaded()
    return end(status, out, allow_failures=allow_failures, as_json=as_json)


@click.command(
    "probe", short_help="Tell what is in a directory, and what is broken.", no_args_is_help=True
)
@click.option("--out", metavar="OUT", help="keep the manifest, for query and failures")
@inputs_arguments
@spec_options(PROBE_FIELDS)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="decoders at a time  [cores]")
@click.option("--overwrite", is_flag=True, help="OUT holds another job's work: replace it")
@prune_option
@click.option("--allow-failures", is_flag=True, help="exit with 0 even if some files failed")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object at the end")
def probe_command(out: str | None, jobs: int | None, **options: Any) -> int:
    """Tell what is in a directory, and what is broken.

    \b
    Example:
      shardmill probe ucf11 --out facts
      shardmill query facts "select path, fps from files where vfr"

    Nothing is extracted; each file is opened and described.  DIR may be a tar or a zip, too.
    """
    allow_failures, as_json = options.pop("allow_failures"), options.pop("as_json")
    overwrite = options.pop("overwrite")
    spec, inputs = take_spec(options), take_inputs(options)
    with scratch.directory("probe") as aside:
        place = local_path(out) if out is not None else f"{aside}/out"
        with Watching(extracting=False) as watcher:
            status = api.probe(
                inputs,
                out=place,
                spec=spec,
                jobs=jobs,
                overwrite=overwrite,
                watcher=watcher,
            )
        keep_loaded()
        if not as_json:
            print_survey(place)
        keep = None if out is not None else f"shardmill probe {shlex.join(inputs.words)} --out OUT"
        return end(status, place, allow_failures=allow_failures, as_json=as_json, keep=keep)
