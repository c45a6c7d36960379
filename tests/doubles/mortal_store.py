"""A store whose caller dies during one of its requests, as by SIGKILL."""

from __future__ import annotations

from typing import Any, Final

from tests.doubles.memory_store import MemoryObjectStore

_CHANGES: Final = frozenset({"put", "create", "upload_part", "complete", "abort", "copy", "delete"})


class Killed(BaseException):
    """Raised for SIGKILL, which no process can catch."""


class MortalStore:
    """A store whose caller dies at the ``nth`` modifying request; ``applied``: after it was applied.

    Afterwards it makes no request any more, not even in a ``finally``.
    """

    def __init__(self, store: MemoryObjectStore, nth: int, *, applied: bool) -> None:
        self._store = store
        self._left = nth
        self._applied = applied

    def __getattr__(self, name: str) -> Any:
        if self._left <= 0:
            raise Killed
        real = getattr(self._store, name)
        if name not in _CHANGES:
            return real

        async def change(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if not self._left and not self._applied:
                raise Killed
            try:
                return await real(*args, **options)
            finally:
                if not self._left:
                    raise Killed

        return change
