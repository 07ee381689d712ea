"""``submit`` and ``worker``: the cluster's two ends."""

import os
import sys
from dataclasses import fields, replace
from typing import Any

import click

from shardmill.cli.options import (
    EXTRACT_FIELDS,
    inputs_arguments,
    local_path,
    prune_option,
    redis_option,
    settings_of,
    spec_options,
    take_inputs,
    take_spec,
)
from shardmill.cli.terminal import say
from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.settings import PREFIX, Settings


@click.command("submit", short_help="Hand a directory to the cluster.", no_args_is_help=True)
@click.option("--out", required=True, metavar="OUT", help="where the shards go")
@inputs_arguments
@redis_option
@click.option("--wait", is_flag=True, help="stay until the job is done, and tell how it goes")
@spec_options(EXTRACT_FIELDS)
@click.option("--overwrite", is_flag=True, help="OUT holds another spec's work: replace it")
@prune_option
@click.option("--allow-failures", is_flag=True, help="with --wait: exit with 0 in any case")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object at the end")
def submit_command(out: str, redis_url: str | None, wait: bool, **options: Any) -> int:
    """Hand a directory to the cluster; DIR and OUT lie at the same place on every worker.

    \b
    Example:
      shardmill submit /data/ucf11 --out /data/shards --size 160x120 --redis redis://head:6379

    The command ends when every input is on its way; with --wait, when the job is done.
    """
    from shardmill import api
    from shardmill.cli.display import Lines
    from shardmill.cli.outcome import end
    from shardmill.cli.watching import Watching

    allow_failures, as_json = options.pop("allow_failures"), options.pop("as_json")
    overwrite = options.pop("overwrite")
    spec, inputs = take_spec(options), take_inputs(options)
    out = local_path(out)
    settings, messages = settings_of(redis_url), Lines()
    job = api.submit(
        inputs,
        out=out,
        spec=spec,
        settings=settings,
        overwrite=overwrite,
        watcher=messages,
    )
    if settings.flower_url:
        messages.note(f"its tasks are shown at {settings.flower_url}/tasks")
    try:
        if wait:
            with Watching(extracting=True) as watcher:
                status = job.wait(watcher)
            return end(status, out, allow_failures=allow_failures, as_json=as_json)
        job.wait_until_sent()
        say(f"{job.name}  submitted; watch it with: shardmill watch {job.name}")
        return 0
    finally:
        job.close()


def _settings_help() -> str:
    lines = [
        f"{PREFIX}{field.name.upper()}: {field.metadata['help']}"
        + (f"  [{field.default}]" if field.default not in ("", 0) else "")
        for field in fields(Settings)
    ]
    return "\b\nEnvironment:\n" + "\n".join(f"  {line}" for line in lines)


@click.command("worker", short_help="Run a worker of the cluster here.", epilog=_settings_help())
@redis_option
@click.option("--slots", type=click.IntRange(1), metavar="N", help="decoders at a time  [cores]")
@click.option("--queues", metavar="STAGES", help="probe, extract, finish: those of them, with ,")
def worker_command(redis_url: str | None, slots: int | None, queues: str | None) -> None:
    """Run a worker of the cluster on this machine, until SIGTERM or Ctrl-C.

    \b
    Example:
      shardmill worker --redis redis://head:6379 --slots 8
    """
    import importlib.util

    if importlib.util.find_spec("av") is None:
        raise EnvironmentFault(
            "expected the worker's packages, found none: pip install 'shardmill[worker]'"
        )
    settings = settings_of(redis_url)
    if slots is not None:
        settings = replace(settings, slots=slots)
    if queues is not None:
        settings = replace(settings, queues=queues)
    _ = settings.queue_names  # a wrong one is told here, not by the other program
    # Another program, not a function: decoders run the main module of their parent again.
    command = [sys.executable, "-m", "shardmill_worker"]
    os.execve(sys.executable, command, os.environ | settings.environment())
