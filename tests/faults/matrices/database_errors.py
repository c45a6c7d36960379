"""Errors and delays raised by Postgres itself in one owner's transactions, by triggers.

A sequence counts how often a fault was met, because it is not rolled back with the transaction.
"""

from __future__ import annotations

import threading
from typing import Final

from tests.faults.checker import Checker

_INSTALL: Final = """
CREATE SCHEMA faults;
GRANT USAGE ON SCHEMA faults TO PUBLIC;
CREATE TABLE faults.armed (id integer PRIMARY KEY, owner text, transaction text, code text, seconds float8,
    times integer, at_commit boolean);
CREATE FUNCTION faults.meet(owner_ text, transaction_ text, at_commit_ boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = faults, pg_catalog AS $$
DECLARE fault faults.armed;
BEGIN
    FOR fault IN SELECT * FROM faults.armed
        WHERE owner = owner_ AND transaction = transaction_ AND at_commit = at_commit_
    LOOP
        IF nextval('faults.met_' || fault.id) <= fault.times THEN
            PERFORM pg_sleep(fault.seconds) WHERE fault.seconds > 0;
            IF fault.code <> '' THEN
                RAISE EXCEPTION 'injected' USING ERRCODE = fault.code;
            END IF;
        END IF;
    END LOOP;
    RETURN true;
END $$;
CREATE FUNCTION faults.look() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE seen text;
BEGIN
    IF TG_TABLE_NAME = 'files' THEN seen := 'T4';
    ELSIF TG_OP = 'INSERT' THEN seen := CASE NEW.state WHEN 1 THEN 'T1' END;
    ELSIF OLD.state = 1 AND NEW.state = 1 AND NEW.upload_id <> OLD.upload_id THEN seen := 'T2';
    ELSIF OLD.state = 1 AND NEW.state = 2 THEN seen := 'T3';
    ELSIF OLD.state = 3 AND NEW.state = 4 THEN seen := 'D1';
    ELSIF OLD.state <> 6 AND NEW.state = 6 THEN seen := 'cleaner';
    END IF;
    PERFORM faults.meet(NEW.owner_id, seen, TG_NAME = 'faults_at_commit') WHERE seen IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER faults AFTER INSERT OR UPDATE ON blobs FOR EACH ROW EXECUTE FUNCTION faults.look();
CREATE TRIGGER faults AFTER INSERT ON files FOR EACH ROW EXECUTE FUNCTION faults.look();
CREATE CONSTRAINT TRIGGER faults_at_commit AFTER INSERT OR UPDATE ON blobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION faults.look();
CREATE CONSTRAINT TRIGGER faults_at_commit AFTER INSERT ON files
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION faults.look();
CREATE POLICY faults ON idempotency_keys AS RESTRICTIVE FOR SELECT
    USING (faults.meet(owner_id, 'idem-read', false));
"""


class DatabaseErrors:
    """``arm("ada", "T1", code="40001")``: ada's next T1 fails with this code, once."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._lock = threading.Lock()
        self._count = 0
        checker.execute(_INSTALL)

    def arm(
        self,
        owner: str,
        transaction: str,
        *,
        code: str = "",
        seconds: float = 0.0,
        times: int = 1,
        at_commit: bool = False,
    ) -> int:
        """The next ``times`` of these transactions sleep, and fail if there is a ``code`` (SQLSTATE), at
        their statement or at COMMIT. Returns the fault's number.
        """
        with self._lock:
            self._count += 1
            number = self._count
        self._checker.execute(f"CREATE SEQUENCE faults.met_{number}")
        self._checker.execute(
            "INSERT INTO faults.armed VALUES (%s, %s, %s, %s, %s, %s, %s)",
            number, owner, transaction, code, seconds, times, at_commit,
        )  # fmt: skip
        return number

    def met(self, number: int) -> bool:
        """Whether a transaction has met this fault."""
        (row,) = self._checker.query(f"SELECT is_called FROM faults.met_{number}")
        return bool(row.is_called)

    def retire(self, number: int) -> None:
        """Disarm the fault."""
        self._checker.execute("DELETE FROM faults.armed WHERE id = %s", number)

    def sleeping(self) -> int:
        """The number of connections held by a fault now."""
        (row,) = self._checker.query(
            "SELECT count(*) AS held FROM pg_stat_activity"
            " WHERE wait_event = 'PgSleep' AND datname = current_database()"
        )
        return int(row.held)
