"""Patterns of files that a saved tree leaves out, as in .gitignore (https://git-scm.com/docs/gitignore)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Left out of every version of a project by default. With ``ignore=()`` they are included.
DEFAULT_IGNORE: Final = (".git/", "node_modules/", "__pycache__/", ".venv/", ".DS_Store")


class Ignore:
    """Decides like git: the last matching pattern counts. The content of a folder that is left out is not
    examined.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        from pathspec import GitIgnoreSpec  # noqa: PLC0415 - importing it takes a twentieth of a command's time

        self._spec = GitIgnoreSpec.from_lines(pattern.rstrip("\r\n") for pattern in patterns)

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether ``path`` (relative, with ``/``) is left out."""
        return self._spec.match_file(f"{path}/" if folder else path)
