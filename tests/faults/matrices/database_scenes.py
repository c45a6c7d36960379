"""Actions of a client that run a transaction, and how that transaction meets its fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.faults.cell import Cell
from tests.faults.checker import Expected, Upload
from tests.faults.client import LARGE, SMALL, delete, new_upload, put, repeat_until_stored
from tests.faults.matrices.catalogue import DatabaseCell
from tests.faults.matrices.database_errors import DatabaseErrors
from tests.faults.seed import dice
from tests.faults.tcp_proxy import Moment
from tests.stack import until

#: A statement by which each transaction is recognized on the wire.
STATEMENTS: Final[Mapping[str, str]] = {
    "T1": "INSERT INTO blobs",
    "T2": "UPDATE blobs SET upload_id",
    "T3": "UPDATE blobs SET state = 2",
    "T4": "INSERT INTO files",
    "D1": "UPDATE blobs SET state = 4",
    "cleaner": "UPDATE blobs SET state = 6",
    "idem-read": "FROM idempotency_keys AS keys",
}
_MOMENTS: Final[Mapping[str, tuple[Moment, ...]]] = {
    "conn-drop-before": ("before",),
    "conn-drop-mid-commit": ("mid", "race"),
    "conn-drop-after-commit": ("after",),
    "53300-too-many": ("before",),
    "slow-5s": ("slow",),
}
_CODES: Final[Mapping[str, str]] = {
    "40001": "40001",
    "40P01": "40P01",
    "57014-timeout": "57014",
    "53100-disk-full": "53100",
    "slow-5s": "",
}
TOGETHER: Final = frozenset({"restart-fast", "restart-immediate", "pool-exhausted"})
Met = Callable[[], bool]
_TURNED_AWAY: Final = 3
#: Faults that only the server can produce; a delay can also come from the network.
_ONLY_SQL: Final = frozenset(_CODES) - {"slow-5s"}
_WHILE_SERVED: Final = frozenset({"D1", "cleaner", "idem-read"})


@dataclass
class Scene:
    """One running case. ``upload`` is the client's last request; it makes as many as the transaction needs to
    meet the fault.
    """

    cell: Cell
    errors: DatabaseErrors
    case: DatabaseCell
    owner: str
    upload: Upload = field(init=False)
    holds: Expected = field(init=False)
    is_small: bool = field(init=False)
    broken: str = ""

    def __post_init__(self) -> None:
        self._dice = dice("database", *self.case)
        self.holds = {"D1": "hidden", "cleaner": "hidden", "idem-read": "visible"}.get(  # type: ignore[assignment]
            self.case.transaction, "either"
        )
        self.is_small = self.case.transaction not in {"T2", "T3"} and self._dice.random() < 0.7
        self._size = SMALL if self.is_small else LARGE
        self._tried = 0
        self.another()

    def another(self) -> None:
        """Make the client's next request a new one."""
        self.upload = new_upload(self.owner, self._size)
        self.upload.request_id += f"-{self._tried}"
        self._tried += 1

    def prepare(self) -> None:
        """Create what the transaction needs."""
        if self.case.transaction in _WHILE_SERVED:
            repeat_until_stored(self.cell, self.upload)

    def act(self) -> None:
        """Run the transaction at least once."""
        if self.case.transaction not in {"D1", "cleaner"}:
            assert put(self.cell, self.upload).status in {0, 201, 409, 503, 504}
        elif not self.upload.deleted:
            answer = delete(self.cell, self.owner, self.upload.acked)
            assert answer in {0, 200, 404, 503, 504}, answer
            self.upload.deleted = answer in {200, 404}

    def play(self) -> None:
        """Run until the transaction has met the fault and the client has its answer. Faults that all
        transactions meet together were played before (``database_together``).
        """
        if self.case.fault in TOGETHER:
            assert not self.broken, self.broken
            return
        self.prepare()
        with self.fault() as met:
            until(f"{self.case} is met", lambda: self._tries(met), pause=0.2)
        self.end()

    def _tries(self, met: Met) -> bool:
        """One try. Returns whether it met its fault."""
        self.act()
        if self._is_met(met):
            return True
        self.once_more()
        return False

    def once_more(self) -> None:
        """The action has not met the fault: another request may."""
        served = self.case.transaction in {"D1", "cleaner"}
        if self.upload.deleted if served else self.upload.acked and self.case.transaction != "idem-read":
            self.another()
            self.prepare()

    def end(self) -> None:
        """Repeat a deletion without an answer, like a client."""
        if self.case.transaction in {"D1", "cleaner"}:
            until("it is deleted", self._deleted, pause=0.3)

    def _deleted(self) -> bool:
        self.act()
        return self.upload.deleted

    def _is_met(self, met: Met) -> bool:
        if self.case.transaction == "cleaner" and self.upload.deleted:
            until(f"{self.case} is met", met)
        return met()

    def repeat(self) -> None:
        """See ``waves.Played``."""
        before = [file.key for file in self.cell.checker.files(self.owner, self.upload.request_id)]
        key = repeat_until_stored(self.cell, self.upload)
        assert before in ([], [key])

    def fault(self) -> AbstractContextManager[Met]:
        """Apply the fault inside the block. Yields a function that returns whether a request met it."""
        if self.case.fault in _CODES and (self.case.fault in _ONLY_SQL or self._dice.random() < 0.5):
            return self._raised()
        return self._on_the_wire()

    @contextmanager
    def _raised(self) -> Iterator[Met]:
        at_commit = self.case.transaction != "idem-read" and self._dice.random() < 0.5
        number = self.errors.arm(
            self.owner,
            self.case.transaction,
            code=_CODES[self.case.fault],
            seconds=5.0 if self.case.fault == "slow-5s" else 0.0,
            times=self._dice.choice((1, 1, 3)),
            at_commit=at_commit,
        )
        yield lambda: self.errors.met(number)
        self.errors.retire(number)

    @contextmanager
    def _on_the_wire(self) -> Iterator[Met]:
        postgres = self.cell.postgres
        turns_away = self.case.fault == "53300-too-many"
        rule = postgres.arm(
            STATEMENTS[self.case.transaction],
            at=self._dice.choice(_MOMENTS[self.case.fault]),
            owner=self.owner,
            seconds=5.0,
            then=(lambda: postgres.turn_away(_TURNED_AWAY)) if turns_away else None,
        )
        yield rule.reached.is_set
        postgres.retire(rule)
