"""The command line: ``strongroom put | get | ls | rm | …``. See docs/cli.md."""

from __future__ import annotations


def main() -> None:
    """Run the command line with the arguments of the process; exits it."""
    from strongroom.cli.app import app  # noqa: PLC0415 - `import strongroom.cli` stays cheap

    app()
