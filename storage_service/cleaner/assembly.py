"""Builds the cleaner's three loops for ``bootstrap``, or idle ones while the cleaner is switched off."""

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
    """The loops that clean blobs, settle project keys and sweep uploads.

    They are separate so that a slow or failing one does not delay the others. The first two can be woken.

    :param settle: one pass over project keys.
    :param may_remove: whether the bucket belongs to this database; asked before each pass.
    :param often: seconds between passes of the cleaner and of ``settle``.
    :param seldom: seconds between sweeps.
    :param enabled: if false, the loops do nothing and report themselves healthy.
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
    """Skip ``work`` while the bucket belongs to another installation."""

    async def run_once() -> bool:
        return await may_remove() and await work()

    return run_once


async def _nothing() -> bool:
    return False
