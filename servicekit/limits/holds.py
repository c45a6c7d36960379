"""How much one key has open at once, in process: taken when something begins, given back when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Cap:
    """At most ``most`` per key (0: no cap). ``name``: as in metrics and errors; ``what``: the things counted,
    for people; ``retry_after``: seconds after which it is worth asking again.
    """

    name: str
    what: str
    most: int
    retry_after: float = 1.0


class Hold:
    """One place, taken until ``release``; releasing it again does nothing."""

    __slots__ = ("_give_back",)

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Give the place back."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Holds:
    """A block at whose end everything that was added is released, however it ends."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Hold] = []

    def add(self, hold: Hold | None) -> None:
        """Release ``hold`` at the end of the block."""
        if hold is not None:
            self._held.append(hold)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hold in self._held:
            hold.release()
        self._held.clear()


class Places:
    """The places of one cap; keys without any are not remembered."""

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self._taken: dict[str, int] = {}

    def enter(self, key: str) -> bool:
        """Take a place; False when all are taken."""
        taken = self._taken.get(key, 0)
        if taken >= self.cap.most:
            return False
        self._taken[key] = taken + 1
        return True

    def leave(self, key: str) -> None:
        """Give one back."""
        left = self._taken[key] - 1
        if left:
            self._taken[key] = left
        else:
            del self._taken[key]
