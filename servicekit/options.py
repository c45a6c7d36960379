"""Channel arguments of servers and clients (limits of HTTP/2 and of message size), each with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from servicekit.settings import CommonSettings

Option = tuple[str, int | str]

#: A message carries at most 2 MiB of data (the servicer's rule); the rest is room for everything else.
MAX_RECEIVE_BYTES: Final = 4 * 1024 * 1024
#: A token of 8 KiB, an internal credential and the usual rest.
MAX_METADATA_BYTES: Final = 16 * 1024
KEEPALIVE_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 20_000
MIN_PING_INTERVAL_MS: Final = 10_000

#: Prefixes of method names that only read, so that gRPC itself may send them again.
_SERVICES_RETRIED: Final = (
    "strongroom.metadata.v1.FileService",
    "strongroom.metadata.v1.UsageService",
)


def server_options(settings: CommonSettings, extra: Sequence[Option] = ()) -> list[Option]:
    """Arguments of ``grpc.aio.server``; ``extra`` wins."""
    age_ms = int(settings.max_connection_age_seconds * 1000)
    options: dict[str, int | str] = {
        # A second process on the same port must fail, not share it.
        "grpc.so_reuseport": 0,
        "grpc.max_concurrent_streams": settings.max_concurrent_streams,
        "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_send_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_metadata_size": MAX_METADATA_BYTES,
        "grpc.absolute_max_metadata_size": MAX_METADATA_BYTES * 2,
        # Dead peers are noticed; peers that ping too often are sent away.
        "grpc.keepalive_time_ms": KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
        "grpc.http2.min_ping_interval_without_data_ms": MIN_PING_INTERVAL_MS,
        "grpc.http2.max_ping_strikes": 3,
        "grpc.keepalive_permit_without_calls": 1,
        # Connections are renewed, so that balancers see new replicas; calls in progress are let finish.
        "grpc.max_connection_age_ms": age_ms,
        "grpc.max_connection_age_grace_ms": 24 * 3600 * 1000,
        "grpc.enable_channelz": 1,
    }
    options.update(extra)
    return list(options.items())


def client_options(extra: Sequence[Option] = ()) -> list[Option]:
    """Arguments of ``grpc.aio.insecure_channel`` and ``secure_channel``; ``extra`` wins."""
    options: dict[str, int | str] = {
        "grpc.lb_policy_name": "round_robin",
        "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_send_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_metadata_size": MAX_METADATA_BYTES,
        "grpc.keepalive_time_ms": KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
        "grpc.keepalive_permit_without_calls": 1,
        # A restarted service is found again within a second or two, not after minutes of back-off.
        "grpc.initial_reconnect_backoff_ms": 200,
        "grpc.max_reconnect_backoff_ms": 2000,
        "grpc.enable_retries": 1,
        "grpc.service_config": json.dumps(SERVICE_CONFIG),
    }
    options.update(extra)
    return list(options.items())


SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": name} for name in _SERVICES_RETRIED],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
