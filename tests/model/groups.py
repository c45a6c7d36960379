"""A transaction shared by several attempts (T1 or T4): an explicit-state model in addition to that of one
attempt.

Each member is another owner's attempt with a waiting caller. The database refuses a bad one wherever it is.
The group's statements and its COMMIT are sent together; then they are applied and answered, applied with a
lost answer, or lost themselves. A process may die at any moment, and a caller may leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from tests.model.walk import Verdict, walk


class Told(Enum):
    """The answer that a member's caller has received."""

    NOTHING = "nothing"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Phase(Enum):
    """The group's phase. `ALONE`: nothing of it was done, and each member is tried separately."""

    WAITING = "waiting"
    SENT = "sent"
    COMMITTED = "committed"
    IN_DOUBT = "in doubt"
    ALONE = "alone"
    DEAD = "dead"


class Member(NamedTuple):
    """One attempt. `written`: how often its row was written; `waits`: its caller has not left."""

    bad: bool = False
    written: int = 0
    told: Told = Told.NOTHING
    waits: bool = True


class State(NamedTuple):
    """The group. `applied`: its transaction was, whether known or not."""

    members: tuple[Member, ...]
    phase: Phase = Phase.WAITING
    applied: bool = False

    def member(self, place: int, **changes: Any) -> State:
        """The state with one member changed."""
        changed = self.members[place]._replace(**changes)
        return self._replace(members=(*self.members[:place], changed, *self.members[place + 1 :]))

    def each(self, **changes: Any) -> State:
        """The state with all members changed."""
        return self._replace(members=tuple(member._replace(**changes) for member in self.members))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules (the defaults), and ways to break them."""

    reply_after_commit: bool = True
    doubt_is_everybodys: bool = True
    failure_is_the_bad_ones: bool = True
    all_or_none: bool = True
    death_is_told: bool = True


Move = tuple[str, State]


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """All transitions from a state."""
    yield from _transaction(state, rules)
    for place, member in enumerate(state.members):
        if member.waits and member.told is Told.NOTHING:
            yield f"{place} goes away", state.member(place, waits=False)
        if member.told is Told.NOTHING:
            yield from _replies(state, place, rules)
        elif member.told is Told.UNKNOWN and member.waits:
            yield from _asked_again(state, place)
    if state.phase is not Phase.DEAD:
        dead = state._replace(phase=Phase.DEAD)
        yield "SIGKILL", _tell_all(dead) if rules.death_is_told else dead


def _transaction(state: State, rules: Rules) -> Iterator[Move]:
    if state.phase is Phase.WAITING:
        yield "sent", state._replace(phase=Phase.SENT)
        yield "no connection", _tell_all(state._replace(phase=Phase.IN_DOUBT))
    if state.phase is not Phase.SENT:
        return
    if any(member.bad for member in state.members):
        if rules.failure_is_the_bad_ones:
            yield "a statement fails", state._replace(phase=Phase.ALONE)
        else:
            yield (
                "a statement fails, all are refused",
                state._replace(phase=Phase.ALONE).each(told=Told.REFUSED),
            )
        yield "lost with the error", _in_doubt(state, rules)
        return
    applied = _applied(state, rules)
    yield "COMMIT", applied._replace(phase=Phase.COMMITTED)
    yield "COMMIT, answer lost", _in_doubt(applied, rules)
    yield "lost before COMMIT", _in_doubt(state, rules)
    yield "COMMIT, SIGKILL", _tell_all(applied._replace(phase=Phase.DEAD)) if rules.death_is_told else applied


def _applied(state: State, rules: Rules) -> State:
    if not rules.all_or_none:  # as if each member had its own transaction, and the last one's was lost
        return state.member(0, written=1)._replace(applied=True)
    return state.each(written=1)._replace(applied=True)


def _in_doubt(state: State, rules: Rules) -> State:
    if rules.doubt_is_everybodys:
        return _tell_all(state._replace(phase=Phase.IN_DOUBT))
    return state._replace(phase=Phase.ALONE)


def _tell_all(state: State) -> State:
    """A broken connection or an error: every waiting caller gets an answer."""
    members = tuple(
        member._replace(told=Told.UNKNOWN) if member.told is Told.NOTHING else member
        for member in state.members
    )
    return state._replace(members=members)


def _replies(state: State, place: int, rules: Rules) -> Iterator[Move]:
    member = state.members[place]
    if state.phase is Phase.COMMITTED or (state.phase is Phase.SENT and not rules.reply_after_commit):
        yield f"{place} hears of it", state.member(place, told=Told.DONE)
    if state.phase is Phase.ALONE:
        yield from _alone(state, place, member)


def _alone(state: State, place: int, member: Member) -> Iterator[Move]:
    """A separate transaction, not to be confused with the group's, of which nothing was done."""
    if member.bad:
        yield f"{place} alone: refused", state.member(place, told=Told.REFUSED)
        return
    written = member.written + 1
    yield f"{place} alone", state.member(place, written=written, told=Told.DONE)
    yield f"{place} alone, answer lost", state.member(place, written=written, told=Told.UNKNOWN)
    yield f"{place} alone, lost", state.member(place, told=Told.UNKNOWN)


def _asked_again(state: State, place: int) -> Iterator[Move]:
    """A repeat is answered from the row (rule R4), by this process or the next."""
    member = state.members[place]
    if member.written:
        yield f"{place} asks: it is there", state.member(place, told=Told.DONE)
    else:
        yield from _alone(state, place, member)


def violation(state: State) -> str:
    """The violated invariant; empty: none."""
    for member in state.members:
        if wrong := _wrong(member, state.phase):
            return wrong
    if state.applied and state.phase in {Phase.COMMITTED, Phase.IN_DOUBT} and not _whole(state):
        return "a part of the group is there"
    return ""


def _wrong(member: Member, phase: Phase) -> str:
    cases = {
        "an answer for what was not committed": member.told is Told.DONE and not member.written,
        "a good member was refused": member.told is Told.REFUSED and not member.bad,
        "a refusal of what is there": member.told is Told.REFUSED and member.written > 0,
        "one attempt was written twice": member.written > 1,
        "a caller waits for ever": phase is Phase.DEAD and member.waits and member.told is Told.NOTHING,
    }
    return next((what for what, wrong in cases.items() if wrong), "")


def _whole(state: State) -> bool:
    return all(member.written for member in state.members)


@cache
def explore(members: int, rules: Rules) -> Verdict:
    """Every state that a group can reach, with any of its members bad."""
    starts = (State(tuple(Member(bad=one) for one in bad)) for bad in product((False, True), repeat=members))
    return walk(starts, lambda state: moves(state, rules), violation)
