"""``docker compose up`` gives a cluster that loses nothing, whatever happens to its containers."""

import ipaddress
import json
import os

import pytest

from awaiting import wait_for
from cluster import assert_whole
from command_line import rows
from composed import USER, build, composed, hand_over, run
from shardmill.report.verify import verify
from source_tree import ROOT

SPEC = ("--size", "160x120", "--max-frames", "150", "--labels", "none")


@pytest.fixture(scope="module")
def cluster(docker, corpus, tmp_path_factory):
    """Redis, three workers and Flower over the corpus's clips."""
    build(docker)
    with composed(docker, corpus / "clips", tmp_path_factory.mktemp("compose")) as project:
        yield project


@pytest.fixture(scope="module")
def clips(corpus) -> set[str]:
    return {path.name for path in (corpus / "clips").iterdir()}


def test_only_what_shows_can_be_reached_and_only_from_this_machine(cluster):
    published = {}
    for service in ("redis", "worker", "flower", "metrics"):
        for container in cluster.containers(service):
            ports = cluster.inspect(container)["NetworkSettings"]["Ports"] or {}
            published |= {port: ends for port, ends in ports.items() if ends}

    assert published == {
        "5555/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(cluster.flower_port)}],
        "9540/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(cluster.metrics_port)}],
    }


def test_flower_opens_to_the_password_that_the_first_start_made(cluster):
    password = cluster.password("flower-password")

    assert len(password) == 32
    assert cluster.password("redis-password") != password
    for path in ("/", "/tasks", "/workers", "/api/workers", "/api/tasks"):
        assert cluster.flower(path)[0] == 401
        assert cluster.flower(path, password="shardmill")[0] == 401
        assert cluster.flower(path, password=password)[0] == 200


@pytest.mark.parametrize("service", ["redis", "worker", "flower", "metrics"])
def test_a_container_can_change_nothing_but_what_it_is_for(cluster, service):
    container = cluster.containers(service)[0]
    facts = cluster.inspect(container)
    host = facts["HostConfig"]

    assert facts["Config"]["User"] == f"{USER}:{USER}"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    writable = {mount["Destination"] for mount in facts["Mounts"] if mount["RW"]}
    expected = {
        "redis": {"/data"},
        "worker": {"/out"},
        "flower": {"/var/lib/flower"},
        "metrics": set(),
    }
    assert writable == expected[service]


def test_a_worker_reaches_no_other_machine(cluster):
    (network,) = cluster.inspect(cluster.containers("worker")[0])["NetworkSettings"]["Networks"]

    (facts,) = json.loads(run(cluster.docker, "network", "inspect", network))
    assert facts["Internal"]


@pytest.mark.parametrize(
    ("place", "obstacle"),
    [
        ("/elsewhere", "expected to see the directory /elsewhere, found none: mount it"),
        ("/mnt", "/mnt is outside SHARDMILL_ROOTS of this worker"),
        ("/out/x", "finds another directory at /out/x, without a.mp4: mount the same one"),
    ],
)
def test_a_directory_that_the_workers_do_not_see_is_refused(cluster, tmp_path, place, obstacle):
    (tmp_path / "a.mp4").touch()
    tmp_path.chmod(0o755)
    mount = ("--volume", f"{tmp_path}:{place}:ro")

    told = cluster.shardmill("submit", place, "--out", "/out/no", options=mount, check=False)

    workers = {container[:12] for container in cluster.containers("worker")}
    (line,) = [line for line in told.splitlines() if line.startswith("shardmill: worker ")]
    name, sentence = line.removeprefix("shardmill: worker ").split(": ", 1)
    assert name.rpartition("-")[0] in workers
    assert sentence == obstacle
    assert not (cluster.out / "no").exists()


