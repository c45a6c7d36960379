"""scripts/generate.py: rewritten imports, detection of stale files, reproducible results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts import generate

ROOT = Path(__file__).resolve().parents[3]
SERVICE = """
syntax = "proto3";
package strongroom.probe.v1;
import "buf/validate/validate.proto";
import "google/rpc/status.proto";
service ProbeService { rpc Probe(ProbeRequest) returns (ProbeResponse); }
message ProbeRequest { string id = 1 [(buf.validate.field).string.uuid = true]; }
message ProbeResponse { google.rpc.Status status = 1; }
"""
MODULE = Path("strongroom/probe/v1/probe_pb2.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root with the vendored protos and one of its own."""
    return made_in(tmp_path)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """The generated files of such a root; costs half a second of CPU."""
    return generate.generate(made_in(tmp_path_factory.mktemp("generated")) / "protos")


def made_in(tmp_path: Path) -> Path:
    for vendored in ("buf", "google"):
        shutil.copytree(ROOT / "protos" / vendored, tmp_path / "protos" / vendored)
    own = tmp_path / "protos/strongroom/probe/v1/probe.proto"
    own.parent.mkdir(parents=True)
    own.write_text(SERVICE)
    return tmp_path


def test_validation_rules_are_imported_from_the_vendored_package(generated: dict[Path, str]) -> None:
    assert "from strongroom._vendor.buf.validate import validate_pb2" in generated[MODULE]
    assert "from google.rpc import status_pb2" in generated[MODULE]
    assert [
        str(path) for path, text in generated.items() if "from buf" in text or path.parts[0] == "buf"
    ] == []


def test_only_files_with_services_get_a_grpc_module(generated: dict[Path, str]) -> None:
    grpc = sorted(path.name for path in generated if "_pb2_grpc" in path.name)
    assert grpc == ["probe_pb2_grpc.py", "probe_pb2_grpc.pyi"]


def test_two_runs_agree(generated: dict[Path, str], checkout: Path) -> None:
    """In two folders."""
    assert generate.generate(checkout / "protos") == generated


def test_check_finds_what_writing_repairs(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(checkout)]
    assert generate.main([*root, "--check"]) == 1
    assert generate.main(root) == 0
    assert generate.main([*root, "--check"]) == 0

    (checkout / MODULE).write_text("edited by hand")
    orphan = checkout / "strongroom/probe/v1/gone_pb2.py"
    orphan.write_text("of a deleted proto")
    capsys.readouterr()
    assert generate.main([*root, "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "stale: strongroom/probe/v1/gone_pb2.py",
        "stale: strongroom/probe/v1/probe_pb2.py",
    ]
    assert generate.main(root) == 0
    assert not orphan.exists()
    assert generate.main([*root, "--check"]) == 0


def test_a_broken_proto_is_refused_with_protocs_words(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "protos/strongroom/probe/v1/probe.proto").write_text('syntax = "proto3"; nonsense')
    assert generate.main(["--root", str(checkout)]) == 2
    assert "probe.proto:1" in capsys.readouterr().err
