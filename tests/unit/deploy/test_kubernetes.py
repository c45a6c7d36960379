"""The Kubernetes manifests: complete, restricted, and each container with its own secrets only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes"
PARTS = ("metadata", "storage", "gateway", "migrate")


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def pod_of(part: str) -> dict[str, Any]:
    found: dict[str, Any] = documents(f"{part}.yaml")[-1]["spec"]["template"]["spec"]
    return found


def sources_of(part: str) -> set[str]:
    sources = pod_of(part)["containers"][0]["envFrom"]
    return {f"{kind}/{reference['name']}" for source in sources for kind, reference in source.items()}


def test_every_resource_exists_and_every_manifest_is_a_resource() -> None:
    listed = documents("kustomization.yaml")[0]["resources"]
    present = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "secrets.example.yaml"}
    assert set(listed) == present


def test_what_is_referred_to_is_made_somewhere() -> None:
    kinds = {"ConfigMap": "configMapRef", "Secret": "secretRef"}
    made = {
        f"{kinds[document['kind']]}/{document['metadata']['name']}"
        for name in ("config.yaml", "secrets.example.yaml")
        for document in documents(name)
    }
    assert set().union(*(sources_of(part) for part in PARTS)) == made


def test_each_holds_only_its_own_secrets() -> None:
    shared = {"configMapRef/strongroom", "secretRef/strongroom-tokens"}
    internal = {"secretRef/strongroom-internal"}
    assert sources_of("gateway") == shared
    assert sources_of("migrate") == {"secretRef/strongroom-migration"}
    assert sources_of("metadata") == shared | internal | {"secretRef/strongroom-database"}
    assert sources_of("storage") == shared | internal | {
        "configMapRef/strongroom-store", "secretRef/strongroom-store",
    }  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_pods_meet_the_restricted_standard(part: str) -> None:
    pod = pod_of(part)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize(("part", "port"), [("metadata", 50052), ("storage", 50051), ("gateway", 8080)])
def test_service_and_deployment_agree(part: str, port: int) -> None:
    service, deployment = documents(f"{part}.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["port"] == port
    assert deployment["spec"]["template"]["spec"]["containers"][0]["ports"] == [
        {"containerPort": port},
        {"name": "metrics", "containerPort": 9464},
    ]
    address = documents("config.yaml")[0]["data"].get(f"STRONGROOM_{part.upper()}_ADDRESS")
    assert address in (None, f"dns:///{service['metadata']['name']}:{port}")
    if address:
        assert service["spec"]["clusterIP"] == "None", "clients must see every replica"


def test_a_balancer_asks_the_process_alone() -> None:
    container = pod_of("gateway")["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    for part in ("metadata", "storage"):  # grpc.health.v1 of "" is the process, whatever its dependencies do
        assert pod_of(part)["containers"][0]["readinessProbe"]["grpc"].keys() == {"port"}