def test_a_job_is_whole_though_workers_die_and_redis_restarts(cluster, clips):
    out = cluster.out / "clips"
    told = cluster.shardmill("submit", "/data", "--out", "/out/clips", *SPEC)
    assert f"http://127.0.0.1:{cluster.flower_port}/tasks" in told
    wait_for(lambda: (out / ".tmp").is_dir() and len(os.listdir(out / ".tmp")) >= 3, "three shards")
    killed, stopped, _ = cluster.containers("worker")

    run(cluster.docker, "kill", "--signal", "KILL", killed)
    run(cluster.docker, "stop", stopped)
    cluster.compose("restart", "redis")

    assert cluster.inspect(stopped)["State"]["ExitCode"] == 0, "a stopped worker ends in order"
    wait_for((out / "summary.json").exists, "the end of the job", timeout_s=180)
    assert "sound: 50 inputs = 50 ok" in cluster.shardmill("verify", "/out/clips")
    # What was in the hands of the killed one lies in .tmp until somebody comes back.
    again = cluster.shardmill("submit", "/data", "--out", "/out/clips", *SPEC, "--wait")
    assert "50 of 50 inputs are done already" in again
    assert_whole(out, dict.fromkeys(clips, "ok"))


def test_what_is_done_survives_down_and_the_rest_goes_on_after_up(cluster, clips):
    """The producer is gone by then: Redis and the output directory are all there is."""
    out = cluster.out / "again"
    cluster.shardmill("submit", "/data", "--out", "/out/again", *SPEC)
    wait_for(lambda: (out / "manifest").is_dir() and os.listdir(out / "manifest"), "a first part")

    cluster.compose("down")
    done = rows(out)
    assert 0 < len(done) < len(clips)
    kept = {path: path.stat().st_mtime_ns for path in (out / "manifest").iterdir()}
    cluster.up()

    wait_for((out / "summary.json").exists, "the end of the job", timeout_s=180)
    assert_whole(out, dict.fromkeys(clips, "ok"))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was done is done again"
    assert verify(str(out)).problems == ()


def test_another_machine_joins_over_tls(cluster, clips):
    """The bridge's address stands for the name of this machine; the other has its own project."""
    network = json.loads(run(cluster.docker, "network", "inspect", "bridge"))[0]
    (config,) = network["IPAM"]["Config"]
    # An engine names the gateway only once it has found the bridge there: it is the first address.
    first = next(ipaddress.ip_network(config["Subnet"]).hosts())
    head = config.get("Gateway", str(first))
    run(ROOT / "ops" / "open.sh", head, cluster.tls, **cluster.environment)
    hand_over(cluster.tls)
    cluster.compose("stop", "worker")
    cluster.files = "docker-compose.yml:ops/open.yml"
    cluster.workers = 0
    cluster.up()
    other = ("compose", "--project-directory", cluster.tls / "join")
    mine = cluster.environment | {
        "COMPOSE_PROJECT_NAME": f"{cluster.name}-other",
        "COMPOSE_FILE": str(cluster.tls / "join" / "docker-compose.yml"),
    }
    try:
        run(cluster.docker, *other, "up", "--detach", "--wait", **mine)
        few = ("--include", "mde__*")
        done = cluster.shardmill("submit", "/data", "--out", "/out/tls", *SPEC, *few, "--wait")
        expected = dict.fromkeys((name for name in clips if name.startswith("mde__")), "ok")
        assert f"ok {len(expected)} · failed 0" in done
        assert_whole(cluster.out / "tls", expected)
    finally:
        run(cluster.docker, *other, "down", "--timeout", "5", **mine)


def test_flower_remembers_after_down_and_up(cluster):
    """Runs after the two jobs; the containers of the first are long gone."""
    password = cluster.password("flower-password")

    _, text = cluster.flower("/api/tasks?limit=1000", password=password)
    tasks = json.loads(text).values()
    assert {"shardmill.probe", "shardmill.extract", "shardmill.finish"} == {
        task["name"] for task in tasks if task["name"]
    }
    assert cluster.flower("/tasks", password=password)[0] == 200
