"""The real docker-compose.yml under a name of its own, with images built from this tree."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flower_page import Flower
from private_redis import free_port
from source_tree import ROOT

IMAGE = "shardmill-test"
PIP_FILES = (os.environ.get("PIP_CONFIG_FILE", ""), "/etc/pip.conf", "~/.config/pip/pip.conf")
"""Where this machine may say how pip gets its packages; a build is told by a secret."""
USER = 1000 if os.geteuid() == 0 else os.geteuid()
LIMIT_S = 200


def run(*command: object, check: bool = True, **environment: str) -> str:
    """Run a program to its end and return what it printed on standard output and error."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def build(docker: str) -> None:
    """Build both images; what did not change since the last time comes from the cache."""
    found = next((path for path in map(os.path.expanduser, PIP_FILES) if os.path.isfile(path)), "")
    secret = ("--secret", f"id=pip.conf,src={found}") if found else ()
    for target in ("worker", "light"):
        run(
            *(docker, "build", "--quiet", "--network", "host", *secret),
            *("--target", target, "--tag", f"{IMAGE}-{target}", "."),
            DOCKER_BUILDKIT="1",
        )


@dataclass
class Composed:
    """A project of compose: its containers, volumes and networks carry its name."""

    docker: str
    data: Path
    out: Path
    name: str = field(default_factory=lambda: f"shardmill-{uuid.uuid4().hex[:8]}")
    flower_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    workers: int = 3
    files: str = "docker-compose.yml"

    @property
    def environment(self) -> dict[str, str]:
        """What ``.env`` would say, and which project and files are meant."""
        return {
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_FILE": self.files,
            "SHARDMILL_IMAGE": IMAGE,
            "SHARDMILL_DATA": str(self.data),
            "SHARDMILL_OUT": str(self.out),
            "SHARDMILL_UID": str(USER),
            "SHARDMILL_GID": str(USER),
            "SHARDMILL_FLOWER_PORT": str(self.flower_port),
            "SHARDMILL_METRICS_PORT": str(self.metrics_port),
            "SHARDMILL_REDIS_PORT": str(self.redis_port),
            "SHARDMILL_TLS": str(self.tls),
            "SHARDMILL_SLOTS": "1",
            "SHARDMILL_LEASE_S": "3",
        }

    @property
    def tls(self) -> Path:
        """Where certificates and the folder for other machines go."""
        return self.out.parent / "tls"

    def compose(self, *arguments: object, check: bool = True) -> str:
        """Run ``docker compose`` and return what it printed."""
        command = (self.docker, "compose", "--env-file", "/dev/null", *arguments)
        return run(*command, check=check, **self.environment)

    def up(self) -> None:
        """Start everything and wait until every container is well."""
        self.compose("up", "--detach", "--no-build", "--wait", "--scale", f"worker={self.workers}")

    def shardmill(self, *arguments: object, options: tuple = (), check: bool = True) -> str:
        """Run the command line in a producer's container."""
        command = ("run", "--rm", "--no-TTY", "--no-deps", *options, "producer", *arguments)
        return self.compose(*command, check=check)

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, container: str) -> dict:
        """Return what the engine knows of a container."""
        (found,) = json.loads(run(self.docker, "inspect", container))
        return found

    def password(self, name: str) -> str:
        """Return a password that the first start has made."""
        return self.compose("exec", "--no-TTY", "flower", "cat", f"/run/shardmill/{name}").strip()

    def flower(self, path: str, *, password: str | None = None) -> tuple[int, str]:
        """Return the status and the text of one of Flower's pages."""
        return Flower(self.flower_port).get(path, password=password)


def hand_over(place: Path) -> None:
    """Let the user of the containers own a folder, as the user of a machine would."""
    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, USER, USER)


@contextmanager
def composed(docker: str, data: Path, place: Path) -> Iterator[Composed]:
    """A project that is up, and gone at the end, volumes included."""
    out = place / "out"
    out.mkdir()
    hand_over(out)
    project = Composed(docker, data, out)
    try:
        project.up()
        yield project
    finally:
        project.compose("--profile", "*", "down", "--volumes", "--timeout", "5")
