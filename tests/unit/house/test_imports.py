"""The import contracts cover every package, and every third-party import is declared."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import check_imports

ROOT = Path(__file__).resolve().parents[3]
SERVERS = ("servicekit", "storage_service", "metadata_service", "gateway")
FIRST_PARTY = {"strongroom", *SERVERS, "devstack", "benchmarks", "scripts", "tests"}
#: The extras whose packages each of ours may import. ``google`` and ``grpc`` are looked up by what they hold.
EXTRAS: dict[str, tuple[str, ...]] = {
    "strongroom": (),
    **dict.fromkeys(SERVERS, ("server",)),
    "servicekit": ("server", "otel"),
    "storage_service": ("server", "media"),
    "devstack": ("server", "embedded"),
}
#: Parts of a declared package that other distributions own: ours by agreement, not by accident.
COMES_WITH = {
    "botocore": "boto3",
    "cryptography": "jwt",
    "mypy_boto3_s3": "boto3",
    "psycopg_pool": "psycopg",
    "pydantic_core": "pydantic",
    "typing_extensions": "pydantic",  # whose shapes need its TypedDict below Python 3.12
}
#: The standard library of later Pythons than this one.
LATER = {"compression"}


def declared(extras: tuple[str, ...]) -> set[str]:
    """Names of the distributions the base dependencies and ``extras`` ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Every absolute import in ``package``: the file and the dotted name's first part."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield path, node.module.split(".")[0]


@pytest.mark.parametrize("package", EXTRAS)
def test_every_third_party_import_is_a_declared_dependency(package: str) -> None:
    allowed = declared(EXTRAS[package])
    owners = packages_distributions()
    undeclared = set()
    for path, name in imported(package):
        if name in sys.stdlib_module_names or name in FIRST_PARTY | LATER:
            continue
        top = COMES_WITH.get(name, name)
        if not {canonicalize_name(owner) for owner in owners.get(top, [top])} & allowed:
            undeclared.add(f"{path.relative_to(ROOT)}: {name}")
    assert undeclared == set()


def test_the_contracts_cover_every_package() -> None:
    settings = check_imports.declared()
    assert {"strongroom", *SERVERS, "devstack"} <= set(settings["root_packages"])
    assert check_imports.missing(settings, ROOT) == []


def test_a_missing_package_is_taken_out_of_every_contract() -> None:
    settings = {
        "root_packages": ["a", "b"],
        "contracts": [{"layers": ["a | b", "b"], "source_modules": ["b"], "ignore_imports": ["b.x -> a.y"]}],
    }
    assert check_imports.without(settings, ["b"]) == {
        "root_packages": ["a"],
        "contracts": [{"layers": ["a"], "source_modules": [], "ignore_imports": []}],
    }
