"""Orderly shutdown: long streams are told that the process is about to end."""

from __future__ import annotations

import asyncio


class Drain:
    """Whether the process is leaving, and which RPCs may be cut once real work is done.

    Endless streams (a Watch) wait for ``begun`` in addition to their source, and end with UNAVAILABLE or a
    resume token. Health watches and reflection are ``cuttable``: the harness cancels them.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cuttable: set[asyncio.Task[object]] = set()
        self.active = 0
        self.is_cut = False
        self._idle = asyncio.Event()
        self._idle.set()

    def entered(self, cuttable: bool) -> None:
        """An RPC began, in the current task."""
        if cuttable:
            self.cuttable.add(_task())
        else:
            self.active += 1
            self._idle.clear()

    def left(self, cuttable: bool) -> None:
        """The RPC of the current task ended."""
        if cuttable:
            self.cuttable.discard(_task())
        else:
            self.active -= 1
            if not self.active:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until only cuttable RPCs are in progress."""
        await self._idle.wait()

    def cut(self) -> None:
        """Cancel health watches and reflection streams."""
        self.is_cut = True
        for task in tuple(self.cuttable):
            task.cancel()


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("an RPC runs in a task")
    return task
