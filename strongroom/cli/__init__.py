"""The command line: ``strongroom put | get | ls | rm | …``. See docs/cli.md."""

from __future__ import annotations

import os

from strongroom import variables


def main() -> None:
    """Run the command line with the arguments of the process, and `.env` below its environment; exits it."""
    os.environ.update(variables.environment(os.environ))
    variables.report(os.environ)
    from strongroom.cli.app import app  # noqa: PLC0415 - `import strongroom.cli` stays cheap

    app()
