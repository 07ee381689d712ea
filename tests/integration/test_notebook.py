"""In a notebook a job shows bars below its cell: asked of a real kernel, as Jupyter asks it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from browser import browser
from made_media import picture, pictures, video

LIMIT_S = 120
BARS = "[...document.querySelectorAll('progress')].map((bar) => bar.position)"


@dataclass
class Cell:
    """What a front end has been sent for one cell."""

    shown: list[dict[str, str]] = field(default_factory=list)
    """Displays and their updates, by MIME type."""
    displays: set[str] = field(default_factory=set)
    """Ids of displays."""
    printed: str = ""
    error: str = ""


class Notebook:
    """A kernel that runs cells."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> Cell:
        cell = Cell()

        def take(message: dict) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind in ("display_data", "update_display_data"):
                cell.shown.append(content["data"])
                cell.displays.add(content["transient"]["display_id"])
                assert kind == "update_display_data" or len(cell.shown) == 1
            elif kind == "stream":
                cell.printed += content["text"]
            elif kind == "error":
                cell.error = content["ename"]

        self._client.execute_interactive(code, output_hook=take, timeout=LIMIT_S)
        return cell


@pytest.fixture
def notebook(tmp_path, redis_server) -> Iterator[Notebook]:
    manager = KernelManager(transport="ipc", connection_file=str(tmp_path / "kernel.json"))
    manager.start_kernel(cwd=str(tmp_path), env=os.environ | {"IPYTHONDIR": str(tmp_path / "ip")})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT_S)
        yield Notebook(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def media(tmp_path) -> Path:
    video(tmp_path / "in" / "a" / "1.mp4")
    picture(tmp_path / "in" / "b" / "2.png")
    (tmp_path / "in" / "b" / "none.mp4").touch()
    return tmp_path / "in"


RUN = """
import shardmill
status = shardmill.run("in", out="<b>out", spec=shardmill.Spec(size="16x12"), jobs=1)
print(status.state, status.tally.frames)
"""


def test_a_run_shows_bars_that_move_in_their_place(notebook, media, chromium, tmp_path):
    cell = notebook.run(RUN)

    assert (cell.printed, cell.error) == ("done 6\n", "")
    assert len(cell.displays) == 1
    assert len(cell.shown) >= 2
    text = cell.shown[-1]["text/plain"]
    assert "done after " in text
    assert "1 failed" in text
    assert "probe: 3 of 3" in text
    assert "extract: 6 frames" in text
    (tmp_path / "cell.html").write_text(cell.shown[-1]["text/html"])
    with browser(chromium, tmp_path / "profile") as page:
        page.open(tmp_path / "cell.html")
        assert page.value(BARS) == [1, 1]
        assert f"{tmp_path}/<b>out: done after" in page.value("document.body.innerText")
        assert page.requests == []

    again = notebook.run(RUN)

    assert "2 of 3 inputs are done already" in again.shown[-1]["text/plain"]


def test_what_is_interrupted_says_so(notebook, tmp_path):
    """Between two looks at the job, where a person's interruption would come."""
    pictures(tmp_path / "in", 3)
    code = """
import time, types
import shardmill.producer.job_handle
def interrupt(seconds): raise KeyboardInterrupt
handle = shardmill.producer.job_handle
handle.time = types.SimpleNamespace(monotonic=time.monotonic, sleep=interrupt)
"""
    cell = notebook.run(code + RUN)

    assert cell.error == "KeyboardInterrupt"
    assert "interrupted after" in cell.shown[-1]["text/plain"]
    assert "left" not in cell.shown[-1]["text/plain"]


@pytest.mark.parametrize(
    "watcher", ["shardmill.monitor.watcher.SILENT", "shardmill.monitor.watcher.Watcher()"]
)
def test_who_names_a_watcher_gets_that_one_alone(notebook, media, watcher):
    with_watcher = RUN.replace("jobs=1", f"jobs=1, watcher={watcher}")
    cell = notebook.run(f"import shardmill.monitor.watcher\n{with_watcher}")

    assert (cell.printed, cell.shown) == ("done 6\n", [])
