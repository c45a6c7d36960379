"""Environment variables: reading ``.env`` on development machines, and detecting unknown names.

Several processes share one environment, so a name that one of them doesn't know may be another's. A name is
unknown only if it is a setting of none.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from strongroom.setting_names import NAMES

#: Path of ``.env``, if not in the current folder.
ENV_FILE: Final = "STRONGROOM_ENV_FILE"
#: What happens with unknown names: ``warn``, ``stop`` or ``ignore``.
UNKNOWN: Final = "STRONGROOM_UNKNOWN_SETTINGS"

_PREFIXES: Final = ("STRONGROOM_", "AWS_S3_", "S3_")
#: Other names that begin with AWS_ are AWS's: only near misses of these are reported.
_AWS: Final = tuple(sorted(name for name in NAMES if name.startswith("AWS_")))
#: Read by boto and botocore, although similar to Strongroom's.
_FOREIGN: Final = frozenset(
    {"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGIONS"}
)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return ``environ``, completed by the file ``.env`` of the current folder (or ``STRONGROOM_ENV_FILE``).

    For programs that people start by hand; services don't read the file.
    """
    path = Path(environ.get(ENV_FILE) or ".env")
    found = dotenv_values(path, interpolate=False) if path.is_file() else {}
    set_already = {name for name, value in environ.items() if value}
    return {**environ, **{name: value for name, value in found.items() if value and name not in set_already}}


def unknown(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each name in ``environ`` that looks like a setting but isn't, with the nearest
    setting.
    """
    for written in sorted(environ):
        name = written.upper()
        if name in NAMES or not environ[written]:
            continue
        if name.startswith(_PREFIXES):
            near = _nearest(name)
            hint = f"; did you mean {near}?" if near else ""
            yield f"{written}: there is no such setting; it is ignored{hint}"
        elif name.startswith("AWS_") and name not in _FOREIGN:
            yield from (
                f"{written}: there is no such setting; it is ignored; did you mean {right}?"
                for right in difflib.get_close_matches(name, _AWS, n=1, cutoff=0.88)
            )


def _nearest(name: str) -> str:
    """Return the most similar setting, or "". A name with one wrong letter is found without comparing it to
    all.
    """
    for cutoff in (0.9, 0.6):
        if near := difflib.get_close_matches(name, NAMES, n=1, cutoff=cutoff):
            return near[0]
    return ""


def report(environ: Mapping[str, str]) -> None:
    """Write unknown names to standard error, according to ``STRONGROOM_UNKNOWN_SETTINGS``.

    :raises SystemExit: status 2, if the start is to be stopped.
    """
    wish = (environ.get(UNKNOWN) or "warn").lower()
    if wish not in ("warn", "stop", "ignore"):
        sys.stderr.write(f"setting {UNKNOWN}: must be warn, stop or ignore\n")
        raise SystemExit(2)
    lines = [] if wish == "ignore" else list(unknown(environ))
    for line in lines:
        sys.stderr.write(f"setting {line}\n")
    if lines and wish == "stop":
        raise SystemExit(2)
