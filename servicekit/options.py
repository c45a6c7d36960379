"""Channel arguments of servers and clients (limits of HTTP/2 and of message size), each with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from servicekit.settings import CommonSettings

Option = tuple[str, int | str]

#: A message has at most 2 MiB of data (the servicer's rule); the rest is room for everything else.
MAX_RECEIVE_BYTES: Final = 4 * 1024 * 1024
#: A token of 8 KiB, an internal credential and the usual metadata.
MAX_METADATA_BYTES: Final = 16 * 1024
KEEPALIVE_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 20_000
HANDSHAKE_TIMEOUT_MS: Final = 20_000
#: Calls between our services fail when the other side is silent for SILENCE_MS and then leaves a ping
#: unanswered for PING_TIMEOUT_MS: a frozen replica costs its callers 6 s, not minutes. gRPC answers pings in
#: its own threads, so a busy event loop does not look frozen.
SILENCE_MS: Final = 3_000
PING_TIMEOUT_MS: Final = 3_000
#: How long a new connection may take until the server's first frame. The kernel accepts for a frozen process.
CONNECT_MS: Final = 2_000
#: Below SILENCE_MS, with room for late timers.
MIN_PING_INTERVAL_MS: Final = 1_000
#: Without the bandwidth probe, windows (and their memory) stay at their announced size
#: (docs/decisions/0005-no-bandwidth-probe.md).
NO_PROBE: Final[Option] = ("grpc.http2.bdp_probe", 0)
#: For readers of our own services' byte streams: a window of one message (1 MiB, with its head), so that the
#: sender need not wait within it. Servers give strangers no window that large.
BYTE_STREAM_OPTIONS: Final[tuple[Option, ...]] = (
    NO_PROBE,
    ("grpc.http2.lookahead_bytes", 1024 * 1024 + 1024),
)

#: Unary methods that only read: gRPC itself retries them when a server went away. Writes are repeated by
#: whoever knows their request_id, never by the channel.
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
    """Arguments of ``grpc.aio.server``; ``extra`` overrides."""
    age_ms = int(settings.max_connection_age_seconds * 1000)
    options: dict[str, int | str] = {
        # A second process on the same port must fail, not share it.
        "grpc.so_reuseport": 0,
        # Disconnect clients that connect and send nothing.
        "grpc.server_handshake_timeout_ms": HANDSHAKE_TIMEOUT_MS,
        "grpc.max_concurrent_streams": settings.max_concurrent_streams,
        "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_send_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_metadata_size": MAX_METADATA_BYTES,
        "grpc.absolute_max_metadata_size": MAX_METADATA_BYTES * 2,
        # Detect dead peers, and disconnect peers that ping too often.
        "grpc.keepalive_time_ms": KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
        "grpc.http2.min_ping_interval_without_data_ms": MIN_PING_INTERVAL_MS,
        "grpc.http2.max_ping_strikes": 3,
        "grpc.keepalive_permit_without_calls": 1,
        # Renew connections, so that balancers see new replicas; calls in progress may finish.
        "grpc.max_connection_age_ms": age_ms,
        "grpc.max_connection_age_grace_ms": 24 * 3600 * 1000,
        "grpc.enable_channelz": 1,
    }
    options.update(extra)
    return list(options.items())


def client_options(extra: Sequence[Option] = ()) -> list[Option]:
    """Arguments of ``grpc.aio.insecure_channel`` and ``secure_channel``; ``extra`` overrides."""
    options: dict[str, int | str] = {
        "grpc.lb_policy_name": "round_robin",
        "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_send_message_length": MAX_RECEIVE_BYTES,
        "grpc.max_metadata_size": MAX_METADATA_BYTES,
        "grpc.keepalive_time_ms": SILENCE_MS,
        "grpc.keepalive_timeout_ms": PING_TIMEOUT_MS,
        # Applies to every ping; the default of 60 s would delay the following keepalive.
        "grpc.http2.ping_timeout_ms": PING_TIMEOUT_MS,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.min_reconnect_backoff_ms": CONNECT_MS,
        # Find a restarted service within a second or two, not after minutes of back-off.
        "grpc.initial_reconnect_backoff_ms": 200,
        "grpc.max_reconnect_backoff_ms": 2000,
        "grpc.enable_retries": 1,
        "grpc.service_config": json.dumps(SERVICE_CONFIG),
    }
    options.update(extra)
    return list(options.items())


SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    # Check each replica's health (gRFC A17): one that is leaving gets no new calls.
    "healthCheckConfig": {"serviceName": ""},
    # If more than half of the calls fail, retries only add to the load.
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
