"""What a data set holds, and in what two differ."""

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from shardmill.dataset.layout import Layout
from shardmill.report import store

ROWS = """
select path, status, error_class, label, frames_kept, codec, width, height, duration_s
from files order by all
"""
CLIPS = "select path, clip_id, frames, bytes, crc32c from clips order by all"
SEEN_EARLY = ["path", "error_class", "error_message", "shard"]
SHOWN = 3


@dataclass(frozen=True)
class Content:
    """Rows of files and of clips, without what tells who made them and when."""

    rows: list[tuple]
    clips: list[tuple]

    @classmethod
    def of(cls, out: Path) -> "Content":
        """Read an output directory."""
        return cls(_answer(out, ROWS), _answer(out, CLIPS))

    def ends(self) -> dict[str, str]:
        """Path of each file, to ``ok``, ``skipped`` or its error class."""
        return {path: error or status for path, status, error, *_ in self.rows}

    def faults_of(self, found: "Content") -> list[str]:
        """Return what is wrong with another data set, if this one is right."""
        return [
            *_difference("row", self.rows, found.rows),
            *_difference("clip", self.clips, found.clips),
        ]

    def faults_on_the_way(self, out: Path) -> list[str]:
        """Return what is wrong by now with a data set that is to become this one.

        No committed shard may ever be gone, and no sound file called broken: the next run would
        make them again, and hide it.
        """
        blamed, gone, ends, layout = {}, set(), self.ends(), Layout(str(out))
        for part in layout.parts():
            for row in pq.read_table(part, columns=SEEN_EARLY).to_pylist():
                path, error, message, shard = row.values()
                if error and ends[path] != error:
                    blamed[path] = f"{path}: {error}: {message}"
                if shard and not all(map(os.path.exists, layout.files_of(shard)[:2])):
                    gone.add(shard)
        return [
            *([f"{len(blamed)} sound files are called broken"] if blamed else []),
            *list(blamed.values())[:SHOWN],
            *[f"committed and gone: {shard}" for shard in gone],
        ]


def _answer(out: Path, sql: str) -> list[tuple]:
    with store.query(str(out), sql) as answer:
        return list(answer.rows)


def _difference(what: str, expected: list[tuple], found: list[tuple]) -> list[str]:
    if expected == found:
        return []
    lost = [row for row in expected if row not in found]
    more = [row for row in found if row not in expected]
    twice = len(found) - len(set(found))
    told = f"{len(lost)} {what}s are missing, {len(more)} are wrong, {twice} stand twice"
    return [
        told,
        *(f"expected {row}" for row in lost[:SHOWN]),
        *(f"found {row}" for row in more[:SHOWN]),
    ]
