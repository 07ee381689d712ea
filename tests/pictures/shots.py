"""The pictures, each by a function of its own: what is run, and what of it is shown."""

from pathlib import Path

from awaiting import wait_for
from browser import Page
from command_line import shell
from flower_page import flower
from pictures.terminal import page as terminal_page
from pictures.terminal import terminal
from private_redis import PrivateRedis

RUN = "shardmill run clips --out shards --size 320x180"
RUN_S = 600.0
COLUMNS, ROWS = 110, 40
REPORT, MARGIN = 1200, 24
FLOWER, FLOWER_ROWS = 1760, 8


def of_terminal(browser: Page, place: Path) -> bytes:
    """Return a run in mid-course and at its end; it reads ``clips`` and leaves ``shards``."""
    with terminal(place, columns=COLUMNS, rows=ROWS) as shown:
        screens = shown.watch(RUN, timeout_s=RUN_S)
    told = (("While it runs", screens[len(screens) * 2 // 3]), ("At its end", screens[-1]))
    page = place / "terminal.html"
    page.write_text(terminal_page(*told), "utf-8")
    return whole(browser, page)


def of_report(browser: Page, report: Path) -> bytes:
    """Return a report from its head to its first plots."""
    browser.open(report, width=REPORT)
    end = browser.value("document.getElementById('duration').getBoundingClientRect().bottom")
    browser.open(report, width=REPORT, height=round(end) + MARGIN)
    return browser.picture()


def of_flower(browser: Page, place: Path, redis_server: str) -> bytes:
    """Return Flower's list of batches, of a cluster of two machines that reads ``clips``."""
    server = PrivateRedis(redis_server)
    try:
        with shell() as here:
            here.environment |= {"SHARDMILL_REDIS_URL": server.url}
            for name in ("box-1", "box-2"):
                here.environment["SHARDMILL_WORKER_NAME"] = name
                here.start("worker", "--slots", 1)
            with flower(here, place) as shown:
                options = ("--out", place / "of-flower", "--size", "320x180", "--wait")
                job = here.start("submit", place / "clips", *options)
                wait_for(lambda: _half(shown.tasks()), "batches done and batches in work")
                browser.open(shown.url("/tasks"), width=FLOWER, height=800)
                browser.wait(f"document.querySelectorAll('tbody tr').length >= {FLOWER_ROWS}")
                picture = browser.picture()
                here.end(job)
                return picture
    finally:
        server.close()


def _half(tasks: list[dict]) -> bool:
    states = [task["state"] for task in tasks if task["name"] == "shardmill.extract"]
    return states.count("SUCCESS") >= FLOWER_ROWS // 2 and "PROGRESS" in states


def whole(browser: Page, page: Path, *, scale: float = 1.5) -> bytes:
    """Return all of a page that is as wide as what is on it."""
    browser.open(page, scale=scale)
    size = browser.value(
        "(({width, height}) => [Math.ceil(width), Math.ceil(height)])"
        "(document.body.getBoundingClientRect())"
    )
    browser.open(page, width=size[0], height=size[1], scale=scale)
    return browser.picture()
