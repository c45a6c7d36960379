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
    """The next action of an attempt's writer. IDLE: not started; DEAD: finished, failed or killed."""

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
    """An S3 request that its writer has given up; it may still be executed, or be lost."""

    CREATE = "create"
    COMPLETE = "complete"
    PUT = "put"


class Delete(IntEnum):
    """The client's deletion of the file. UNKNOWN: committed, but the reply was lost."""

    NOT_ASKED = 0
    UNKNOWN = 1
    ACKNOWLEDGED = 2


class Blob(NamedTuple):
    """One attempt: its row, its object in S3, and its writer.

    `upload`: an open multipart upload; `spare_upload`: another one of the same key that nobody recorded (from
    an SDK's repeated create). `lease`: not expired.
    """

    row: Row = Row.NONE
    upload: bool = False
    spare_upload: bool = False
    object: bool = False
    lease: bool = False
    step: Step = Step.IDLE

    def but(self, **changes: Any) -> Blob:
        """The blob with `changes`."""
        return self._replace(**changes)

    @property
    def alive(self) -> bool:
        """Whether its writer lives."""
        return self.step not in {Step.IDLE, Step.DEAD}


class State(NamedTuple):
    """The whole state. `winner`: the attempt named by the idempotency row, once one has committed."""

    blobs: tuple[Blob, ...]
    wire: frozenset[tuple[int, Request]] = frozenset()
    winner: int | None = None
    acknowledged: bool = False
    delete: Delete = Delete.NOT_ASKED

    def but(self, **changes: Any) -> State:
        """The state with `changes`."""
        return self._replace(**changes)

    def with_blob(self, place: int, blob: Blob, **changes: Any) -> State:
        """The state with another blob at `place`, and `changes`."""
        blobs = (*self.blobs[:place], blob, *self.blobs[place + 1 :])
        return self._replace(blobs=blobs, **changes)


def start(attempts: int) -> State:
    """The initial state."""
    return State(blobs=(Blob(),) * attempts)


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol (the defaults), and ways to break it. Each changed flag breaks one rule.

    `small`: bodies below a part, one PutObject, no COMPLETING. `roll_back`: the cleaner aborts an expired
    COMPLETING instead of rolling it forward, which is worse service but equally safe.
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
