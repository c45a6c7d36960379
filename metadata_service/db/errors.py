"""Translation of psycopg's errors into Strongroom's. No other module translates those of requests; those that
settings cause become SettingErrors at the start (`setting_errors`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout, TooManyRequests

from servicekit.moments import rfc3339
from strongroom.errors import DatabaseUnavailable, InvalidField, RetentionHeld, UserBeingErased

#: The transaction was rolled back and can be run again (Postgres, "Serialization Failure Handling").
REPEATABLE = (pg.SerializationFailure, pg.DeadlockDetected)

#: The server answers but refuses writes: its disk is full, or it is a standby.
REFUSES_WRITES = (pg.DiskFull, pg.ReadOnlySqlTransaction)

#: Temporary faults: the server restarts, fails over or is full, or a time limit was exceeded.
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
#: Those of them that concern a single statement.
_OF_STATEMENT = (pg.QueryCanceled, pg.LockNotAvailable, *REPEATABLE)
RETRY_AFTER_SECONDS = 1.0
#: The row-security policy that prevents new rows for an owner who is being erased; messages of Postgres name
#: it.
NOT_ERASED = "not_erased"
#: SQLSTATE raised by the triggers of migration 0024 when something under retention or on hold was to be
#: deleted.
HELD_STATE: Final = "SR423"

#: The server announces that it closes the connection, and so rolls back the transaction.
_ENDED = (
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.IdleInTransactionSessionTimeout,
    pg.TransactionTimeout,
)


class UniqueConflict(Exception):
    """A row with this unique key exists. Never leaves the service: the code that inserts decides what it
    means.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


def translated(error: psycopg.Error) -> Exception:
    """The error to raise instead of psycopg's.

    DatabaseUnavailable, InvalidField, UniqueConflict, RetentionHeld or UserBeingErased; any other error is a
    bug and returned unchanged.
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
    """The error for a request to store or keep something while the owner is being erased."""
    return UserBeingErased(
        "Everything this user has stored is being erased, and nothing new can be stored until that has ended;"
        " the operator knows when."
    )


def statement_failed(error: Exception) -> bool:
    """Whether only this statement failed (by a bug, its time limit or its locks), and the database answers
    others.
    """
    return not isinstance(error, DatabaseUnavailable) or isinstance(error.__cause__, _OF_STATEMENT)


def connection_is_lost(error: psycopg.Error) -> bool:
    """Whether the connection failed, not the statement: on another connection it may work."""
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
    """The error for a refused deletion or replacement.

    `detail`: JSON with `name`, `until`, `hold`, `reason`, `by_admin`.
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
