"""Names of settings: every name that is read is known, and a misspelt one is reported with the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import setting_names
from strongroom import variables
from strongroom.setting_names import NAMES
from tests.forks import programs

ROOT = Path(__file__).resolve().parents[3]


def test_every_setting_is_known_and_every_known_one_exists() -> None:
    written = setting_names.TARGET.read_text("utf-8")
    assert written == setting_names.text(), "run `python -m scripts.setting_names`"


@pytest.mark.parametrize(
    "name", sorted(name for name in NAMES if not name.startswith("AWS_") or "S3" in name)
)
def test_one_letter_less_is_told_of_with_the_right_name(name: str) -> None:
    at = max(len(name) - 3, name.index("_") + 2)
    wrong = name[:at] + name[at + 1 :]
    if wrong in NAMES:
        wrong = name + "X"
    (line,) = variables.unknown({wrong: "1"})
    assert line.startswith(f"{wrong}: ")
    assert "did you mean" in line


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("AWS_REGON", "AWS_REGION"),
        ("AWS_SECRET_ACESS_KEY", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_S3_BUKCET", "AWS_S3_BUCKET"),
        ("S3_USE_IAM_ROL", "S3_USE_IAM_ROLE"),
        ("STRONGROOM_MAX_FILE_BYTE", "STRONGROOM_MAX_FILE_BYTES"),
        ("strongroom_jwt_secrt", "STRONGROOM_JWT_SECRET"),
    ],
)
def test_the_nearest_is_named(wrong: str, right: str) -> None:
    assert [line.rpartition(" ")[2] for line in variables.unknown({wrong: "1"})] == [f"{right}?"]


def test_what_is_known_empty_or_somebody_elses_is_not_told_of() -> None:
    fine = dict.fromkeys(NAMES, "1") | {"strongroom_auth": "1", "STRONGROOM_TYPO": ""}
    others = (
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "PATH",
    )
    assert list(variables.unknown(fine | dict.fromkeys(others, "1"))) == []


@pytest.mark.usefixtures("forking")
@pytest.mark.parametrize("service", ["storage_service", "metadata_service", "gateway"])
def test_a_service_stops_where_it_is_told_to(service: str) -> None:
    env = {
        "PATH": "",
        "PYTHONPATH": str(ROOT),
        "STRONGROOM_JWT_SECRT": "x",
        "STRONGROOM_UNKNOWN_SETTINGS": "stop",
    }
    done = programs.run([service, "serve"], env)
    assert done.returncode == 2
    assert "STRONGROOM_JWT_SECRT" in done.stderr
    assert "STRONGROOM_JWT_SECRET?" in done.stderr


def test_env_files_lie_below_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "some.env"
    file.write_text(
        "# a comment\nSTRONGROOM_HTTP_PORT=81\nexport STRONGROOM_USER='a $b'\nSTRONGROOM_TOKEN=\n"
    )
    given = {"STRONGROOM_ENV_FILE": str(file), "STRONGROOM_HTTP_PORT": "82"}
    assert variables.environment(given) == given | {"STRONGROOM_USER": "a $b"}
    assert variables.environment({"STRONGROOM_ENV_FILE": str(tmp_path / "none")}).keys() == {
        "STRONGROOM_ENV_FILE"
    }
