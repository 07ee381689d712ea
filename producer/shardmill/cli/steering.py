"""``list``, ``status``, ``watch``, ``pause``, ``resume``, ``cancel``: jobs at work."""

import click

from shardmill.cli.options import local_path, redis_option, settings_of
from shardmill.cli.terminal import say, say_json, say_lines
from shardmill.dataset.job import Status

json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object")
job_argument = click.argument("job", metavar="OUT|JOB", type=click.Path(path_type=str))


@click.command("list")
@redis_option
@json_option
def list_command(redis_url: str | None, as_json: bool) -> int:
    """List the cluster's jobs, and the runs of this user on this machine.

    \b
    Example:
      shardmill list --redis redis://head:6379
    """
    from shardmill import api
    from shardmill.cli.display import print_jobs

    jobs = api.jobs(settings=settings_of(redis_url))
    if as_json:
        say_json({"jobs": [status.encode() for status in jobs]})
    elif jobs:
        print_jobs(jobs)
    else:
        say("no jobs", to_error=True)
    return 0


@click.command("status", no_args_is_help=True)
@job_argument
@redis_option
@json_option
def status_command(job: str, redis_url: str | None, as_json: bool) -> int:
    """Tell how far a job is: from the ledger, or from OUT alone.

    \b
    Example:
      shardmill status shards

    Exits with 0 whatever the job's state: the answer is on standard output.
    """
    from shardmill import api

    _tell(api.status(local_path(job), settings=settings_of(redis_url)), as_json=as_json)
    return 0


@click.command("watch", no_args_is_help=True)
@job_argument
@redis_option
@click.option("--allow-failures", is_flag=True, help="exit with 0 even if some files failed")
@click.option("--json", "as_json", is_flag=True, help="print JSON objects, one a line, as it goes")
def watch_command(job: str, redis_url: str | None, allow_failures: bool, as_json: bool) -> int:
    """Tell how far a job is, until it is done, paused or cancelled.

    \b
    Example:
      shardmill watch shards

    Ctrl-C ends the watching, not the job.

    With --json an object is printed whenever something has changed, at most once a second, and
    every ten seconds else; the last one has the job's last state.  Each has the keys of
    `status --json` and how it goes: probed, probe_rate_hz, probe_mean_hz, frames_now (those of
    running batches included), frames_expected, frame_rate_hz, frame_mean_hz, share_done, eta_s
    (at least, at most; null while unknown), workers_at_work, workers (the busiest 32: worker,
    rates, batches) and last_failures (class, path, message).  A rate is of the last 15 seconds, a
    mean of this run.
    """
    from shardmill import api
    from shardmill.cli.display import JsonLines
    from shardmill.cli.outcome import exit_code
    from shardmill.cli.watching import Watching

    place, settings = local_path(job), settings_of(redis_url)
    if as_json:
        lines = JsonLines()
        status = api.watch(place, settings=settings, watcher=lines)
        lines.end(status)
    else:
        with Watching(extracting=True) as watcher:
            status = api.watch(place, settings=settings, watcher=watcher)
        _tell(status, as_json=False)
    return exit_code(status, allow_failures=allow_failures)


@click.command("pause", no_args_is_help=True)
@job_argument
@redis_option
@json_option
def pause_command(job: str, redis_url: str | None, as_json: bool) -> int:
    """Give out no more work of a job; the batches at hand are done to their end.

    \b
    Example:
      shardmill pause shards
    """
    from shardmill import api

    _say(api.pause(local_path(job), settings=settings_of(redis_url)), job, as_json=as_json)
    return 0


@click.command("resume", no_args_is_help=True)
@job_argument
@redis_option
@json_option
def resume_command(job: str, redis_url: str | None, as_json: bool) -> int:
    """Go on with a paused job.

    \b
    Example:
      shardmill resume shards

    If the process that fed the job has died, this one sends the rest.  If the job's ledger is gone
    too, the command that began the job goes on, and is told.
    """
    from shardmill import api
    from shardmill.cli.display import Lines

    settings = settings_of(redis_url)
    _say(api.resume(local_path(job), settings=settings, watcher=Lines()), job, as_json=as_json)
    return 0


@click.command("cancel", no_args_is_help=True)
@job_argument
@redis_option
@json_option
def cancel_command(job: str, redis_url: str | None, as_json: bool) -> int:
    """End a job where it is: batches at hand are dropped, what is committed stays.

    \b
    Example:
      shardmill cancel shards

    The command that began the job goes on later, if it is given again.
    """
    from shardmill import api

    _say(api.cancel(local_path(job), settings=settings_of(redis_url)), job, as_json=as_json)
    return 0


def _say(status: Status, given: str, *, as_json: bool) -> None:
    """Tell what a control has led to."""
    if as_json:
        say_json(status.encode())
        return
    then = f"shardmill {'resume' if status.state == 'paused' else 'watch'} {given}"
    told = {
        "running": f"goes on; see: {then}",
        "paused": f"paused: no more work is given out; go on with: {then}",
        "cancelled": "cancelled: what is committed stays; the same command goes on later",
    }
    say(f"{status.job}  {told[status.state]}")


def _tell(status: Status, *, as_json: bool) -> None:
    """Tell how far a job is."""
    import os

    from shardmill.cli.display import summary_lines
    from shardmill.report import failures

    if as_json:
        say_json(status.encode())
        return
    groups = failures.groups(status.out) if os.path.isdir(status.out) else []
    say_lines(summary_lines(status, groups, None))
