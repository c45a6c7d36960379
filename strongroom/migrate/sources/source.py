"""The interface of sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.migrate.entries import Entry
from strongroom.migrate.problems import PlanProblem


@dataclass(frozen=True, slots=True)
class Found:
    """One thing of a source, before its target is decided.

    ``path``: what a layout is matched against. ``given``: owner, family, key, name and type as far as the
    source knows them. ``why``: the reason why it can't be read, if so.
    """

    reference: str
    path: str
    size: int | None = None
    stamp: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


class Source(ABC):
    """A source. Any number of threads may use it at once."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Return how to open it again. This becomes part of the plan, so it contains no secrets."""

    @abstractmethod
    def find(self) -> Iterator[Found]:
        """Yield everything in the source, one by one, without keeping it in memory."""

    @abstractmethod
    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of an entry in pieces.

        :raises SourceGone: it no longer exists. :raises SourceChanged: it differs from the plan; raised after
        the last
            piece if it changed while it was read.
        """

    def is_at_hand(self, entry: Entry) -> bool:  # noqa: ARG002
        """Whether its bytes are on this machine's disks, so that reading doesn't wait for a network."""
        return False

    @abstractmethod
    def remove(self, entry: Entry, sha256: bytes) -> None:
        """Delete it if it still has these bytes.

        :raises SourceGone: it no longer exists. :raises SourceChanged: it has other bytes; it is kept.
        :raises PlanProblem: this source can't delete.
        """

    def folder(self, entry: Entry) -> AbstractContextManager[Path]:
        """Return a context manager: a local folder with the files of a project.

        :raises SourceGone: it no longer exists. :raises SourceChanged: it differs from the plan.
        """
        raise PlanProblem(f"{entry.reference!r} is planned as a project, which this source does not have")

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Close connections. May be called again."""
