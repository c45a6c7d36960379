"""The possible next steps of an attempt's client and writer, and the faults that may hit them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import Blob, Delete, Request, Row, Rules, State, Step

Move = tuple[str, State]
OPEN = {Row.PENDING, Row.COMPLETING}


def client_moves(state: State, rules: Rules) -> Iterator[Move]:
    """The first attempt or a repeat while nothing is acknowledged, and a deletion afterwards.

    A repeat may begin at any time, whoever has the earlier attempt: a writer, nobody, or a cleaner that rolls
    it forward. When the real service admits it (after the lease) affects only service, not safety.
    """
    for place, blob in enumerate(state.blobs):
        previous_started = place == 0 or state.blobs[place - 1].step is not Step.IDLE
        if blob.step is Step.IDLE and not state.acknowledged and previous_started:
            yield from _start(state, place, blob, rules)
    if state.acknowledged and state.delete is Delete.NOT_ASKED and rules.delete:
        for place, blob in enumerate(state.blobs):
            if blob.row is Row.COMMITTED:
                hidden = blob.but(row=Row.DELETING)
                yield "D1", state.with_blob(place, hidden, delete=Delete.ACKNOWLEDGED)
                yield "D1, reply lost", state.with_blob(place, hidden, delete=Delete.UNKNOWN)


def _start(state: State, place: int, blob: Blob, rules: Rules) -> Iterator[Move]:
    first = Step.PUT if rules.small else Step.CREATE
    if state.winner is not None:
        yield f"{place}: stored answer", state.with_blob(place, blob.but(step=Step.DEAD), acknowledged=True)
    elif not rules.intent_first:
        yield f"{place}: start without T1", state.with_blob(place, blob.but(step=first, lease=True))
    else:
        reserved = blob.but(row=Row.PENDING, lease=True)
        yield f"{place}: T1", state.with_blob(place, reserved.but(step=first))
        yield f"{place}: T1, reply lost", state.with_blob(place, reserved.but(step=Step.DEAD))


def accidents(state: State, place: int, rules: Rules) -> Iterator[Move]:
    """Death, a lease that expires under a frozen writer, a client that leaves, late requests."""
    blob = state.blobs[place]
    if blob.alive:
        yield f"{place}: SIGKILL", state.with_blob(place, blob.but(step=Step.DEAD))
    if blob.lease and blob.row in OPEN:
        yield f"{place}: lease runs out", state.with_blob(place, blob.but(lease=False))
    busy = blob.step in {Step.PARTS, Step.BEGIN_COMPLETION, Step.COMPLETE, Step.PUT}
    if busy and blob.row in OPEN and rules.intent_first and rules.cancel:
        yield f"{place}: abandoned", state.with_blob(place, blob.but(row=Row.ABORTING))
    for request in Request:
        if (place, request) in state.wire:
            rest = state.but(wire=state.wire - {(place, request)})
            yield f"{place}: late {request.value} is lost", rest
            yield f"{place}: late {request.value} runs", rest.with_blob(place, executed(blob, request))


def executed(blob: Blob, request: Request) -> Blob:
    """The effect of a late request when S3 executes it."""
    if request is Request.CREATE:
        return blob.but(upload=True)
    if request is Request.PUT:
        return blob.but(object=True)
    return blob.but(upload=False, object=True) if blob.upload else blob


def writer_moves(state: State, place: int, rules: Rules) -> Iterator[Move]:
    """The writer's next step with each outcome."""
    blob = state.blobs[place]
    match blob.step:
        case Step.CREATE:
            yield from _create(state, place, blob)
        case Step.RECORD:
            yield from _record(state, place, blob, rules)
        case Step.PARTS:
            arrived = Step.BEGIN_COMPLETION if blob.upload else Step.DEAD
            yield f"{place}: S2", state.with_blob(place, blob.but(step=arrived))
        case Step.BEGIN_COMPLETION:
            changed = blob.but(row=Row.COMPLETING, step=Step.COMPLETE)
            refused = blob.but(step=Step.DEAD)
            yield f"{place}: T3", state.with_blob(place, changed if blob.row is Row.PENDING else refused)
        case Step.COMPLETE:
            yield from _complete(state, place, blob, rules)
        case Step.PUT:
            yield from _put(state, place, blob, rules)
        case Step.HEAD:
            missing = Step.COMPLETE if blob.upload else Step.DEAD
            yield (
                f"{place}: S4",
                state.with_blob(place, blob.but(step=Step.COMMIT if blob.object else missing)),
            )
        case Step.COMMIT:
            yield from _commit(state, place, blob, rules)
        case Step.REPLY:
            done = blob.but(step=Step.DEAD)
            yield f"{place}: reply", state.with_blob(place, done, acknowledged=True)
            yield f"{place}: reply lost", state.with_blob(place, done)


