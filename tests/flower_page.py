"""A real Flower with the options of ``ops/flower.py``, for tests and for its picture."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from awaiting import wait_for
from command_line import Shell
from private_redis import free_port
from source_tree import ROOT

PASSWORD = "open sesame"
USER = "shardmill:open%20sesame@"
"""The same as part of an address."""


class Flower:
    """A running Flower with the options of ``ops/flower.py``."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, *, password: str | None = PASSWORD) -> tuple[int, str]:
        """Return status and text; status 0 if nothing answers."""
        request = Request(f"http://127.0.0.1:{self.port}{path}")
        if password is not None:
            pair = base64.b64encode(f"shardmill:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {pair}")
        try:
            with urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refusal:
            return refusal.code, ""
        except (URLError, ConnectionError):
            return 0, ""

    def tasks(self) -> list[dict]:
        """Return the tasks that it knows by name."""
        _, text = self.get("/api/tasks?limit=1000")
        return [task for task in json.loads(text).values() if task["name"]]

    def url(self, path: str) -> str:
        """Return the address of a page, with the password."""
        return f"http://{USER}127.0.0.1:{self.port}{path}"


@contextmanager
def flower(here: Shell, place: Path) -> Iterator[Flower]:
    """Flower on a shell's Redis, which has workers; it keeps what it has seen in ``place``."""
    password = place / "flower-password"
    password.write_text(PASSWORD)
    here.environment |= {
        "FLOWER_PASSWORD_FILE": str(password),
        "FLOWER_DB": str(place / "flower-state"),
    }
    running = Flower(free_port())
    conf = ROOT / "ops" / "flower.py"
    options = (f"--conf={conf}", f"--port={running.port}", "--address=127.0.0.1")
    process = here.start("-A", "shardmill_worker.app", "flower", *options, module="celery")
    wait_for(lambda: running.get("/healthcheck")[0] == 200, "an answer of Flower")
    wait_for(lambda: json.loads(running.get("/api/workers?refresh=1")[1]), "Flower's workers")
    yield running
    process.terminate()
    here.end(process)
