"""The plain manifests are complete, and each container has only its own secrets. The parts that come from the
chart are tested in test_chart.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes"
PARTS = ("metadata", "storage", "gateway", "migrate")


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def pod_of(part: str) -> dict[str, Any]:
    (found,) = [one for one in documents(f"{part}.yaml") if one["kind"] in ("Deployment", "Job")]
    pod: dict[str, Any] = found["spec"]["template"]["spec"]
    return pod


def sources_of(part: str) -> set[str]:
    sources = pod_of(part)["containers"][0]["envFrom"]
    return {f"{kind}/{reference['name']}" for source in sources for kind, reference in source.items()}


def test_every_resource_exists_and_every_manifest_is_a_resource() -> None:
    listed = documents("kustomization.yaml")[0]["resources"]
    by_hand = {"kustomization.yaml", "secrets.example.yaml", "monitoring.yaml"}
    assert set(listed) == {path.name for path in FOLDER.glob("*.yaml")} - by_hand


def test_nothing_is_left_of_helm() -> None:
    texts = [path.read_text() for path in FOLDER.glob("*.yaml")]
    assert [text for text in texts if "helm.sh" in text or "managed-by" in text] == []


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
    assert sources_of("gateway") == shared | {"configMapRef/strongroom-gateway"}
    assert sources_of("migrate") == {"secretRef/strongroom-migration"}
    assert sources_of("metadata") == shared | internal | {
        "configMapRef/strongroom-metadata", "secretRef/strongroom-database",
    }  # fmt: skip
    assert sources_of("storage") == shared | internal | {
        "configMapRef/strongroom-storage", "secretRef/strongroom-store",
    }  # fmt: skip


def test_a_balancer_asks_the_process_alone() -> None:
    for part in ("gateway", "metadata", "storage"):
        container = pod_of(part)["containers"][0]
        assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
