"""The Helm chart: valid with each set of values, restricted, and it refuses impossible ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from scripts.deploy_tools import KUBERNETES
from scripts.manifests import CHART, COPIES, FOLDER, manifests
from strongroom.version import VERSION
from tests.unit.deploy.chart import (
    FOREIGN,
    NAMESPACE,
    VALUES,
    found,
    helm,
    pods,
    problems,
    rendered,
    template,
)


@pytest.mark.parametrize("values", VALUES)
def test_helm_finds_nothing_wrong(values: str) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(VALUES[values]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_takes_every_object(values: str, version: str) -> None:
    said = {
        f"{one['kind']}/{one['metadata']['name']}": problems(one, version)
        for one in rendered(values)
        if one["kind"] not in FOREIGN
    }
    assert len(said) >= 10
    assert {name: wrong for name, wrong in said.items() if wrong} == {}


def test_the_schemas_tell_of_a_misspelt_field() -> None:
    one = json.loads(json.dumps(found("default", "Deployment")["strongroom-gateway"]))
    one["spec"]["template"]["spec"]["terminationGracePeriod"] = 3
    assert any("terminationGracePeriod" in problem for problem in problems(one, KUBERNETES[-1]))


@pytest.mark.parametrize("values", VALUES)
def test_pods_meet_the_restricted_standard(values: str) -> None:
    for name, pod in pods(values):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("values", VALUES)
def test_what_pods_name_is_there_and_every_object_is_in_the_namespace(values: str) -> None:
    known = {
        *(f"configMapRef/{name}" for name in found(values, "ConfigMap")),
        *(
            f"secretRef/strongroom-{name}"
            for name in ("tokens", "internal", "database", "migration", "store")
        ),
    }
    for name, pod in pods(values):
        for source in pod["containers"][0].get("envFrom", []):
            (kind, reference), *_ = source.items()
            assert f"{kind}/{reference['name']}" in known, name
        if account := pod.get("serviceAccountName"):
            assert account in found(values, "ServiceAccount"), name
    assert {one["metadata"]["namespace"] for one in rendered(values)} == {NAMESPACE}


@pytest.mark.parametrize("values", VALUES)
def test_the_drain_fits_into_the_grace_period(values: str) -> None:
    settings = settings_of(values)
    for part in ("gateway", "storage", "metadata"):
        pod = dict(pods(values))[next(n for n in found(values, "Deployment") if n.endswith(part))]
        stop = (
            pod["containers"][0]
            .get("lifecycle", {})
            .get("preStop", {})
            .get("exec", {})
            .get("command", [0, 0])
        )
        pause = float(stop[1]) + float(settings[part].get("STRONGROOM_DRAIN_PAUSE_SECONDS", 0))
        assert pause >= 5
        assert pod["terminationGracePeriodSeconds"] > pause + float(
            settings[part]["STRONGROOM_DRAIN_SECONDS"]
        )


def settings_of(values: str) -> dict[str, dict[str, str]]:
    maps = {name: one["data"] for name, one in found(values, "ConfigMap").items()}
    base = min(maps, key=len)
    return {part: {**maps[base], **maps[f"{base}-{part}"]} for part in ("gateway", "storage", "metadata")}


@pytest.mark.parametrize("values", VALUES)
def test_addresses_lead_to_headless_services(values: str) -> None:
    settings, services = settings_of(values), found(values, "Service")
    for part, port in (("storage", 50051), ("metadata", 50052)):
        address = settings["gateway"][f"STRONGROOM_{part.upper()}_ADDRESS"]
        name = address.removeprefix("dns:///").removesuffix(f":{port}")
        assert services[name]["spec"]["clusterIP"] == "None"
        assert services[name]["spec"]["ports"][0]["port"] == port
        selector = services[name]["spec"]["selector"]
        labels = found(values, "Deployment")[name]["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()


def test_tls_is_on_between_the_services_and_probes_need_none() -> None:
    settings = settings_of("tls")
    assert "STRONGROOM_ALLOW_PLAINTEXT" not in settings["storage"] | settings["metadata"]
    for part in ("storage", "metadata"):
        assert {"STRONGROOM_TLS_CERT", "STRONGROOM_TLS_KEY", "STRONGROOM_TLS_CLIENT_CA"} <= set(
            settings[part]
        )
        names = found("tls", "Certificate")[f"strongroom-{part}"]["spec"]["dnsNames"]
        assert f"strongroom-{part}" in names  # the name in STRONGROOM_…_ADDRESS is what clients compare
        pod = dict(pods("tls"))[f"strongroom-{part}"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert pod["containers"][0][probe]["httpGet"]["port"] == "metrics"
        mounted = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
        assert settings[part]["STRONGROOM_TLS_CERT"].startswith(mounted["tls"])
    assert {"STRONGROOM_TLS_CA", "STRONGROOM_TLS_CLIENT_CERT"} <= set(settings["gateway"])


def test_a_role_instead_of_keys() -> None:
    accounts = found("irsa", "ServiceAccount")
    role = "eks.amazonaws.com/role-arn"
    assert {name for name, one in accounts.items() if role in one["metadata"].get("annotations", {})} == {
        "strongroom-storage", "strongroom-bucket",
    }  # fmt: skip
    assert settings_of("irsa")["storage"]["S3_USE_IAM_ROLE"] == "true"


def test_replicas_are_left_to_the_autoscaler() -> None:
    deployments = found("irsa", "Deployment")
    assert set(found("irsa", "HorizontalPodAutoscaler")) == {"strongroom-gateway", "strongroom-storage"}
    assert "replicas" not in deployments["strongroom-storage"]["spec"]
    assert deployments["strongroom-metadata"]["spec"]["replicas"] == 3


@pytest.mark.parametrize("values", ["default", "tls", "irsa"])
def test_only_the_services_reach_the_grpc_ports(values: str) -> None:
    policies = found(values, "NetworkPolicy")
    for name, pod in found(values, "Deployment").items():
        policy = policies[name]["spec"]
        labels = pod["spec"]["template"]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        if not name.endswith("gateway"):
            assert policy["ingress"][0]["from"]
    for name in found(values, "Job"):
        assert name in policies


def test_imports_do_not_reach_private_networks() -> None:
    policy = found("default", "NetworkPolicy")["strongroom-storage"]
    block = policy["spec"]["egress"][1]["to"][0]["ipBlock"]
    assert "169.254.0.0/16" in block["except"]
    assert "10.0.0.0/8" in block["except"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["gateway.replica=3"], "replica"),
        (["drain.seconds=soon"], "drain"),
        (["store.bucket=x"], "bucket"),
        (["image.digests.gateway=sha256:1"], "digests"),
        (["ingress.enabled=true"], "ingress.host"),
        (["ingress.preset=haproxy"], "preset"),
        (["metadata.maxConnections=50"], "need 54 connections"),
        (["metadata.autoscaling.enabled=true", "metadata.maxConnections=60"], "need 90 connections"),
        (["networkPolicy.database.port=0"], "port"),
        (["tls.certManager.issuer.kind=Isuer"], "kind"),
    ],
)
def test_values_that_cannot_work_are_refused(changes: list[str], said: str) -> None:
    done = template(*(f"--set={change}" for change in changes))
    assert done.returncode != 0
    assert said in done.stderr


def test_versions_are_the_packages() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VERSION


def test_every_value_is_in_the_schema_and_every_property_in_the_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(values: dict[str, Any], known: dict[str, Any], path: str) -> None:
        properties = known.get("properties")
        if properties is None:
            return
        optional = {"global", "group", "claims"}
        assert set(properties) - optional == set(values) - optional, path
        for name, value in values.items():
            if isinstance(value, dict):
                compare(value, properties[name], f"{path}.{name}")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "values")


def test_the_plain_manifests_are_what_the_chart_makes() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
    made = manifests()
    assert {name for name in made if written.get(name) != made[name]} == set(), "run `make manifests`"
    by_hand = {"kustomization.yaml", "namespace.yaml", "secrets.example.yaml"}
    assert set(written) - by_hand == set(made)
    for copy, original in COPIES.items():
        assert copy.read_bytes() == original.read_bytes(), "run `make manifests`"