def _create(state: State, place: int, blob: Blob) -> Iterator[Move]:
    made = blob.but(upload=True, step=Step.RECORD)
    yield f"{place}: S1", state.with_blob(place, made)
    yield f"{place}: S1, reply lost", state.with_blob(place, made.but(step=Step.DEAD))
    yield f"{place}: S1 repeated by the SDK", state.with_blob(place, made.but(spare_upload=True))
    wire = state.wire | {(place, Request.CREATE)}
    yield f"{place}: S1 on its way", state.with_blob(place, blob.but(step=Step.DEAD), wire=wire)


def _record(state: State, place: int, blob: Blob, rules: Rules) -> Iterator[Move]:
    if not rules.intent_first:
        yield f"{place}: parts", state.with_blob(place, blob.but(step=Step.COMPLETE))
    else:
        step = Step.PARTS if blob.row is Row.PENDING else Step.DEAD
        yield f"{place}: T2", state.with_blob(place, blob.but(step=step))


def _complete(state: State, place: int, blob: Blob, rules: Rules) -> Iterator[Move]:
    if blob.upload:
        made = blob.but(upload=False, object=True)
        yield f"{place}: S3", state.with_blob(place, made.but(step=Step.COMMIT))
        yield f"{place}: S3, reply lost", state.with_blob(place, made.but(step=Step.HEAD))
    else:
        yield f"{place}: S3, no such upload", state.with_blob(place, blob.but(step=Step.HEAD))
    wire = state.wire | {(place, Request.COMPLETE)}
    yield f"{place}: S3 on its way", state.with_blob(place, blob.but(step=Step.DEAD), wire=wire)
    if not rules.acknowledge_after_commit:
        yield f"{place}: acknowledged before S3", state.but(acknowledged=True)


def _put(state: State, place: int, blob: Blob, rules: Rules) -> Iterator[Move]:
    made = blob.but(object=True)
    yield f"{place}: put", state.with_blob(place, made.but(step=Step.COMMIT))
    yield f"{place}: put, reply lost", state.with_blob(place, made.but(step=Step.DEAD))
    wire = state.wire | {(place, Request.PUT)}
    yield f"{place}: put on its way", state.with_blob(place, blob.but(step=Step.DEAD), wire=wire)
    if not rules.acknowledge_after_commit:
        yield f"{place}: acknowledged before the put", state.but(acknowledged=True)


def _commit(state: State, place: int, blob: Blob, rules: Rules) -> Iterator[Move]:
    if not _commit_finds_its_row(blob, rules):
        yield f"{place}: T4 finds nothing", state.with_blob(place, blob.but(step=Step.DEAD))
    elif state.winner is None or not rules.decide_in_commit:
        done = blob.but(row=Row.COMMITTED, lease=False, step=Step.REPLY)
        yield f"{place}: T4", state.with_blob(place, done, winner=place)
        if rules.compensate_on_doubt:
            undone = done.but(object=False, step=Step.DEAD)
            yield f"{place}: T4, reply lost, object deleted", state.with_blob(place, undone, winner=place)
    else:
        lost = blob.but(row=Row.ABORTING, step=Step.DEAD)
        yield f"{place}: T4 lost, winner's answer", state.with_blob(place, lost, acknowledged=True)


def _commit_finds_its_row(blob: Blob, rules: Rules) -> bool:
    if not rules.compare_and_set:
        return blob.row is not Row.COMMITTED
    if not rules.intent_first:
        return blob.row in {Row.NONE, Row.PURGED}
    return blob.row is (Row.PENDING if rules.small else Row.COMPLETING)
