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
HANDSHAKE_TIMEOUT_MS: Final = 20_000
#: Calls between our services fail when the other one is silent for SILENCE_MS and then leaves a ping
#: unanswered for PING_TIMEOUT_MS: a frozen replica costs its callers 6 s, not minutes. gRPC answers pings on
#: threads of its own, so a busy event loop is not taken for a frozen one.
SILENCE_MS: Final = 3_000
PING_TIMEOUT_MS: Final = 3_000
#: How long a new connection may take until the server's first frame. The kernel accepts for a frozen process.
CONNECT_MS: Final = 2_000
#: Below SILENCE_MS, with room for what timers are late.
MIN_PING_INTERVAL_MS: Final = 1_000
#: Without the bandwidth probe windows, and memory with them, stay as they are announced
#: (docs/decisions/0005-no-bandwidth-probe.md).
NO_PROBE: Final[Option] = ("grpc.http2.bdp_probe", 0)
#: For who reads streams of bytes of our own services: a window of one message (1 MiB, with its head), so that
#: its sender need not wait in the middle of it. A server gives strangers none so large.
BYTE_STREAM_OPTIONS: Final[tuple[Option, ...]] = (
    NO_PROBE,
    ("grpc.http2.lookahead_bytes", 1024 * 1024 + 1024),
)

#: Unary methods that only read: gRPC itself sends them again when a server went away. What writes is
#: repeated by whoever knows its request_id, and never by the channel.
READS: Final = {
    "strongroom.metadata.v1.FileService": ("GetFile", "BatchGetFiles", "ListFiles"),
    "strongroom.metadata.v1.GenerationService": ("GetGeneration", "ListGenerations", "GetGenerationStats"),
    "strongroom.metadata.v1.EventMediaService": ("GetEventMedia", "ListEventMedia", "GetProfilePicture"),
    "strongroom.metadata.v1.ProjectService": (
        "GetProject",
        "ListProjects",
        "ListProjectVersions",
        "ListProjectFiles",
        "GetProjectFile",
        "GetVersionRule",
    ),
    "strongroom.metadata.v1.UsageService": ("GetUsage", "GetRevision"),
    "strongroom.metadata.v1.UploadSessionService": ("GetSession",),
    "strongroom.storage.v1.StorageService": ("SignUrl", "GetUrlStamps"),
}


def server_options(settings: CommonSettings, extra: Sequence[Option] = ()) -> list[Option]:
    """Arguments of ``grpc.aio.server``; ``extra`` wins."""
    age_ms = int(settings.max_connection_age_seconds * 1000)
    options: dict[str, int | str] = {
        # A second process on the same port must fail, not share it.
        "grpc.so_reuseport": 0,
        # Somebody who connects and says nothing is let go.
        "grpc.server_handshake_timeout_ms": HANDSHAKE_TIMEOUT_MS,
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
        "grpc.keepalive_time_ms": SILENCE_MS,
        "grpc.keepalive_timeout_ms": PING_TIMEOUT_MS,
        # Counts for every ping; its default of 60 s holds back the keepalive that comes after it.
        "grpc.http2.ping_timeout_ms": PING_TIMEOUT_MS,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.min_reconnect_backoff_ms": CONNECT_MS,
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
    # Each replica is asked for its health (gRFC A17): one that leaves gets no new calls.
    "healthCheckConfig": {"serviceName": ""},
    # When more than half of the calls fail, repeating them only adds to the load.
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5},
    "methodConfig": [
        {
            "name": [{"service": name, "method": method} for name, some in READS.items() for method in some],
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
