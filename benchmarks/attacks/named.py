"""The attacks by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.attacks import Run, http2, readers, senders, sources, spread


@dataclass(frozen=True)
class Named:
    """``text``: for the table. ``settles``: seconds until the attack is fully running."""

    text: str
    run: Run
    settles: float = 3.0


ATTACKS: Final[dict[str, Named]] = {
    "watch-sse": Named("300 watchers, server-sent events", spread(300, readers.watch_sse)),
    "watch-websocket": Named("300 watchers, WebSocket", spread(300, readers.watch_websocket)),
    "watch-grpc": Named("300 watchers, gRPC", readers.watch_grpc(300)),
    "drip": Named("40 uploads at 1.2 KB/s", spread(40, senders.drip)),
    "unread": Named("270 downloads that are not read", spread(270, readers.unread_download), 5.0),
    "idle": Named("2,100 idle connections", spread(2100, readers.idle), 5.0),
    "interim": Named("an import of endless 1xx answers", sources.importing(sources.endless_interim)),
    "crumbs": Named("an import of 1-byte chunks", sources.importing(sources.crumbs)),
    "silent": Named("a batch of 50 silent sources", sources.importing_batch(sources.silent, 50)),
    "sessions": Named("10,000 session creates", senders.create_sessions(10_000, 20), 1.0),
    "flood": Named("cheap requests on 32 connections", senders.flood(32), 1.0),
    "settings": Named("SETTINGS flood on 8 connections", http2.flooding(http2.settings_flood, 8), 1.0),
    "ping": Named("PING flood on 8 connections", http2.flooding(http2.ping_flood, 8), 1.0),
    "reset": Named("rapid reset on 8 connections", http2.flooding(http2.rapid_reset, 8), 1.0),
}
