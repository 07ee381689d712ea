"""The producer: compares inputs with what is done, then feeds batches into the window."""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from shardmill.catalog import annotation_fingerprint, skipped_inputs
from shardmill.catalog.duplicates import leave_out_duplicates
from shardmill.catalog.skipped_inputs import LeftOut
from shardmill.catalog.split_assigner import Dealer
from shardmill.catalog.spool import Spool, Todo
from shardmill.contract.batch import Batch
from shardmill.contract.errors import (
    DatasetDamaged,
    EnvironmentFault,
    InvalidInput,
    LedgerUnavailable,
    OutputConflict,
)
from shardmill.contract.location.confinement import confine
from shardmill.contract.names import Stage
from shardmill.contract.options.labels import LabelOf, no_label, number_classes
from shardmill.contract.options.split import group_of
from shardmill.contract.schema import Item
from shardmill.contract.settings import Settings, window_of
from shardmill.contract.spec import CONTENT_VERSION
from shardmill.dataset import leftovers
from shardmill.dataset.classes import known_classes, write_classes
from shardmill.dataset.holder import Holder
from shardmill.dataset.job import Job
from shardmill.dataset.layout import Layout
from shardmill.dataset.tally import Tally
from shardmill.inputs.scan import Found
from shardmill.inputs.sources import found_in
from shardmill.ledger import messages
from shardmill.ledger.application import application
from shardmill.ledger.ledger import FINISH_ID, Ledger
from shardmill.monitor.locate import at_work_elsewhere
from shardmill.monitor.watcher import Watcher
from shardmill.producer.batching import probe_batches
from shardmill.producer.check_workers_see import check_reach
from shardmill.producer.output_lock import OutputLock
from shardmill.producer.request import Request
from shardmill.producer.resume import broken_parts, remove_results, take_out_stale
from shardmill.storage import files, scratch

WINDOW_PAUSE_S: Final = 0.05
"""How often a full window is looked at."""
FEW_ROWS: Final = 10
"""So many rows go without a question."""
RESUMES: Final = 3
"""How often an earlier run is resumed that pauses again and again."""
PATIENCE_S: Final = 300.0
"""How long a Redis that was there may be away: a restart is no reason to give a night's job up."""


