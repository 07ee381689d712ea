"""One row per item: what the file is, what became of it.

A file is one item, or several clips, or, where it is a long video, several parts of one clip.  A
row has three parts: the ``Item`` (which file), its ``Facts`` (what probing found) and its
``Outcome`` (what the job did).  ``contract.manifest`` keeps them on disk.

They are made by the million: a frozen ``msgspec.Struct`` takes a tenth of the time of a frozen
dataclass of so many fields.
"""

import os
from collections.abc import Mapping
from typing import Any, Final, Literal, Self, TypeVar, get_type_hints

from msgspec import Struct
from msgspec.structs import fields, force_setattr, replace

from shardmill.contract.errors import ItemError
from shardmill.contract.location.archive import Member, Obstacle, archive_of
from shardmill.contract.location.image_sequence import ImageSequence
from shardmill.contract.options.sampling import MAX_TIME_NS, NS_PER_S
from shardmill.contract.quantity import printable

Kind = Literal["video", "image"]
Status = Literal["ok", "failed", "skipped"]


class Item(Struct, frozen=True):
    """One input, a file or an image sequence, or one time range of it."""

    path: str
    """Below the input directory, with ``/``; undecodable bytes as surrogates (``os.fsdecode``)."""
    size_bytes: int
    """Size when the job was written."""
    mtime_ns: int
    """Time of last change when the job was written, ns since 1970."""
    label: str | None = None
    """Class name, None if unlabelled; the first if there are several."""
    label_id: int | None = None
    """Number of the class in ``classes.json``."""
    labels: tuple[str, ...] = ()
    """All its classes."""
    label_ids: tuple[int, ...] = ()
    """Their numbers."""
    extra: str | None = None
    """What else its annotation says, a JSON object; None without annotation."""
    split: str | None = None
    """Part of the dataset that it belongs to; None if there are none."""
    segment: int = 0
    """Number of the item among those of its file, in the order of time, from 0."""
    segments: int = 1
    """Number of items that its file is."""
    start_ns: int | None = None
    """Where a long file was cut for parallel work, on the stream's clock: only chosen frames from
    here on are kept.  What is chosen, the file as a whole decides.  None for no cut."""
    end_ns: int | None = None
    """Where the next such part begins (exclusive); None for no cut."""
    clip_start_ns: int | None = None
    """Start of the range that was asked for, from the first frame: frames are chosen within it as
    if it were all there is.  None for the beginning."""
    clip_end_ns: int | None = None
    """End of the range that was asked for (exclusive), from the first frame; None for the end."""
    archive: str | None = None
    """Path of the archive that the file lies in, itself a file below the input directory; its time
    of change is then ``mtime_ns``.  None for a file of its own."""
    archive_offset: int | None = None
    """Where in the archive it lies: in a tar its first byte, in a zip its local header."""
    packed_bytes: int | None = None
    """How many bytes it takes in a zip; None elsewhere."""
    obstacle: Obstacle | None = None
    """Why the archive, or what it holds here, cannot be read; None if nothing is known of that."""
    pictures: int | None = None
    """How many pictures an image sequence has, whose sizes add up to ``size_bytes`` and whose last
    time of change is ``mtime_ns``; None for a file."""
    pictures_hz: float | None = None
    """At how many a second their numbers count (``--fps-of``); None for a file."""
    pictures_digest: str | None = None
    """32 hex digits that change with a picture's name, size or time of change; None for a file."""

    @property
    def member(self) -> Member | None:
        """Where the file lies in an archive; None if it is a file of its own."""
        if self.archive is None:
            return None
        return Member(self.archive, self.archive_offset, self.packed_bytes, self.obstacle)

    @property
    def sequence(self) -> ImageSequence | None:
        """The image sequence that it is; None if it is a file."""
        if self.pictures is None or self.pictures_hz is None or self.pictures_digest is None:
            return None
        return ImageSequence(self.pictures, self.pictures_hz, self.pictures_digest)

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a clip: a stretch of a long video, cut for parallel work."""
        return self.start_ns is not None or self.end_ns is not None

    @property
    def clip_number(self) -> int:
        """Number of the clip among those of its file, from 0; all parts of a clip have the same."""
        return 0 if self.is_part else self.segment

    @property
    def is_possible(self) -> bool:
        """Whether its numbers could be those of an item."""
        if not 0 <= self.segment < self.segments:
            return False
        member = self.member
        if member is not None and not member.is_possible(self.path):
            return False
        if self.pictures is not None:
            sequence = self.sequence
            if sequence is None or member is not None or not sequence.is_possible(self.path):
                return False
        if self.start_ns is self.end_ns is self.clip_start_ns is self.clip_end_ns is None:
            return True  # as most are
        times = (self.start_ns, self.end_ns), (self.clip_start_ns or 0, self.clip_end_ns)
        return (
            (self.clip_start_ns or 0) >= 0
            and all(None in pair or pair[0] < pair[1] for pair in times)  # type: ignore[operator]
            and all(abs(time or 0) <= MAX_TIME_NS for pair in times for time in pair)
        )

    def __post_init__(self) -> None:
        """Let the first class and all classes say the same, whichever is given."""
        if self.labels == () == self.label_ids and self.label is None is self.label_id:
            return  # as where nothing has labels
        for first, every in (("label", "labels"), ("label_id", "label_ids")):
            value, given = getattr(self, first), getattr(self, every)
            values = tuple(given or ())
            if value is None and values:
                force_setattr(self, first, values[0])
            elif value is not None and values[:1] != (value,):
                values = (value,)
            if values is not given:
                force_setattr(self, every, values)


class Facts(Struct, frozen=True):
    """What probing found; None where the file claims nothing or the impossible, or as said here."""

    kind: Kind | None = None
    """``image`` for one picture, ``video`` for anything with several."""
    container: str | None = None
    """FFmpeg's name of the file format."""
    codec: str | None = None
    """FFmpeg's name of the codec."""
    width: int | None = None
    """Stored width in pixels."""
    height: int | None = None
    """Stored height in pixels."""
    display_width: int | None = None
    """Width on a screen of square pixels, after rotation and a video's pixel aspect."""
    display_height: int | None = None
    """Height on a screen of square pixels, after rotation and a video's pixel aspect."""
    rotation_deg: int | None = None
    """Clockwise turn that puts the picture upright: 0, 90, 180 or 270."""
    mirrored: bool | None = None
    """True if the picture must be mirrored left to right, after the turn."""
    sample_aspect: str | None = None
    """Width to height of a stored pixel, ``num:den``; that of an image is not followed."""
    pix_fmt: str | None = None
    """FFmpeg's name of the pixel format."""
    bit_depth: int | None = None
    """Bits per component, of the widest."""
    color_matrix: str | None = None
    """FFmpeg's name of the tagged colour matrix; None if untagged."""
    color_range: str | None = None
    """``tv`` (limited) or ``pc`` (full), as tagged; None if untagged."""
    color_transfer: str | None = None
    """FFmpeg's name of the tagged transfer curve; None if untagged."""
    hdr: bool | None = None
    """True for PQ and HLG transfer; frames are kept as they are."""
    video_streams: int | None = None
    """How many video streams the file has, cover art not counted; FFmpeg's default is used."""
    fps: float | None = None
    """Average frames per second; of the first 512 if the header names no rate; None for images
    and for videos without times or of one frame."""
    vfr: bool | None = None
    """True if a frame lasts half as long again as another, the last few aside; None for images and
    where only reading all packets would tell: containers without an index of every frame."""
    frames_header: int | None = None
    """Frames as the container claims; may lie; None where it claims nothing."""
    frames_counted: int | None = None
    """Frames found by counting packets (``--count-frames``) or decoding them (``--check``); None
    without either."""
    size_changes: int | None = None
    """How often the display size is another than that of the frame before, among the frames kept
    or, with ``--check``, decoded; None for images and where nothing was decoded."""
    pages: int | None = None
    """Pictures in a file of still pictures, of which the first is taken; None where its format
    holds one."""
    pictures_missing: int | None = None
    """Numbers that are left out between the first and the last picture of an image sequence, by
    the shortest step between two; None for a file."""
    duration_s: float | None = None
    """Duration of the video stream, seconds; None for images and for recordings whose header was
    never completed."""
    bit_rate: int | None = None
    """Bits per second of the whole file; None for images and without a duration."""
    has_audio: bool | None = None
    """True if there is an audio stream."""

    def __post_init__(self) -> None:
        """Forget what a header claims that cannot be: NaN, negative or beyond all reason."""
        for name, most in _MOST_CLAIMED:
            value = getattr(self, name)
            if value is not None and value != 0 and not _LEAST_CLAIMED <= value <= most:
                force_setattr(self, name, None)


