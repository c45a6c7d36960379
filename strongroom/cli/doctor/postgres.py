"""Checks Postgres itself, with the URL that metadata_service would read from this environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from strongroom.cli.doctor.findings import Finding, fail, ok, warn
from strongroom.cli.doctor.optional import load

MIGRATE = "python -m metadata_service migrate (with STRONGROOM_MIGRATION_DATABASE_URL)"
NEWER_MEND = "update what is installed here; a database serves its own release and the one before"
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
#: metadata_service's default, and its connections besides the pool: one that listens and one that notifies.
DEFAULT_POOL_MAX, BESIDE_THE_POOL = 16, 2
MOST_SHOWN = 5
_MISSING_RIGHTS = """
SELECT 'schema public', 'USAGE' WHERE NOT has_schema_privilege('public', 'USAGE')
UNION ALL
SELECT tables.relname, wanted.privilege
FROM pg_class AS tables, unnest(%(rights)s::text[]) AS wanted (privilege)
WHERE tables.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public') AND tables.relkind = 'r'
    AND (tables.relname <> 'alembic_version' OR wanted.privilege = 'SELECT')
    AND (tables.relname <> 'admin_acts' OR wanted.privilege IN ('SELECT', 'INSERT'))  -- what was done stays
    AND NOT has_table_privilege(tables.oid, wanted.privilege)
ORDER BY 1, 2
"""
#: Connections reserved for superusers and reserved roles can't be used. A limit of -1 means none.
_ROOM = """
SELECT least(
    (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)::int
     FROM pg_settings
     WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())),
    (SELECT count(*) FROM pg_stat_activity
     WHERE usename = current_user AND datname = current_database()
         AND application_name = 'strongroom-metadata-events')
"""
_REVISION = re.compile(r"^(revision|down_revision)\b[^=]*=\s*(?:[\"']([^\"']+)[\"']|None)", re.MULTILINE)


def look_at_postgres(environ: Mapping[str, str]) -> list[Finding]:
    """Check connection, role and migrations. Returns nothing if STRONGROOM_DATABASE_URL is not set.
    Blocks.
    """
    url = environ.get("STRONGROOM_DATABASE_URL")
    if not url:
        return []
    psycopg = load("psycopg")
    if psycopg is None:
        hint = "pip install psycopg[binary], to look at the database directly"
        return [warn("Postgres itself", "psycopg is not installed here", hint)]
    try:
        with psycopg.connect(_plain(url), connect_timeout=5, autocommit=True) as connection:
            return _examine(connection, psycopg.Error, environ)
    except psycopg.Error as error:
        return [fail("Postgres", _first_line(error), mend_of(error))]


def mend_of(error: Any) -> str:
    """The mend for an error of psycopg: of the connection, or of a plain query."""
    if "connection slots" in str(error) or "too many" in str(error):
        return "raise max_connections, or lower STRONGROOM_DATABASE_POOL_MAX of metadata_service"
    if error.sqlstate is not None:  # it let us in, and ended a plain query
        return "look at the server's log, and at the limits of the role and the database (\\drds in psql)"
    return "is STRONGROOM_DATABASE_URL right, and does the server let this machine in (pg_hba.conf)?"


def _plain(url: str) -> str:
    """Return a URL for libpq; SQLAlchemy's may name a driver (``postgresql+psycopg://``)."""
    return re.sub(r"^postgres(?:ql)?\+\w+://", "postgresql://", url)


def _examine(connection: Any, expected: type[Exception], environ: Mapping[str, str]) -> list[Finding]:
    info = connection.info
    version = f"{info.server_version // 10000}.{info.server_version % 10000}"
    findings = [ok("Postgres", f"{version} at {info.host}:{info.port}, database {info.dbname}")]
    if connection.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
        mend = "set STRONGROOM_DATABASE_URL to the primary"
        findings.append(fail("Postgres role", "this is a read-only replica", mend))
    elif connection.execute("SHOW transaction_read_only").fetchone()[0] == "on":
        mend = "ALTER SYSTEM (or ALTER DATABASE, ALTER ROLE) … RESET default_transaction_read_only"
        findings.append(
            fail("Postgres writes", "default_transaction_read_only is on: every write is refused", mend)
        )
    rights = _rights(connection)
    findings += [_role(connection), *rights, _connections(connection, environ)]
    if not rights:  # otherwise the same command fixes both
        findings.append(_migrations(connection, expected))
    return findings