class Feeder:
    """Feeds one job from this process; holds the output directory's lock meanwhile."""

    def __init__(self, request: Request, settings: Settings, watcher: Watcher) -> None:
        self._request = request
        self._settings = settings
        self._note = watcher.note
        confine(settings.root_list)
        self._layout = Layout(request.out)
        self._app = application(settings)
        self._ended = threading.Event()
        self._ledger = Ledger(settings, patience_s=PATIENCE_S, ended=self._ended)
        self._feeding = threading.Lock()
        self._scratch = scratch.make("spool")
        self._spool = Spool(os.path.join(self._scratch, "inputs"), seed=request.spec.shuffle)
        self._lock: OutputLock | None = None
        self._label_of = _rule_of(request)
        self._labels_by_source = not request.spec.label_source.is_pattern
        self._is_annotated = request.spec.is_annotated
        self._said_labels: set[str] = set()
        self._classes: dict[str, int] = {}
        self._todo = 0
        self.inputs = 0
        self.run = ""
        """Tells this opening of the job from others, once it is prepared."""

    def prepare(self) -> Job:
        """Enumerate, compare, and open the job in the ledger; nothing is sent yet.

        Raises:
            UsageError: There is nothing to do, or the output directory belongs to others.
            EnvironmentFault: The output directory cannot be written, or Redis does not answer.
        """
        request = self._request
        # An unreachable Redis, or worker without the directories, is told before long enumerating.
        check_reach(self._app, len(self._ledger.workers()), request)
        if not request.retry:
            self._enumerate()
        try:
            self._take_possession()
            self._compare()
            job = Job(
                name=request.name,
                root=request.root,
                more_roots=request.more_roots,
                list_file=request.list_file,
                out=request.out,
                spec=request.spec,
                goal=request.goal,
                inputs=self.inputs,
                started_s=time.time(),
            )
            job.write()
        except OSError as error:
            if isinstance(error, EnvironmentFault):
                raise
            raise EnvironmentFault(f"cannot write in {request.out}: {error.strerror}") from error
        self._open(job)
        return job

    def _enumerate(self) -> None:
        request = self._request
        for inputs in found_in(request.roots, request.list_file, request.spec, self._note):
            self._spool.add(inputs)
        self.inputs = self._spool.count()
        if self.inputs == 0:
            raise InvalidInput(request.why_empty)
        if request.sources is not None:
            from shardmill.catalog.annotated import annotate  # most jobs have no annotations

            path = os.path.join(self._scratch, "annotations")
            self._said_labels = annotate(
                self._spool, request.sources, request.spec, path, self._note
            )

    def _take_possession(self) -> None:
        made = files.make_directories(self._layout.out)
        try:
            url = self._settings.shown_url
            self._lock = OutputLock(self._layout, redis_url=url, admit=self._check_idle_elsewhere)
            files.check_file_system(self._layout.out)
        except BaseException:
            if self._lock is not None:
                self._lock.close()
                if made:
                    files.remove(self._layout.lock)
            with suppress(OSError):  # another may have begun in it meanwhile
                for folder in made:
                    os.rmdir(folder)
            raise
        if self._request.overwrite:
            self._clear()
        self._layout.make()

    def _check_idle_elsewhere(self, before: Holder | None) -> None:
        """See that the last producer left no work to another cluster, before its note is lost."""
        if before is not None and at_work_elsewhere(self._request.name, before, self._settings):
            raise OutputConflict(
                f"{self._layout.out} is in work on the cluster at {before.redis_url}: go on there, "
                f"or first `shardmill cancel {self._request.name} --redis {before.redis_url}`"
            )

    def _clear(self) -> None:
        """Remove another job's work, whatever is left of it."""
        try:
            before = Job.read(self._layout.out)
        except DatasetDamaged:
            before = None
        wanted = (self._request.spec.key, self._request.goal, CONTENT_VERSION)
        if before and (before.spec.key, before.goal, before.content_version) == wanted:
            return
        leftovers.end_attempts(self._layout)
        leftovers.remove(self._layout, leftovers.everything(self._layout))

    def _compare(self) -> None:
        layout, request = self._layout, self._request
        self._await_earlier_work()
        leftovers.end_attempts(layout)
        known = self._known_classes()
        broken = {} if request.retry else broken_parts(layout)
        self._spool.add_manifest(layout, request.spec, again=request.retry or None, broken=broken)
        if request.retry:
            self._spool.add_rows_as_inputs(request.roots)
        if kept := self._spool.compare():
            which = "1 file that" if kept == 1 else f"{kept:,} files that"
            self._note(f"what was made of {which} cannot be looked at now stays as it is")
        self._check_gone()
        remove_results(layout)
        self._take_out(broken)
        leftovers.remove(layout, leftovers.find(layout))
        self._classes = number_classes(known, self._labels())
        self._leave_out()
        write_classes(layout, self._classes)
        if request.spec.splits:
            pattern = request.spec.split_pattern
            self._spool.deal(
                Dealer(request.spec.splits),
                lambda path, source: (
                    group_of(path, pattern, alone=source),
                    self._label(path, source),
                ),
            )

    def _check_gone(self) -> None:
        """Stop before the rows of many files go: a drive may be away.

        Raises:
            OutputConflict: More than a tenth would go, and nobody has said that they should.
        """
        gone, rows = self._spool.gone_count(), self._spool.row_count()
        if self._request.prune or gone <= FEW_ROWS or gone * 10 <= rows:
            return
        raise OutputConflict(
            f"{gone:,} of the {rows:,} rows of {self._layout.out} are about files that are no "
            "longer there: mount what is missing, or give --prune to remove them with their frames"
        )

    def _take_out(self, broken: Mapping[str, int]) -> None:
        """Take parts out of the manifest, with how many of their shards are broken."""
        for part in broken:
            files.remove(part)
        if count := sum(broken.values()):
            shards = "1 shard is" if count == 1 else f"{count:,} shards are"
            self._note(f"{shards} missing or damaged: what lay there is made again")

    def _known_classes(self) -> dict[str, int]:
        known, is_written = known_classes(self._layout)
        if not is_written:
            self._note("classes.json is lost or does not fit the rows: it is made again from them")
        return known

    def _labels(self) -> Iterable[str]:
        if self._request.spec.is_annotated:
            return self._said_labels
        return self._spool.labels(self._label_of, by_source=self._labels_by_source)

    def _leave_out(self) -> None:
        """Commit the rows of what is left out; what is stale goes first, so none has two rows."""
        layout, request = self._layout, self._request
        if request.retry:
            take_out_stale(layout, self._spool)
        else:
            if request.spec.dedup == "exact":
                leave_out_duplicates(self._spool, request.roots, self._whole, self._note)
            take_out_stale(layout, self._spool)
            skipped_inputs.write_anew(layout, map(self._numbered, self._spool.left_out()))
        self.inputs = self._spool.count()

    def _await_earlier_work(self) -> None:
        """Let the workers end what an earlier producer, now dead, had put in flight."""
        name, told, resumed = self._request.name, False, 0
        while (snapshot := self._ledger.snapshot(name)) is not None:
            if not snapshot.inflight:
                # A job that runs would be ended while its output directory is compared.
                reason = "the same command goes on"
                if not self._ledger.shift(name, "paused", reason=reason, allowed=["running"]):
                    return
                continue
            if snapshot.state == "paused":
                # A slot may pause it late, over what is mended by now, and what ends the earlier
                # run may find fault with OUT, which is put in order afterwards.
                if resumed >= RESUMES and not snapshot.finishing:
                    raise EnvironmentFault(f"an earlier run cannot end: {snapshot.reason}")
                self._ledger.shift(name, "running", allowed=["paused"])
                resumed += 1
            if not told:
                self._note(f"{snapshot.inflight} batches of an earlier run are still in work")
                told = True
            if self._ended.wait(WINDOW_PAUSE_S):
                raise EnvironmentFault("ended while waiting for an earlier run")

    def _open(self, job: Job) -> None:
        done: dict[str, int] = {}
        for part in self._layout.parts():
            for name, amount in Tally.of_part(part).counters().items():
                done[name] = done.get(name, 0) + amount
        self._todo, kept = self._spool.todo_count(), self._spool.done_count()
        if kept:
            self._note(f"{kept:,} of {self.inputs:,} inputs are done already")
        rows = Tally.from_counters(done).items
        self.run = self._ledger.open(job, done | {"probed": rows, "inputs": rows + self._todo})

    def feed(self, job: Job) -> None:
        """Put every batch in flight as the window allows, then tell that there are no more.

        Raises:
            EnvironmentFault: Redis does not answer, or knows the job no longer.
        """
        with self._feeding:
            if not self._ended.is_set():
                self._feed(job)

    def _feed(self, job: Job) -> None:
        extracting = job.goal == "extract"
        batches = probe_batches(
            (self._item(todo) for todo in self._spool.todo(shuffled=extracting)),
            count=self._todo,
            extracting=extracting,
            full_bytes=job.spec.shard_size_bytes,
        )
        number = 0
        for number, batch in enumerate(batches, start=1):
            batch_id = batch.batch_id(job.spec.key)
            if not self._reserve(job, batch, batch_id, number):
                return
            self._send(job, batch_id, batch)
        self._ledger.close(job.name, batches=number)
        if self._ledger.drain(job.name):
            self._send(job, FINISH_ID, "finish")

    def _send(self, job: Job, batch_id: str, batch: Batch | Stage) -> None:
        with suppress(LedgerUnavailable):  # a worker finds it missing and sends it
            messages.send(self._app, job.name, {batch_id: batch})

    def _reserve(self, job: Job, batch: Batch, batch_id: str, number: int) -> bool:
        """Wait for room in the window; False if the job has ended meanwhile."""
        while not self._ended.is_set():
            answer = self._ledger.reserve(
                job.name,
                batch,
                batch_id=batch_id,
                window=self._settings.window or window_of(self._ledger.slots()),
                number=number,
            )
            if answer in {"reserved", "known"}:
                return True
            if answer in {"unknown", "behind"}:
                raise EnvironmentFault(
                    f"Redis has lost job {job.name}, or a part of it: run the same command again "
                    "to go on"
                )
            if answer not in {"full", "paused"}:
                return False
            self._ended.wait(WINDOW_PAUSE_S)
        return False

    def _item(self, todo: Todo) -> Item:
        if todo.said is None:
            return self._whole(todo.found, split=todo.split)
        item = annotation_fingerprint.item_of(todo.found, todo.segment, todo.said, self._classes)
        return replace(item, split=todo.split)

    def _whole(self, found: Found, split: str | None = None) -> Item:
        """Return an input as one item, whatever annotations make of it."""
        label = self._label(found.path, found.source)
        number = self._classes.get(label) if label is not None else None
        return found.item(label=label, label_id=number, split=split)

    def _label(self, path: str, source: str) -> str | None:
        if not self._is_annotated:
            return self._label_of(source if self._labels_by_source else path)
        text = self._spool.first_said(path)
        return annotation_fingerprint.label_in(text) if text is not None else None

    def _numbered(self, left: LeftOut) -> LeftOut:
        item, reason = left
        return replace(
            item, label_ids=annotation_fingerprint.numbers_of(item.labels, self._classes)
        ), reason

    def close(self) -> None:
        """Give everything up, once ``feed`` has returned: lock, spool, connections."""
        self._ended.set()
        with self._feeding:
            self._spool.close()
            scratch.remove(self._scratch)
            if self._lock is not None:
                self._lock.close()
            self._app.close()
            self._ledger.close_connections()


def _rule_of(request: Request) -> LabelOf:
    """Return what gives a path its label: by what it is below its own root."""
    rule, roots = request.spec.label_source.rule, request.roots
    if rule is no_label or not roots.are_named:
        return rule
    return lambda path: rule(roots.below(path))
