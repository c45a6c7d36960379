"""Generate the typed Python stubs under ``strongroom/`` from the protos under ``protos/``.

``protos/strongroom/a/v1/b.proto`` becomes ``strongroom/a/v1/b_pb2.py`` (+ ``.pyi``) and, when it declares a
service, ``b_pb2_grpc.py`` (+ ``.pyi``). ``buf/validate`` becomes ``strongroom/_vendor/buf/validate``, with
every import rewritten, so that the wheel ships no top-level ``buf`` package. ``google.api`` and
``google.rpc`` come from googleapis-common-protos at run time and are not generated.

``python scripts/generate.py`` writes; ``--check`` only compares and exits 1 with the list of stale files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "strongroom"
VENDOR_PROTO = "buf/validate/validate.proto"
VENDOR_PREFIX = f"{PACKAGE}._vendor."
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"

#: The forms in which protoc and mypy-protobuf import ``buf.validate``; each gets the vendor prefix.
VENDOR_IMPORTS = ("from buf.validate import ", "import buf.validate", "'buf.validate.validate_pb2'")


class GenerationError(Exception):
    """protoc refused the protos; the message is protoc's."""


def proto_files(protos: Path) -> list[str]:
    """The project's proto files, relative to ``protos`` and sorted."""
    return sorted(path.relative_to(protos).as_posix() for path in (protos / PACKAGE).rglob("*.proto"))


def run_protoc(protos: Path, arguments: Iterable[str]) -> None:
    """Run protoc with the plugins installed beside this interpreter.

    :raises GenerationError: with protoc's messages, if it fails.
    """
    plugins = Path(sys.executable).parent
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{WELL_KNOWN}"),
        *(f"--plugin={name}={plugins / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GenerationError(done.stderr.strip() or f"protoc exited with {done.returncode}")


def files_with_services(protos: Path, sources: list[str], scratch: Path) -> list[str]:
    """The files of ``sources`` that declare a service: only they need a ``_pb2_grpc`` module."""
    target = scratch / "descriptors.bin"
    run_protoc(protos, [f"--descriptor_set_out={target}", *sources])
    described = FileDescriptorSet.FromString(target.read_bytes())
    return [file.name for file in described.file if file.service]


def vendored(text: str) -> str:
    """``text`` with each import of ``buf.validate`` pointed at the vendored package."""
    for found in VENDOR_IMPORTS:
        text = text.replace(found, found.replace("buf.validate", f"{VENDOR_PREFIX}buf.validate", 1))
    return text


def package_markers(paths: Iterable[Path]) -> dict[Path, str]:
    """An ``__init__.py`` for every package below ``strongroom`` on the way to ``paths``."""
    packages = {parent for path in paths for parent in path.parents if len(parent.parts) > 1}
    return {
        package / "__init__.py": f'"""Generated package ``{".".join(package.parts)}``: see the protos."""\n'
        for package in packages
    }


def generate(protos: Path) -> dict[Path, str]:
    """Every generated file as text, by its path relative to the repository root.

    :raises GenerationError: protoc refuses a file, or there is none.
    """
    own = proto_files(protos)
    if not own:
        raise GenerationError(f"no .proto files under {protos / PACKAGE}")
    with tempfile.TemporaryDirectory(prefix="strongroom-generate-") as folder:
        scratch = Path(folder)
        out = scratch / "out"
        out.mkdir()
        run_protoc(protos, [f"--python_out={out}", f"--mypy_out=quiet:{out}", *own, VENDOR_PROTO])
        services = files_with_services(protos, own, scratch)
        if services:
            # Concrete stubs: an RPC that a servicer lacks answers UNIMPLEMENTED at run time, so the types
            # agree.
            mypy_grpc = f"--mypy_grpc_out=quiet,generate_concrete_servicer_stubs:{out}"
            run_protoc(protos, [f"--grpc_python_out={out}", mypy_grpc, *services])
        return collect(out)


def collect(out: Path) -> dict[Path, str]:
    """The files protoc wrote to ``out``, at their final paths and with their final imports."""
    files: dict[Path, str] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        relative = path.relative_to(out)
        if relative.parts[0] == "buf":
            relative = Path(PACKAGE, "_vendor", relative)
        files[relative] = vendored(path.read_text("utf-8"))
    return files | package_markers(files)


def stale(files: dict[Path, str], root: Path) -> list[Path]:
    """Paths (relative to ``root``) that are missing, differ, or are generated modules without a proto."""
    present = {
        path.relative_to(root) for path in (root / PACKAGE).rglob("*_pb2*.py*") if path.suffix != ".pyc"
    }
    wrong = {path for path, text in files.items() if not same(root / path, text)}
    return sorted(wrong | (present - files.keys()))


def same(path: Path, text: str) -> bool:
    """Whether ``path`` exists and contains ``text``."""
    return path.is_file() and path.read_text("utf-8") == text


def write(files: dict[Path, str], root: Path) -> list[Path]:
    """Update ``root``, and delete generated modules without a proto. Returns the changed paths."""
    changed = stale(files, root)
    for relative in changed:
        path = root / relative
        if relative not in files:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[relative], "utf-8")
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Generate or check. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when something is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that holds protos/ and strongroom/")
    options = parser.parse_args(arguments)
    try:
        files = generate(options.root / "protos")
    except GenerationError as error:
        sys.stderr.write(f"generate: {error}\n")
        return 2
    changed = stale(files, options.root) if options.check else write(files, options.root)
    verb = "stale" if options.check else "wrote"
    sys.stdout.writelines(f"{verb}: {path}\n" for path in changed)
    if options.check and changed:
        sys.stderr.write("generated code is stale: run `make generate` and commit the result\n")
        return 1
    sys.stdout.write(f"{len(files)} generated files are up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
