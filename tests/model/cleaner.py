"""The cleaner's work on one blob. The next step follows from the row, so a crash is a step not taken."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import Blob, Row, Rules, State, Step
from tests.model.writer import Move


def cleaner_moves(state: State, place: int, rules: Rules) -> Iterator[Move]:
    """The next step on the blob at `place`, if there is one."""
    blob = state.blobs[place]
    if blob.spare_upload and rules.abort_unrecorded_uploads and not (blob.row is Row.PENDING and blob.lease):
        yield f"cleaner {place}: aborts an unrecorded upload", _with(state, place, spare_upload=False)
        return
    match blob.row:
        case Row.PENDING if not blob.lease:
            yield f"cleaner {place}: expires it", _with(state, place, row=Row.ABORTING)
        case Row.COMPLETING if not blob.lease:
            yield _end_completing(state, place, blob, rules)
        case Row.ABORTING | Row.DELETING:
            yield _remove(state, place, blob, rules)
        case Row.GONE:
            yield from _look_at_tombstone(state, place, blob)
        case Row.NONE | Row.PURGED if (blob.upload or blob.object) and rules.sweep_bucket:
            yield f"sweep {place}: no row", _with(state, place, upload=False, object=False)


def _end_completing(state: State, place: int, blob: Blob, rules: Rules) -> Move:
    if rules.roll_back or state.winner is not None:
        return f"cleaner {place}: gives it up", _with(state, place, row=Row.ABORTING)
    if blob.upload:
        return f"cleaner {place}: completes it", _with(state, place, upload=False, object=True)
    if blob.object:
        committed = blob.but(row=Row.COMMITTED)
        return f"cleaner {place}: commits it", state.with_blob(place, committed, winner=place)
    return f"cleaner {place}: its data is gone", _with(state, place, row=Row.ABORTING)


def _remove(state: State, place: int, blob: Blob, rules: Rules) -> Move:
    if blob.upload:
        return f"cleaner {place}: aborts the upload", _with(state, place, upload=False)
    if blob.object:
        return f"cleaner {place}: deletes the object", _with(state, place, object=False)
    return f"cleaner {place}: gone", _with(state, place, row=Row.GONE if rules.tombstone else Row.PURGED)


def _look_at_tombstone(state: State, place: int, blob: Blob) -> Iterator[Move]:
    """The grace is longer than any request is in flight, and than any writer lives."""
    if blob.upload or blob.object:
        yield f"cleaner {place}: removes a late arrival", _with(state, place, upload=False, object=False)
    elif all(sender != place for sender, _ in state.wire) and blob.step in {Step.DEAD, Step.IDLE}:
        yield f"cleaner {place}: purges", _with(state, place, row=Row.PURGED)


def _with(state: State, place: int, **changes: object) -> State:
    blob: Blob = state.blobs[place]
    return state.with_blob(place, blob.but(**changes))
