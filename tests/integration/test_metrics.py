"""The metrics' program answers Prometheus while a cluster works, and when Redis is gone."""

import signal
from urllib.error import URLError
from urllib.request import urlopen

from awaiting import wait_for
from private_redis import free_port


def answer(port: int) -> str:
    """Return what the program says, nothing if it does not answer yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            return reply.read().decode()
    except (URLError, ConnectionError):
        return ""


def test_a_jobs_numbers_are_there_until_redis_is_gone(here, server, start_worker, media, out):
    port = free_port()
    program = here.start("--port", port, module="shardmill_worker.metrics")
    wait_for(lambda: answer(port), "the first answer")
    start_worker("one")
    (media / "broken.mp4").write_bytes(b"\0" * 5000)
    done = here.run("submit", media, "--out", out, "--size", "16x12", "--wait", "--json").json

    told = answer(port).splitlines()

    job = done["job"]
    assert "shardmill_redis_up 1.0" in told
    assert "shardmill_workers 1.0" in told
    assert "shardmill_backlog_batches 0.0" in told
    assert f'shardmill_job_state{{job="{job}",state="done"}} 1.0' in told
    assert f'shardmill_job_items_total{{job="{job}",status="ok"}} 20.0' in told
    assert f'shardmill_job_items_total{{job="{job}",status="failed"}} 1.0' in told
    assert f'shardmill_job_frames_total{{job="{job}"}} 20.0' in told
    assert not [line for line in told if ".png" in line or ".mp4" in line]
    server.kill()
    assert "shardmill_redis_up 0.0" in answer(port).splitlines()
    program.send_signal(signal.SIGTERM)
    assert here.end(program).code == 0
    server.start()
