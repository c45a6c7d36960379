"""What every source can do."""

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
    """One thing of a source, before it is decided where it goes. ``path``: what a layout is laid over.
    ``given``: what the source itself says of owner, family, key, name and type. ``why``: it can't be read,
    and why.
    """

    reference: str
    path: str
    size: int | None = None
    stamp: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


class Source(ABC):
    """Usable by any number of threads at once."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """How to open it again; goes into the plan, so no secrets."""

    @abstractmethod
    def find(self) -> Iterator[Found]:
        """All that it holds, one by one, never all of it in memory."""

    @abstractmethod
    def read(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of an entry, in pieces.

        :raises SourceGone: it is no longer there. :raises SourceChanged: it is not what was planned; also
            after the last piece, when it was changed while it was read.
        """

    def is_at_hand(self, entry: Entry) -> bool:  # noqa: ARG002
        """Whether its bytes lie on this machine's disks: they come at once, or not at all."""
        return False

    @abstractmethod
    def remove(self, entry: Entry, sha256: bytes) -> None:
        """Delete it, if it still holds these bytes.

        :raises SourceGone: it is no longer there. :raises SourceChanged: it holds others; it stays.
        :raises PlanProblem: things of this source are not deleted from here.
        """

    def folder(self, entry: Entry) -> AbstractContextManager[Path]:
        """A folder of this machine with the files of a project.

        :raises SourceGone: it is no longer there. :raises SourceChanged: it is not what was planned.
        """
        raise PlanProblem(f"{entry.reference!r} is planned as a project, which this source does not have")

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Let go of connections. May be called again."""
