"""The background loop of the blocking client."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest

from strongroom.client.loop_thread import LoopThread


async def _answer() -> int:
    return 42


async def _numbers() -> AsyncGenerator[int]:
    yield 1


def test_a_forked_child_is_told_instead_of_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that would run the calls is only in the parent."""
    thread = LoopThread()
    try:
        assert thread.run(_answer()) == 42
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: 0)
            with pytest.raises(RuntimeError, match=r"os\.fork"):
                thread.run(_answer())
            thread.close_generator(_numbers())
            thread.stop()
        assert thread.run(_answer()) == 42
    finally:
        thread.stop()
    with pytest.raises(RuntimeError, match="closed"):
        thread.run(_answer())
