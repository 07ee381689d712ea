"""What a job is to do: inputs enumerated, held against the output directory, written as tables.

Apart from the feeder for the sake of Arrow and DuckDB, which load while the workers start.
"""

from collections.abc import Mapping
from typing import Final

from shardmill.catalog import skipped_inputs
from shardmill.catalog.catalog import Catalog
from shardmill.catalog.duplicates import skip_duplicates
from shardmill.catalog.split_assigner import assign_splits
from shardmill.catalog.work_order import Limits, Numbering, write_work
from shardmill.contract.batch import Batch
from shardmill.contract.errors import InvalidInput, OutputConflict
from shardmill.contract.options.labels import LabelOf, no_label, number_classes
from shardmill.dataset import leftovers
from shardmill.dataset.classes import known_classes, write_classes
from shardmill.dataset.layout import Layout
from shardmill.dataset.manifest_store import ManifestStore
from shardmill.dataset.tally import Tally
from shardmill.inputs.sources import Note, found_in
from shardmill.producer.request import Request
from shardmill.producer.resume import broken_parts, remove_results, take_out_stale
from shardmill.storage import files

FEW_ROWS: Final = 10
"""So many rows go without a question."""


class Preparation:
    """Prepares one job.

    Args:
        request: What is asked for.
        folder: A directory for what does not fit into memory; the caller removes it.
        note: Receives sentences for people.
    """

    def __init__(self, request: Request, folder: str, note: Note) -> None:
        self._request = request
        self._note = note
        self._layout = Layout(request.out)
        by_source = not request.spec.label_source.is_pattern
        self._catalog = Catalog(folder, _rule_of(request), by_source=by_source)
        self._numbering = Numbering({})
        self.inputs = 0
        """Number of files, once they are enumerated; those left out among them."""

    def enumerate(self) -> None:
        """Take in the inputs and what annotations say of them.

        Raises:
            UsageError: There is nothing to do, or the annotations cannot be used.
            EnvironmentFault: The inputs cannot be read on.
        """
        request = self._request
        for inputs in found_in(request.roots, request.list_file, request.spec, self._note):
            self._catalog.add(inputs)
        if request.list_file is not None or request.spec.archives or request.roots.are_named:
            self._catalog.unite()
        self.inputs = self._catalog.count()
        if self.inputs == 0:
            raise InvalidInput(request.why_empty)
        if request.sources is not None:
            from shardmill.annotations.annotate import annotate  # most jobs have no annotations

            annotate(self._catalog.db, request.sources, request.spec, self._note)
            self._catalog.skip_by_annotations()

    def compare(self) -> None:
        """Hold the inputs against the output directory, and bring that in order.

        Nobody else may work on it.  What is stale, broken or belongs to nobody goes.

        Raises:
            DatasetDamaged: A manifest part cannot be read.
            OutputConflict: Many files are gone, and nobody has said that their rows may go.
            OSError: The output directory cannot be written.
        """
        layout, request = self._layout, self._request
        known = self._known_classes()
        broken = {} if request.retry else broken_parts(layout)
        self._catalog.add_manifest(layout, request.spec, again=request.retry or None, broken=broken)
        if request.retry:
            self._catalog.add_rows_as_inputs(request.roots)
        if kept := self._catalog.compare():
            which = "1 file that" if kept == 1 else f"{kept:,} files that"
            self._note(f"what was made of {which} cannot be looked at now stays as it is")
        self._check_gone()
        remove_results(layout)
        self._take_out(broken)
        leftovers.remove(layout, leftovers.find(layout))
        classes = number_classes(known, self._catalog.labels())
        self._numbering = Numbering(classes)
        self._leave_out(self._numbering)
        write_classes(layout, classes)
        if request.spec.splits:
            assign_splits(self._catalog, request.spec.splits, request.spec.split_pattern)

    def write_work(self, run: str) -> list[Batch]:
        """Write the tables of what is to do and return the batches, in the order of work."""
        spec = self._request.spec
        extracting = self._request.goal == "extract"
        folder = self._layout.work_of(run)
        files.make_directory(folder)
        limits = Limits.of_job(
            self._catalog.todo_count(),
            extracting=extracting,
            full_bytes=spec.shard_size_bytes,
        )
        rows = self._catalog.work(seed=spec.shuffle if extracting else None)
        return list(write_work(rows, limits, self._numbering, folder=folder, spec_key=spec.key))

    def _check_gone(self) -> None:
        """Stop before the rows of many files go: a drive may be away.

        Raises:
            OutputConflict: More than a tenth would go, and nobody has said that they should.
        """
        gone, rows = self._catalog.gone_count(), self._catalog.earlier_count()
        if self._request.prune or gone <= FEW_ROWS or gone * 10 <= rows:
            return
        raise OutputConflict(
            f"{gone:,} of the {rows:,} rows of {self._layout.out} are about files that are no "
            "longer there: mount what is missing, or give --prune to remove them with their frames"
        )

    def _take_out(self, broken: Mapping[str, int]) -> None:
        """Take parts out of the manifest, with how many of their shards are broken."""
        store = ManifestStore(self._layout)
        for part in broken:
            store.remove(part)
        if count := sum(broken.values()):
            shards = "1 shard is" if count == 1 else f"{count:,} shards are"
            self._note(f"{shards} missing or damaged: what lay there is made again")

    def _known_classes(self) -> dict[str, int]:
        known, is_written = known_classes(self._layout)
        if not is_written:
            self._note("classes.json is lost or does not fit the rows: it is made again from them")
        return known

    def _leave_out(self, numbering: Numbering) -> None:
        """Commit the rows of what is left out; what is stale goes first, so none has two rows."""
        layout, request = self._layout, self._request
        if request.retry:
            take_out_stale(layout, self._catalog)
        else:
            if request.spec.dedup == "exact":
                skip_duplicates(self._catalog, request.roots, self._note)
            take_out_stale(layout, self._catalog)
            skipped_inputs.write_anew(layout, self._catalog, numbering)
        self.inputs = self._catalog.count()

    def counters(self) -> dict[str, int]:
        """Return what the manifest holds already, as counters of the ledger."""
        done: dict[str, int] = {}
        for part in self._layout.parts():
            for name, amount in Tally.of_part(part).counters().items():
                done[name] = done.get(name, 0) + amount
        if kept := self._catalog.done_count():
            self._note(f"{kept:,} of {self.inputs:,} inputs are done already")
        return done | {"probed": Tally.from_counters(done).files, "inputs": self.inputs}

    def close(self) -> None:
        """Close the catalog."""
        self._catalog.close()


def _rule_of(request: Request) -> LabelOf:
    """Return what gives a path its label: by what it is below its own root."""
    rule, roots = request.spec.label_source.rule, request.roots
    if rule is no_label or not roots.are_named:
        return rule
    return lambda path: rule(roots.below(path))
