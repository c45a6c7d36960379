"""`python -m devstack up` with stand-ins in place of the three services and the migration."""

from __future__ import annotations

import os
import sys

from devstack import up
from devstack.__main__ import report
from devstack.errors import DevstackError
from devstack.settings import from_environ


def program(role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.integration.devstack.standin", role)


if __name__ == "__main__":
    programs = up.Programs(program("migrate"), program("metadata"), program("storage"), program("gateway"))
    try:
        up.run(from_environ(os.environ), report, programs)
    except DevstackError as error:
        report("devstack", str(error))
        sys.exit(1)
