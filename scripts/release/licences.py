"""The licence of each dependency, and whether it is allowed."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Final

from license_expression import Licensing  # type: ignore[import-untyped]  # no types published
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from scripts.release.locks import Package

#: SPDX names. Copyleft is allowed if it covers only its own files or library: MPL, and LGPL for psycopg,
#: which is imported and replaceable. No GPL, no AGPL, no licence that is not open source.
ALLOWED: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "LGPL-3.0-only"),
        *("MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"),
    }
)
#: Packages that are not installed on every system, so that their metadata can't be read, or whose metadata
#: are ambiguous.
BY_HAND: Final = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "tzdata": "Apache-2.0",
}
#: Names in metadata older than PEP 639. A bare BSD means three clauses.
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
    """The SPDX expression; ``unknown`` if the package has none, or has an unrecognized one."""
    if name in BY_HAND:
        return BY_HAND[name]
    try:
        return read(metadata.metadata(name))
    except metadata.PackageNotFoundError:
        return UNKNOWN


def read(package: Any) -> str:
    """The licence in a package's core metadata: the expression, else the text, else the classifiers."""
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
    """The reason for each package, by name, that may not be included."""
    found = {}
    for package in packages:
        expression = licence_of(package.name)
        if not is_allowed(expression):
            found[package.name] = f"its licence ({expression}) is not in scripts/release/licences.py"
    return found


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression is allowed: all parts of an AND, at least one part of an OR.

    An exception (WITH) is ignored, because it only adds permissions.
    """
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
    """The list, one line per package."""
    names = {package.name: package.version for package in packages}
    return "".join(f"{name} {version}: {licence_of(name)}\n" for name, version in sorted(names.items()))
