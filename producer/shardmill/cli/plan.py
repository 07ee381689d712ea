"""``plan``: what a run would come to."""

import math
import os
import shlex
from typing import Any

import click
from msgspec import to_builtins

from shardmill import api
from shardmill.cli.options import (
    EXTRACT_FIELDS,
    inputs_arguments,
    local_path,
    spec_options,
    take_inputs,
    take_spec,
)
from shardmill.cli.outcome import DONE, SOME_FAILED
from shardmill.cli.terminal import say, say_json, say_table
from shardmill.cli.watching import Watching
from shardmill.contract.quantity import format_bytes, format_count, format_duration
from shardmill.report.failures import FailureGroup
from shardmill.report.forecast import Forecast
from shardmill.report.plan import Plan


@click.command("plan", no_args_is_help=True)
@click.option("--out", required=True, metavar="OUT", help="where the shards would go")
@inputs_arguments
@spec_options(EXTRACT_FIELDS)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="decoders at a time  [cores]")
@click.option("--allow-failures", is_flag=True, help="exit with 0 even if some files would fail")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object at the end")
def plan_command(out: str, jobs: int | None, **options: Any) -> int:
    """Tell beforehand what a run would come to: frames, bytes, time, and which files would fail.

    \b
    Example:
      shardmill plan ucf11 --out shards --size 160x120 --fps 24

    Every file is probed.  Of a few dozen the packets are read and some frames extracted, to see how
    far estimates are off.  Nothing is written to OUT.  What follows a ± holds 19 times of 20.
    """
    allow_failures, as_json = options.pop("allow_failures"), options.pop("as_json")
    spec, inputs = take_spec(options), take_inputs(options)
    with Watching(extracting=True) as watcher:
        plan = api.plan(inputs, out=local_path(out), spec=spec, jobs=jobs, watcher=watcher)
    cores = jobs or os.cpu_count() or 1
    if as_json:
        say_json(_plain(plan) | {"cores": cores})
    else:
        _say(plan, cores)
        what = f"{shlex.join(inputs.words)} --out {shlex.quote(out)}"
        say()
        say(f"  next     shardmill run {what} …")
        say("           with the same options")
    return SOME_FAILED if plan.failures and not allow_failures else DONE


def _plain(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values; an error that cannot be told is null."""
    values: dict[str, Any] = to_builtins(plan)
    for name in ("frames", "bytes_out", "core_s"):
        if not math.isfinite(values[name]["error"]):
            values[name]["error"] = None
    for name in ("failures", "sample_failures"):
        groups: tuple[FailureGroup, ...] = getattr(plan, name)
        values[name] = {group.error_class: group.count for group in groups}
    return values


def _say(plan: Plan, cores: int) -> None:
    clips = f", as {format_count(plan.clips, 'clip')}" if plan.clips != plan.sound else ""
    say(f"{format_count(plan.inputs, 'file')}: {plan.sound:,} can be used{clips}")
    for group in plan.failures:
        example = group.examples[0]
        say(f"  unfit    {group.count:,} {group.error_class}: {example.path}")
        say(f"           {example.message}")
    if plan.skipped:
        say(f"  left out {plan.skipped:,}: no annotation, no file, duplicates, or no picture in it")
    if plan.clips:
        say(f"  frames   {_told(plan.frames, lambda value: f'{value:,.0f}')}")
        say(f"  stored   {_told(plan.bytes_out, format_bytes)}")
        wall = Forecast(plan.core_s.value / cores, plan.core_s.error / cores)
        say(f"  time     {_told(wall, format_duration)} on {format_count(cores, 'core')}")
        say(f"  sample   {_sample(plan)}")
        say()
        say("Memory to hold it all, as uint8 RGB, clips cut off after")
        _say_memory(plan)


def _told(forecast: Forecast, shown: Any) -> str:
    error = shown(forecast.error) if math.isfinite(forecast.error) else "?"
    return f"{shown(forecast.value)} ± {error}"


def _sample(plan: Plan) -> str:
    failed = sum(group.count for group in plan.sample_failures)
    told = f"{format_count(plan.sampled, 'file')}, {failed or 'none'} of them failed"
    reasons = ", ".join(f"{group.count} {group.error_class}" for group in plan.sample_failures)
    return f"{told}: {reasons}" if reasons else told


def _say_memory(plan: Plan) -> None:
    columns = ("  frames", "clips cut", "frames kept", "memory", "all filled up")
    whole = max(1, plan.truncations[-1].frames_kept)
    rows = [
        (
            f"{row.frames:,}",
            f"{row.clips_cut / plan.clips:.0%}",
            f"{row.frames_kept / whole:.0%}",
            format_bytes(row.bytes_ragged),
            format_bytes(row.bytes_padded),
        )
        for row in plan.truncations
    ]
    say_table(columns, rows, right=columns)
