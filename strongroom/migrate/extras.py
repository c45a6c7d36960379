"""Libraries that only some sources need: not dependencies of the package, loaded when such a source is
opened.
"""

from __future__ import annotations

import importlib
from typing import Any

from strongroom.migrate.problems import PlanProblem


def demand(module: str, what: str) -> Any:
    """The module.

    :raises PlanProblem: it is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise PlanProblem(
            f"{what} needs {name}, which is not installed: pip install 'strongroom[migrate]'"
        ) from None
