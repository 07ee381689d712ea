"""A JPEG depends on the picture alone."""

import numpy as np
import pytest
import simplejpeg

from shardmill_worker.engine.encode import jpeg_from_planes


def plane(height: int, width: int, value: int, *, beyond: int) -> np.ndarray:
    """A plane of one value, the memory behind it being filled with another."""
    memory = np.full(height * width + 10_000, beyond, np.uint8)
    memory[: height * width] = value
    return memory[: height * width].reshape(height, width)


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)])
@pytest.mark.parametrize("size", [(28, 56), (29, 57), (1, 1), (3, 57), (30, 58), (31, 59)], ids=str)
def test_what_lies_behind_a_plane_does_not_show(size, across, down):
    """A flat grey stays flat to its edges, whatever the sides and the sampling of U and V."""
    height, width = size
    colour = (-(-height // down), -(-width // across))
    planes = [
        (plane(*size, 100, beyond=beyond), *(plane(*colour, 128, beyond=beyond) for _ in "uv"))
        for beyond in (0, 255)
    ]

    one, other = (jpeg_from_planes(each, 95) for each in planes)

    assert one == other
    assert np.unique(simplejpeg.decode_jpeg(one)).tolist() == [100]
