"""`pip install strongroom` brings the public package and nothing a server needs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SERVER_ONLY = (
    *("alembic", "boto3", "botocore", "buf", "fastapi", "grpc_channelz", "grpc_health", "grpc_interceptor"),
    *(
        "grpc_reflection",
        "multipart",
        "opentelemetry",
        "prometheus_client",
        "protovalidate",
        "psycopg",
        "puremagic",
    ),
    *(
        "pydantic_settings",
        "sqlalchemy",
        "starlette",
        "structlog",
        "urllib3",
        "uvicorn",
        "uvloop",
        "websockets",
    ),
    *("servicekit", "storage_service", "metadata_service", "gateway", "devstack"),
)
#: Refuses the imports above, then imports every module below `strongroom` and prints how many there were.
PROGRAM = """
import importlib, pkgutil, sys
refused = set(sys.argv[1].split(","))
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ImportError(f"{name} is a server dependency")
sys.meta_path.insert(0, Refuse())
import strongroom
names = [module.name for module in pkgutil.walk_packages(strongroom.__path__, "strongroom.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def test_every_public_module_imports_without_server_dependencies() -> None:
    command = [sys.executable, "-c", PROGRAM, ",".join(SERVER_ONLY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_the_wheel_holds_the_public_package_only() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["strongroom"]
    assert (ROOT / "strongroom" / "py.typed").is_file()


def test_no_server_dependency_is_a_base_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base = {line.split(">")[0].split("[")[0].lower() for line in project["dependencies"]}
    assert base == {
        *(
            "google-crc32c",
            "googleapis-common-protos",
            "grpcio",
            "grpcio-status",
            "httpx",
            "protobuf",
            "pyjwt",
        ),
        *("pathspec", "python-dotenv", "rich", "typer"),
    }
