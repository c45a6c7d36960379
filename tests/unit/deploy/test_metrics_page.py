"""docs/metrics.md, the alerts, the dashboard and the processes agree on every metric family."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from gateway.metrics import METHODS
from gateway.metrics import Metrics as GatewayMetrics
from gateway.operations.admission import OPEN
from gateway.surface import all_operations
from metadata_service.backlog import STATEMENTS, Answers, Backlog
from metadata_service.bootstrap import Application
from metadata_service.config import MetadataSettings
from servicekit.limits.limiter import TRANSFERS
from servicekit.limits.metrics import LimitMetrics
from servicekit.probes import DependencyStates
from servicekit.telemetry.process_metrics import BuildInfo, Certificates, LoopLag
from servicekit.telemetry.rpcs import Metrics
from storage_service.config import StorageSettings
from storage_service.process import Process
from strongroom.metadata.v1 import verification_pb2
from strongroom.version import this_build

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "docs" / "metrics.md"
RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "strongroom.json"
#: prometheus_client's own, which the page names by their prefixes.
FOREIGN: Final = ("process_", "python_")
SUFFIXES: Final = re.compile(r"_(bucket|count|sum)$")
FUNCTIONS: Final = frozenset(
    {
        *(
            "abs",
            "absent",
            "and",
            "by",
            "count",
            "group",
            "histogram_quantile",
            "increase",
            "le",
            "max",
            "min",
        ),
        *("or", "rate", "sum", "time", "topk", "unless", "vector"),
    }
)
#: What the page's words for labels never are: who, which, what.
FORBIDDEN: Final = frozenset({"user", "owner", "owner_id", "key", "id", "file_id", "path", "client", "sub"})


@functools.cache
def named() -> dict[str, tuple[str, set[str]]]:
    """Type and labels by family, as the page has them."""
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \| ([\w, ]*)\|", PAGE.read_text(), re.MULTILINE)
    return {
        name: (kind, set(filter(None, labels.replace(" ", "").split(",")))) for name, kind, labels in rows
    }


def shown() -> dict[str, Any]:
    """The families of all processes, with everything in a state in which it shows."""
    gateway, rpcs = GatewayMetrics(), Metrics()
    LimitMetrics(gateway.registry).show_shared(up=True)
    storage = Process(StorageSettings.model_construct())
    run = verification_pb2.Verification(state=verification_pb2.VERIFICATION_STATE_FINISHED)
    storage._metrics.verified.ended(run)
    storage._metrics.verified.coverage(datetime.now(UTC), 1)
    url = "postgresql://nobody@127.0.0.1:9/none"
    settings = MetadataSettings(
        database_url=url, database_read_url=url, auth="optional", internal_secret="s" * 32
    )
    metadata = Application(settings)
    metadata._cleaning.kept._looked_at = time.monotonic()
    metadata._database_metrics.clock(0.0)
    backlog = metadata._backlog
    backlog._turn.__dict__["_held_by"] = type("Open", (), {"closed": False})()
    answers: list[list[tuple[Any, ...]]] = [[], [], [(0, 0.0)], [(0.0,)], [(0,)], [(1.0,)], []]
    answers += [[(0, 0, 0.0)], []]
    assert len(answers) == len(STATEMENTS)
    backlog._seen = Answers(time.monotonic(), answers)
    assert isinstance(backlog, Backlog)
    of_process = (BuildInfo(this_build()), LoopLag(), Certificates({"http": PAGE}), DependencyStates())
    collectors: Iterable[Collector | CollectorRegistry] = (
        *(gateway.registry, rpcs.registry, *storage.spec().collectors, *metadata.spec.collectors),
        *(metadata.spec.heartbeats, *of_process),
    )
    families = [family for collector in collectors for family in collector.collect()]
    return {f"{one.name}_total" if one.type == "counter" else one.name: one for one in families}


def families_in(expression: str) -> set[str]:
    """The names of series in a PromQL expression."""
    text = re.sub(r'"[^"]*"', " ", expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", text)
    words = set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*", text)) - FUNCTIONS
    return {SUFFIXES.sub("", word) if SUFFIXES.sub("", word) in named() else word for word in words}


async def test_the_page_names_what_processes_show_and_nothing_else() -> None:
    found = {name: one for name, one in shown().items() if not name.startswith(FOREIGN)}
    page = named()
    assert set(page) == set(found)
    for name, (kind, labels) in page.items():
        assert found[name].type == kind, name
        used = {label for sample in found[name].samples for label in sample.labels} - {"le"}
        assert used <= labels, name
        assert not labels & FORBIDDEN, name


async def test_names_follow_the_conventions() -> None:
    for name, one in shown().items():
        if name.startswith(FOREIGN):
            continue
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", name), "base units only"
        assert one.type != "histogram" or name.endswith("_seconds"), name
        assert one.documentation, name
        assert one.documentation.endswith("."), name


@functools.cache
def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_families_that_exist(rule: dict[str, Any]) -> None:
    recorded = {one["record"] for one in _rules() if "record" in one}
    asked = families_in(rule["expr"])
    assert asked
    foreign = {name for name in asked if name.startswith(FOREIGN)}
    assert asked - foreign - recorded - {"up"} <= set(named())


def test_alerts_that_the_page_names_exist() -> None:
    names = {rule["alert"] for rule in _rules() if "alert" in rule}
    on_page = set(re.findall(r"\bStrongroom[A-Z]\w+", PAGE.read_text()))
    assert on_page <= names


def test_the_dashboard_asks_for_families_that_exist() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    targets = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    recorded = {one["record"] for one in _rules() if "record" in one}
    assert len(targets) > 20
    for expression in targets:
        asked = {name for name in families_in(expression) if not name.startswith(FOREIGN)}
        assert asked - recorded - {"up", "ALERTS"} <= set(named()), expression


def selectors(expression: str) -> list[tuple[str, str, str, str]]:
    """Family, label, operator and value of each matcher."""
    found = re.findall(r"([a-zA-Z_:][\w:]*)\{((?:[^\"}]|\"[^\"]*\")*)\}", expression)
    return [
        (SUFFIXES.sub("", family) if SUFFIXES.sub("", family) in named() else family, *matcher)
        for family, inside in found
        for matcher in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', inside)
    ]


def _asked() -> set[tuple[str, str, str, str]]:
    """The label selectors in the expressions of rules and dashboard, for our families of metrics."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    texts = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    texts += [rule["expr"] for rule in _rules()]
    return {one for text in texts for one in selectors(text) if one[0] in named()}


