"""Named places where a test can kill, stop, slow or fail a real process.

``STRONGROOM_FAILPOINTS="storage.after_put=kill;metadata.before_commit=sleep(0.5)@2"``: ``name=action`` pairs,
joined by ``;``. Actions: ``kill`` (SIGKILL to this process), ``stop`` (SIGSTOP), ``sleep(seconds)``,
``error(REASON)`` (raises the StrongroomError of that ErrorReason), ``exit(code)``. With ``@n`` only the nth
hit acts, otherwise each.

A module registers its names at import (``POINT = register("storage.after_put")``), so that a test can list
them. Without the variable a hit costs one comparison. The variable is read once, at the first hit.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from typing import Final, NoReturn

from strongroom.errors import REASONS, StrongroomError
from strongroom.errors.base import PREFIX
from strongroom.type.v1.error_reason_pb2 import ErrorReason

VARIABLE: Final = "STRONGROOM_FAILPOINTS"
_RULE: Final = re.compile(
    r"(?P<name>[\w.:-]+)=(?P<action>[a-z]+)(?:\((?P<argument>[^()]*)\))?(?:@(?P<nth>[1-9]\d*))?"
)
_PLAIN: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(slots=True)
class _Rule:
    """One entry of the variable, and the number of hits."""

    action: str
    argument: str
    nth: int | None
    hits: int = 0

    def due(self) -> bool:
        self.hits += 1
        return self.nth is None or self.nth == self.hits


_names: set[str] = set()
_rules: dict[str, _Rule] | None = None


def register(name: str) -> str:
    """Declare a failpoint; returns ``name``. Called once per point, by the module that hits it."""
    _names.add(name)
    return name


def registered() -> frozenset[str]:
    """All names declared by the modules imported so far."""
    return frozenset(_names)


async def hit(name: str) -> None:
    """Act if the variable says so.

    :raises StrongroomError: the one named by ``error(REASON)``.
    """
    if not (_load() if _rules is None else _rules):  # as always outside of tests
        return
    rule = _due(name)
    if rule is None:
        return
    if rule.action == "sleep":
        await asyncio.sleep(float(rule.argument))
    else:
        _act(rule)


def hit_sync(name: str) -> None:
    """``hit`` for threads; ``sleep`` blocks the thread.

    :raises StrongroomError: the one named by ``error(REASON)``.
    """
    rule = _due(name)
    if rule is None:
        return
    if rule.action == "sleep":
        time.sleep(float(rule.argument))
    else:
        _act(rule)


def armed() -> bool:
    """Whether any point is set, for callers where even reaching a point is costly."""
    return bool(_load())


def check() -> None:
    """Read the variable now, so that an invalid one prevents the start: one line, exit 2.

    Names that this process does not have only cause a warning: several processes share the variable.
    """
    rules = _load()
    for name in sorted(rules.keys() - _names):
        sys.stderr.write(f"{VARIABLE}: no failpoint {name!r} in this process\n")


def reset() -> None:
    """Forget the variable, for tests that change it inside one process."""
    global _rules  # noqa: PLW0603 - one table per process, like the variable it comes from
    _rules = None


def _due(name: str) -> _Rule | None:
    rule = _load().get(name)
    return rule if rule is not None and rule.due() else None


def _load() -> dict[str, _Rule]:
    global _rules  # noqa: PLW0603 - see reset
    if _rules is None:
        _rules = _parse(os.environ.get(VARIABLE, ""))
    return _rules


def _parse(text: str) -> dict[str, _Rule]:
    rules: dict[str, _Rule] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        match = _RULE.fullmatch(entry)
        if match is None or not _argument_fits(match["action"], match["argument"]):
            _refuse(entry)
        nth = int(match["nth"]) if match["nth"] else None
        rules[match["name"]] = _Rule(match["action"], match["argument"] or "", nth)
    return rules


def _argument_fits(action: str, argument: str | None) -> bool:
    if action in _PLAIN:
        return argument is None
    if argument is None:
        return False
    if action == "sleep":
        return re.fullmatch(r"\d+(\.\d+)?", argument) is not None
    if action == "exit":
        return re.fullmatch(r"\d{1,3}", argument) is not None
    return action == "error" and _error_class(argument) is not None


def _refuse(entry: str) -> NoReturn:
    forms = "kill, stop, sleep(seconds), error(REASON), exit(code), each with an optional @n"
    sys.stderr.write(f"{VARIABLE}: can't read {entry!r}; write name=action with action one of {forms}\n")
    raise SystemExit(2)


def _error_class(reason: str) -> type[StrongroomError] | None:
    return next((kind for kind in REASONS.values() if ErrorReason.Name(kind.reason) == PREFIX + reason), None)


def _act(rule: _Rule) -> None:
    if rule.action in _PLAIN:
        os.kill(os.getpid(), _PLAIN[rule.action])
        return
    if rule.action == "exit":
        os._exit(int(rule.argument))
    kind = _error_class(rule.argument)
    if kind is not None:
        raise kind(f"failpoint: {rule.argument}")
