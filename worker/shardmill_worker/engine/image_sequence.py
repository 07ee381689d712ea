"""Reading an image sequence: each picture is opened alone, by the code for still pictures.

So the rules for still pictures (what is refused, orientation, what counts as damage) hold for each
of them, and each can be read without the others.  Its number gives the time at which it is shown.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from shardmill.contract.errors import (
    ChangedInput,
    Corrupt,
    Empty,
    ItemError,
    Skip,
    Unreadable,
    Unsupported,
    is_of_machine,
)
from shardmill.contract.location.image_sequence import (
    NumberedFile,
    end_of,
    missing_in,
    pictures_at,
    sequence_of,
    times_ns,
)
from shardmill.contract.options.sampling import Selection
from shardmill.contract.options.timeline import Timeline
from shardmill.contract.quantity import printable
from shardmill.contract.schema import Facts, Item
from shardmill_worker.engine.aspect import SQUARE
from shardmill_worker.engine.decode import SourceFrame, source_frames
from shardmill_worker.engine.faults import machine_fault, missing_root
from shardmill_worker.engine.gathering import Keep, Kept
from shardmill_worker.engine.input_file import refuse_outside
from shardmill_worker.engine.media import Media, open_media
from shardmill_worker.engine.probe import Shown, facts_of, kind_of, probe_item
from shardmill_worker.engine.stopwatch import Stopwatch
from shardmill_worker.engine.times import is_even
from shardmill_worker.engine.video import Reading, chosen_frames, no_frame
from shardmill_worker.engine.work import Advance

CONTAINER: Final = "image2"
"""FFmpeg's name of a container that is a folder of numbered pictures."""


