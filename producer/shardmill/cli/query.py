"""``query``: the dataset asked in SQL, on the terminal or into a file."""

import click

from shardmill.cli.options import local_path
from shardmill.cli.terminal import say_csv, say_json, say_table
from shardmill.contract.errors import UsageError


@click.command("query", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.argument("sql", metavar="[SQL]", required=False)
@click.option("--csv", "form", flag_value="csv", help="print comma-separated values")
@click.option("--json", "form", flag_value="json", help="print one JSON object a row")
@click.option("--to", "file", metavar="FILE", help="write a new .csv or .sqlite file instead")
def query_command(out: str, sql: str | None, form: str | None, file: str | None) -> int:
    """Ask the dataset in SQL (DuckDB): tables files, clips and frames.

    \b
    Examples:
      shardmill query shards "select path, duration_s from files order by 2 desc limit 10"
      shardmill query shards "select label, count(*), sum(frames) from clips group by 1"
      shardmill query shards "select path from files where label = 'diving' and vfr" --csv
      shardmill query shards "describe files"
      shardmill query shards "from files" --to files.csv
      shardmill query shards --to dataset.sqlite

    A wallpaper of at least 4K that was not touched in 90 days:

    \b
      shardmill query walls "select path from files
        where kind = 'image' and display_width >= 3840 and display_height >= 2160
          and mtime_ns < (epoch(now()) - 90 * 86400) * 1e9
        order by random() limit 1" --csv

    A fourth table, parts, has the manifest's own rows: several for a file of several clips, and for
    a long video that was cut for parallel work.

    Without SQL, --to writes the first three tables into one SQLite file.

    In CSV, text that begins with = + - @, a tab or a carriage return gets an apostrophe in front,
    for a spreadsheet would run it; --json and SQLite leave it as it is.
    """
    from shardmill.report import export, store

    out = local_path(out)
    if file is not None:
        if form is not None:
            raise UsageError(
                "--to names its format by the file's suffix: leave --csv or --json out"
            )
        export.export(out, local_path(file), sql)
        return 0
    if sql is None:
        raise UsageError("expected a query, such as 'from files'; only --to does without one")
    with store.query(out, sql) as answer:
        if form == "csv":
            say_csv(answer.columns, answer.rows)
        elif form == "json":
            for row in answer.rows:
                say_json(dict(zip(answer.columns, row, strict=True)))
        else:
            say_table(answer.columns, answer.rows)
    return 0
