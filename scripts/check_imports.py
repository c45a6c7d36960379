"""Check the import contracts of ``importlinter.toml`` for the packages of this checkout.

import-linter refuses to start if a root package is missing. A missing package can't violate a contract, so
its name is removed from the contracts and printed; ``tests/unit/house`` asserts that none is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomlkit

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "importlinter.toml"


def declared() -> dict[str, Any]:
    """The contracts: the section that import-linter reads."""
    settings: dict[str, Any] = tomllib.loads(CONTRACTS.read_text("utf-8"))["tool"]["importlinter"]
    return settings


def missing(settings: dict[str, Any], root: Path) -> list[str]:
    """Root packages in the contracts that are missing below ``root``."""
    return [name for name in settings["root_packages"] if not (root / name / "__init__.py").is_file()]


def without(value: Any, names: list[str]) -> Any:
    """``value`` (a table, a list or a string of the settings) without the packages ``names``."""
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items()}
    if isinstance(value, list):
        kept = (without(item, names) for item in value)
        return [item for item in kept if item not in ("", None)]
    if isinstance(value, str) and "|" in value:
        return " | ".join(part.strip() for part in value.split("|") if part.strip() not in names)
    if isinstance(value, str) and value.split(".")[0] in names:
        return ""
    return value


def main() -> int:
    """Run import-linter and return its exit code."""
    settings = declared()
    absent = missing(settings, ROOT)
    if absent:
        sys.stdout.write(f"not in this checkout, left out: {', '.join(absent)}\n")
        settings = without(settings, absent)
    settings["contracts"] = [
        contract for contract in settings["contracts"] if contract.get("source_modules") != []
    ]
    with tempfile.TemporaryDirectory(prefix="strongroom-imports-") as folder:
        config = Path(folder, "importlinter.toml")
        config.write_text(tomlkit.dumps({"tool": {"importlinter": settings}}), "utf-8")
        tool = Path(sys.executable).parent / "lint-imports"
        return subprocess.run([tool, "--no-cache", "--config", config], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
