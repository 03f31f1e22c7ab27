"""docker-compose.yml by itself: what can be known of it without an engine."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from docker.make_secrets import NAMES
from tests.services.compose import ROOT, example, read_compose, stages

COMPOSE = read_compose(example())
SERVICES = COMPOSE["services"]
KEYS = {  # of a service, as the Compose specification has them; of those that are used or may well be
    "build", "cap_add", "cap_drop", "command", "container_name", "depends_on", "deploy", "dns", "entrypoint", "env_file",
    "environment", "expose", "extra_hosts", "healthcheck", "hostname", "image", "init", "labels", "logging", "network_mode",
    "networks", "pids_limit", "platform", "ports", "profiles", "pull_policy", "read_only", "restart", "secrets", "security_opt",
    "shm_size", "stop_grace_period", "stop_signal", "sysctls", "tmpfs", "tty", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
LASTING = {name: told for name, told in SERVICES.items() if told.get("restart") == "unless-stopped"}
SECRET = re.compile(r"password|secret|api_?key|token", re.IGNORECASE)

each_service = pytest.mark.parametrize("name", SERVICES)
each_lasting = pytest.mark.parametrize("name", LASTING)


def test_the_file_has_only_what_compose_knows():
    assert set(COMPOSE) - {"name", "services", "volumes", "networks", "secrets", "configs"} == {
        name for name in COMPOSE if name.startswith("x-")
    }
    for name, told in SERVICES.items():
        assert not set(told) - KEYS, name
        assert set(told.get("deploy", {})) <= {"replicas", "resources", "mode", "restart_policy", "placement"}, name


@each_service
def test_every_service_has_an_image_of_a_named_version(name):
    told = SERVICES[name]
    ours = told["image"].startswith("conchive-")
    assert ours or re.search(r":v?\d", told["image"]), told["image"]
    if "build" in told:
        assert told["build"]["target"] in stages()
        assert (ROOT / told["build"]["dockerfile"]).is_file()
        assert told["image"] == f"conchive-{told['build']['target']}"


@each_lasting
def test_every_lasting_service_says_how_it_is(name):
    told = SERVICES[name]["healthcheck"]
    assert told.get("disable") or told["test"][0] in ("CMD", "CMD-SHELL")


@each_service
def test_no_service_may_take_all_memory(name):
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["deploy"]["resources"]["limits"]["memory"])


@each_service
def test_no_service_writes_into_its_image_or_has_rights_of_root(name):
    told = SERVICES[name]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in told


@each_service
def test_no_secret_is_in_an_environment(name):
    for key, value in SERVICES[name].get("environment", {}).items():
        assert not SECRET.search(key) or key.endswith("_FILE"), key
        assert not re.search(r"://[^/@]*:[^/@]+@", str(value)), key


def test_every_secret_that_is_named_is_made():
    for told in SERVICES.values():
        for key, value in told.get("environment", {}).items():
            if key.endswith("_FILE"):
                assert value.removeprefix("/run/conchive/") in NAMES


@each_service
def test_every_volume_is_declared_or_a_folder_of_this_machine(name):
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith(("./", "/")), mount


def test_every_file_that_is_mounted_is_there():
    for name, told in SERVICES.items():
        for mount in told.get("volumes", []):
            if mount.startswith("./docker/"):
                assert (ROOT / mount.split(":")[0]).exists(), (name, mount)


def test_what_a_service_waits_for_is_there_and_can_be_waited_for():
    for told in SERVICES.values():
        for needed, how in told.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[needed]["healthcheck"]
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[needed].get("restart", "no") == "no"


def test_only_the_proxy_is_reached_from_outside():
    assert {name for name, told in SERVICES.items() if any("127.0.0.1" not in port for port in told.get("ports", []))} == {
        "proxy"
    }


def test_every_queue_has_a_worker():
    served = {
        queue for told in SERVICES.values() if "--queues" in told.get("command", [])
        for queue in told["command"][told["command"].index("--queues") + 1].split(",")
    }  # fmt: skip
    assert served == {"ingest", "embed", "query", "jobs"}


def test_the_vector_server_knows_what_its_client_asks_for():
    """Collections are made with TurboQuant, which came with 1.18; a client speaks to the three versions before its own."""
    minor = int(re.search(r":v1\.(\d+)", SERVICES["qdrant"]["image"])[1])  # type: ignore[index]
    client = int(version("qdrant-client").split(".")[1])
    assert max(18, client - 3) <= minor <= client


def test_every_variable_has_a_value_in_the_example_or_in_the_file():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name, otherwise in re.findall(r"\$\{(\w+)(:-[^}]*)?\}", text):
        assert otherwise or name in example(), name
