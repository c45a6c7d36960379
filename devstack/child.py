"""Runs one command as a child that cannot outlive its supervisor.

It is executed by path (`python -I -S child.py PARENT_PID DEATH_SIGNAL UID GID CWD COMMAND…`) instead of being
a `preexec_fn`, which would run Python between fork and exec in a process that may have gRPC's threads. UID -1
keeps the user.

On Linux the kernel sends DEATH_SIGNAL when the supervisor dies for any reason (PR_SET_PDEATHSIG, prctl(2)).
Other systems have no equivalent; there the next `up` stops the remaining processes (see leftovers.py).
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def _drop_privileges(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _die_with_parent(parent: int, signal_number: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the call above
        raise SystemExit(1)


def main(argv: list[str]) -> None:
    """Replace this process by the command. Raises OSError if that fails."""
    parent, signal_number, uid, gid = (int(value) for value in argv[:4])
    os.chdir(argv[4])
    if uid >= 0:
        _drop_privileges(uid, gid)
    _die_with_parent(parent, signal_number)  # after setuid, which resets it
    os.execvp(argv[5], argv[5:])


if __name__ == "__main__":
    main(sys.argv[1:])
