"""Drives the executable model and the real service with the same random requests, and compares them.

Every state shown by the service must be one that the model can reach from those shown before. The model has
more freedom than the service (processes may die and leases run out at any time), so the comparison is
inclusion: the set of model states that fit all observations so far may not become empty. Each walk is one
request (one idempotency key) of one user, with as many attempts as the model has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from typing import Any, Final, TypeAlias

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, SMALL, delete, new_upload, put
from tests.model.explorer import moves
from tests.model.state import Blob, Delete, Row, Rules, State, start
from tests.stack import until

ATTEMPTS: Final = 2
_ROWS: Final = {
    1: Row.PENDING,
    2: Row.COMPLETING,
    3: Row.COMMITTED,
    4: Row.DELETING,
    5: Row.ABORTING,
    6: Row.GONE,
}
#: A row of this kind says when a key is checked again; it is no attempt.
_LEFTOVERS: Final = 4
_ABSENT: Final = frozenset({Row.NONE, Row.PURGED})


Look: TypeAlias = tuple[str, bool, int]
"""An attempt: its row's state (empty: no row), whether it has an object, and its number of open uploads."""
Places: TypeAlias = tuple[str, ...]
"""The service's attempt for each of the model's; empty: not seen yet."""
_NOTHING: Final[Look] = ("", False, 0)


@dataclass(frozen=True)
class Seen:
    """An observation of one request: its attempts by id; whether it has an answer, whether the client has it,
    and what the client may know about its deletion.
    """

    attempts: Mapping[str, Look]
    answered: bool
    acknowledged: bool
    deletions: frozenset[Delete]

    def fits(self, state: State, places: Places) -> bool:
        """Whether the model's state matches it."""
        return (
            (state.winner is not None) == self.answered
            and state.acknowledged == self.acknowledged
            and state.delete in self.deletions
            and all(
                _look_of(blob) == self.attempts.get(name, _NOTHING)
                for blob, name in zip(state.blobs, places, strict=True)
            )
        )


@cache
def _look_of(blob: Blob) -> Look:
    row = "" if blob.row in _ABSENT else blob.row.value
    return row, blob.object, int(blob.upload) + int(blob.spare_upload)


Possible: TypeAlias = dict[Places, set[State]]


def beginning() -> Possible:
    """The initial states."""
    return {("",) * ATTEMPTS: {start(ATTEMPTS)}}


def narrowed(graph: Graph, possible: Possible, seen: Seen) -> Possible:
    """The states that match this observation; empty: the model does not allow it."""
    after: Possible = {}
    for places, states in possible.items():
        reached = graph.reachable(states)
        for filled in _filled(places, [name for name in seen.attempts if name not in places]):
            if fitting := {state for state in reached if seen.fits(state, filled)}:
                after[filled] = after.get(filled, set()) | fitting
    return after


def _filled(places: Places, new: list[str]) -> Iterator[Places]:
    """Put the new attempts into free places in every possible way."""
    free = [at for at, name in enumerate(places) if not name]
    for chosen in permutations(free, len(new)):
        filled = list(places)
        for at, name in zip(chosen, new, strict=True):
            filled[at] = name
        yield tuple(filled)


