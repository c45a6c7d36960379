"""A model of writes to one upload that two processes cache (storage_service/sessions/kept.py).

A client sends pieces and HEADs to either process, also before earlier ones are answered. A write asks to
become the writer (the epoch rises), or continues at the epoch of the last write that this process has
answered. Time is the database's, in ticks. A recording that took longer than one tick is not cached, and a
HEAD that has raised the epoch waits two before it answers. Processes die, answers are lost, and an S3 request
that was given up may still be applied. Parts are left out: their ETags are compared when the object is
completed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from tests.model.walk import Verdict, walk

TICKS: Final = 3
PROMPT: Final = 1
TELL: Final = 2


class Piece(NamedTuple):
    """Recorded bytes: the epoch in their segment's name, and their writer."""

    epoch: int
    writer: int


class Kept(NamedTuple):
    """A session as cached by a write: `pieces` are in memory. `recorded` is the tick of the recording, and
    `took` its duration.
    """

    epoch: int
    pieces: tuple[Piece, ...]
    recorded: int
    took: int


class Write(NamedTuple):
    """A write in progress. `named`: the epoch in its segment's name. `began`: its tick, as far as
    metadata_service can know; -1: it has asked to become the writer. `promised`: it came after a HEAD had
    told the offset, with nothing in between. `recorded`: the tick; -1: not yet.
    """

    number: int
    named: int
    epoch: int
    base: tuple[Piece, ...]
    began: int = -1
    promised: bool = False
    put: bool = False
    recorded: int = -1


class Process(NamedTuple):
    """A storage_service process. `head`: the number of the HEAD in progress, which may answer at
    `told_at`.
    """

    kept: Kept | None = None
    write: Write | None = None
    head: int = 0
    told_at: int = 0


