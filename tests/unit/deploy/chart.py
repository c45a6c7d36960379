"""The chart of deploy/helm, rendered by helm; its objects are validated with Kubernetes' schemas."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import yaml

from scripts import deploy_tools
from scripts.manifests import CHART

NAMESPACE: Final = "files"
#: The values that are rendered, by name.
VALUES: Final = {path.stem.removesuffix("-values"): path for path in sorted((CHART / "ci").glob("*.yaml"))}
#: Whose schemas come with an operator, not with Kubernetes.
FOREIGN: Final = frozenset({"Certificate", "ServiceMonitor", "PrometheusRule"})


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm with these arguments; its output is text."""
    command = [str(deploy_tools.helm()), *arguments]
    environ = {**os.environ, "GOGC": "off", "GOMAXPROCS": "1"}  # a fifth of so short a program's work
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


def template(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``helm template`` of the chart as the release strongroom."""
    return helm("template", "strongroom", str(CHART), "--namespace", NAMESPACE, *arguments)


@functools.cache
def rendered(values: str) -> tuple[dict[str, Any], ...]:
    """The objects that one file of ``VALUES`` makes."""
    done = template("--values", str(VALUES[values]))
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one)


def found(values: str, kind: str) -> dict[str, dict[str, Any]]:
    """The objects of one kind, by name."""
    return {one["metadata"]["name"]: one for one in rendered(values) if one["kind"] == kind}


def pods(values: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and pod of all that runs."""
    for kind in ("Deployment", "Job"):
        for name, one in found(values, kind).items():
            yield name, one["spec"]["template"]["spec"]


@functools.cache
def _validator(path: Path) -> jsonschema_rs.Validator:
    schema = json.loads(path.read_text())
    definitions = json.loads((path.parent / "_definitions.json").read_text())
    return jsonschema_rs.Draft202012Validator(
        {**schema, "$id": f"schemas:///{path.name}"},
        retriever=lambda _: definitions,  # they name no other file
    )


def problems(one: Mapping[str, Any], version: str) -> list[str]:
    """The violations of a Kubernetes release's schemas in an object; unknown fields count, too."""
    group, _, api = str(one["apiVersion"]).rpartition("/")
    name = "-".join(part for part in (one["kind"].lower(), group.split(".")[0], api) if part)
    validator = _validator(deploy_tools.schemas(version) / f"{name}.json")
    return [str(error) for error in validator.iter_errors(one)]
