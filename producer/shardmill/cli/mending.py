"""``failures``, ``retry`` and ``clean``: what went wrong with a job, and putting it right."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import to_builtins

from shardmill.cli.options import Bytes, local_path, redis_option, settings_of
from shardmill.cli.terminal import say, say_json, say_lines
from shardmill.contract.errors import UsageError
from shardmill.contract.quantity import format_bytes, format_count
from shardmill.contract.settings import PREFIX

if TYPE_CHECKING:
    from shardmill.report.failures import FailureGroup

LISTED: Final = 20
"""Left-overs that are named one by one."""


@click.command("failures", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.option("--class", "error_class", metavar="C", help="only this class")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def failures_command(out: str, error_class: str | None, as_json: bool) -> int:
    """List what failed, grouped by class, with causes, examples and what to do.

    \b
    Example:
      shardmill failures shards --class corrupt

    Files of which the frames before their damage are kept are listed apart.
    """
    from shardmill.report import failures, summary

    out = local_path(out)
    failed = failures.groups(out, error_class)
    partial = failures.partial_groups(out, error_class)
    if as_json:
        groups = {"groups": _plain(failed), "partial_groups": _plain(partial)}
        say_json(summary.status_of(out).encode() | groups)
        return 0
    if not failed:
        say("nothing failed")
    for group in failed:
        say_lines(_lines(group, f"{group.error_class}  {group.count:,} failed"))
    for group in partial:
        say_lines(_lines(group, f"{group.error_class}  {group.count:,} kept up to the damage"))
    return 0


def _plain(groups: list["FailureGroup"]) -> list[dict[str, object]]:
    return [to_builtins(group) for group in groups]


def _lines(group: "FailureGroup", title: str) -> Iterator[str]:
    yield title
    yield f"  cause    {group.cause}"
    yield f"  remedy   {group.remedy}"
    if group.retry:
        yield f"  retry    {group.retry}"
    for example in group.examples:
        yield f"  example  {example.name}"
        yield f"           {example.stage}: {example.message}"
    if group.count > len(group.examples):
        yield f"  and {group.count - len(group.examples):,} more"
    yield ""


@click.command("retry", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.option("--class", "error_class", metavar="C", help="only the files that failed with this")
@click.option("--damaged", is_flag=True, help="what verify finds damaged, instead")
@click.option("--item-timeout", type=float, metavar="S", help="seconds one file may take now")
@click.option("--item-memory", type=Bytes(), metavar="BYTES", help="memory one file may use now")
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    envvar=f"{PREFIX}REDIS_URL",
    show_envvar=True,
    help="on the cluster; without it on this machine, as run does",
)
@click.option("--allow-failures", is_flag=True, help="exit with 0 even if some files failed")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object at the end")
def retry_command(
    out: str, error_class: str | None, redis_url: str | None, as_json: bool, **options: Any
) -> int:
    """Try again what failed in a finished job, and nothing else.

    \b
    Example:
      shardmill retry shards --class timeout --item-timeout 600

    With --damaged the shards that verify would complain of are made again, and the job goes on.

    Failures of other classes stay as they are.  The job's own command tries every failed file
    again too, and does what was added, changed or removed as well.
    """
    from shardmill import api
    from shardmill.cli.outcome import end
    from shardmill.cli.watching import Watching

    allow_failures = options.pop("allow_failures")
    out = local_path(out)
    settings = settings_of(redis_url) if redis_url is not None else None
    limits = {
        "item_timeout_s": options["item_timeout"],
        "item_memory_bytes": options["item_memory"],
    }
    if options["damaged"] and (error_class or any(limits.values())):
        raise UsageError("--damaged makes damaged shards again: give it alone")
    with Watching(extracting=True) as watcher:
        if options["damaged"]:
            status = api.mend(out, settings=settings, watcher=watcher)
        else:
            status = api.retry(
                out, error_class=error_class, settings=settings, watcher=watcher, **limits
            )
    return end(status, out, allow_failures=allow_failures, as_json=as_json)


@click.command("clean", no_args_is_help=True)
@click.argument("out", metavar="OUT", type=click.Path(path_type=str))
@click.option("--yes", is_flag=True, help="remove it; without it, it is only shown")
@redis_option
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def clean_command(out: str, yes: bool, redis_url: str | None, as_json: bool) -> int:
    """Show what belongs to no committed batch, and remove it if told to.

    \b
    Example:
      shardmill clean shards --yes

    Unfinished files, shards and indexes without their part of the manifest, empty folders of
    splits.  Everything else stays, whoever made it, and what lies behind symbolic links.  Refused
    while the job is at work.
    """
    from shardmill import api

    out = local_path(out)
    with api.clean(out, settings=settings_of(redis_url)) as cleaning:
        found = cleaning.leftovers
        size_bytes = sum(leftover.size_bytes for leftover in found)
        if yes:
            cleaning.remove()
    if as_json:
        listed = [to_builtins(each) | {"path": each.path} for each in found]
        say_json({"out": out, "removed": yes, "bytes": size_bytes, "found": listed})
        return 0
    for leftover in found[:LISTED]:
        size = "" if leftover.is_folder else format_bytes(leftover.size_bytes)
        say(f"{size:>9}  {leftover.path}  {leftover.why}")
    if len(found) > LISTED:
        say(f"{'':>9}  and {len(found) - LISTED:,} more")
    what = f"{format_count(len(found), 'left-over')}, {format_bytes(size_bytes)}"
    if not found:
        say("nothing to clean")
    elif yes:
        say(f"removed {what}")
    else:
        say(f"{what}; remove with: shardmill clean {shlex.quote(out)} --yes")
    return 0
