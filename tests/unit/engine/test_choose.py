"""What a plan says that clips would keep is what extracting them keeps, whatever the clock does.

Expected numbers come from extracting the very clips, but for two that are worked out by hand.
"""

import numpy as np
import pytest

from made_media import FIRST, SECOND, jumping_video, picture
from shardmill.contract.errors import Corrupt, Empty
from shardmill.contract.spec import Spec
from shardmill_worker.engine.division import choose

FILMS = (
    *("even.mp4", "even.mkv", "long.mp4", "gap.mp4", "gap.mkv", "gap.flv"),
    *("forward.ts", "backward.ts", "wrap.ts"),
)
SPECS: list[dict] = [
    {},
    {"every": 7},
    {"fps": 4},
    {"count": 8},
    {"at": "0,2.05,9000"},
    {"keyframes": True},
    {"max_frames": 13},
    {"start_s": 2, "end_s": 5},
    {"start_s": 5},
    {"start_s": 7, "fps": 5},
    {"clip_s": 1.5},
    {"clip_s": 2, "clip_stride_s": 1, "fps": 5},
    {"clip_s": 1, "clip_stride_s": 3, "max_frames": 4},
]


@pytest.fixture(params=FILMS)
def name(request, folder) -> str:
    return jumping_video(folder.root / request.param).name


@pytest.mark.parametrize("options", SPECS, ids=str)
def test_a_clip_is_told_to_keep_what_extracting_it_keeps(folder, name, options):
    item, facts = folder.item(name), folder.probe(name)
    spec = Spec(encoding="raw", **options)

    try:
        chosen = choose(str(folder.root), item, facts, spec, lambda: None)
    except Empty:
        assert folder.extract(item, **options).outcomes[0].error_class == "empty"
        return

    extracted = folder.extract(*chosen.items, facts=[facts] * len(chosen.items), **options)
    assert [outcome.frames_kept for outcome in extracted.outcomes] == list(chosen.kept)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        pytest.param({}, [FIRST + SECOND], id="all"),
        # Ticks of half a second: every fifth frame, and in the gap the last before it and the
        # first behind it, each nearest to half of all ticks, of which the latter is a tick's too.
        pytest.param({"fps": 2}, [12 + 1 + 8], id="two a second"),
        pytest.param({"clip_s": 3}, [30, 30, 30, 10], id="clips of three seconds"),
    ],
)
def test_a_clock_that_jumps_by_hand(folder, options, kept):
    name = jumping_video(folder.root / "gap.mkv").name

    chosen = choose(
        str(folder.root), folder.item(name), folder.probe(name), Spec(**options), lambda: None
    )

    assert list(chosen.kept) == kept


def test_a_picture_keeps_itself(folder):
    name = picture(folder.root / "a.png").name

    chosen = choose(
        str(folder.root), folder.item(name), folder.probe(name), Spec(fps=2), lambda: None
    )

    assert (len(chosen.items), chosen.kept) == (1, (1,))


def test_packets_that_do_not_tell_leave_it_open(folder):
    """A bare stream of H.264 has no times."""
    name = folder.video(
        "a.h264", [np.full((24, 32, 3), n, np.uint8) for n in range(8)], codec="libx264"
    )

    chosen = choose(str(folder.root), folder.item(name), folder.probe(name), Spec(), lambda: None)

    assert (len(chosen.items), chosen.kept) == (1, ())


def test_a_recording_that_is_cut_off_fails_as_it_will_when_it_is_extracted(folder):
    whole = jumping_video(folder.root / "gap.mkv").read_bytes()
    name = folder.write("cut.mkv", whole[: len(whole) * 3 // 4])
    item, facts = folder.item(name), folder.probe(name)

    with pytest.raises(Corrupt):
        choose(str(folder.root), item, facts, Spec(), lambda: None)
    kept = choose(str(folder.root), item, facts, Spec(keep_partial=True), lambda: None).kept
    extracted = folder.extract(item, keep_partial=True)
    assert kept == (extracted.outcomes[0].frames_kept,)
