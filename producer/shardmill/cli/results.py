"""``status``, ``failures`` and ``verify``: what a job came to."""

import json
import shlex
from dataclasses import asdict

import click

from shardmill.cli.options import local_path


@click.command("status", no_args_is_help=True)
@click.argument("job", metavar="OUT|JOB")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def status_command(job: str, as_json: bool) -> int:
    """Tell how far a job is: from the cluster's ledger, or from OUT alone.

    \b
    Example:
      shardmill status shards
    """
    import os

    from shardmill import api
    from shardmill.cli.display import summary_lines
    from shardmill.report import failures

    status = api.status(local_path(job))
    if as_json:
        click.echo(json.dumps(status.encode()))
    else:
        groups = failures.groups(status.out) if os.path.isdir(status.out) else []
        click.echo("\n".join(summary_lines(status, groups, None)))
    return 0


@click.command("failures", no_args_is_help=True)
@click.argument("out", metavar="OUT")
@click.option("--class", "error_class", metavar="C", help="only this class")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def failures_command(out: str, error_class: str | None, as_json: bool) -> int:
    """List what failed, grouped by class, with examples and what to do.

    \b
    Example:
      shardmill failures shards --class corrupt
    """
    from shardmill.report import failures

    groups = failures.groups(local_path(out), error_class)
    if as_json:
        click.echo(json.dumps([asdict(group) for group in groups]))
        return 0
    if not groups:
        click.echo("nothing failed")
    for group in groups:
        click.echo(f"{group.error_class}  {group.count:,}")
        for example in group.examples:
            click.echo(f"  {example.path}\n      {example.stage}: {example.message}")
        if group.count > len(group.examples):
            click.echo(f"  and {group.count - len(group.examples):,} more")
        click.echo(f"  {group.remedy}\n")
    return 0


@click.command("verify", no_args_is_help=True)
@click.argument("out", metavar="OUT")
@click.option("--deep", is_flag=True, help="decode every frame too")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def verify_command(out: str, deep: bool, as_json: bool) -> int:
    """Prove that nothing is missing, doubled or damaged.

    \b
    Example:
      shardmill verify shards

    Checked: inputs = ok + failed + skipped; one row an input; every clip in its shard once; the
    checksums of every clip and record.
    """
    from shardmill.report.verify import verify

    verdict = verify(local_path(out), deep=deep)
    if as_json:
        click.echo(json.dumps(asdict(verdict)))
        return 1 if verdict.problems else 0
    tally = verdict.tally
    for problem in verdict.problems:
        click.echo(f"{problem.file}: {problem.wrong}\n    {problem.mend}")
    click.echo(
        f"{'damaged' if verdict.problems else 'sound'}: {verdict.inputs or 0:,} inputs = "
        f"{tally.ok:,} ok + {tally.failed:,} failed + {tally.skipped:,} skipped; "
        f"{tally.clips:,} clips, {tally.frames:,} frames in {shlex.quote(out)}"
    )
    return 1 if verdict.problems else 0
