"""``query`` and ``verify``: what a finished job holds, and whether it is whole."""

import csv
import json
import shlex
import sys
from dataclasses import asdict
from typing import Any

import click

from shardmill.cli.options import local_path


@click.command("query", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.argument("sql", metavar="SQL")
@click.option("--csv", "form", flag_value="csv", help="print comma-separated values")
@click.option("--json", "form", flag_value="json", help="print one JSON object a row")
def query_command(out: str, sql: str, form: str | None) -> int:
    """Ask the dataset in SQL (DuckDB): tables files, clips and frames.

    \b
    Examples:
      shardmill query shards "select path, duration_s from files order by 2 desc limit 10"
      shardmill query shards "select label, count(*), sum(frames) from clips group by 1"
      shardmill query shards "select path from files where vfr" --csv
    """
    from shardmill.report import store

    with store.query(local_path(out), sql) as answer:
        if form == "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(answer.columns)
            writer.writerows(answer.rows)
        elif form == "json":
            for row in answer.rows:
                click.echo(json.dumps(dict(zip(answer.columns, row, strict=True)), default=str))
        else:
            _print_table(answer.columns, answer.rows)
    return 0


def _print_table(columns: tuple[str, ...], rows: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from shardmill.cli.display import UNBOUNDED

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(width=width).print(table, markup=False)


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
