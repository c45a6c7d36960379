"""The driver logs an outage of the database once, not for each connection and try."""

from __future__ import annotations

import asyncio
import logging

import pytest
import structlog

from metadata_service.config import PoolOptions
from metadata_service.db.pool import DriverLines, make_pool

#: The name in psycopg_pool.
LOGGER = logging.getLogger("psycopg.pool")


def test_connections_that_fail_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):  # the primary's and the standby's
        make_pool("postgresql://nobody@127.0.0.1:1/none", PoolOptions())
    (lines,) = [one for one in LOGGER.filters if isinstance(one, DriverLines)]
    lines.outage.well()
    caplog.clear()
    with structlog.testing.capture_logs() as told:
        for number in range(3):
            LOGGER.warning("discarding broken connection: %s", number)
            LOGGER.warning("error connecting in %r: %s", "metadata", "Connection refused\n\tIs the server …")
        lines.outage.well()
        LOGGER.warning("something else")
    assert [(line["event"], line.get("reason")) for line in told] == [
        ("database_connections_fail", "a connection was lost"),
        ("database_connections_fail", "error connecting in 'metadata': Connection refused"),
        ("database_connects_again", None),
    ]
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_another_reason_is_another_line() -> None:
    """The server has restarted with another password."""
    reasons = ("Connection refused", "FATAL:  password authentication failed for user", "Connection refused")
    lines = DriverLines()
    with structlog.testing.capture_logs() as told:
        for port, reason in enumerate(reasons):
            said = f"error connecting in 'metadata': connection to \"a\", port {port} failed: {reason}"
            lines.filter(logging.makeLogRecord({"msg": said}))
    assert [line["reason"].rpartition("failed: ")[2] for line in told] == list(reasons[:2])


async def test_the_driver_says_it_as_this_expects(caplog: pytest.LogCaptureFixture) -> None:
    """Another release of psycopg might log other texts."""
    pool = make_pool("postgresql://nobody@127.0.0.1:1/none", PoolOptions(min_size=1, max_size=1))
    (lines,) = [one for one in LOGGER.filters if isinstance(one, DriverLines)]
    lines.outage.well()
    with structlog.testing.capture_logs() as told:
        await pool.open(wait=False)
        async with asyncio.timeout(60):
            while not told:  # noqa: ASYNC110 - by a worker of the driver's
                await asyncio.sleep(0.01)
        await pool.close()
    assert told[0]["event"] == "database_connections_fail"
    assert "127.0.0.1" in told[0]["reason"]
    assert [record for record in caplog.records if record.name == LOGGER.name] == []
    lines.outage.well()
