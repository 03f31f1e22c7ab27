"""What Prometheus and Grafana are given fits what the site tells."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = re.compile(r"_(total|bucket|sum|count)$")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def asked(name: str) -> set[str]:
    return {ENDINGS.sub("", metric) for metric in re.findall(r"conchive_\w+", (ROOT / name).read_text(encoding="utf-8"))}


def told() -> set[str]:
    sources = [(ROOT / "webapp" / name).read_text(encoding="utf-8") for name in ("instruments.py", "operating/metrics.py")]
    return {metric for source in sources for metric in re.findall(r'"(conchive_\w+)"', source)}


@pytest.mark.parametrize("name", ["docker/grafana/dashboards/conchive.json", "docker/alerts.yml"])
def test_only_what_the_site_tells_is_asked_for(name):
    assert asked(name) <= told()
    assert len(asked(name)) >= 4


def test_the_dashboard_shows_every_measurement():
    assert told() - asked("docker/grafana/dashboards/conchive.json") == {"conchive_disk_bytes"}


def test_the_dashboard_is_one_that_grafana_loads():
    dashboard = json.loads((ROOT / "docker/grafana/dashboards/conchive.json").read_text(encoding="utf-8"))
    panels = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(panels)) == len(panels) >= 10
    assert all(panel["datasource"]["uid"] == "prometheus" for panel in dashboard["panels"])
    assert read("docker/grafana/provisioning/datasources/prometheus.yml")["datasources"][0]["uid"] == "prometheus"


def test_every_service_that_prometheus_asks_is_there_and_every_file_that_it_reads_is_mounted():
    services = read("docker-compose.yml")["services"]
    for job in read("docker/prometheus.yml")["scrape_configs"]:
        hosts = [name for each in job.get("dns_sd_configs", []) for name in each["names"]]
        hosts += [target.partition(":")[0] for each in job.get("static_configs", []) for target in each["targets"]]
        assert hosts
        assert set(hosts) <= set(services)
        assert job["authorization"]["credentials_file"].startswith("/run/conchive/")
    mounted = services["prometheus"]["volumes"]
    assert "secrets:/run/conchive:ro" in mounted
    assert all(
        (ROOT / each.partition(":")[0]).exists() for each in mounted + services["grafana"]["volumes"] if each.startswith("./")
    )


def test_every_worker_tells_its_metrics_at_the_port_that_is_asked():
    compose = read("docker-compose.yml")
    port = compose["x-site"]["environment"]["METRICS_PORT"]
    assert [each["dns_sd_configs"][0]["port"] for each in read("docker/prometheus.yml")["scrape_configs"][1:2]] == [int(port)]
    for name, service in compose["services"].items():
        if name.startswith("worker-"):
            assert service["environment"]["METRICS_PORT"] == port
