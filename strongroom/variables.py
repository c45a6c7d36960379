"""Environment variables as all of Strongroom reads them: the ``.env`` of a development machine, and names
that nobody reads.

Several processes share one environment, so what one of them does not know may be another's: a name is unknown
only when it is no setting of any.
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

#: Where ``.env`` is, if not in the current folder.
ENV_FILE: Final = "STRONGROOM_ENV_FILE"
#: What becomes of unknown names: ``warn``, ``stop`` or ``ignore``.
UNKNOWN: Final = "STRONGROOM_UNKNOWN_SETTINGS"

_PREFIXES: Final = ("STRONGROOM_", "AWS_S3_", "S3_")
#: Others that begin with AWS_ are AWS's: only near misses of ours are told of.
_AWS: Final = tuple(sorted(name for name in NAMES if name.startswith("AWS_")))
#: Read by boto and botocore, and near to ours.
_FOREIGN: Final = frozenset(
    {"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGIONS"}
)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environ``, and below it what the file ``.env`` of the current folder says (or that of
    ``STRONGROOM_ENV_FILE``). For programs that people start by hand; services read no file.
    """
    path = Path(environ.get(ENV_FILE) or ".env")
    found = dotenv_values(path, interpolate=False) if path.is_file() else {}
    set_already = {name for name, value in environ.items() if value}
    return {**environ, **{name: value for name, value in found.items() if value and name not in set_already}}


def unknown(environ: Mapping[str, str]) -> Iterator[str]:
    """A line for each name in ``environ`` that looks like a setting and is none, with the nearest that is."""
    for written in sorted(environ):
        name = written.upper()
        if name in NAMES or not environ[written]:
            continue
        if name.startswith(_PREFIXES):
            near = _nearest(name)
            hint = f"; did you mean {near}?" if near else ""
            yield f"{written}: there is no such setting, nobody reads it{hint}"
        elif name.startswith("AWS_") and name not in _FOREIGN:
            yield from (
                f"{written}: there is no such setting, nobody reads it; did you mean {right}?"
                for right in difflib.get_close_matches(name, _AWS, n=1, cutoff=0.88)
            )


def _nearest(name: str) -> str:
    """The setting that is most alike; empty where none is. Who is off by a letter is spared the comparison
    with all that only begin alike.
    """
    for cutoff in (0.9, 0.6):
        if near := difflib.get_close_matches(name, NAMES, n=1, cutoff=cutoff):
            return near[0]
    return ""


def report(environ: Mapping[str, str]) -> None:
    """Tell of unknown names on standard error, as ``STRONGROOM_UNKNOWN_SETTINGS`` asks.

    :raises SystemExit: status 2, where one is to stop the start.
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
