"""Whose rows a transaction sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metadata_service.db.exchange import Statement

_SET_SCOPE: Final = "SELECT set_config('app.uid', %s, true), set_config('app.scope', %s, true)"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a transaction sees: one user's (`uid`), or everybody's (`scope` is `system`)."""

    uid: str
    scope: str = ""

    def statement(self) -> Statement:
        """Sets both for the transaction in progress."""
        return _SET_SCOPE, (self.uid, self.scope)


SYSTEM: Final = Scope("", "system")


def erasing(owner_id: str) -> Scope:
    """The rows of an owner who is being erased: only here, and in the system's, may rows be added to them."""
    return Scope(owner_id, "erasure")


def user(owner_id: str) -> Scope:
    """The rows of one owner. Raises ValueError without one: an empty id would mean nobody."""
    if not owner_id:
        raise ValueError("a transaction needs an owner")
    return Scope(owner_id)
