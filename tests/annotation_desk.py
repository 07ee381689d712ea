"""Writes an annotation file and reads it: what every test of the readers does."""

from dataclasses import dataclass
from pathlib import Path

from shardmill.annotations.annotation import Annotation, Faults
from shardmill.annotations.classes import Classes
from shardmill.annotations.form import Preset
from shardmill.annotations.reading import read


@dataclass
class Found:
    """What a file gave."""

    annotations: list[Annotation]
    faults: Faults

    @property
    def sources(self) -> list[str]:
        return [annotation.source for annotation in self.annotations]

    @property
    def left_out(self) -> list[tuple[int, str]]:
        """Number and kind of each fault."""
        return [(fault.place.number, fault.kind) for fault in self.faults.kept]

    @property
    def reasons(self) -> str:
        return "\n".join(map(str, self.faults.kept))


class Desk:
    """Writes and reads files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def read(
        self,
        name: str,
        content: str | bytes,
        preset: Preset | None = None,
        *,
        classes: Classes | None = None,
        strict: bool = False,
    ) -> Found:
        faults = Faults(strict=strict)
        path = self.write(name, content)
        found = list(read(path, preset or Preset(), faults, classes=classes))
        assert faults.count == len(faults.kept)
        return Found(found, faults)
