"""The loops that remove, roll forward and settle, for ``bootstrap``; or what stands in for them while a
restored database is being looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import structlog

from servicekit.background import BackgroundLoop, Heartbeats
from storage_service.cleaner.cleaner import Cleaner
from storage_service.cleaner.sweep import UploadSweep
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.interface import ObjectStore
from strongroom.errors import StrongroomError

log = structlog.get_logger(__name__)

Pass: TypeAlias = Callable[[], Awaitable[bool]]
Loops: TypeAlias = tuple[BackgroundLoop, BackgroundLoop, BackgroundLoop]


def cleaning_loops(
    store: ObjectStore,
    work: Reservations,
    settle: Callable[[], Awaitable[bool]],
    heartbeats: Heartbeats,
    *,
    may_remove: Callable[[], Awaitable[bool]],
    often: float,
    seldom: float,
    enabled: bool,
) -> Loops:
    """Each by itself: a slow or failing one does not hold the others up. The first two can be woken.

    ``settle``: one pass over keys of projects. ``may_remove``: whether the bucket is the database's; asked
    before each pass. Not ``enabled``: they do nothing, and are well.
    """
    if not enabled:
        log.warning(
            "cleaner_held", advice="nothing is removed until STRONGROOM_CLEANER_ENABLED is true again"
        )
        cleaner, keys, sweep = (
            BackgroundLoop(_nothing, heartbeats.add(name, often), rest_seconds=often)
            for name in ("cleaner", "project_keys", "upload_sweep")
        )
        return cleaner, keys, sweep
    expected = (StrongroomError, StoreError)
    beat = heartbeats.add("project_keys", often)
    guarded = partial(_guarded, may_remove)
    keys = BackgroundLoop(guarded(settle), beat, rest_seconds=often, expected=expected)
    sweep = BackgroundLoop(
        guarded(UploadSweep(store, work).run_once),
        heartbeats.add("upload_sweep", seldom),
        rest_seconds=seldom,
        rest_first=True,
        expected=expected,
    )
    beat = heartbeats.add("cleaner", often)
    cleaner_loop = Cleaner(store, work, beat, interval_seconds=often, may_remove=may_remove).loop
    return cleaner_loop, keys, sweep


def _guarded(may_remove: Pass, work: Pass) -> Pass:
    """A pass that is none while the bucket is another's."""

    async def run_once() -> bool:
        return await may_remove() and await work()

    return run_once


async def _nothing() -> bool:
    return False
