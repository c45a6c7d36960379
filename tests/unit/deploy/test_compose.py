"""docker-compose.yml describes the system that `make up` runs, and all its references exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
OURS = ("bucket", "migrate", "metadata", "storage", "gateway", "first-upload")
SERVING = ("metadata", "storage", "gateway")
ONE_SHOT = ("bucket", "migrate", "s3-folders", "first-upload")


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def services(text: str) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return loaded


def test_these_are_the_services(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*OURS, "postgres", "s3", "s3-folders", "clamd"}


@pytest.mark.parametrize("name", OURS)
def test_ours_are_built_from_a_target_of_the_dockerfile(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert services[name]["build"]["target"] in stages
    assert services[name]["build"]["context"] == "."


@pytest.mark.parametrize("name", OURS)
def test_ours_may_do_little(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    uid, _, gid = service["user"].partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert service["mem_limit"]
    assert service["pids_limit"]


def test_every_dependency_exists_and_can_be_waited_for(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, f"{name} -> {other}"
            if other in ("postgres", "s3"):
                assert services[other]["healthcheck"]["test"]


@pytest.mark.parametrize("name", ONE_SHOT)
def test_one_shot_steps_are_not_repeated_or_watched(services: dict[str, dict[str, Any]], name: str) -> None:
    assert services[name]["restart"] == "no"
    if name in OURS:
        assert services[name]["healthcheck"] == {"disable": True}


def test_each_holds_only_its_own_secrets(services: dict[str, dict[str, Any]]) -> None:
    def holders(variable: str) -> set[str]:
        return {name for name in OURS if variable in services[name].get("environment", {})}

    assert holders("STRONGROOM_DATABASE_URL") == {"metadata", "migrate"}
    assert holders("STRONGROOM_MIGRATION_DATABASE_URL") == {"migrate"}
    assert holders("AWS_SECRET_ACCESS_KEY") == {"storage", "bucket"}
    assert holders("STRONGROOM_INTERNAL_SECRET") == {"metadata", "storage"}
    assert holders("STRONGROOM_JWT_SECRET") == {"metadata", "storage", "gateway", "first-upload"}


def test_addresses_lead_to_services_and_their_ports(services: dict[str, dict[str, Any]]) -> None:
    exposed = {"metadata": "50052", "storage": "50051", "gateway": "8080"}
    for name in SERVING:
        for variable, value in services[name]["environment"].items():
            if variable.endswith("_ADDRESS") and not value.startswith("${"):
                host, _, port = value.partition(":")
                assert exposed[host] == port, f"{name}: {variable}"
        assert [port.rpartition(":")[2] for port in services[name]["ports"]] == [exposed[name]]


def test_nothing_is_published_beyond_this_machine(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in services["postgres"]


def test_images_are_pinned_to_a_version(services: dict[str, dict[str, Any]]) -> None:
    foreign = {service["image"] for name, service in services.items() if name not in OURS}
    assert all(re.search(r":v?\d", image) for image in foreign), foreign


def test_no_secret_is_written_down(text: str) -> None:
    for line in text.splitlines():
        if re.search(r"^\s*\w*(PASSWORD|SECRET\w*|ACCESS_KEY):", line) and not line.lstrip().startswith("#"):
            assert re.search(r":\s*\$\{\w+(?::\?[^}]*|:-)\}$", line), line


def test_volumes_and_mounted_files_exist(services: dict[str, dict[str, Any]], text: str) -> None:
    named = set(yaml.safe_load(text)["volumes"])
    for service in services.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in named, mount
