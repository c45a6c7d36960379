"""Small writes of one turn of the loop leave as one."""

from __future__ import annotations

import asyncio
from typing import cast

from gateway.server.one_write import OneWrite


class _Transport:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("close")

    def is_closing(self) -> bool:
        return "close" in self.done


def _pair() -> tuple[OneWrite, _Transport]:
    inner = _Transport()
    return OneWrite(cast("asyncio.Transport", inner)), inner


async def test_head_and_body_leave_together() -> None:
    transport, inner = _pair()
    transport.write(b"head")
    transport.write(b"body")
    assert inner.done == []
    await asyncio.sleep(0)
    assert inner.done == [b"headbody"]


async def test_large_writes_follow_what_is_held() -> None:
    transport, inner = _pair()
    large = bytes(64 * 1024)
    transport.write(b"head")
    transport.write(large)
    assert inner.done == [b"head", large]
    await asyncio.sleep(0)
    assert len(inner.done) == 2


async def test_closing_sends_first() -> None:
    transport, inner = _pair()
    transport.write(b"last")
    transport.close()
    assert inner.done == [b"last", "close"]
    assert transport.is_closing()
