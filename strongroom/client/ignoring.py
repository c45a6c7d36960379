"""What a saved tree leaves out: patterns as in .gitignore (https://git-scm.com/docs/gitignore)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: What no version of a project is meant to hold. ``ignore=()`` takes these, too.
DEFAULT_IGNORE: Final = (".git/", "node_modules/", "__pycache__/", ".venv/", ".DS_Store")


class Ignore:
    """Decides as git does: the last pattern that matches. A folder that is left out is not looked into."""

    def __init__(self, patterns: Iterable[str]) -> None:
        from pathspec import GitIgnoreSpec  # noqa: PLC0415 - a twentieth of the time that a command takes

        self._spec = GitIgnoreSpec.from_lines(pattern.rstrip("\r\n") for pattern in patterns)

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether ``path`` (relative, with ``/``) is left out."""
        return self._spec.match_file(f"{path}/" if folder else path)
