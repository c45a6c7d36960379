"""The state of the write protocol's model: some attempts of one request, the bucket, the client."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple


class Row(StrEnum):
    """A blob's row in Postgres. NONE: T1 has not committed; PURGED: the tombstone is gone."""

    NONE = "none"
    PENDING = "pending"
    COMPLETING = "completing"
    COMMITTED = "committed"
    ABORTING = "aborting"
    DELETING = "deleting"
    GONE = "gone"
    PURGED = "purged"


class Step(StrEnum):
    """What an attempt's writer does next. IDLE: not started; DEAD: finished, failed or killed."""

    IDLE = "idle"
    CREATE = "S1 create"
    RECORD = "T2 record"
    PARTS = "S2 parts"
    BEGIN_COMPLETION = "T3 begin completion"
    COMPLETE = "S3 complete"
    PUT = "put"
    HEAD = "S4 head"
    COMMIT = "T4 commit"
    REPLY = "reply"
    DEAD = "dead"


class Request(StrEnum):
    """An S3 request whose writer has stopped waiting for it; it may still be executed, or be lost."""

    CREATE = "create"
    COMPLETE = "complete"
    PUT = "put"


class Delete(IntEnum):
    """The client's deletion of the file. UNKNOWN: committed, but the reply was lost."""

    NOT_ASKED = 0
    UNKNOWN = 1
    ACKNOWLEDGED = 2


class Blob(NamedTuple):
    """One attempt: its row, what S3 has under its identity, and its writer.

    `upload`: an open multipart upload; `spare_upload`: another one of the same key, which nobody recorded (an
    SDK that repeats a create makes it). `lease`: has not run out.
    """

    row: Row = Row.NONE
    upload: bool = False
    spare_upload: bool = False
    object: bool = False
    lease: bool = False
    step: Step = Step.IDLE

    def but(self, **changes: Any) -> Blob:
        """The same but for `changes`."""
        return self._replace(**changes)

    @property
    def alive(self) -> bool:
        """Whether its writer runs."""
        return self.step not in {Step.IDLE, Step.DEAD}


class State(NamedTuple):
    """Everything. `winner`: the attempt that the idempotency row names, once one has committed."""

    blobs: tuple[Blob, ...]
    wire: frozenset[tuple[int, Request]] = frozenset()
    winner: int | None = None
    acknowledged: bool = False
    delete: Delete = Delete.NOT_ASKED

    def but(self, **changes: Any) -> State:
        """The same but for `changes`."""
        return self._replace(**changes)

    def with_blob(self, place: int, blob: Blob, **changes: Any) -> State:
        """The same with another blob at `place`, and `changes`."""
        blobs = (*self.blobs[:place], blob, *self.blobs[place + 1 :])
        return self._replace(blobs=blobs, **changes)


def start(attempts: int) -> State:
    """Before anything has happened."""
    return State(blobs=(Blob(),) * attempts)


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol (the defaults) and the ways to break it. Each flag that is not a default breaks one rule.

    `small`: bodies below a part, one PutObject, no COMPLETING. `roll_back`: the cleaner aborts an expired
    COMPLETING instead of rolling it forward; worse service, but as safe.
    """

    small: bool = False
    roll_back: bool = False
    intent_first: bool = True  # R1
    acknowledge_after_commit: bool = True  # R2
    compare_and_set: bool = True  # R3
    compensate_on_doubt: bool = False  # R4
    tombstone: bool = True  # R5
    decide_in_commit: bool = True  # R6
    abort_unrecorded_uploads: bool = True
    sweep_bucket: bool = True
    cancel: bool = True
    delete: bool = True
