"""`pip install strongroom` installs the public package and nothing that only a server needs."""

from __future__ import annotations

import re
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


def test_the_wheel_brings_one_importable_package() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["strongroom"]
    assert all(target == f"strongroom/_server/{source}" for source, target in wheel["force-include"].items())
    assert (ROOT / "strongroom" / "py.typed").is_file()


def test_the_package_page_has_a_readme_and_links() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (ROOT / project["readme"]).read_text("utf-8")
    assert "pip install" in text
    assert re.findall(r"\]\((?!https://)", text) == []  # a link within the checkout leads nowhere from there
    assert {"Homepage", "Documentation", "Changelog"} <= set(project["urls"])


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