def _rights(connection: Any) -> list[Finding]:
    """Check that the role has the rights that the migration grants."""
    missing = [
        f"{right} on {table}"
        for table, right in connection.execute(_MISSING_RIGHTS, {"rights": list(RIGHTS)}).fetchall()
    ]
    if not missing:
        return []
    shown = ", ".join(missing[:MOST_SHOWN]) + (" …" if len(missing) > MOST_SHOWN else "")
    mend = f"run {MIGRATE} again: it grants them to the role of STRONGROOM_DATABASE_URL"
    return [fail("Postgres rights", f"the role lacks {shown}", mend)]


def _connections(connection: Any, environ: Mapping[str, str]) -> Finding:
    """Check that the server has room for the pools of all connected replicas, at least one."""
    text = environ.get("STRONGROOM_DATABASE_POOL_MAX", "")
    pool = int(text) if text.isdecimal() else DEFAULT_POOL_MAX
    each = pool + BESIDE_THE_POOL
    room, listening = connection.execute(_ROOM).fetchone()
    replicas = max(1, -(-listening // BESIDE_THE_POOL))
    wanted = replicas * each
    if environ.get("STRONGROOM_DATABASE_DIRECT_URL"):
        return ok("Postgres connections", f"{room} for this role; behind a pooler")
    detail = f"{room} for this role; one metadata_service takes up to {each}"
    if replicas > 1:
        detail += f", the {replicas} that are connected {wanted}"
    mend = (
        "raise max_connections (or the connection limit of the role or database), or set"
        f" STRONGROOM_DATABASE_POOL_MAX to less than {pool}, or put a pooler in front"
        " (STRONGROOM_DATABASE_DIRECT_URL)"
    )
    if room < wanted:
        return fail("Postgres connections", detail, mend)
    if room < wanted + each:
        return warn("Postgres connections", f"{detail}: one more, as during a rollout, does not fit", mend)
    return ok("Postgres connections", f"{detail}: room for {room // each}")


def _role(connection: Any) -> Finding:
    name, is_super, bypasses = connection.execute(
        "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    owns = connection.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user"
    ).fetchone()[0]
    mend = (
        "give metadata_service a role of its own: CREATE ROLE … LOGIN NOSUPERUSER "
        "NOBYPASSRLS, not the tables' owner"
    )
    if is_super or bypasses:
        which = "a superuser" if is_super else "BYPASSRLS"
        return fail("Postgres role", f"{name} is {which}: row-level security does not apply to it", mend)
    if owns:
        return fail(
            "Postgres role", f"{name} owns {owns} tables; their owner can switch the policies off", mend
        )
    return ok("Postgres role", f"{name}, subject to row-level security")


def _migrations(connection: Any, expected: type[Exception]) -> Finding:
    check = "Postgres migrations"
    if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()[0] is None:
        return fail(check, "none has run", MIGRATE)
    try:
        # The table has row-level security: only the service's own scope sees its row.
        connection.execute("SELECT set_config('app.scope', 'system', false)")
        rows = connection.execute("SELECT version_num FROM public.alembic_version").fetchall()
    except expected as error:
        return warn(
            check, f"can't be read: {_first_line(error)}", "GRANT SELECT ON alembic_version TO the role"
        )
    applied = {row[0] for row in rows}
    known, heads = known_revisions()
    shown = ", ".join(sorted(applied)) or "none"
    if not heads:
        return ok(check, f"at {shown} (the newest is not known here: metadata_service is not installed)")
    if applied == heads:
        return ok(check, f"at head, {shown}")
    if applied - known:
        return warn(check, f"at {shown}, which is newer than the release installed here", NEWER_MEND)
    return fail(check, f"at {shown}; the newest is {', '.join(sorted(heads))}", MIGRATE)


def known_revisions() -> tuple[set[str], set[str]]:
    """Return all migrations of this checkout and their heads; empty if there are none.

    The files are read as text, so nothing of a server is imported.
    """
    spec = find_spec("metadata_service")
    places = list(spec.submodule_search_locations or ()) if spec else []
    revisions: set[str] = set()
    followed: set[str] = set()
    for place in places:
        for path in Path(place, "db", "migrations", "versions").glob("*.py"):
            found = dict(_REVISION.findall(path.read_text("utf-8")))
            revisions.add(found.get("revision", ""))
            followed.add(found.get("down_revision", ""))
    return revisions, revisions - followed - {""}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
