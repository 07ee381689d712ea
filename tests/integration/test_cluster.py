"""A cluster of several workers loses nothing, whatever dies and whatever lies in its queue."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from celery import Celery
from kombu.transport import redis as transport

from awaiting import wait_for
from cluster import assert_whole
from command_line import Done, Shell
from made_media import picture, pictures
from shardmill.contract.settings import Settings, celery_configuration

SIZE = ("--size", "16x12")


def files(media: Path) -> set[str]:
    return {path.name for path in media.iterdir() if path.suffix == ".png"}


def end_orderly(here: Shell, worker) -> Done:
    worker.send_signal(signal.SIGTERM)
    done = here.end(worker)
    assert done.code == 0, done.err
    assert "_run_finalizers" not in done.err  # multiprocessing's, over a directory that is gone
    return done


def test_two_workers_do_a_job_that_was_only_handed_over(here, start_worker, media, out):
    (media / "broken.mp4").write_bytes(b"\0" * 5000)
    workers = [start_worker("one"), start_worker("two")]

    submitted = here.run("submit", media, "--out", out, *SIZE)

    assert submitted.code == 0
    job = submitted.out.split()[0]

    def told(of: object) -> dict:
        return here.run("status", of, "--json").json

    wait_for(lambda: told(job)["state"] == "done", "the end of the job")
    by_name, by_place = told(job), told(out)
    numbers = {"job": job, "state": "done", "inputs": 21, "ok": 20, "failed": 1, "clips": 20}
    for status in (by_name, by_place):
        assert {name: status[name] for name in numbers} == numbers
        assert list(status["failures"].values()) == [1]
    (failures,) = here.run("failures", out, "--json").json["groups"]
    assert [example["path"] for example in failures["examples"]] == ["broken.mp4"]
    assert here.run("verify", out).code == 0
    who = here.run("query", out, "select distinct worker from files order by 1", "--csv").out
    assert set(who.split()[1:]) <= {"one", "two"}
    again = here.run("submit", media, "--out", out, *SIZE, "--wait", "--json")
    assert (again.code, again.json["ok"], again.json["failed"]) == (3, 20, 1)
    for worker in workers:
        end_orderly(here, worker)
    here.wait_until_all_are_gone()
    assert here.leftovers() == set()


def test_a_worker_survives_the_death_of_redis(here, server, start_worker, media, out):
    """One slot busy and one idle: the case in which kombu alone would end the worker."""
    worker = start_worker("one", slots=2)
    picture(media / "slow@extract.png", seed=50)
    job = here.start("submit", media, "--out", out, *SIZE)
    assert here.end(job).code == 0
    wait_for((out / "summary.json").exists, "the end of the first job")
    slow = pictures(media.parent / "slow", 0)
    for number in range(3):
        picture(slow / f"slow@extract-{number}.png", seed=number)
    other = out.parent / "other"
    assert here.run("submit", slow, "--out", other, *SIZE).code == 0
    wait_for(lambda: (other / ".tmp").is_dir() and os.listdir(other / ".tmp"), "a busy slot")

    server.kill()
    server.start()

    wait_for((other / "summary.json").exists, "the end of the second job")
    assert_whole(other, dict.fromkeys(files(slow), "ok"))
    assert worker.poll() is None
    end_orderly(here, worker)


def test_a_worker_ends_in_order_while_redis_is_away(here, server, start_worker):
    worker = start_worker("one")
    server.kill()

    worker.send_signal(signal.SIGTERM)
    here.end(worker)

    here.wait_until_all_are_gone()
    assert here.leftovers() == set()


def test_kombu_still_touches_closed_channels(server):
    """When this fails kombu has mended it: ``closed_channel`` can go."""
    with Celery("probe", set_as_current=False) as app:
        app.config_from_object(celery_configuration(Settings(redis_url=server.url)))
        with app.connection_for_read() as connection:
            channel = connection.default_channel
            repaired = transport.Channel._get_pool  # where another test has sent messages
            get_pool = getattr(repaired, "repairs", repaired)
            assert get_pool.__module__ == "kombu.transport.redis"
            closed = SimpleNamespace(connection=None)  # what closing leaves of a channel
            closed._connparams = lambda **options: transport.Channel._connparams(closed, **options)
            assert get_pool(channel) is not None
            with pytest.raises(AttributeError):
                get_pool(closed)


def test_kombu_still_ends_with_what_is_not_json(server):
    """When this fails kombu has mended it: take it out of ``transport_fix``."""
    with Celery("probe", set_as_current=False) as app, server.client() as queue:
        app.config_from_object(celery_configuration(Settings(redis_url=server.url)))
        queue.lpush("some", "{")
        with app.connection_for_read() as connection, pytest.raises(ValueError, match="Expecting"):
            connection.default_channel._get("some")


def test_kombu_still_takes_a_full_redis_for_a_fault_of_the_program():
    """When this fails kombu has mended it: take it out of ``transport_fix``."""
    assert not issubclass(redis.OutOfMemoryError, transport.Transport.connection_errors)


def test_a_cluster_that_is_not_there_is_told(here, server, media, out):
    server.kill()

    done = here.run("submit", media, "--out", out, *SIZE)

    assert done.code == 1
    assert "Redis" in done.only_sentence
    assert not out.exists()
    status = here.run("status", "some-job")
    assert status.code == 1
    assert "Redis" in status.only_sentence
