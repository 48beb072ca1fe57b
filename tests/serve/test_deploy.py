"""The files for Prometheus and Grafana speak of metrics that there are."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml

from app.settings import ROOT
from app.types import Outcome, Prediction, TaskType
from tests.serve.calls import batches_of, service_of
from tests.serve.live_server import LiveServer
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

DEPLOY = ROOT / "deploy"
NAME = re.compile(r"\b(?:shopbench|vllm)[_:][a-z_]+")


def expressions() -> list[str]:
    board = json.loads((DEPLOY / "grafana/dashboards/shopbench.json").read_text())
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return asked + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def names(prefix: str) -> set[str]:
    return {name for text in expressions() for name in NAME.findall(text) if name.startswith(prefix)}


def test_every_metric_of_ours_exists(tmp_path: Path) -> None:
    async def text() -> str:
        service = service_of(ScriptedAsyncEngine())
        service.metrics.request("/v1/predict", "POST", 200, 0.1)
        service.metrics.refused("overloaded", 1)
        service.metrics.answered(Prediction("0", TaskType.RANKING, "1", Outcome.CLEAN))
        service.metrics.batch_line(200)
        batches_of(service, tmp_path)
        return service.metrics.text().decode()

    shown = asyncio.run(text())
    assert len(names("shopbench_")) >= 7
    for name in names("shopbench_"):
        assert re.search(rf"^{name}[{{ ]", shown, re.MULTILINE), name


@pytest.mark.timeout(600, func_only=True)
def test_every_metric_of_vllm_exists(server: LiveServer) -> None:
    shown = server.connect().get("/metrics").text
    assert len(names("vllm:")) >= 5
    for name in names("vllm:"):
        assert re.search(rf"^{name}[{{ ]", shown, re.MULTILINE), name


def test_compose_opens_nothing_to_other_machines_and_holds_no_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    services = compose["services"]
    for name, service in services.items():
        assert ":latest" not in service["image"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), mount
    assert services["server"]["environment"]["SHOPBENCH_API_KEYS"].startswith("${SHOPBENCH_API_KEYS:?")
