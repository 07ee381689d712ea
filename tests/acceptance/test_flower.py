"""Flower tells a person what the cluster works on, how far it is, and what failed."""

import base64
import html
import re
import shutil
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from awaiting import wait_for
from flower_page import PASSWORD, Flower, flower
from made_media import pictures

HOSTILE = "<img src=x onerror=document.title=1>.mp4"
BROWSER_S = 60


def page(chromium: str, shown: Flower, path: str, scratch: Path) -> list[list[str]]:
    """Return the text of the cells of each row that a browser shows."""
    done = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={scratch}", "--virtual-time-budget=8000", "--dump-dom"),
            shown.url(path),
        ],
        capture_output=True,
        text=True,
        timeout=BROWSER_S,
    )
    assert done.returncode == 0, done.stderr
    assert "<title>1</title>" not in done.stdout, "a file's name was run as a script"
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", done.stdout, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"<[^>]*>", "", c)).strip() for c in row] for row in cells]


def test_a_person_sees_batches_progress_failures_and_workers(
    here, start_worker, chromium, corpus, tmp_path
):
    media, out = pictures(tmp_path / "basketball", 6), tmp_path / "out"
    (media / HOSTILE).write_bytes(b"\0" * 5000)
    shutil.copy(corpus / "clips" / "media3__long_1080p_lowbitrate.mp4", media)
    start_worker("box-1")
    start_worker("box-2")
    with flower(here, tmp_path) as shown:
        job = here.start(
            "submit", media, "--out", out, "--size", "16x12", "--max-frames", 3000, "--wait"
        )
        running = wait_for(
            lambda: [task for task in shown.tasks() if task["state"] == "PROGRESS"], "progress"
        )
        assert {task["name"] for task in running} <= {"shardmill.probe", "shardmill.extract"}
        assert re.fullmatch(r"\d+/\d+ files(, [\d,]+/[\d,]+ frames)?", running[0]["result"])
        assert running[0]["worker"] in {"shardmill@box-1", "shardmill@box-2"}
        assert here.end(job).code == 3
        wait_for(lambda: "shardmill.finish" in {t["name"] for t in shown.tasks()}, "the last task")
        wait_for(lambda: {t["state"] for t in shown.tasks()} == {"SUCCESS"}, "the last event")

        rows = [row for row in page(chromium, shown, "/tasks", tmp_path / "browser") if row]

        titles = {row[1]: row[2] for row in rows}
        assert set(titles) == {"shardmill.probe", "shardmill.extract", "shardmill.finish"}
        for name in ("shardmill.probe", "shardmill.extract"):
            assert re.fullmatch(r"basketball-\w{8}/.+ (\d+ files )?[\d.]+ k?B", titles[name]), (
                titles[name]
            )
        told = " ".join(row[4] for row in rows)
        assert "1 failed: 1 unsupported" in told or "1 failed: 1 corrupt" in told
        assert {row[5] for row in rows} <= {"shardmill@box-1", "shardmill@box-2"}
        workers = page(chromium, shown, "/workers", tmp_path / "browser")
        assert {cell for row in workers for cell in row} >= {"shardmill@box-1", "shardmill@box-2"}


def test_what_flower_has_seen_outlives_it(here, start_worker, media, out, tmp_path):
    start_worker("box-1")
    with flower(here, tmp_path) as shown:
        assert here.run("submit", media, "--out", out, "--size", "16x12", "--wait").code == 0
        before = wait_for(lambda: {t["uuid"] for t in shown.tasks()}, "tasks")

    with flower(here, tmp_path) as shown:
        assert {task["uuid"] for task in shown.tasks()} >= before


def test_nothing_is_shown_or_done_without_the_password(here, start_worker, tmp_path):
    start_worker("box-1")
    with flower(here, tmp_path) as shown:
        for path in ("/", "/tasks", "/workers", "/broker", "/api/workers", "/api/tasks"):
            for password in (None, "shardmill", ""):
                assert shown.get(path, password=password)[0] == 401
        request = Request(f"http://127.0.0.1:{shown.port}/api/worker/shutdown/x", method="POST")
        pair = base64.b64encode(f"shardmill:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
        with pytest.raises(HTTPError, match="403"):
            urlopen(request, timeout=10)
