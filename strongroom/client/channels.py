"""gRPC channels to the services."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc

from strongroom.channel_pool import ChannelPool, Option
from strongroom.client.settings import ClientSettings, ConfigurationError, Tls
from strongroom.grpc_targets import is_loopback, past_proxies
from strongroom.version import VERSION

MIB = 1024 * 1024
#: A message of Download has 1 MiB of data; lists of 1,000 files are below 4 MiB.
MAX_MESSAGE_BYTES = 8 * MIB
#: A dead peer is detected after time + timeout, even during a silent call.
KEEPALIVE_TIME_MS = 10_000
KEEPALIVE_TIMEOUT_MS = 5_000
#: The process that has opened channels; in a forked child still its parent.
_OPENED_BY: Final[set[int]] = set()


def service_config() -> str:
    """Return the service config as JSON: round robin over all addresses of a name.

    It has no retry policy: ``Connection.unary`` retries, by the client's ``RetryPolicy``.
    https://github.com/grpc/grpc-proto/blob/master/grpc/service_config/service_config.proto
    """
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        # A replica that is draining gets no new calls (gRFC A17).
        "healthCheckConfig": {"serviceName": ""},
    }
    return json.dumps(config)


def channel_options() -> list[Option]:
    """Return the options of every channel of the client."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        # Limits the rate of pings; the default of 60 s would delay the next keepalive.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 0),
        # A restarted service is found again within seconds, instead of after minutes of back-off.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.enable_retries", 1),
        ("grpc.service_config", service_config()),
        ("grpc.primary_user_agent", f"strongroom-python/{VERSION}"),
    ]


def make_channel(address: str, settings: ClientSettings, *, whatever_its_health: bool = False) -> ChannelPool:
    """Return the channels to one service; needs the running event loop. Two pools never share a connection.

    ``whatever_its_health``: also call a process that reports that it is not serving.

    :raises ConfigurationError: a PEM file can't be read, or is none.
    :raises RuntimeError: in a forked child of a process that has used gRPC, where it would hang or crash.
    """
    _OPENED_BY.add(os.getpid())
    if len(_OPENED_BY) > 1:
        raise RuntimeError(
            "a client was used before os.fork(), and gRPC does not work in the child: fork first, or use"
            " multiprocessing's 'spawn'"
        )
    credentials = None
    if uses_tls(address, settings):
        tls = settings.tls if isinstance(settings.tls, Tls) else Tls()
        credentials = grpc.ssl_channel_credentials(_pem(tls.ca), _pem(tls.key), _pem(tls.certificate))

    def open_channel(of_pool: Sequence[Option]) -> grpc.aio.Channel:
        options = [*channel_options(), *of_pool, *past_proxies(address)]
        if whatever_its_health:
            options.append(("grpc.inhibit_health_checking", 1))
        if credentials is None:
            return grpc.aio.insecure_channel(address, options=options)
        return grpc.aio.secure_channel(address, credentials, options=options)

    return ChannelPool(open_channel)


def uses_tls(address: str, settings: ClientSettings) -> bool:
    """Whether a channel to ``address`` is encrypted. A token is sent in clear text only if that was
    requested.
    """
    return not is_loopback(address) if settings.tls is None else bool(settings.tls)


def _pem(source: bytes | str | os.PathLike[str] | None) -> bytes | None:
    if source is None or isinstance(source, bytes):
        return source
    try:
        found = Path(source).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the PEM file {os.fspath(source)!r} can't be read: {error.strerror}"
        ) from error
    if b"-----BEGIN " not in found:  # of which gRPC would only say that the handshake failed
        raise ConfigurationError(f"the file {os.fspath(source)!r} is not PEM (-----BEGIN …)")
    return found
