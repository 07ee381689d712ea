"""``verify``: whether a finished job is whole."""

import shlex

import click
from msgspec import to_builtins

from shardmill.cli.options import local_path
from shardmill.cli.terminal import say, say_json


@click.command("verify", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.option("--deep", is_flag=True, help="decode every frame too")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def verify_command(out: str, deep: bool, as_json: bool) -> int:
    """Prove that nothing is missing, doubled or damaged.

    \b
    Example:
      shardmill verify shards

    Checked: inputs = ok + failed + skipped; one row an input; every clip in its shard once; the
    checksums of every clip and record; one number for each class; job.json, and once the job is
    finished summary.json, files.parquet, report.html and shards that belong to no row.

    Each problem comes with what mends it.
    """
    from shardmill.report.verify import verify

    verdict = verify(local_path(out), deep=deep)
    if as_json:
        say_json(to_builtins(verdict))
        return 1 if verdict.problems else 0
    tally = verdict.tally
    for problem in verdict.problems:
        say(f"{problem.file}: {problem.wrong}")
        say(f"    {problem.mend}")
    say(
        f"{'damaged' if verdict.problems else 'sound'}: {verdict.inputs or 0:,} inputs = "
        f"{tally.ok:,} ok + {tally.failed:,} failed + {tally.skipped:,} skipped; "
        f"{tally.clips:,} clips, {tally.frames:,} frames in {shlex.quote(out)}"
    )
    if any(problem.part for problem in verdict.problems):
        say(f"  next     shardmill retry {shlex.quote(out)} --damaged")
    return 1 if verdict.problems else 0
