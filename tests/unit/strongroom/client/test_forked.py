"""A child of a process that has used gRPC, which would hang or crash there."""

from __future__ import annotations

import os

import pytest

from strongroom.client import AsyncClient
from strongroom.client import channels as module
from strongroom.errors import ServiceUnavailable


async def test_a_new_client_in_a_forked_child_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OPENED_BY", set())
    async with AsyncClient("127.0.0.1:1", "127.0.0.1:1", token="t", timeout=0.1) as parent:
        with pytest.raises(ServiceUnavailable):
            await parent.usage()
    monkeypatch.setattr(os, "getpid", lambda: 0)
    async with AsyncClient("127.0.0.1:1", "127.0.0.1:1", token="t") as child:
        with pytest.raises(RuntimeError, match="fork first"):
            await child.usage()