class OpenSequence:
    """The pictures of an image sequence, listed by number.

    Args:
        root: Input directory.
        item: The sequence, or a part of it.
        advance: Called once a decoded picture.
        first: What the first picture is: all others must have its size and orientation.  None
            takes the first one that is read.
        stopwatch: Told what is done with the pictures.

    Raises:
        ChangedInput: The pictures are not those of the time when the job was written.
        ItemError: Their folder cannot be read, or their numbers are no times.
        EnvironmentFault: The input directory is missing.
    """

    def __init__(
        self,
        root: str,
        item: Item,
        advance: Advance,
        *,
        first: Facts | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        assert item.pictures_hz is not None
        self.files = _listed(root, item)
        """The pictures, by number."""
        times = times_ns([file.number for file in self.files], item.pictures_hz)
        self.timeline = Timeline(
            pts_ns=np.array(times[:-1], np.int64),
            keyframe=np.ones(len(self.files), np.bool_),
            end_ns=times[-1],
        )
        """When each is shown."""
        self._root = root
        self._folder = os.path.dirname(item.path)
        self._advance = advance
        self._first = first
        self._stopwatch = stopwatch

    def item_at(self, index: int) -> Item:
        """Return a picture as an item of its own."""
        file = self.files[index]
        path = os.path.join(self._folder, file.name)
        return Item(path=path, size_bytes=file.size_bytes, mtime_ns=file.mtime_ns)

    @contextmanager
    def picture(self, index: int) -> Iterator[tuple[Media, SourceFrame]]:
        """Open and decode one picture.

        Raises:
            ItemError: It cannot be used, or is unlike the first one.
        """
        item = self.item_at(index)
        with (
            _named(self.files[index]),
            open_media(self._root, item, stopwatch=self._stopwatch) as media,
        ):
            frames = source_frames(media, self._advance)
            frame = next(frames)
            shown = Shown.in_frame(media, frame.picture)
            facts = facts_of(media, shown, kind_of(media, frames))
            _check_one(facts)
            self._first = self._first or facts
            _check_alike(facts, self._first)
            time_ns = int(self.timeline.pts_ns[index])
            yield (
                media,
                replace(frame, pts_ns=time_ns, index=index, keyframe=True, sample_aspect=SQUARE),
            )


class SequenceReader(Struct, frozen=True, kw_only=True):
    """Reads the chosen frames of the items of one image sequence."""

    root: str
    """Input directory."""
    item: Item
    """The sequence, or any part of it."""
    facts: Facts
    """What probing found."""
    selection: Selection
    """Which frames of what an item was asked for; those outside its part are left out."""
    keep_partial: bool
    """Keep the frames before a damaged picture, instead of none."""
    advance: Advance
    """Called once a decoded picture."""
    stopwatch: Stopwatch
    """Told what is done with the pictures."""

    def timeline(self) -> Timeline:
        """Return when the pictures are shown.

        Raises:
            ItemError: The sequence cannot be used.
        """
        return self._opened().timeline

    def read_all(
        self, items: Sequence[Item], keeps: Sequence[Keep[Kept]]
    ) -> Iterator[Reading[Kept] | ItemError]:
        """Yield the result of each item, in their order.

        A picture that cannot be used fails the items that it is chosen for, and no others.

        Args:
            items: Parts of one sequence.
            keeps: Makes something of the frames, one an item.

        Raises:
            ItemError: The sequence cannot be used: that is the result of all items.
        """
        opened = self._opened()
        for item, keep in zip(items, keeps, strict=True):
            try:
                yield self._read(opened, item, keep)
            except ItemError as error:
                yield error

    def _opened(self) -> OpenSequence:
        return OpenSequence(
            self.root, self.item, self.advance, first=self.facts, stopwatch=self.stopwatch
        )

    def _read(self, opened: OpenSequence, item: Item, keep: Keep[Kept]) -> Reading[Kept]:
        chosen = chosen_frames(self.selection, item, opened.timeline)
        if not chosen.size:
            raise no_frame(self.selection, opened.timeline)
        keep.begin()
        kept: list[Kept] = []
        for index in chosen.tolist():
            try:
                with opened.picture(index) as (media, frame):
                    kept.append(keep(media, frame))
            except Corrupt as damage:
                if not (self.keep_partial and kept):
                    raise
                return Reading(kept, len(kept), damage)
        return Reading(kept, len(kept))


def probe_sequence(root: str, item: Item) -> Facts:
    """Return what an image sequence is: what its first picture is, and what the numbers tell.

    Raises:
        ItemError: The sequence, or its first picture, cannot be used.
        EnvironmentFault: The input directory is missing.
    """
    opened = OpenSequence(root, item, advance=lambda: None)
    with _named(opened.files[0]):
        first = probe_item(root, opened.item_at(0))
        _check_one(first)
    assert item.pictures_hz is not None
    numbers = [file.number for file in opened.files]
    span = end_of(numbers) - numbers[0]
    duration_s = span / item.pictures_hz
    missing = missing_in(numbers)
    return replace(
        first,
        kind="video",
        container=CONTAINER,
        fps=len(numbers) / span * item.pictures_hz,
        vfr=missing > 0 or not is_even(numbers),
        frames_header=len(numbers),
        pictures_missing=missing,
        duration_s=duration_s,
        bit_rate=round(8 * item.size_bytes / duration_s),
    )


def _listed(root: str, item: Item) -> list[NumberedFile]:
    refuse_outside(item.path)
    try:
        files = pictures_at(os.path.join(root, item.path))
    except OSError as error:
        if (fault := missing_root(root)) is not None:
            raise fault from error
        if is_of_machine(error):
            raise machine_fault(item.path, error) from error
        raise Unreadable(f"The folder of the pictures cannot be read: {error.strerror}.") from error
    expected = item.sequence
    assert expected is not None
    if sequence_of(files, expected.pictures_hz) != expected:
        others = "others, or changed ones" if len(files) == expected.pictures else "now"
        raise ChangedInput(
            f"Expected the {expected.pictures:,} pictures of the time when the job was written, "
            f"found {len(files):,} {others}."
        )
    return files


@contextmanager
def _named(file: NumberedFile) -> Iterator[None]:
    """Put a picture's name before its error.

    A picture without bytes is damage of the sequence, which itself is not empty.
    """
    name = printable(file.name)
    try:
        yield
    except (Empty, Skip) as error:
        kind = Corrupt if isinstance(error, Empty) else Unsupported
        raise kind(f"Picture {name}: {error}") from error
    except ItemError as error:
        raise type(error)(f"Picture {name}: {error}") from error


def _check_one(facts: Facts) -> None:
    if facts.kind != "image":
        raise Unsupported("Expected one picture in each file of a sequence, found several.")


def _check_alike(facts: Facts, first: Facts) -> None:
    """Raise for a picture of another size or orientation: it would be stretched or turned."""
    if _look(facts) != _look(first):
        raise Unsupported(
            f"Expected {_told(first)} like the first picture, found {_told(facts)}: these are no "
            "frames of one video; without --sequences each picture is taken alone."
        )


def _look(facts: Facts) -> tuple[int | bool | None, ...]:
    sizes = (facts.width, facts.height, facts.display_width, facts.display_height)
    return (*sizes, facts.rotation_deg, facts.mirrored)


def _told(facts: Facts) -> str:
    turned = f" turned by {facts.rotation_deg} degrees" if facts.rotation_deg else ""
    mirrored = " mirrored" if facts.mirrored else ""
    return f"{facts.display_width}x{facts.display_height}{turned}{mirrored}"
