"""What native code raises becomes one true sentence of the right class."""

import av
import pytest

from shardmill.contract.errors import (
    Corrupt,
    Forbidden,
    ItemError,
    ItemMemory,
    TooLarge,
    Unreadable,
    Unsupported,
)
from shardmill_worker.engine.faults import check_pixels, decode_log, media_faults


def libav(kind: type[av.error.FFmpegError], part: str = "", said: str = "") -> Exception:
    """An error as PyAV raises it, with what libav logged last."""
    log = (av.logging.ERROR, part, f"{said}\n") if said else None
    return kind(1, "libav's own words", "", log)


def raised(error: Exception) -> ItemError:
    def decode() -> None:
        if getattr(error, "log", None):
            av.logging.log(*error.log)
        raise error

    with pytest.raises(ItemError) as caught, media_faults("The file cannot be decoded"):
        decode()
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "end"),
    [
        pytest.param(
            libav(av.error.InvalidDataError, "png", "chunk too big"),
            Corrupt,
            "png: chunk too big.",
            id="what libav logged says most",
        ),
        pytest.param(
            libav(av.error.InvalidDataError),
            Corrupt,
            "its data is damaged or of an unknown kind.",
            id="nothing logged",
        ),
        pytest.param(
            libav(av.error.InvalidDataError, "mp3", "Failed to find two consecutive frames."),
            Corrupt,
            "its data is damaged or of an unknown kind.",
            id="a demuxer that takes what no other wants",
        ),
        pytest.param(
            libav(av.error.InvalidDataError, "", "Truncating packet"),
            Corrupt,
            "decoded: Truncating packet.",
            id="logged by no part",
        ),
        pytest.param(
            libav(av.error.PatchWelcomeError),
            Unsupported,
            "it is damaged, or needs what FFmpeg does not support.",
            id="a word to developers",
        ),
        pytest.param(
            libav(
                av.error.ExperimentalError, "psd", "Height > 30000, add '-strict -2' if you dare"
            ),
            Unsupported,
            "it needs what FFmpeg does not support yet (psd: Height > 30000).",
            id="advice for another program",
        ),
        pytest.param(libav(av.error.EOFError), Corrupt, "it ends too early.", id="an early end"),
        pytest.param(
            libav(av.error.PermissionError, "gif", "LZW init failed"),
            Corrupt,
            "gif: LZW init failed.",
            id="-1, which is no matter of permissions",
        ),
        pytest.param(
            libav(av.error.MemoryError, "mov", "error reading header"),
            TooLarge,
            "it asks for more memory than libav gives at once (mov: error reading header).",
            id="a header that asks for gigabytes",
        ),
        pytest.param(MemoryError("no room"), ItemMemory, "no room.", id="no memory for a picture"),
        pytest.param(
            libav(av.error.InvalidDataError, "bmp", "Failed to set dimensions 60000 -60000"),
            TooLarge,
            "at most 268,435,456 pixels, the file claims 60000x60000.",
            id="too large, from the top down",
        ),
        pytest.param(
            libav(av.error.InvalidDataError, "bmp", "Failed to set dimensions -127 64"),
            Corrupt,
            "bmp: Failed to set dimensions -127 64.",
            id="impossible, not large",
        ),
        pytest.param(
            libav(av.error.InvalidDataError, "IMGUTILS", "Picture size 4294967169x64 is invalid"),
            Corrupt,
            "IMGUTILS: Picture size 4294967169x64 is invalid.",
            id="a negative number, misread",
        ),
        pytest.param(
            libav(av.error.InvalidDataError, "hls", "Protocol 'http' not on whitelist 'none'!"),
            Forbidden,
            "hls: Protocol 'http' not on whitelist 'none'.",
            id="another address",
        ),
        pytest.param(OSError(5, "Input/output error"), Unreadable, "error.", id="a broken disk"),
        pytest.param(
            libav(av.error.InvalidDataError, "x\x1b[31m", "bell \x07, \u202e and \x9b"),
            Corrupt,
            "x\\x1b[31m: bell \\x07, \\u202e and \\x9b.",
            id="nothing moves a terminal",
        ),
    ],
)
def test_an_error_becomes_a_sentence(error, kind, end):
    told = raised(error)

    assert type(told) is kind
    assert str(told).endswith(end)
    assert str(told)[0].isupper()


def test_what_was_logged_of_another_file_is_not_said_of_this_one():
    av.logging.log(av.logging.ERROR, "h264", "error while decoding MB 1 0")
    stale = av.error.InvalidDataError(
        1, "invalid", "", (av.logging.ERROR, "h264", "error while decoding MB 1 0")
    )

    with pytest.raises(Corrupt, match="decoded: its data"), media_faults("It cannot be decoded"):
        raise stale


def test_what_is_logged_without_an_error_is_damage_too():
    with decode_log() as log:
        assert log.damage() is None
        av.logging.log(av.logging.ERROR, "h264", "concealing 12 DC, 12 AC errors\n")
        av.logging.log(av.logging.ERROR, "h264", "more of it")

        assert str(log.damage()) == (
            "The file is damaged, the decoder reports: h264: concealing 12 DC, 12 AC errors."
        )
        assert log.damage() is None


@pytest.mark.parametrize(
    "said",
    [
        "invalid TIFF header in EXIF data: Invalid data found when processing input",
        "Incorrect number of colors - 12C for bitdepth 8",
        "MS RLE: ended frame decode with 2 bytes left over",
    ],
)
def test_complaints_about_sound_pictures_are_no_damage(said):
    with decode_log() as log:
        av.logging.log(av.logging.ERROR, "bmp", said)

        assert log.damage() is None


def test_a_frame_of_before_the_beginning_may_be_missed_by_a_recording_that_starts_there():
    for starts_between in (True, False):
        with decode_log() as log:
            av.logging.log(av.logging.ERROR, "h264", "mmco: unref short failure")

            assert (log.damage(starts_between=starts_between) is None) == starts_between


def test_a_container_that_says_it_is_cut_off_is_believed():
    with decode_log() as log:
        av.logging.log(av.logging.ERROR, "matroska,webm", "File ended prematurely")

        assert str(log.damage()) == "The file is cut off."


def test_a_sentence_is_never_long():
    assert len(str(raised(libav(av.error.InvalidDataError, "x", "y" * 10_000)))) < 400


def test_our_own_errors_pass_as_they_are():
    mine = Unsupported("No decoder.")

    assert raised(mine) is mine


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [
        (16255, 16255, True),
        (16256, 16256, False),
        (1, 2_000_000, True),
        (2_100_000, 1, False),
        (2**31 - 1, 2**31 - 1, False),
    ],
)
def test_pictures_are_measured_as_libav_does(width, height, fits):
    """av_image_check_size2 demands (8 w + 1024) (h + 128) < 2**31 where the format is unknown."""
    assert fits == ((8 * width + 1024) * (height + 128) < 2**31)
    if fits:
        check_pixels(width, height)
    else:
        with pytest.raises(TooLarge, match=f"{width}x{height}"):
            check_pixels(width, height)
