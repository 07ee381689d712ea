"""The inputs of all trials: many small files of several kinds, and five that are broken."""

from pathlib import Path

import av
import cv2
import numpy as np

CLIPS, PICTURES = 60, 100
WIDTH, HEIGHT, RATE_HZ = 160, 120, 25
CODECS = (("mpeg4", "mp4"), ("libx264", "mkv"))
BROKEN = {
    "broken/cut.jpg": "corrupt",
    "broken/empty.mp4": "empty",
    "broken/link.mp4": "unreadable",
    "broken/text.png": "unsupported",
    "broken/zeros.mkv": "corrupt",
}
"""Path of each broken input, to the class of its error."""


def make(folder: Path) -> dict[str, str]:
    """Write all inputs; return the path of each, to ``ok`` or its error class."""
    sound = [_clip(folder, number) for number in range(CLIPS)]
    sound += [_picture(folder, number) for number in range(PICTURES)]
    broken = folder / "broken"
    broken.mkdir()
    whole = (folder / next(name for name in sound if name.endswith("jpg"))).read_bytes()
    (broken / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (broken / "empty.mp4").touch()
    (broken / "link.mp4").symlink_to(broken / "nowhere.mp4")
    (broken / "text.png").write_text("No picture.\n" * 40)
    (broken / "zeros.mkv").write_bytes(bytes(5000))
    return dict.fromkeys(sound, "ok") | BROKEN


def _clip(folder: Path, number: int) -> str:
    """Write a clip of one to two seconds: a square that moves over noise of its own."""
    codec, suffix = CODECS[number % len(CODECS)]
    name = f"{codec}/{number:03d}.{suffix}"
    (folder / codec).mkdir(parents=True, exist_ok=True)
    noise = _noise(number)
    with av.open(str(folder / name), "w") as container:
        stream = container.add_stream(codec, rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for step in range(RATE_HZ + number % RATE_HZ):
            pixels = noise.copy()
            pixels[40:80, step : step + 40] = step * 4
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return name


def _picture(folder: Path, number: int) -> str:
    suffix = ("jpg", "png")[number % 2]
    name = f"{suffix}/{number:03d}.{suffix}"
    (folder / suffix).mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), _noise(1000 + number))
    return name


def _noise(seed: int) -> np.ndarray:
    """A smooth picture that no other seed has, shape (HEIGHT, WIDTH, 3), uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
