"""The options about sizes of a ``Spec``: what they mean together, and which contradict."""

from msgspec import Struct

from shardmill.contract.errors import InvalidSpec
from shardmill.contract.options import geometry
from shardmill.contract.options.geometry import Geometry, Size


class Sizes(Struct, frozen=True, kw_only=True):
    """What a frame's size is to be; the fields are those of ``Spec``."""

    size: str | None
    short_side: int | None
    fit: str | None
    pad: bool
    crop: str | None
    upscale: bool
    no_upscale: bool

    @property
    def geometry(self) -> Geometry:
        """What size a frame becomes.

        Raises:
            InvalidSpec: A number is impossible.
        """
        if self.size is not None:
            size = Size.parse(self.size, option="--size")
            return geometry.Stretch(size=size, upscale=not self.no_upscale)
        if self.short_side is not None:
            return geometry.ShortSide(length=self.short_side, upscale=self.upscale)
        if self.fit is not None:
            size = Size.parse(self.fit, option="--fit")
            grows = not self.no_upscale if self.pad else self.upscale
            return geometry.Fit(size=size, pad=self.pad, upscale=grows)
        if self.crop is not None:
            size = Size.parse(self.crop, option="--crop")
            return geometry.CentreCrop(size=size, upscale=not self.no_upscale)
        return geometry.SourceSize()

    @property
    def exact(self) -> Size | None:
        """The size that every frame becomes; that of a small picture too, unless ``no_upscale``."""
        text = self.size or self.crop or (self.fit if self.pad else None)
        return None if text is None else Size.parse(text, option="the size")

    def check(self, shard_format: str, encoding: str) -> None:
        """Raise for options that contradict each other, or a format that needs one size.

        Raises:
            InvalidSpec: They do.
        """
        if self.pad and self.fit is None:
            raise InvalidSpec("--pad fills up what --fit leaves free: give --fit WxH too")
        if self.no_upscale and (self.upscale or self.exact is None):
            raise InvalidSpec(
                "--no-upscale leaves pictures smaller than an exact size: give it with --size, "
                "--crop or --fit with --pad, and without --upscale"
            )
        is_one = self.exact is not None and (self.pad or not self.no_upscale)
        if shard_format == "npy" and not (encoding == "raw" and is_one):
            raise InvalidSpec(
                "--format npy is one array of equal frames: give --encoding raw, and "
                "--size WxH, --crop WxH or --fit WxH --pad, without --no-upscale"
            )
