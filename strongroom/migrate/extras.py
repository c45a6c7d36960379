"""Loads libraries that only some sources need, which are no dependencies of the package."""

from __future__ import annotations

import importlib
from typing import Any

from strongroom.migrate.problems import PlanProblem


def demand(module: str, what: str) -> Any:
    """Import a module that ``what`` (for people) needs.

    :raises PlanProblem: it is not installed; the message names the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise PlanProblem(
            f"{what} needs {name}, which is not installed: pip install 'strongroom[migrate]'"
        ) from None
