"""The one place where psycopg's errors become Strongroom's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout, TooManyRequests

from servicekit.moments import rfc3339
from strongroom.errors import DatabaseUnavailable, InvalidField, RetentionHeld, UserBeingErased

#: The transaction was undone and may simply be run again (Postgres, "Serialization Failure Handling").
REPEATABLE = (pg.SerializationFailure, pg.DeadlockDetected)

#: The server answers, and takes no change: no room, or a standby.
REFUSES_WRITES = (pg.DiskFull, pg.ReadOnlySqlTransaction)

#: Faults of the moment: the server restarts, fails over, is full, or a time limit has passed.
_UNAVAILABLE = (
    PoolTimeout,
    TooManyRequests,
    pg.OperatorIntervention,  # class 57: shutdown, crash, cannot connect now, statement timeout
    pg.InsufficientResources,  # class 53: too many connections, disk full, out of memory
    pg.LockNotAvailable,
    pg.ReadOnlySqlTransaction,  # a standby took the connection during a failover
    pg.IdleInTransactionSessionTimeout,
    pg.TransactionTimeout,
    pg.SystemError,  # class 58: I/O errors of the server
    psycopg.OperationalError,  # everything about the connection itself
    *REPEATABLE,
)
#: Among them, those of one statement.
_OF_STATEMENT = (pg.QueryCanceled, pg.LockNotAvailable, *REPEATABLE)
RETRY_AFTER_SECONDS = 1.0
#: The policy by which an owner who is being erased gets no new rows; messages of Postgres name it.
NOT_ERASED = "not_erased"
#: SQLSTATE of the triggers of migration 0024, when something that is kept or held was to go.
HELD_STATE: Final = "SR423"

#: The server says that it ends the connection, and with it what was not committed.
_ENDED = (
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.IdleInTransactionSessionTimeout,
    pg.TransactionTimeout,
)


class UniqueConflict(Exception):
    """A row with this unique key is there already. Never leaves the service: whoever inserts decides what it
    means.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


def translated(error: psycopg.Error) -> Exception:
    """What to raise instead: DatabaseUnavailable, InvalidField, UniqueConflict, RetentionHeld,
    UserBeingErased; a bug stays what it is.
    """
    if isinstance(error, pg.UniqueViolation):
        return UniqueConflict(error.diag.constraint_name or "")
    if error.sqlstate == HELD_STATE:
        return retention_held(error.diag.message_detail or "")
    if isinstance(error, _UNAVAILABLE):
        return DatabaseUnavailable(
            "The database does not answer at the moment; try again.", retry_after=RETRY_AFTER_SECONDS
        )
    if isinstance(error, pg.InsufficientPrivilege) and f'"{NOT_ERASED}"' in str(error):
        return being_erased()
    if _is_unstorable_text(error):
        return InvalidField(
            "A text holds a NUL character, which cannot be stored; remove it.",
            field="text",
            rule="string.no_nul",
        )
    return error


def being_erased() -> UserBeingErased:
    """For who would store something, or keep it."""
    return UserBeingErased(
        "Everything this user has stored is being erased, and nothing new can be stored until that has ended;"
        " the operator knows when."
    )


def statement_failed(error: Exception) -> bool:
    """Whether it is what was asked that failed, by a mistake, its time or its locks: the database answers
    others.
    """
    return not isinstance(error, DatabaseUnavailable) or isinstance(error.__cause__, _OF_STATEMENT)


def connection_is_lost(error: psycopg.Error) -> bool:
    """Whether the connection, not the statement, has failed: another connection may do."""
    if isinstance(error, _ENDED):
        return True
    if isinstance(error, PoolTimeout | TooManyRequests):
        return False
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def _is_unstorable_text(error: psycopg.Error) -> bool:
    if isinstance(error, pg.UntranslatableCharacter | pg.CharacterNotInRepertoire):
        return True
    return isinstance(error, psycopg.DataError) and error.sqlstate is None and "NUL" in str(error)


def retention_held(detail: str) -> RetentionHeld:
    """The refusal, in the words of whoever has tried. `detail`: JSON with `name`, `until`, `hold`, `reason`,
    `by_admin`.
    """
    said = json.loads(detail)
    name, metadata = said["name"], {}
    if said["until"] is not None:
        until = datetime.fromisoformat(said["until"])
        if not said["hold"] or until > datetime.now(UTC):
            metadata["until"] = rfc3339(until, "seconds")
    if not said["hold"]:
        text = f"{name} is kept until {metadata['until']}; it can be deleted or replaced from then on."
        return RetentionHeld(text, metadata=metadata)
    reason = f" ({said['reason']})" if said["reason"] else ""
    who = "an admin" if said["by_admin"] else "its owner or an admin"
    text = f"{name} is on legal hold{reason}; it can be deleted or replaced once {who} has lifted the hold."
    if "until" in metadata:
        text += f" It is kept until {metadata['until']} besides."
    return RetentionHeld(text, metadata={**metadata, "hold": "true"})
