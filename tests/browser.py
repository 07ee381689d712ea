"""A headless Chromium, spoken to over its DevTools pipe: what a page shows, says and asks for."""

import base64
import itertools
import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT_S = 60
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
    *("--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage"),
)
KEEP_FAULTS = "window.faults = []; addEventListener('error', (e) => faults.push(e.message))"
"""Some faults are told to the page alone."""


class Page:
    """One tab, and all that happened in it."""

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self._write_fd, self._read_fd, self._rest = write_fd, read_fd, b""
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=KEEP_FAULTS)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command and return its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params} | self._session
        os.write(self._write_fd, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(
        self,
        place: Path | str,
        *,
        width: int = 1200,
        height: int = 900,
        scale: float = 1,
        dark: bool = False,
    ) -> None:
        """Show a file or an address and wait until it is there."""
        self.events.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        url = place.absolute().as_uri() if isinstance(place, Path) else place
        self.call("Page.navigate", url=url)
        while not self.of("Page.loadEventFired"):
            self._receive()

    def value(self, script: str) -> Any:
        """Return what a script gives; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait, frame by frame, until a script's condition is true."""
        again = f"if ({condition}) done(); else requestAnimationFrame(look)"
        self.value(f"new Promise((done) => (function look() {{ {again} }})())")

    def point(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self) -> bytes:
        """Return what is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def paper(self) -> bytes:
        """Return what is printed, as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return what was told of one kind of event."""
        return [params for name, params in self.events if name == event]

    @property
    def requests(self) -> list[str]:
        """Every address that the page asked for, its own and ``data:`` aside."""
        urls = [event["request"]["url"] for event in self.of("Network.requestWillBeSent")]
        own = {event["documentURL"] for event in self.of("Network.requestWillBeSent")}
        return [url for url in urls if url not in own and not url.startswith("data:")]

    @property
    def complaints(self) -> list[Any]:
        """All that was written to the console, and every error."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event for kind in kinds for event in self.of(kind)] + self.value("faults")

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._read_fd], [], [], LIMIT_S)[0], "Chromium does not answer"
            data = os.read(self._read_fd, 1 << 20)
            assert data, "Chromium is gone"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Page]:
    """A Chromium of its own, gone at the end."""
    from_us, write_fd = os.pipe()
    read_fd, to_us = os.pipe()
    pipes = f'exec "$0" "$@" 3<&{from_us} 4>&{to_us}'  # the descriptors that it expects
    process = subprocess.Popen(
        ["bash", "-c", pipes, program, *SWITCHES, f"--user-data-dir={profile}"],
        pass_fds=(from_us, to_us),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(from_us)
        os.close(to_us)
        yield Page(write_fd, read_fd)
    finally:
        process.kill()
        process.wait()
        os.close(write_fd)
        os.close(read_fd)
