"""What operators are given is accepted by the programs that it is for, and names what there is."""

import json
import re
import shutil
import subprocess

import pytest

from shardmill.ledger.answers import Snapshot
from shardmill.ledger.telemetry import Live
from shardmill_worker.metrics import job_metrics
from source_tree import ROOT

OPS = ROOT / "ops"
PROMETHEUS = OPS / "prometheus"
DASHBOARD = OPS / "grafana" / "shardmill.json"
UNIT = OPS / "systemd" / "shardmill-worker.service"
KUBERNETES = OPS / "kubernetes" / "shardmill.yaml"
LEDGERS = {
    f"shardmill_{name}" for name in ("redis_up", "workers", "queue_messages", "backlog_batches")
}


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("verb", "file"),
    [
        (("check", "config"), "prometheus.yml"),
        (("check", "rules"), "alerts.yml"),
        (("test", "rules"), "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_its_files(promtool, verb, file):
    done = run(promtool, *verb, PROMETHEUS / file)

    assert done.returncode == 0, done.stdout + done.stderr


def expressions() -> list[str]:
    """Every question that the dashboard asks Prometheus."""
    found: list[str] = []

    def look(value: object) -> None:
        if isinstance(value, dict):
            found.extend(text for key, text in value.items() if key == "expr")
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                look(each)

    look(json.loads(DASHBOARD.read_text()))
    return found


def test_the_dashboard_asks_questions_that_prometheus_understands(promtool, tmp_path):
    plain = [re.sub(r"\$__\w+", "5m", text).replace("$job", "a") for text in expressions()]
    assert len(plain) > 5
    rules = [{"record": f"dashboard:{n}", "expr": text} for n, text in enumerate(plain)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = run(promtool, "check", "rules", path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_and_alerts_ask_only_for_what_is_told():
    snapshot = Snapshot(
        state="running",
        reason="",
        out="/out",
        inputs=1,
        counters={"failed:crash": 1},
        inflight=0,
        leased=0,
        live=Live(),
        seconds=0.0,
    )
    told = {sample.name for metric in job_metrics({"a": snapshot}) for sample in metric.samples}

    asked = "\n".join([*expressions(), (PROMETHEUS / "alerts.yml").read_text()])

    wanted = set(re.findall(r"shardmill_\w+", asked))
    assert len(wanted) > 5
    assert wanted - told - LEDGERS == set()


def test_systemd_takes_the_unit(systemd_analyze, tmp_path):
    """It wants to see the program; what it does not understand it prints."""
    unit = tmp_path / UNIT.name
    text = re.sub(
        r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", UNIT.read_text(), flags=re.MULTILINE
    )
    unit.write_text(text)

    done = run(systemd_analyze, "verify", "--man=no", unit)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def kubernetes_says(python: str, manifest: object) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from kubernetes_validate.__main__ import main; sys.exit(main())"
    return run(python, "-c", program, "--strict", manifest)


def test_kubernetes_takes_every_manifest(kubernetes_validate_python):
    """KEDA's object alone is not of Kubernetes' own schemas."""
    done = kubernetes_says(kubernetes_validate_python, KUBERNETES)

    objects = re.findall(r"^kind: (\w+)", KUBERNETES.read_text(), re.MULTILINE)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert told.count(" passed for resource ") == len(objects) - 1 > 5
    assert told.count("Couldn't find schema for kind ") == objects.count("ScaledObject") == 1


def test_a_field_that_kubernetes_does_not_know_would_be_told(kubernetes_validate_python, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(KUBERNETES.read_text().replace("readOnlyRootFilesystem", "readOnlyRoot"))

    done = kubernetes_says(kubernetes_validate_python, wrong)

    assert done.returncode != 0
    assert "readOnlyRoot" in done.stdout + done.stderr
