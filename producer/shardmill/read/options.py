"""The options that say which windows a dataset has, checked once.

Options often come from a YAML file or a command line, so every value is checked by type and by
range, and refused with one sentence.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
from msgspec import Struct
from msgspec.structs import force_setattr

from shardmill.contract.errors import UsageError
from shardmill.read.windows import Short

Sample = Literal["uniform-windows", "uniform-clips", "center", "uniform-k"]
ONE_EACH: Final[tuple[Sample, ...]] = ("uniform-clips", "center")
"""Choices with one window of each clip by default: those that whole clips have."""
SEVERAL_EACH: Final[tuple[Sample, ...]] = ("uniform-clips", "uniform-k")
"""Choices with ``windows_per_clip`` windows of each clip."""
IN_ORDER: Final[tuple[Sample, ...]] = ("center", "uniform-k")
"""Choices that are never shuffled."""
_NUMBERS: Final = 2**31
_SEEDS: Final = 2**64


class WindowOptions(Struct, frozen=True, kw_only=True):
    """Which windows there are.  ``ClipDataset`` says what each option means.

    Numpy integers become plain ones, and a stride that is a pair becomes a tuple.

    Raises:
        UsageError: An option has a wrong type, is out of range, or contradicts another.
    """

    window: int | None
    stride: int | tuple[int, int]
    hop: int
    sample: Sample
    windows_per_clip: int
    jitter: int
    short: Short
    seed: int

    def __post_init__(self) -> None:
        check_choice("sample", self.sample, get_args(Sample))
        check_choice("short", self.short, get_args(Short))
        if self.window is not None:
            self._set("window", _whole("window", self.window, 1, more=", or None for whole clips"))
        for name, least in (("hop", 1), ("windows_per_clip", 1), ("jitter", 0)):
            self._set(name, _whole(name, getattr(self, name), least))
        self._set("seed", _whole("seed", self.seed, 0, below=_SEEDS))
        self._set("stride", _stride(self.stride))
        self._check_together()

    def _set(self, name: str, value: Any) -> None:
        force_setattr(self, name, value)

    def _check_together(self) -> None:
        """Refuse options that have no meaning with the chosen ``sample`` or with whole clips."""
        if self.window is None:
            _check_sample("window=None", self.sample, ONE_EACH)
            if self.jitter:
                raise UsageError(
                    f"a whole clip has one start: expected jitter=0, got {self.jitter}"
                )
        if self.hop != 1:
            _check_sample(f"hop={self.hop}", self.sample, ("uniform-windows",))
        if self.windows_per_clip != 1:
            _check_sample(f"windows_per_clip={self.windows_per_clip}", self.sample, SEVERAL_EACH)
        if self.jitter and self.sample == "uniform-clips":
            raise UsageError(
                "sample='uniform-clips' draws every start from the whole clip: expected jitter=0, "
                f"got {self.jitter}"
            )

    @property
    def strides(self) -> tuple[int, int]:
        """The least and the greatest stride of a window, frames."""
        return self.stride if isinstance(self.stride, tuple) else (self.stride, self.stride)

    @property
    def shuffled(self) -> bool:
        """Whether the order of an epoch differs from the order of the clips."""
        return self.sample not in IN_ORDER

    def identity(self) -> dict[str, Any]:
        """All options as values that JSON has."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__struct_fields__}
        return values | {"stride": list(self.strides)}


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Check that a value is one of some words.

    Raises:
        UsageError: It is another.
    """
    if not isinstance(value, str) or value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def check_flag(name: str, value: object) -> None:
    """Check that a value is True or False.

    Raises:
        UsageError: It is another.
    """
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be True or False, got {value!r}")


def _check_sample(what: str, sample: Sample, possible: Sequence[Sample]) -> None:
    if sample not in possible:
        raise UsageError(f"{what} goes with sample={' or '.join(possible)}; got {sample!r}")


def _whole(name: str, value: object, least: int, *, below: int = _NUMBERS, more: str = "") -> int:
    """Return a plain whole number in ``[least, below)``."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value < below:  # type: ignore[operator]
        limit = f"below 2**{below.bit_length() - 1}"
        raise UsageError(
            f"{name} must be a whole number, at least {least} and {limit}{more}; got {value!r}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def _stride(value: object) -> int | tuple[int, int]:
    if not isinstance(value, tuple | list):
        return _whole("stride", value, 1, more=", or a pair of them")
    if len(value) != 2:
        raise UsageError(f"stride must be a whole number or a pair (low, high), got {value!r}")
    low, high = (_whole("stride", one, 1) for one in value)
    if low > high:
        raise UsageError(f"stride must be a pair (low, high) with low <= high, got {value!r}")
    return low, high
