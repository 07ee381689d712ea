"""The verb that tells beforehand what work would come to: ``plan``."""

import os
import tempfile
from pathlib import Path

from msgspec.structs import replace

from shardmill.api.starting import request_of, run_here
from shardmill.contract.roots import Inputs
from shardmill.contract.spec import Spec
from shardmill.report.plan import Foresight, Plan, farm
from shardmill.submission.notebook import showing
from shardmill.submission.request import Request
from shardmill.submission.watcher import ProgressOnly, Watcher


def plan(
    directory: str | Path | Inputs,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Plan:
    """Tell what ``run`` with the same arguments would come to; nothing is written to ``out``.

    Every file is probed, and some frames of a few dozen are extracted, to see how far estimates
    are off.

    Args:
        directory: The input directory, or ``Inputs``.
        out: The output directory.
        spec: What to do with each file; by default every frame at source size.
        jobs: Decoders at a time; by default one a core.
        watcher: Is told how it goes; by default bars in a notebook, and nobody elsewhere.

    Raises:
        UsageError: The request is impossible, or ``out`` belongs to another job.
        EnvironmentFault: This machine cannot do it.
    """
    request = request_of(directory, out, spec, goal="extract", overwrite=False)
    scratch_name = f"shardmill-plan-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=scratch_name) as scratch, showing(watcher) as shown:
        probed, links, sampled = (f"{scratch}/{name}" for name in ("probed", "links", "sampled"))
        run_here(replace(request, out=probed, goal="probe"), jobs, shown)
        foresight = Foresight(probed, request.spec)
        if foresight.sample:
            farm(links, request.roots, foresight.sample)
            spec = foresight.sample_spec(f"{scratch}/sample.jsonl")
            sample = Request(root=links, out=sampled, spec=spec, goal=request.goal)
            run_here(sample, jobs, ProgressOnly(shown), roots="")  # the links lie below no root
        return foresight.plan(sampled)
