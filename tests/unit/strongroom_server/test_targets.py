"""The program of a target, and a worker's share of resources."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from gateway.config import GatewaySettings
from metadata_service.config import MetadataSettings
from storage_service.config import StorageSettings
from strongroom_server import command
from strongroom_server.targets import MODULES, Share

SECRET = "a secret of thirty-two bytes, or so"
MIB = 1 << 20


class Became(Exception):
    """The process would be another one now."""


@pytest.mark.parametrize("target", MODULES)
def test_one_target_in_one_process_is_the_services_own_program(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become(program: str, argv: list[str]) -> None:
        raise Became(program, argv)

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.delenv("STRONGROOM_WORKERS", raising=False)
    with pytest.raises(Became) as became:
        command.main(["serve", "--target", target])
    assert became.value.args == (sys.executable, [sys.executable, "-m", MODULES[target], "serve"])


@pytest.mark.parametrize("text", ["many", "-1", "1.5"])
def test_a_wrong_number_of_workers_is_named(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRONGROOM_WORKERS", text)
    with pytest.raises(SystemExit) as ended:
        command.main(["serve"])
    assert ended.value.code == 2
    assert "STRONGROOM_WORKERS" in capsys.readouterr().err


def storage(**changes: int) -> StorageSettings:
    given: dict[str, Any] = {
        "s3_bucket": "bucket",
        "s3_region": "us-east-1",
        "s3_use_iam_role": True,
        **changes,
    }
    return StorageSettings(jwt_secret=SECRET, internal_secret=SECRET, **given)


def test_the_only_process_has_everything() -> None:
    settings = storage()
    assert Share().of(settings) is settings


def test_workers_share_memory_connections_and_parallel_work() -> None:
    share = Share(4, 2)
    given = share.of(storage())
    assert given.upload_memory_bytes == 64 * MIB
    assert given.download_memory_bytes == 32 * MIB
    assert given.import_parallel == 8
    assert given.import_parallel_per_user == storage().import_parallel_per_user
    metadata = MetadataSettings(
        jwt_secret=SECRET, internal_secret=SECRET, database_url="postgresql://u:p@h/d"
    )
    assert share.of(metadata).database_pool_max == 4
    gateway = share.of(GatewaySettings(jwt_secret=SECRET))
    assert (gateway.max_connections, gateway.address_connections) == (500, 450)


def test_no_share_is_too_small_for_one_file() -> None:
    given = Share(64, 1).of(storage(max_project_file_bytes=100 * MIB))
    assert given.upload_memory_bytes >= 100 * MIB
    assert given.archive_memory_bytes >= 104 * MIB
    assert Share(64, 1).of(storage(upload_memory_bytes=16 * MIB)).upload_memory_bytes == 16 * MIB


def test_no_limit_stays_no_limit() -> None:
    gateway = GatewaySettings(jwt_secret=SECRET, address_connections=0)
    assert Share(4, 1).of(gateway).address_connections == 0


@pytest.mark.parametrize(
    ("bind", "number", "at"),
    [
        ("127.0.0.1:9100", 0, "127.0.0.1:9100"),
        ("127.0.0.1:9100", 1, "127.0.0.1:9100"),
        ("127.0.0.1:9100", 3, "127.0.0.1:9102"),
        ("127.0.0.1:0", 3, "127.0.0.1:0"),
        (None, 3, None),
    ],
)
def test_each_worker_shows_its_metrics_at_a_port_of_its_own(
    bind: str | None, number: int, at: str | None
) -> None:
    settings = GatewaySettings(jwt_secret=SECRET, metrics_bind=bind)
    assert Share(4, number).metrics_address(settings) == at


@pytest.mark.parametrize("text", ["20MiB", "20971520"])
def test_both_services_read_a_largest_size_alike(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_MAX_GENERATION_BYTES", text)
    monkeypatch.setenv("MAX_FILE_SIZE", text)
    found = [
        GatewaySettings(jwt_secret=SECRET),
        StorageSettings(jwt_secret=SECRET, s3_bucket="bucket", s3_use_iam_role=True),
    ]
    assert {one.max_generation_bytes for one in found} == {20 * MIB}
    assert {one.max_event_media_bytes for one in found} == {20 * MIB}
