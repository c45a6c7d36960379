"""Limits of servers and channels: sizes, streams, keepalive."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest
from google.protobuf import descriptor_pool

from servicekit.options import (
    CONNECT_MS,
    MIN_PING_INTERVAL_MS,
    PING_TIMEOUT_MS,
    READS,
    SERVICE_CONFIG,
    SILENCE_MS,
    client_options,
    server_options,
)
from servicekit.settings import CommonSettings
from strongroom.channel_pool import CALLS_PER_CONNECTION

SETTINGS = CommonSettings(auth="optional", max_concurrent_streams=7, max_connection_age_seconds=60)


def test_server_limits() -> None:
    options = dict(server_options(SETTINGS))
    assert options["grpc.max_receive_message_length"] == 4 * 1024 * 1024
    assert options["grpc.max_concurrent_streams"] == 7
    assert options["grpc.max_connection_age_ms"] == 60_000
    assert options["grpc.so_reuseport"] == 0
    for name in (
        "grpc.max_metadata_size",
        "grpc.keepalive_time_ms",
        "grpc.http2.min_ping_interval_without_data_ms",
        "grpc.max_connection_age_grace_ms",
    ):
        assert int(options[name]) > 0


def test_a_token_of_8_kib_and_a_credential_fit_the_metadata() -> None:
    assert int(dict(server_options(SETTINGS))["grpc.max_metadata_size"]) >= 8192 + 2048


def test_services_may_override() -> None:
    assert (
        dict(server_options(SETTINGS, [("grpc.max_concurrent_streams", 1)]))["grpc.max_concurrent_streams"]
        == 1
    )
    assert (
        dict(client_options([("grpc.lb_policy_name", "pick_first")]))["grpc.lb_policy_name"] == "pick_first"
    )


def test_the_service_config_is_json_and_retries_only_what_is_idempotent() -> None:
    config = json.loads(str(dict(client_options())["grpc.service_config"]))
    assert config == json.loads(json.dumps(SERVICE_CONFIG))
    (policy,) = config["methodConfig"]
    assert policy["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


@pytest.mark.parametrize("service", READS)
def test_retried_methods_exist_and_only_read(service: str) -> None:
    package = importlib.import_module(service.rpartition(".")[0])
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    described = descriptor_pool.Default().FindServiceByName(service)
    for name in READS[service]:
        method = described.methods_by_name[name]
        assert name.startswith(("Get", "BatchGet", "List", "SignUrl"))
        assert not method.client_streaming
        assert not method.server_streaming


def test_a_frozen_peer_is_noticed_within_seconds() -> None:
    options = dict(client_options())
    assert SILENCE_MS + PING_TIMEOUT_MS + CONNECT_MS <= 8_000
    # grpc's own limit of an unanswered ping holds the keepalive back; both have to be set.
    assert options["grpc.http2.ping_timeout_ms"] == options["grpc.keepalive_timeout_ms"] == PING_TIMEOUT_MS
    assert options["grpc.keepalive_time_ms"] == SILENCE_MS
    assert SERVICE_CONFIG["healthCheckConfig"] == {"serviceName": ""}


def test_clients_that_ping_are_not_sent_away() -> None:
    allowed = int(dict(server_options(SETTINGS))["grpc.http2.min_ping_interval_without_data_ms"])
    assert allowed == MIN_PING_INTERVAL_MS < SILENCE_MS


def test_a_connection_has_room_for_a_pools_calls_and_little_more() -> None:
    """Streams that a peer opens and resets at once reach the event loop that often: the first burst of a
    flood.
    """
    assert CommonSettings(auth="optional").max_concurrent_streams == 2 * CALLS_PER_CONNECTION
