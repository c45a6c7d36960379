"""Under which licence each dependency comes, and whether that is allowed."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Final

from license_expression import Licensing  # type: ignore[import-untyped]  # no types published
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from scripts.release.locks import Package

#: SPDX names. Copyleft reaches no further than its own files or library: MPL, and LGPL for psycopg, which is
#: imported and can be exchanged. No GPL, no AGPL, nothing that is no licence of open source.
ALLOWED: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "LGPL-3.0-only"),
        *("MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"),
    }
)
#: Not installed on every system, so that their own metadata can't be asked; or metadata that say two things.
BY_HAND: Final = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "tzdata": "Apache-2.0",
}
#: Metadata from before PEP 639 have words of their own. Those that say BSD and no more mean three clauses.
WORDS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
UNKNOWN: Final = "unknown"


def licence_of(name: str) -> str:
    """An SPDX expression; ``unknown`` when the package does not say, or says what nobody has looked at."""
    if name in BY_HAND:
        return BY_HAND[name]
    try:
        return read(metadata.metadata(name))
    except metadata.PackageNotFoundError:
        return UNKNOWN


def read(package: Any) -> str:
    """What a package's core metadata say: the expression, else the words, else the classifiers."""
    classifiers = [one for one in package.get_all("Classifier") or () if one.startswith("License ::")]
    said = [package.get("License-Expression"), package.get("License")]
    said += [classifier.rpartition(" :: ")[2] for classifier in classifiers]
    for words in said:
        if words:
            try:
                return canonicalize_license_expression(WORDS.get(words.strip(), words.strip()))
            except InvalidLicenseExpression:
                continue
    return UNKNOWN


def refused(packages: Iterable[Package]) -> dict[str, str]:
    """By name, why a package may not come along."""
    found = {}
    for package in packages:
        expression = licence_of(package.name)
        if not is_allowed(expression):
            found[package.name] = f"its licence ({expression}) is not in scripts/release/licences.py"
    return found


def is_allowed(expression: str) -> bool:
    """All of an AND, one of an OR. An exception (WITH) only ever allows more."""
    return expression != UNKNOWN and _allows(_licensing().parse(expression))


@functools.cache
def _licensing() -> Any:
    return Licensing()


def _allows(node: Any) -> bool:
    licensing = _licensing()
    if isinstance(node, licensing.AND):
        return all(map(_allows, node.args))
    if isinstance(node, licensing.OR):
        return any(map(_allows, node.args))
    return getattr(node, "license_symbol", node).key in ALLOWED


def text(packages: Iterable[Package]) -> str:
    """The list: a line a package."""
    names = {package.name: package.version for package in packages}
    return "".join(f"{name} {version}: {licence_of(name)}\n" for name, version in sorted(names.items()))
