"""Every dependency, of the servers and of development, has an allowed licence."""

from __future__ import annotations

from email.message import Message
from pathlib import Path

import pytest

from scripts.release import licences
from scripts.release.locks import Package, locked

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("lock", ["dev", "embedded", "server"])
def test_every_dependency_may_come_along(lock: str) -> None:
    packages = locked(ROOT, lock)
    assert len(packages) > 50
    assert licences.refused(packages) == {}


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("GPL-2.0-only OR MIT", True),
        ("(AGPL-3.0-only OR GPL-3.0-only) AND MIT", False),
        ("MIT AND GPL-3.0-or-later", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH GCC-exception-3.1", False),
        ("SSPL-1.0", False),
        ("LicenseRef-Proprietary", False),
        ("unknown", False),
    ],
)
def test_an_expression_is_allowed_by_its_parts(expression: str, allowed: bool) -> None:
    assert licences.is_allowed(expression) is allowed


def metadata(*headers: tuple[str, str]) -> Message:
    made = Message()
    for name, value in headers:
        made[name] = value
    return made


CLASSIFIER = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("headers", "expression"),
    [
        ([("License-Expression", "apache-2.0"), ("License", "MIT")], "Apache-2.0"),
        ([("License", "Apache License 2.0")], "Apache-2.0"),
        ([("License", "A long text.\nOf many lines."), ("Classifier", f"{CLASSIFIER}MIT License")], "MIT"),
        ([("Classifier", "Topic :: A"), ("Classifier", f"{CLASSIFIER}BSD License")], "BSD-3-Clause"),
        ([("Classifier", f"{CLASSIFIER}GNU General Public License v3 (GPLv3)")], "unknown"),
        ([("License", "Commercial")], "unknown"),
        ([], "unknown"),
    ],
)  # fmt: skip
def test_a_package_says_its_licence(headers: list[tuple[str, str]], expression: str) -> None:
    assert licences.read(metadata(*headers)) == expression


def test_what_is_not_installed_and_not_known_is_refused() -> None:
    stranger = Package("no-such-package", "1.0", "sys_platform == 'win32'")
    assert list(licences.refused([stranger])) == ["no-such-package"]
    assert licences.text([stranger]) == "no-such-package 1.0: unknown\n"
