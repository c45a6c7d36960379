"""Metrics of every process."""

from __future__ import annotations

import asyncio
import os
import time
import tomllib
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, enable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.config import GatewaySettings
from servicekit.probes import DependencyStates
from servicekit.settings import CommonSettings
from servicekit.telemetry import process_metrics
from strongroom.version import PROTOCOL, VERSION
from tests.integration.servicekit.certificates import Authority


def values(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    text = generate_latest(registry).decode()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {tuple(one.labels.values()): one.value for one in samples if one.name == name}


def settings(**changes: object) -> CommonSettings:
    return CommonSettings.model_construct(**changes)  # type: ignore[arg-type]  # as loaded, unchecked


def test_the_version_is_the_packages() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())
    assert pyproject["project"]["version"] == VERSION


async def test_nothing_tells_since_when_it_counts() -> None:
    enable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    Counter("made", "Things.", registry=registry).inc()
    assert b"_created" in generate_latest(registry)
    async with process_metrics.shown(registry, settings(commit="")):
        assert b"_created" not in generate_latest(registry)


async def test_the_build_and_the_lag_of_the_loop() -> None:
    registry = CollectorRegistry()
    async with process_metrics.shown(registry, settings(commit="4777bc1")):
        (labels,) = values(registry, "strongroom_build_info")
        assert VERSION in labels
        assert "4777bc1" in labels
        assert PROTOCOL in labels
        await asyncio.sleep(0)  # its timer is set
        time.sleep(process_metrics.LAG_SECONDS + 0.3)  # noqa: ASYNC251 - what is to be noticed
        async with asyncio.timeout(60):
            while not values(registry, "strongroom_event_loop_lag_seconds_count")[()]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert values(registry, "strongroom_event_loop_lag_seconds_sum")[()] > 0.2


async def test_a_certificates_end_follows_its_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("service")
    registry = CollectorRegistry()
    missing = tmp_path / "gone.pem"
    given = settings(tls_cert=certificate, tls_key=key, tls_ca=authority.path, tls_client_ca=missing)
    gateway = GatewaySettings.model_construct(http_tls_cert=certificate)
    async with process_metrics.shown(registry, given, gateway):
        name = "strongroom_certificate_not_after_timestamp_seconds"
        before = values(registry, name)
        assert set(before) == {("server",), ("ca",), ("http",)}  # what can't be read has none
        assert 0 < before[("server",)] - time.time() <= 3600
        authority.hours = (-1, 100)
        authority.issue("service")
        os.utime(certificate, (1, 1))
        assert values(registry, name)[("server",)] > before[("server",)] + 90 * 3600


def test_dependencies_by_name() -> None:
    states, registry = DependencyStates(), CollectorRegistry()
    registry.register(states)
    states.found("strongroom.s3", works=False)
    states.found("strongroom.postgres", works=True)
    assert values(registry, "strongroom_dependency_up") == {("s3",): 0, ("postgres",): 1}
