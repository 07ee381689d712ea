"""Frames as PyTorch models want them: resized, cropped, and with channels first."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from msgspec import Struct
from torch.nn.functional import interpolate

from shardmill.contract.errors import UsageError
from shardmill.read.dataset import ClipDataset, Window

Layout = Literal["THWC", "TCHW"]
Side = int | Sequence[int]
"""Pixels: of the shorter side or of a square, or height and width."""


class FrameShape(Struct, frozen=True, kw_only=True):
    """What is done to the frames of a window before they are put into a batch.

    Raises:
        UsageError: A size or the layout is impossible.
    """

    layout: Layout = "THWC"
    """Order of the axes: time, height, width and channels, or channels before height."""
    resize: Side | None = None
    """The shorter side (the aspect is kept), or height and width.  Bilinear, with antialiasing, as
    in Pillow and torchvision; values are at most 1 off."""
    crop: Side | None = None
    """Height and width of a part in the middle, taken after resizing; one number is a square.  The
    middle is that of torchvision's ``CenterCrop``."""

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            choices = ", ".join(get_args(Layout))
            raise UsageError(f"layout must be one of {choices}; got {self.layout!r}")
        for name in ("resize", "crop"):
            value = getattr(self, name)
            if value is not None and not _is_side(value):
                raise UsageError(
                    f"{name} must be a number of pixels, or height and width; got {value!r}"
                )

    def __call__(self, window: Window) -> Window:
        """Return the window with ``frames`` in this shape, uint8, RGB.

        Raises:
            UsageError: A frame is smaller than the crop.
        """
        frames = torch.from_numpy(window["frames"]).permute(0, 3, 1, 2)
        height, width = frames.shape[2:]
        resized = self._resized(height, width)
        if resized != (height, width):
            frames = interpolate(frames, resized, mode="bilinear", antialias=True)
        if self.crop is not None:
            frames = self._cropped(frames)
        if self.layout == "THWC":
            frames = frames.permute(0, 2, 3, 1)
        return {**window, "frames": frames.contiguous().numpy()}

    def check(self, dataset: ClipDataset) -> None:
        """See that the frames of all clips come out in one size.

        Raises:
            UsageError: They do not, or some are smaller than the crop.
        """
        if self.crop is None and not isinstance(self.resize, Sequence):
            dataset.check_one_size()  # a shorter side alone leaves different aspects different
        if self.crop is None:
            return
        for width, height in np.unique(dataset.clips.sizes(), axis=0).tolist():
            _check_crop(_pair(self.crop), self._resized(height, width))

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width after resizing.

        The longer side is rounded down, as in torchvision's ``Resize``.
        """
        if self.resize is None:
            return height, width
        if isinstance(self.resize, Sequence):
            return _pair(self.resize)
        if height <= width:
            return self.resize, self.resize * width // height
        return self.resize * height // width, self.resize

    def _cropped(self, frames: torch.Tensor) -> torch.Tensor:
        assert self.crop is not None
        height, width = _pair(self.crop)
        _check_crop((height, width), (frames.shape[2], frames.shape[3]))
        top = round((frames.shape[2] - height) / 2)
        left = round((frames.shape[3] - width) / 2)
        return frames[:, :, top : top + height, left : left + width]


def _pair(side: Side) -> tuple[int, int]:
    height, width = side if isinstance(side, Sequence) else (side, side)
    return height, width


def _check_crop(crop: tuple[int, int], frame: tuple[int, int]) -> None:
    if frame[0] < crop[0] or frame[1] < crop[1]:
        raise UsageError(
            f"expected frames of at least {crop[1]}x{crop[0]} to crop, got {frame[1]}x{frame[0]}: "
            "resize them, or choose a smaller crop"
        )


def _is_side(value: object) -> bool:
    numbers = value if isinstance(value, (list, tuple)) else [value, value]
    return len(numbers) == 2 and all(
        isinstance(number, int) and not isinstance(number, bool) and number > 0
        for number in numbers
    )
