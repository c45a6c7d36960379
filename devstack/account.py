"""The account that the stack runs as."""

from __future__ import annotations

import os
import pwd

from devstack.command import UnixUser
from devstack.errors import DevstackError

_UNPRIVILEGED = "nobody"


def user_name() -> str:
    """The name of the effective user, which Postgres and Swift look up. Raises DevstackError without one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise DevstackError(
            f"the user id {os.geteuid()} has no name in /etc/passwd, which Postgres and Swift need: "
            "start the stack as a user who has one"
        ) from None


def unprivileged_user() -> UnixUser:
    """The account that Postgres runs as when root starts the stack. Raises DevstackError without one."""
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise DevstackError(
            f"Postgres refuses to run as root and there is no user `{_UNPRIVILEGED}` to run it as: "
            "start the stack as an ordinary user"
        ) from None
    return UnixUser(entry.pw_uid, entry.pw_gid)