_MOST_CLAIMED: Final = (
    ("fps", 1e6),
    ("duration_s", MAX_TIME_NS / NS_PER_S),
    ("bit_rate", 1e15),
    ("frames_header", 1e15),
)
"""Numbers of ``Facts`` that nothing but a header may be behind, and the most that is believed."""
_LEAST_CLAIMED: Final = 1e-9
"""A nanosecond, say; what is less, and not zero, divides into infinities."""


class Outcome(Struct, frozen=True):
    """What the job did with an item."""

    status: Status
    """``ok``, ``failed`` or ``skipped``."""
    error_class: str | None = None
    """Why it failed, or what ended a clip that was kept in part: one of ``errors.ITEM_ERRORS``."""
    error_stage: str | None = None
    """Where that was found: ``probe`` or ``extract``."""
    error_message: str | None = None
    """What was found, one sentence; for skipped items the reason."""
    attempts: int = 1
    """Decoders that tried this item."""
    seconds: float = 0.0
    """Time spent in the decoder that extracted it, seconds: the sum of ``open_s`` to ``write_s``,
    but for its share of putting the shard in place."""
    probe_s: float | None = None
    """Time spent on finding out what it is, the mean of its batch, seconds."""
    open_s: float | None = None
    """Of the time in the decoder: opening, seconds."""
    demux_s: float | None = None
    """Reading packets, seconds."""
    decode_s: float | None = None
    """Decoding packets to frames, seconds."""
    scale_s: float | None = None
    """Bringing frames to their size and turning them, seconds."""
    colour_s: float | None = None
    """Converting range and matrix, padding, seconds."""
    encode_s: float | None = None
    """Encoding frames, seconds."""
    write_s: float | None = None
    """Writing to the shard, and its share of putting that in place, seconds."""
    ledger_s: float | None = None
    """Its share of what getting the batch from the ledger took, seconds."""
    worker: str | None = None
    """Who did it."""
    frames_decoded: int | None = None
    """Frames the decoder gave: all to the last one kept, or fewer where some could be skipped."""
    frames_kept: int | None = None
    """Frames in the shard."""
    clip_id: str | None = None
    """The clip's name in the index; all parts of a clip have the same."""
    shard: str | None = None
    """File name below ``OUT/shards``."""
    bytes_out: int | None = None
    """Size of the stored frames."""

    @classmethod
    def of_error(cls, error: ItemError, *, stage: str, attempts: int = 1) -> Self:
        """Return the outcome of an item that cannot be used."""
        return cls(
            status="failed",
            error_class=error.error_class,
            error_stage=stage,
            error_message=printable(str(error)),
            attempts=attempts,
        )

    def damaged(self, error: ItemError, *, stage: str) -> Self:
        """Return the outcome of an item of which only what precedes the damage is kept."""
        cause = self.of_error(error, stage=stage)
        return replace(
            self,
            error_class=cause.error_class,
            error_stage=cause.error_stage,
            error_message=cause.error_message,
        )


class Row(Struct, frozen=True):
    """An item with its facts and its outcome."""

    item: Item
    facts: Facts
    outcome: Outcome

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Self:
        """Read a manifest row's columns."""
        item = _take(Item, values)
        if values.get("path_raw") is not None:
            path = os.fsdecode(values["path_raw"])
            archive = None if item.archive is None else archive_of(path, item.archive)
            item = replace(item, path=path, archive=archive)
        return cls(item, _take(Facts, values), _take(Outcome, values))


Part = TypeVar("Part", Item, Facts, Outcome)

FIELDS: Final[dict[Any, dict[str, Any]]] = {
    kind: get_type_hints(kind) for kind in (Item, Facts, Outcome)
}
"""Types of the fields; looking them up parses every annotation anew."""

AT_REST: Final[dict[str, Any]] = {
    field.name: field.default for kind in FIELDS for field in fields(kind) if not field.required
}
"""Name of each field to the value that it has unless something else is given."""


def _take(kind: type[Part], values: Mapping[str, Any]) -> Part:
    return kind(**{name: values[name] for name in FIELDS[kind] if name in values})
