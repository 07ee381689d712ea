"""``OUT/job.json``: what a job is to do, and ``Status``: how far it is."""

import os
import shlex
from typing import Annotated, Any, Final, Literal, Self

from msgspec import Meta, Struct, ValidationError, convert, field

from shardmill.contract.errors import DatasetDamaged, InvalidInput, InvalidSpec
from shardmill.contract.location.roots import STANDARD_INPUT, Inputs, Roots
from shardmill.contract.spec import CONTENT_VERSION, Spec
from shardmill.dataset.layout import Layout
from shardmill.dataset.tally import Tally
from shardmill.storage.files import read_json, write_json

State = Literal["running", "paused", "cancelled", "done"]
Goal = Literal["probe", "choose", "extract"]
_FIRST_CONTENT: Final = 1
"""The content version of jobs that do not name theirs."""
_MOST_ITEMS: Final = 2**53
_LATEST_S: Final = 2.0**37
"""In the year 6325."""


class _Written(Struct, frozen=True, kw_only=True):
    """What ``job.json`` must hold, whoever wrote it."""

    name: Annotated[str, Meta(pattern=r"\A[\w.-]{1,100}\Z")]
    root: str
    more_roots: tuple[str, ...] = ()
    list_file: str | None = None
    goal: Goal
    content_version: Annotated[int, Meta(ge=_FIRST_CONTENT, le=_MOST_ITEMS)] = _FIRST_CONTENT
    inputs: Annotated[int, Meta(ge=0, le=_MOST_ITEMS)] | None
    started_s: Annotated[float, Meta(ge=0, le=_LATEST_S)]
    spec: dict[str, Any]


class Job(Struct, frozen=True, kw_only=True):
    """One directory, one spec, one output directory."""

    name: str
    """Name in the ledger and on the queue."""
    root: str
    """Absolute path of the input directory, the first if there are several."""
    out: str
    """Absolute path of the output directory when the job was written."""
    spec: Spec
    """What to do with each file."""
    more_roots: tuple[str, ...] = ()
    """Absolute paths of further input directories."""
    list_file: str | None = None
    """Absolute path of the list of inputs, ``-`` for standard input; None without a list."""
    goal: Goal = "extract"
    """``probe`` ends with the facts, ``choose`` with the clips that files would become and how many
    frames each would keep, ``extract`` with shards."""
    content_version: int = CONTENT_VERSION
    """Which bytes equal input and spec gave when the job was written; see ``spec``."""
    inputs: int | None = None
    """How many files there are; None while they are being counted."""
    started_s: float = 0.0
    """When this run began, seconds since 1970."""

    def write(self) -> None:
        """Write ``job.json``, whole or not at all."""
        values = {
            "shardmill": version(),
            "name": self.name,
            "root": self.root,
            "more_roots": list(self.more_roots),
            "list_file": self.list_file,
            "out": self.out,
            "goal": self.goal,
            "content_version": self.content_version,
            "inputs": self.inputs,
            "started_s": self.started_s,
            "spec": self.spec.encode(),
        }
        from shardmill.dataset.checksum import (
            sealed_values,  # whose checksum few programs need
        )

        write_json(Layout(self.out).job, sealed_values(values))

    @property
    def roots(self) -> Roots:
        """All input directories."""
        return Roots.of(self.root, *self.more_roots)

    @property
    def layout(self) -> Layout:
        """The output directory."""
        return Layout(self.out)

    @property
    def sources(self) -> list[str]:
        """The words of a command that name the inputs."""
        return Inputs(self.roots.paths, self.list_file).words

    def check_repeatable(self) -> None:
        """See that another process can enumerate the inputs again.

        Raises:
            InvalidInput: They came from standard input.
        """
        if self.list_file == STANDARD_INPUT:
            raise InvalidInput(
                f"expected inputs that can be read again, those of {self.out} came from standard "
                f"input: give the same command and its list again, `{self.command('run')}`"
            )

    def command(self, verb: Literal["run", "submit"]) -> str:
        """Return the shell command that goes on with this job; one that probes has its own verb."""
        words = ["probe" if self.goal == "probe" else verb, *self.sources, "--out", self.out]
        return shlex.join(["shardmill", *words, *self.spec.arguments()])

    @classmethod
    def read(cls, out: str) -> Self | None:
        """Return the job of an output directory, wherever that now lies; None if it has none.

        Raises:
            DatasetDamaged: ``job.json`` cannot be understood.
        """
        path = Layout(out).job
        try:
            written = convert(read_json(path), _Written)
            spec = Spec.decode(written.spec)
        except FileNotFoundError:
            return None
        except (ValidationError, InvalidSpec) as error:
            raise DatasetDamaged(f"{path} is no job of this version: {error}") from error
        for place in (written.root, *written.more_roots, written.list_file):
            if place not in (None, STANDARD_INPUT) and not os.path.isabs(place):
                raise DatasetDamaged(
                    f"{path} is no job of this version: expected an absolute path, got {place!r}"
                )
        return cls(
            name=written.name,
            root=written.root,
            more_roots=written.more_roots,
            list_file=written.list_file,
            out=os.path.abspath(out),
            spec=spec,
            goal=written.goal,
            content_version=written.content_version,
            inputs=written.inputs,
            started_s=written.started_s,
        )


class Status(Struct, frozen=True, kw_only=True):
    """How far a job is."""

    job: str
    """Name of the job."""
    state: State
    """``running``, ``paused``, ``cancelled`` or ``done``."""
    out: str
    """Output directory."""
    inputs: int | None
    """Files to do; None while they are being counted."""
    tally: Tally = field(default_factory=Tally)
    """What is done."""
    seconds: float = 0.0
    """Wall-clock time of this run."""
    reason: str = ""
    """Why it is paused; empty otherwise."""

    @property
    def is_complete(self) -> bool:
        """Whether every file has all its rows."""
        return self.inputs is not None and self.tally.files >= self.inputs

    def encode(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints and ``summary.json`` holds."""
        tally = self.tally
        return {
            "job": self.job,
            "state": self.state,
            "out": self.out,
            "inputs": self.inputs,
            "ok": tally.ok,
            "failed": tally.failed,
            "skipped": tally.skipped,
            "partial": tally.partial,
            "clips": tally.clips,
            "frames": tally.frames,
            "bytes_in": tally.bytes_in,
            "bytes_out": tally.bytes_out,
            "seconds": round(self.seconds, 3),
            "failures": dict(sorted(tally.failures.items())),
        } | ({"reason": self.reason} if self.reason else {})

    @classmethod
    def read(cls, out: str) -> Self | None:
        """Return what ``summary.json`` holds of a finished job; None if it cannot be seen here.

        Raises:
            DatasetDamaged: It holds something else.
        """
        path = Layout(out).summary
        try:
            values = read_json(path)
        except OSError:
            return None
        try:
            return convert(values | {"tally": values}, cls, strict=False)
        except (ValidationError, TypeError) as error:
            raise DatasetDamaged(f"{path} does not say how the job ended: {error}") from error


def version() -> str:
    """Return which shardmill this is."""
    from importlib import metadata  # as slow to load as a tenth of all else

    return metadata.version("shardmill")