def test_rules_and_dashboard_ask_for_labels_that_exist() -> None:
    asked = _asked()
    assert len(asked) > 20
    for family, label, _, _ in asked:
        assert label in {*named()[family][1], "service", "job", "instance", "le"}, (family, label)


def test_values_that_rules_ask_for_exist() -> None:
    """An alert about a value that no process exports never fires."""
    known = {
        "method": METHODS,
        "kind": {
            name.removeprefix("FINDING_KIND_").lower()
            for name in verification_pb2.FindingKind.DESCRIPTOR.values_by_name
        }
        | {"lost", "corrupt"},
        "grpc_code": {code.name for code in grpc.StatusCode},
    }
    for family, label, operator, value in _asked():
        if label in known and family.startswith(
            ("http_", "strongroom_verify", "strongroom_damaged", "grpc_")
        ):
            for one in value.split("|"):
                assert one in known[label], (family, label, operator, one)


@pytest.mark.parametrize("slo", ["upload", "download", "list"])
def test_service_levels_cover_every_route_of_their_kind(slo: str) -> None:
    rules = [one["expr"] for one in _rules() if one.get("labels", {}).get("slo") == slo and "record" in one]
    (pattern,) = {value for text in rules for _, label, _, value in selectors(text) if label == "route"}
    literal = re.compile(pattern.replace("{", r"\{").replace("}", r"\}"))
    routes = {(one.method, one.path): one for one in all_operations()}
    bodies = {key for key, kind in OPEN.items() if kind == TRANSFERS}
    wanted = {
        "upload": {path for method, path in bodies if method != "GET"} | {"/s/{token}/files"},
        "download": {path for method, path in bodies if method == "GET"} | {"/s/{token}/file/{item:path}"},
        "list": {
            path
            for (method, path), one in routes.items()
            if method == "GET" and one.name.startswith("list_") and "/webhooks" not in path
            if not path.startswith("/api/admin/")
        },
    }[slo]
    assert {path for path in wanted if not literal.fullmatch(path)} == set()
    for part in re.split(r"\|(?![^(]*\))", literal.pattern):
        assert any(re.fullmatch(part, path) for _, path in routes), f"{part} is no route"