class Graph:
    """The model's states and transitions, each computed once. Inside, a state is its number: hashing one, a
    tuple of tuples, costs more than a step.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._numbers: dict[State, int] = {}
        self._states: list[State] = []
        self._next: dict[int, frozenset[int]] = {}

    def reachable(self, states: set[State]) -> list[State]:
        """All states reachable from these, each once."""
        found = {self._number(state) for state in states}
        waiting = [*found]
        while waiting:
            new = self._following(waiting.pop()) - found
            found |= new
            waiting += new
        return [self._states[number] for number in found]

    def _following(self, number: int) -> frozenset[int]:
        known = self._next.get(number)
        if known is None:
            known = frozenset(map(self._number, self._moves(self._states[number])))
            self._next[number] = known
        return known

    def _number(self, state: State) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    def _moves(self, state: State) -> Iterator[State]:
        for _, following in moves(state, self._rules):
            yield following
        if state.winner is not None and not state.acknowledged:
            yield state.but(acknowledged=True)  # a repeat without an attempt: the stored answer


@dataclass
class Walk:
    """One request, and the possible states of the model."""

    cell: Cell
    graph: Graph
    owner: str
    large: bool
    upload: Upload = field(init=False)
    possible: Possible = field(default_factory=beginning)
    history: list[str] = field(default_factory=list)
    _deletions: frozenset[Delete] = frozenset({Delete.NOT_ASKED})
    _keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.upload = new_upload(self.owner, LARGE if self.large else SMALL)

    @property
    def may_try(self) -> bool:
        """Whether the model has room for another attempt."""
        return len(self._keys) < ATTEMPTS or bool(self.upload.acked)

    @property
    def may_delete(self) -> bool:
        """Whether there is something to delete."""
        return bool(self.upload.acked) and not self.upload.deleted

    def put(self) -> None:
        """Send the request once."""
        known = self.upload.acked
        answer = put(self.cell, self.upload)
        self.history.append(f"put {answer.status}")
        assert not known or answer.key in {"", known}, f"{known} was answered, and then {answer.key}"

    def delete(self) -> None:
        """Delete the file once."""
        status = delete(self.cell, self.owner, self.upload.acked)
        self.history.append(f"delete {status}")
        if status == 200:
            self._deletions = frozenset({Delete.ACKNOWLEDGED, Delete.UNKNOWN})
        elif status == 404:
            self._deletions = frozenset({Delete.UNKNOWN})
        else:
            self._deletions = frozenset(Delete)
        self.upload.deleted = status in {200, 404}

    def settle(self) -> None:
        """Repeat a deletion without an answer, like a client."""
        if not self.upload.deleted and self._deletions != frozenset({Delete.NOT_ASKED}):
            until(f"{self.owner} hears of its deletion", self._delete_again, pause=0.3)

    def _delete_again(self) -> bool:
        self.delete()
        return self.upload.deleted

    def compare(self) -> str:
        """Observe, and keep the states that match. Returns what is wrong if none does."""
        seen = until(f"{self.owner} holds still", self._look, pause=0.02)
        assert seen is not None
        self.history.append(str(list(seen.attempts.values())))
        self.possible = narrowed(self.graph, self.possible, seen)
        if self.possible:
            return ""
        return f"{self.owner}: after {self.history} the model can't show {seen}"

    def _look(self) -> Seen | None:
        """Rows and bucket at one moment; None if they changed meanwhile."""
        first = self._rows(), self._answers(), self._bucket()
        second = self._rows(), self._answers(), self._bucket()
        if first != second:
            return None
        rows, answers, (objects, uploads) = first
        self._keys |= {row.key: str(row.id) for row in rows}
        states = {row.key: _ROWS[row.state].value for row in rows}
        attempts = {
            self._keys.get(key, key): (states.get(key, ""), key in objects, uploads.count(key))
            for key in states.keys() | objects | set(uploads)
        }
        return Seen(attempts, bool(answers), bool(self.upload.acked), self._deletions)

    def _rows(self) -> list[Any]:
        return self.cell.checker.query(
            "SELECT id, state, epoch, key FROM blobs WHERE owner_id = %s AND kind <> %s ORDER BY id",
            self.owner,
            _LEFTOVERS,
        )

    def _answers(self) -> list[Any]:
        return self.cell.checker.query(
            "SELECT request_id FROM idempotency_keys WHERE owner_id = %s AND reply IS NOT NULL", self.owner
        )

    def _bucket(self) -> tuple[set[str], list[str]]:
        part = f"/{self.owner}/"
        objects = {key for key, _, kind in self.cell.checker.versions() if part in key and kind == "object"}
        return objects, sorted(key for key, _ in self.cell.checker.open_uploads() if part in key)
