"""What a job does to each file: which frames, what size, how stored.  Immutable and hashed.

The fields are flat and carry the same names as the command line's options, so that
``Spec(fps=24, size="160x120")`` and ``--fps 24 --size 160x120`` are one thing; each field's
metadata is the option's help.  ``selection`` and ``geometry`` give the structured values.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final, Literal, Self, get_args

from shardmill.contract.errors import InvalidSpec
from shardmill.contract.location.image_sequence import HZ_LIMITS, USUAL_HZ
from shardmill.contract.options import sampling
from shardmill.contract.options.geometry import Geometry
from shardmill.contract.options.labels import LabelSource
from shardmill.contract.options.option import (
    check_one_of,
    check_range,
    command_words,
    decoded,
    differences,
    free_option,
    number_text,
    option,
    times_ns,
    with_floats,
    with_lists,
)
from shardmill.contract.options.sampling import NS_PER_S, Selection
from shardmill.contract.options.sizes import Sizes
from shardmill.contract.options.split import Split, group_pattern, parse_splits

CONTENT_VERSION: Final = 9
"""Raised when equal input and spec begin to give other bytes, so that no job mixes the two."""

Encoding = Literal["jpeg", "png", "raw"]
Format = Literal["tfrecord", "hdf5", "webdataset", "npy"]
Dedup = Literal["none", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to do with each file.

    Raises:
        InvalidSpec: Options exclude each other or leave their range.
    """

    all: bool = option(False, "--all", "keep every frame (the default)")
    """Keep every frame; the default, so the flag only says it aloud."""
    every: int | None = option(
        None, "--every", "keep the first frame and every N-th after it", metavar="N"
    )
    """Frames from one kept frame to the next."""
    fps: float | None = option(
        None, "--fps", "keep at most F frames a second, the nearest to each tick", metavar="F"
    )
    """Ticks per second; the nearest frame to each, never one twice."""
    count: int | None = option(
        None, "--count", "keep N frames spread evenly over the clip", metavar="N"
    )
    """Frames spread evenly over the clip."""
    at: str | None = option(
        None, "--at", "keep the frames on show at these seconds, as in 0.5,2,10", metavar="S,S,..."
    )
    """Seconds from the first frame, separated by commas."""
    keyframes: bool = option(False, "--keyframes", "keep only the keyframes")
    """Keep only frames at which decoding can start."""
    start_s: float | None = option(
        None, "--start", "begin S seconds after the first frame", metavar="S"
    )
    """Start of the range, seconds from the first frame."""
    end_s: float | None = option(
        None, "--end", "end before S seconds after the first frame", metavar="S"
    )
    """End of the range (exclusive), seconds from the first frame."""
    clip_s: float | None = option(
        None,
        "--clip-seconds",
        "cut each video into clips of S seconds; the last one may be shorter",
        metavar="S",
    )
    """Length of the clips that a video is cut into, seconds."""
    clip_stride_s: float | None = option(
        None,
        "--clip-stride",
        "seconds from the start of one clip to the start of the next: clips overlap where it is "
        "less than --clip-seconds, and leave gaps where it is more  [default: --clip-seconds]",
        metavar="S",
    )
    """From the start of one clip to the start of the next, seconds; None means ``clip_s``."""
    max_frames: int | None = option(
        None, "--max-frames", "keep at most the first N frames of a clip", metavar="N"
    )
    """At most the first so many frames of a clip."""
    keep_partial: bool = option(
        False, "--keep-partial", "keep the frames before the damage of a broken video, not none"
    )
    """Keep the frames before the damage of a broken video; the row tells the damage."""
    size: str | None = option(None, "--size", "exactly this size, stretched", metavar="WxH")
    """Exact size, aspect not kept."""
    short_side: int | None = option(
        None, "--short-side", "scale so that the shorter side is N pixels", metavar="N"
    )
    """Length of the shorter side in pixels, aspect kept."""
    fit: str | None = option(
        None, "--fit", "the largest picture within this size, aspect kept", metavar="WxH"
    )
    """Bounding size, aspect kept."""
    pad: bool = option(False, "--pad", "with --fit: fill up to the size with black")
    """With ``fit``: fill the rest with black."""
    crop: str | None = option(
        None, "--crop", "cover this size, aspect kept, and cut the centre out", metavar="WxH"
    )
    """Size to cover and cut from the centre."""
    upscale: bool = option(
        False, "--upscale", "with --short-side and --fit: enlarge small pictures"
    )
    """Let small pictures grow to ``short_side`` or ``fit``; to an exact size they do."""
    no_upscale: bool = option(
        False, "--no-upscale", "leave small pictures smaller than an exact size: sizes then differ"
    )
    """Let small pictures stay smaller than ``size``, ``crop`` or ``fit`` with ``pad``."""
    encoding: Encoding = option("jpeg", "--encoding", "how a frame is stored")
    """``jpeg`` is small, ``png`` lossless, ``raw`` fastest to read."""
    quality: int = option(95, "--quality", "JPEG quality, 1 to 100", metavar="Q")
    """JPEG quality, 1 to 100."""
    copy_if_fits: bool = option(
        False,
        "--copy-if-fits",
        "store a JPEG that has the wanted size already byte for byte, not encoded anew",
    )
    """Store JPEG files of the wanted size as they are; their quality is then their own."""
    format: Format = option("tfrecord", "--format", "the shards' format")
    """``tfrecord`` and ``webdataset`` stream, ``hdf5`` has names inside, ``npy`` is one array."""
    shard_size_bytes: int = option(
        256_000_000, "--shard-size", "aim for shards of this size", metavar="BYTES"
    )
    """Aim for the size of a shard, bytes."""
    clips_per_shard: int | None = option(
        None, "--clips-per-shard", "at most N clips in a shard", metavar="N"
    )
    """At most so many clips in a shard."""
    labels: str | tuple[str, ...] = option(
        "dirs",
        "--labels",
        "first folder, last folder, or none; what a pattern's (?P<label>...) finds in the path; "
        "or a file of annotations, SPLIT=FILE to say its split (repeatable)",
        metavar="dirs|last|none|REGEX|FILE",
    )
    """Where labels come from: a word, a pattern, or files of annotations."""
    preset: str | None = free_option(
        None,
        "--preset",
        "whose annotations they are, as in kinetics; docs/annotations.md lists them",
        metavar="NAME",
    )
    """The data set whose files ``labels`` names."""
    columns: tuple[str, ...] = free_option(
        (),
        "--columns",
        "which columns of the annotations mean what, as in path=video,label=class,start=t0",
        metavar="NAME=COLUMN,...",
    )
    """Fields of ``Columns`` in ``annotations/presets.py``."""
    form: tuple[str, ...] = free_option(
        (),
        "--form",
        "how their file is laid out, as in format=csv,names=path:label,match=stem",
        metavar="NAME=VALUE,...",
    )
    """Fields of ``Form`` there, and ``match``."""
    classes: str | None = free_option(
        None,
        "--classes",
        "the list of classes: any other label is a bad annotation",
        metavar="FILE",
    )
    """The data set's list of classes."""
    keep_unannotated: bool = free_option(
        False, "--keep-unannotated", "take files without annotation too, whole and unlabelled"
    )
    """Files without annotation are not left out."""
    strict: bool = free_option(False, "--strict", "end at the first bad annotation")
    """A bad annotation ends the job before it begins."""
    split: str | None = option(
        None,
        "--split",
        "share the inputs out to named splits, as in train=.8,val=.1,test=.1",
        metavar="NAME=SHARE,...",
    )
    """Names and shares of splits; each gets shards of its own."""
    split_group: str | None = option(
        None,
        "--split-group",
        "inputs in whose paths this finds the same go to one split",
        metavar="REGEX",
    )
    """With ``split``: what sources have in common that must not be torn apart."""
    include: tuple[str, ...] = option(
        (), "--include", "only paths that match (repeatable)", metavar="GLOB"
    )
    """Globs on the path below the input directory; empty means all known media suffixes."""
    exclude: tuple[str, ...] = option(
        (), "--exclude", "no paths that match (repeatable)", metavar="GLOB"
    )
    """Globs on the path below the input directory that are left out."""
    hidden: bool = option(
        False, "--hidden", "take files and folders too whose names begin with a dot"
    )
    """Take inputs whose name, or a folder's above them, begins with a dot."""
    archives: bool = option(
        False, "--archives", "take what lies in tar and zip files below DIR too, read in place"
    )
    """Take archives for folders; one that is named as an input directory is always taken so."""
    sequences: bool = option(
        False, "--sequences", "take the numbered pictures of a folder, frame_%05d.png, as one clip"
    )
    """Take pictures of a folder whose names differ in one number as an image sequence."""
    fps_of: float = option(
        USUAL_HZ, "--fps-of", "with --sequences: how many of the numbers make a second", metavar="N"
    )
    """With ``sequences``: how many of the pictures' numbers make a second."""
    dedup: Dedup = option(
        "none", "--dedup", "exact: of inputs with the same bytes take the first, skip the others"
    )
    """``exact`` leaves out all but one of the inputs with the same bytes."""
    shuffle: int = option(
        0, "--shuffle", "seed for the order of inputs over shards", metavar="SEED"
    )
    """Seed for the order of inputs over shards."""
    count_frames: bool = option(
        False, "--count-frames", "count the packets of every video: the header may lie"
    )
    """When probing: count frames by their packets, without decoding."""
    check: bool = option(False, "--check", "decode every file to its end: finds all damage")
    """When probing: decode everything."""
    item_timeout_s: float | None = free_option(
        None,
        "--item-timeout",
        "seconds one file may take  [default: from its estimated cost]",
        metavar="S",
    )
    """Wall-clock limit for one item, seconds; None means from its estimated cost."""
    item_memory_bytes: int = free_option(
        2_000_000_000, "--item-memory", "memory one file's decoder may use", metavar="BYTES"
    )
    """Limit of a decoder's resident memory, bytes."""

    def __post_init__(self) -> None:
        if isinstance(self.labels, tuple) and len(self.labels) == 1:
            object.__setattr__(self, "labels", self.labels[0])
        with_floats(self)
        check_one_of(self, "--all", "--every", "--fps", "--count", "--at", "--keyframes")
        check_one_of(self, "--size", "--short-side", "--fit", "--crop")
        check_one_of(self, "--count-frames", "--check")
        if self.copy_if_fits and self.encoding != "jpeg":
            raise InvalidSpec(
                f"--copy-if-fits stores JPEG files as they are, --encoding is {self.encoding}: "
                "leave one of them out"
            )
        check_range("--quality", self.quality, 1, 100)
        check_range("--max-frames", self.max_frames, 1, None)
        check_range("--clips-per-shard", self.clips_per_shard, 1, None)
        check_range("--shard-size", self.shard_size_bytes, 1_000_000, None)
        check_range("--item-timeout", self.item_timeout_s, 0.1, None)
        check_range("--item-memory", self.item_memory_bytes, 100_000_000, None)
        check_range("--start", self.start_s, 0, 1e9)
        check_range("--end", self.end_s, 0, 1e9)
        check_range("--clip-seconds", self.clip_s, 0.001, 1e9)
        check_range("--clip-stride", self.clip_stride_s, 0.001, 1e9)
        check_range("--shuffle", self.shuffle, 0, 2**63 - 1)
        check_range("--fps-of", self.fps_of, *HZ_LIMITS)
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            got = f"[{number_text(self.start_s or 0)}, {number_text(self.end_s)})"
            raise InvalidSpec(f"--end must be after --start, got {got}")
        if self.clip_stride_s is not None and self.clip_s is None:
            raise InvalidSpec("--clip-stride is how far clips are apart: give --clip-seconds too")
        if self.fps_of != USUAL_HZ and not self.sequences:
            raise InvalidSpec("--fps-of is the rate of numbered pictures: give --sequences too")
        if self.sequences and self.archives:
            raise InvalidSpec(
                "--sequences reads pictures in folders, --archives files in archives: unpack them, "
                "or leave one of the options out"
            )
        for flag, value, choices in (
            ("--encoding", self.encoding, get_args(Encoding)),
            ("--format", self.format, get_args(Format)),
            ("--dedup", self.dedup, get_args(Dedup)),
        ):
            if value not in choices:
                raise InvalidSpec(f"{flag} must be one of {', '.join(choices)}; got {value!r}")
        self.label_source.check()
        _ = self.selection, self.geometry, self.splits  # each checks its own numbers
        self.sizes.check(self.format, self.encoding)
        if self.split_group is not None and self.split is None:
            raise InvalidSpec("--split-group keeps inputs together in a split: give --split too")

    @property
    def selection(self) -> Selection:
        """The frames to keep of a video."""
        policy: sampling.Policy = sampling.EveryFrame()
        if self.every is not None:
            policy = sampling.EveryNth(step=self.every)
        elif self.fps is not None:
            policy = sampling.FixedRate(rate_hz=self.fps)
        elif self.count is not None:
            policy = sampling.UniformCount(count=self.count)
        elif self.at is not None:
            policy = sampling.GivenTimes(times_ns=times_ns(self.at))
        elif self.keyframes:
            policy = sampling.KeyframesOnly()
        return Selection(
            policy=policy,
            start_ns=round((self.start_s or 0) * NS_PER_S),
            end_ns=None if self.end_s is None else round(self.end_s * NS_PER_S),
            max_frames=self.max_frames,
        )

    @property
    def sizes(self) -> Sizes:
        """The options about sizes."""
        return Sizes(
            size=self.size,
            short_side=self.short_side,
            fit=self.fit,
            pad=self.pad,
            crop=self.crop,
            upscale=self.upscale,
            no_upscale=self.no_upscale,
        )

    @property
    def geometry(self) -> Geometry:
        """What size a frame becomes."""
        return self.sizes.geometry

    @property
    def label_source(self) -> LabelSource:
        """Where labels come from."""
        return LabelSource((self.labels,) if isinstance(self.labels, str) else self.labels)

    @property
    def is_annotated(self) -> bool:
        """Whether each input's labels, and more, come from what a data set says of it."""
        return bool(self.label_source.files or self.classes or self.preset)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that inputs are shared out to; none without ``--split``."""
        _ = self.split_pattern
        return () if self.split is None else parse_splits(self.split)

    @property
    def split_pattern(self) -> Pattern[str] | None:
        """What tells which inputs must go to one split."""
        return group_pattern(self.split_group)

    @property
    def key(self) -> str:
        """16 hex digits that change when, and only when, the content of shards may change."""
        text = json.dumps([CONTENT_VERSION, self.content], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def content(self) -> dict[str, Any]:
        """What decides the content of shards; what annotations say is told item by item."""
        content = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.metadata["decides_content"] and f.name != "all"
        }
        return content | ({"labels": "annotations"} if self.is_annotated else {})

    def encode(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return with_lists(dataclasses.asdict(self))

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``encode`` gave.

        Raises:
            InvalidSpec: A field is unknown or its value impossible.
        """
        spec: Self = decoded(cls, values)
        return spec

    def arguments(self) -> list[str]:
        """Return the command line's options that give this spec."""
        return command_words(self)

    def differences(self, other: "Spec") -> list[str]:
        """Return one phrase an option in which the content of ``other`` differs."""
        return differences(self, self.content, other.content)
