"""Machines with addresses of their own: one is cut off in mid-job and comes back."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from awaiting import wait_for
from cluster import assert_whole
from command_line import rows
from made_media import picture, pictures
from private_redis import PrivateRedis
from shardmill.contract import names

SIZE = ("--size", "16x12")


@dataclass(frozen=True)
class Host:
    """A network namespace with one cable to this machine."""

    ip: str
    name: str
    number: int

    @property
    def cable(self) -> str:
        return f"{self.name}c"  # at most 15 characters

    @property
    def here(self) -> str:
        """Address of this machine at the cable's end."""
        return f"198.18.{self.number}.1"

    def _run(self, *words: str) -> None:
        subprocess.run([self.ip, *words], check=True, capture_output=True)

    def connect(self) -> None:
        """Make the namespace, the cable and the addresses at its ends."""
        self._run("netns", "add", self.name)
        self._run("link", "add", self.cable, "type", "veth", "peer", "eth0", "netns", self.name)
        self._run("address", "add", f"{self.here}/30", "dev", self.cable)
        self._run("link", "set", self.cable, "up")
        self._run("-n", self.name, "address", "add", f"198.18.{self.number}.2/30", "dev", "eth0")
        self._run("-n", self.name, "link", "set", "lo", "up")
        self._run("-n", self.name, "link", "set", "eth0", "up")

    def cut(self) -> None:
        """Pull the cable."""
        self._run("link", "set", self.cable, "down")

    def mend(self) -> None:
        """Plug it in again."""
        self._run("link", "set", self.cable, "up")

    def remove(self) -> None:
        """Remove the namespace, and with it the cable."""
        self._run("netns", "delete", self.name)


@pytest.fixture
def hosts(ip_program: str) -> Iterator[list[Host]]:
    """Two machines beside this one."""
    made = []
    for number in (1, 2):
        host = Host(ip_program, f"sm{os.getpid() % 10**6}-{number}", number)
        host.connect()
        made.append(host)
    yield made
    for host in made:
        host.remove()


@pytest.fixture
def server(redis_server: str, hosts: list[Host]) -> Iterator[PrivateRedis]:
    """A Redis that the two machines reach, each over its own cable."""
    ends = ("127.0.0.1", *(host.here for host in hosts))
    options = ("--bind", *ends, "--protected-mode", "no")
    server = PrivateRedis(redis_server, tcp=True, durable=True, options=options)
    yield server
    server.close()


@pytest.fixture
def start_on(here, ledger, server: PrivateRedis) -> Callable:
    """Starts a worker on a machine."""

    def start(host: Host, name: str):
        port = server.url.rpartition(":")[2]
        there = replace(
            here,
            prefix=(host.ip, "netns", "exec", host.name),
            environment=here.environment
            | {
                "SHARDMILL_REDIS_URL": f"redis://{host.here}:{port}",
                "SHARDMILL_WORKER_NAME": name,
            },
        )
        worker = there.start("worker", "--slots", "1")
        wait_for(lambda: name in ledger.workers(), f"worker {name}")
        return worker

    return start


def owner_of_a_shard(server: PrivateRedis) -> set[str]:
    """Return the workers that extract something now."""
    with server.client(database=1) as database:
        batches = [database.hgetall(key) for key in database.keys(names.batch_key("*", "*"))]
    return {
        batch["owner"].partition("/")[0]
        for batch in batches
        if batch.get("stage") == "extract" and "owner" in batch  # gone meanwhile: empty
    }


def test_a_machine_that_is_cut_off_costs_a_lease_and_works_again_when_it_is_back(
    here, hosts, server, ledger, start_on, tmp_path
):
    media, out, later = pictures(tmp_path / "in", 12), tmp_path / "out", tmp_path / "later"
    for number in range(4):
        picture(media / f"slow@extract-{number}.png", seed=50 + number)
    expected = dict.fromkeys((path.name for path in media.iterdir()), "ok")
    start_on(hosts[0], "box-1")
    other = start_on(hosts[1], "box-2")
    job = here.start("submit", media, "--out", out, *SIZE, "--wait")
    wait_for(lambda: owner_of_a_shard(server) == {"box-1", "box-2"}, "both at work")

    hosts[0].cut()

    assert here.end(job).code == 0
    assert rows(out) == expected, "the other machine does what the lost one had"
    hosts[0].mend()
    wait_for(lambda: "box-1" in ledger.workers(), "the return of box-1")
    wait_for(lambda: not os.listdir(out / ".tmp"), "box-1 to give up what it lost")
    assert_whole(out, expected, server=server)

    other.kill()
    assert here.run("submit", media, "--out", later, *SIZE, "--wait").code == 0
    who = here.run("query", later, "select distinct worker from files", "--csv").out
    assert who.split()[1:] == ["box-1"]
