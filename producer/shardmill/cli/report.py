"""``report``: a page on what a job came to."""

import webbrowser
from pathlib import Path

import click

from shardmill.cli.options import local_path
from shardmill.cli.terminal import say


@click.command("report", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.option("--open", "show", is_flag=True, help="open it in the browser")
def report_command(out: str, show: bool) -> int:
    """Write OUT/report.html: what a job came to, or how far it is, on one page.

    \b
    Example:
      shardmill report shards --open

    The page is one file that needs no network: distributions, classes, failures, frames from the
    shards, throughput, and the command to do it again.
    """
    from shardmill import api
    from shardmill.report import store
    from shardmill.report.page.document import write

    out = local_path(out)
    store.job_of(out)  # else a wrong name would be looked for in the cluster
    path = write(out, api.status(out))
    say(path)
    if show:
        webbrowser.open(Path(path).resolve().as_uri())
    return 0