class State(NamedTuple):
    """`raised`: when the epoch was raised. `acked`: what the client knows to be stored. `holds`: the offset
    of the last request if it was a HEAD; -1: it was none. `told`: it was answered. `late`: requests for
    segments that were given up.
    """

    processes: tuple[Process, Process] = (Process(), Process())
    pieces: tuple[Piece, ...] = ()
    epoch: int = 1
    raised: int = 0
    now: int = 0
    left: int = 0
    requests: int = 0
    acked: tuple[Piece, ...] = ()
    known: int = 0
    holds: int = -1
    told: bool = False
    late: frozenset[tuple[int, int, int]] = frozenset()
    refused: bool = False

    def at(self, place: int, **changes: Any) -> State:
        """The state with one process changed."""
        changed = self.processes[place]._replace(**changes)
        both = (changed, self.processes[1]) if place == 0 else (self.processes[0], changed)
        return self._replace(processes=both)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules (the defaults), and ways to break them."""

    compare_epoch: bool = True
    ask_when_it_began: bool = True
    ask_what_came: bool = True
    wait_before_telling: bool = True
    keep_only_what_was_prompt: bool = True
    forget_what_failed: bool = True


Move = tuple[str, State]


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """All transitions from a state."""
    if state.now < TICKS:
        yield "time passes", state._replace(now=state.now + 1)
    for place, process in enumerate(state.processes):
        if process != Process():
            yield f"{place} dies", _given_up(state, place).at(place, kept=None, write=None, head=0)
        if process.kept is not None:
            yield f"{place} forgets", state.at(place, kept=None)
        if process.write is not None:
            yield from _write_moves(state, place, process, process.write, rules)
        elif process.head:
            if state.now >= process.told_at:
                told = state.at(place, head=0, told_at=0)
                last = process.head == state.requests
                yield f"{place} tells", told._replace(known=len(state.pieces), told=last or state.told)
        elif state.requests < state.left:
            yield from _requests(state, place, process, rules)
    for name in state.late:
        offset, epoch, writer = name
        yield f"late {name}", _stored(state._replace(late=state.late - {name}), offset, epoch, writer)


def _requests(state: State, place: int, process: Process, rules: Rules) -> Iterator[Move]:
    number = state.requests + 1
    came = _nothing_promised(state)._replace(requests=number, told=False).at(place, kept=None)
    pause = TELL if rules.wait_before_telling else 0
    head = came.at(place, head=number, told_at=state.now + pause)
    yield f"{place}: HEAD", _raised(head)._replace(holds=len(state.pieces))
    kept, came = process.kept, came._replace(holds=-1)
    if kept is not None and len(kept.pieces) == state.known:
        began = state.now - kept.took
        write = Write(number, kept.epoch, kept.epoch, kept.pieces, began, promised=state.told)
        yield f"{place}: write {number} goes on", came.at(place, write=write)
        return
    asked = _raised(came)
    if len(state.pieces) == state.known:
        write = Write(number, asked.epoch, asked.epoch, state.pieces)
        yield f"{place}: write {number}", asked.at(place, write=write)
    else:
        yield f"{place}: write {number} at a wrong offset", asked


def _write_moves(state: State, place: int, process: Process, write: Write, rules: Rules) -> Iterator[Move]:
    offset = len(write.base)
    if not write.put:
        stored = _stored(state, offset, write.named, write.number)
        yield f"{place}: segment", stored.at(place, write=write._replace(put=True))
        yield f"{place}: segment given up", _ended(_given_up(state, place), place, write, rules)
        return
    if write.recorded >= 0:
        known = max(state.known, offset + 1)
        told = state.at(place, write=None)._replace(known=known, acked=max(state.acked, _of(write), key=len))
        took = state.now - write.recorded
        if took <= PROMPT or not rules.keep_only_what_was_prompt:
            told = told.at(place, kept=Kept(write.epoch, _of(write), write.recorded, took))
        yield f"{place}: answered", told
        yield f"{place}: answer lost", _ended(state, place, write, rules)
        return
    following, epoch = _recorded(state, place, write, rules)
    if following is None:
        lost = state._replace(refused=state.refused or write.promised)
        yield f"{place}: superseded", lost.at(place, write=None)
    else:
        done = write._replace(epoch=epoch, recorded=state.now)
        yield f"{place}: recorded", following.at(place, write=done)


def _recorded(state: State, place: int, write: Write, rules: Rules) -> tuple[State | None, int]:
    """RecordProgress; None: UPLOAD_SUPERSEDED."""
    following = state._replace(pieces=_of(write))
    if write.epoch == state.epoch or not rules.compare_epoch:
        return following, write.epoch
    unchanged = len(state.pieces) == len(write.base) or not rules.ask_what_came
    in_time = write.began > state.raised or not rules.ask_when_it_began
    if write.began >= 0 and unchanged and in_time:
        return _raised(following), state.epoch + 1
    return None, 0


def _of(write: Write) -> tuple[Piece, ...]:
    return (*write.base, Piece(write.named, write.number))


def _raised(state: State) -> State:
    return state._replace(epoch=state.epoch + 1, raised=state.now)


def _stored(state: State, offset: int, epoch: int, writer: int) -> State:
    """The state after S3 has stored a segment. A recorded segment with that name then has other bytes."""
    if offset >= len(state.pieces) or state.pieces[offset].epoch != epoch:
        return state
    pieces = list(state.pieces)
    pieces[offset] = Piece(epoch, writer)
    return state._replace(pieces=tuple(pieces))


def _given_up(state: State, place: int) -> State:
    write = state.processes[place].write
    if write is None or write.put:
        return state
    return state._replace(late=state.late | {(len(write.base), write.named, write.number)})


def _ended(state: State, place: int, write: Write, rules: Rules) -> State:
    """A failed write leaves nothing behind."""
    if rules.forget_what_failed:
        return state.at(place, write=None)
    return state.at(place, write=None, kept=Kept(write.epoch, write.base, state.now, 0))


def _nothing_promised(state: State) -> State:
    for place, process in enumerate(state.processes):
        if process.write is not None:
            state = state.at(place, write=process.write._replace(promised=False))
    return state


def violation(state: State) -> str:
    """The violated invariant; empty: none."""
    if state.pieces[: len(state.acked)] != state.acked:
        return "acknowledged bytes are gone or others"
    if state.holds >= 0 and len(state.pieces) != state.holds:
        return "the offset that was told is no longer true"
    if state.refused:
        return "a write at the offset that was told was refused"
    return ""


@cache
def explore(requests: int, rules: Rules) -> Verdict:
    """Every state that this many requests can reach."""
    return walk([State(left=requests)], lambda state: moves(state, rules), violation)
