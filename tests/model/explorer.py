"""The model of one attempt: checks every reachable state for violations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

from tests.model.cleaner import cleaner_moves
from tests.model.state import Delete, Request, Row, Rules, State, Step, start
from tests.model.walk import Verdict, walk
from tests.model.writer import Move, accidents, client_moves, executed, writer_moves

UNFINISHED = {Row.PENDING, Row.COMPLETING, Row.ABORTING, Row.DELETING, Row.GONE}


@cache
def explore(attempts: int, rules: Rules) -> Verdict:
    """Check every state that `attempts` attempts of one request can reach."""
    drained: dict[State, str] = {}  # states differ in who lives, which does not matter once all are dead

    def wrong(state: State) -> str:
        if now := violation(state):
            return now
        dead = _silenced(state)
        if dead not in drained:
            drained[dead] = after_drain(dead, rules)
        return drained[dead]

    return walk([start(attempts)], lambda state: moves(state, rules), wrong)


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """All transitions from a state."""
    yield from client_moves(state, rules)
    for place in range(len(state.blobs)):
        yield from accidents(state, place, rules)
        yield from writer_moves(state, place, rules)
        yield from cleaner_moves(state, place, rules)


def violation(state: State) -> str:
    """The violated invariant; empty: none."""
    visible = [blob for blob in state.blobs if blob.row is Row.COMMITTED]
    if len(visible) > 1:
        return "two visible files for one request"
    if state.acknowledged and state.delete is Delete.NOT_ASKED and not visible:
        return "an acknowledged upload has no visible file"
    if any(not blob.object for blob in visible):
        return "a visible file has no object"
    if state.delete is not Delete.NOT_ASKED and visible:
        return "a deleted file is visible again"
    return ""


def after_drain(dead: State, rules: Rules) -> str:
    """The violations after the faults have stopped: every process is dead, every lease is over, and the
    cleaner finishes.

    Each late request is lost or executed, before the cleaner's first pass or after it.
    """
    late = sorted(dead.wire)
    for arrives in product((False, True), repeat=len(late)):
        landing = [request for request, lands in zip(late, arrives, strict=True) if lands]
        for before in (True, False):
            wrong = _drain(dead, landing, rules, before=before)
            if wrong:
                return wrong
    return ""


def _silenced(state: State) -> State:
    blobs = tuple(
        blob.but(lease=False, step=Step.IDLE if blob.step is Step.IDLE else Step.DEAD) for blob in state.blobs
    )
    return state.but(blobs=blobs)


def _drain(state: State, landing: list[tuple[int, Request]], rules: Rules, *, before: bool) -> str:
    arrived = _land(state, landing)
    if before:
        state, wrong = _clean(arrived, rules)
    else:
        state, wrong = _clean(state, rules)
        if not wrong:
            state, wrong = _clean(_land(state, landing), rules)
    return wrong or _leftovers(state)


def _land(state: State, landing: list[tuple[int, Request]]) -> State:
    for place, request in landing:
        state = state.with_blob(place, executed(state.blobs[place], request))
    return state.but(wire=frozenset())


def _clean(state: State, rules: Rules) -> tuple[State, str]:
    while True:
        step = next(
            (move for place in range(len(state.blobs)) for move in cleaner_moves(state, place, rules)), None
        )
        if step is None:
            return state, ""
        state = step[1]
        if wrong := violation(state):
            return state, f"while draining: {wrong}"


def _leftovers(state: State) -> str:
    for blob in state.blobs:
        if blob.upload or blob.spare_upload:
            return "a multipart upload is left"
        if blob.object and blob.row is not Row.COMMITTED:
            return "an object is left"
        if blob.row in UNFINISHED:
            return f"a row stays {blob.row.value}"
    return ""
