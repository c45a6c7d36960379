"""Messages for a database that refuses this process, each one line that names the setting."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from servicekit.settings import SettingError

#: The oldest release that is tested (docs/support.md).
OLDEST: Final = 15

#: Errors that waiting does not resolve, in the English of Postgres and libpq, and the remedy for each.
_FOR_GOOD: Final = (
    (r"password authentication failed|no password supplied", "correct user and password in it"),
    (r'role "[^"]*" does not exist', "correct its user, or run `migrate` with it, which makes the role"),
    (r'role "[^"]*" is not permitted to log in', "let an administrator run ALTER ROLE … LOGIN"),
    (r'database "[^"]*" does not exist', "correct its name, or create that database"),
    (r"permission denied for database", "let an administrator run GRANT CONNECT ON DATABASE … TO the role"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", "let the server's pg_hba.conf admit this machine"),
    (r"root certificate|certificate verify failed|does not match host", "correct sslrootcert or sslmode"),
    (r"server does not support SSL", "correct sslmode in it, or turn TLS on in the server"),
    (r"invalid (?:port|sslmode|connection option|integer|URI)", "correct it"),
)


def refusal(error: psycopg.Error, setting: str) -> SettingError | None:
    """The error for a connection that waiting would not bring about; None: another try may succeed."""
    said = one_line(error)
    for pattern, mend in _FOR_GOOD:
        if re.search(pattern, said):
            return SettingError(setting, f"{said}; {mend}")
    return None


def require_release(version: int, setting: str) -> None:
    """Check the server's release. ``version`` as in libpq: 150018 for 15.18.

    :raises SettingError: it is older than ``OLDEST``.
    """
    if version < OLDEST * 10_000:
        shown = f"{version // 10_000}.{version % 10_000}"
        raise SettingError(
            setting, f"leads to Postgres {shown}; {OLDEST} or newer is needed (docs/support.md)"
        )


def one_line(error: Exception) -> str:
    """The error's message on one line."""
    return " ".join(str(error).split())
