"""The verb that tells beforehand what work would come to: ``plan``."""

from pathlib import Path

from msgspec.structs import replace

from shardmill.api.starting import request_of, run_here
from shardmill.contract.errors import EnvironmentFault
from shardmill.contract.location.roots import Inputs
from shardmill.contract.spec import Spec
from shardmill.dataset.job import Goal
from shardmill.monitor.notebook import showing
from shardmill.monitor.watcher import ProgressOnly, Watcher
from shardmill.producer.request import Request
from shardmill.report.plan import Asked, CloserLook, Foresight, Plan, farm, write_list
from shardmill.storage import scratch


def plan(
    directory: str | Path | Inputs,
    *,
    out: str | Path,
    spec: Spec | None = None,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Plan:
    """Tell what ``run`` with the same arguments would come to; nothing is written to ``out``.

    Every file is probed.  Of a few dozen the packets are read and some frames extracted, to see how
    far estimates are off.

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
    with scratch.directory("plan") as aside, showing(watcher) as shown:
        probed, chosen, sampled = (f"{aside}/{name}" for name in ("probed", "chosen", "sampled"))
        _run(replace(request, out=probed, goal="probe"), jobs, shown)
        foresight = Foresight(probed, request.spec)
        look = CloserLook(foresight.sample, request.spec)

        def run_sample(goal: Goal, sample: set[Asked], spec: Spec, out: str) -> None:
            links = f"{out}-links"
            farm(links, request.roots, sample)
            listed = write_list(f"{out}.list", sample) if spec.sequences else None
            asked = Request(root=links, out=out, spec=spec, goal=goal, list_file=listed)
            _run(asked, jobs, ProgressOnly(shown), roots="")  # the links lie below no root

        if foresight.sample:
            spec = look.spec_of(foresight.sample, f"{chosen}.jsonl")
            run_sample("choose", foresight.sample, spec, chosen)
            look.take_chosen(chosen)
        if look.sound:
            spec = look.extraction_of(look.sound, f"{sampled}.jsonl")
            run_sample("extract", look.sound, spec, sampled)
            look.take_extracted(sampled)
        return foresight.plan(look)


def _run(request: Request, jobs: int | None, watcher: Watcher, *, roots: str | None = None) -> None:
    """Do a job to its end, for a plan of half of the files would say nothing of the others.

    Raises:
        EnvironmentFault: It stopped.
    """
    status = run_here(request, jobs, watcher, roots=roots)
    if status.state != "done":
        raise EnvironmentFault(f"the plan was {status.state} before its end: {status.reason}")
