"""Statements in libpq's form, and the driver's errors as Strongroom's."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from metadata_service.db.errors import UniqueConflict, connection_is_lost, translated
from metadata_service.db.exchange import compiled
from strongroom.errors import DatabaseUnavailable, InvalidField


def test_numbered_placeholders() -> None:
    statement = compiled("SELECT %s, %s, 'a %% b'")
    assert statement.text == b"SELECT $1, $2, 'a % b'"
    assert statement.values(("x", 1)) == ["x", 1]


def test_named_placeholders_travel_once() -> None:
    statement = compiled("UPDATE t SET a = %(a)s WHERE b = %(b)s OR c = %(a)s")
    assert statement.text == b"UPDATE t SET a = $1 WHERE b = $2 OR c = $1"
    assert statement.values({"b": 2, "a": 1, "unused": 3}) == [1, 2]


def test_a_statement_does_one_or_the_other() -> None:
    with pytest.raises(ValueError, match="either"):
        compiled("SELECT %s, %(a)s")
    with pytest.raises(TypeError):
        compiled("SELECT %(a)s").values((1,))
    with pytest.raises(KeyError):
        compiled("SELECT %(a)s").values({"b": 1})


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        pg.AdminShutdown(),
        pg.CannotConnectNow(),
        pg.TooManyConnections(),
        pg.DiskFull(),
        pg.QueryCanceled(),
        pg.LockNotAvailable(),
        pg.ReadOnlySqlTransaction(),
        pg.IdleInTransactionSessionTimeout(),
        pg.TransactionTimeout(),
        pg.SerializationFailure(),
        pg.DeadlockDetected(),
        pg.IoError(),
        PoolTimeout(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_faults_of_the_moment_are_unavailability(error: psycopg.Error) -> None:
    known = translated(error)
    assert isinstance(known, DatabaseUnavailable)
    assert known.retry_after
    assert "server closed" not in known.message


def test_text_that_cannot_be_stored() -> None:
    for error in (
        pg.UntranslatableCharacter("unsupported Unicode escape sequence"),
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
    ):
        assert isinstance(translated(error), InvalidField)


def test_unique_keys_are_named() -> None:
    assert isinstance(translated(pg.UniqueViolation()), UniqueConflict)


@pytest.mark.parametrize("error", [pg.UndefinedColumn(), pg.CheckViolation(), pg.ForeignKeyViolation()])
def test_bugs_stay_bugs(error: psycopg.Error) -> None:
    assert translated(error) is error


def test_which_errors_cost_the_connection() -> None:
    assert connection_is_lost(psycopg.OperationalError("the connection is closed"))
    assert connection_is_lost(pg.AdminShutdown())
    assert connection_is_lost(pg.TransactionTimeout())
    assert not connection_is_lost(pg.DeadlockDetected())
    assert not connection_is_lost(pg.QueryCanceled())
    assert not connection_is_lost(PoolTimeout())
