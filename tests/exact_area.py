"""The mean over an area, exactly: what a picture that shrinks is compared with."""

import numpy as np


def shrunk_exactly(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """The mean of the area that each new sample covers, in whole numbers of tiny squares."""
    tall = plane.astype(float).repeat(height, axis=0).reshape(height, -1, plane.shape[1])
    wide = tall.mean(axis=1).repeat(width, axis=1).reshape(height, width, -1)
    return wide.mean(axis=2)


def decibels(found: np.ndarray, exact: np.ndarray) -> float:
    """Peak signal to noise; 50 dB is a difference of 0.8 levels."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((found - exact) ** 2))))
