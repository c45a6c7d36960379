"""Imports libraries that only some sources need; the package doesn't depend on them."""

from __future__ import annotations

import importlib
from typing import Any

from strongroom.migrate.problems import PlanProblem


def demand(module: str, what: str) -> Any:
    """Import and return a module that ``what`` (a name for users) needs.

    :raises PlanProblem: it is not installed; the message names the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise PlanProblem(
            f"{what} needs {name}, which is not installed: pip install 'strongroom[migrate]'"
        ) from None
