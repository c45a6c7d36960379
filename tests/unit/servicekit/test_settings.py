"""Names, aliases, errors for wrong settings, and that secrets are never shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from servicekit.settings import (
    CommaList,
    CommonSettings,
    SettingError,
    aliases,
    load_settings,
    read_settings,
    require,
)

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a secret of thirty-two bytes, or so"


class Example(CommonSettings):
    """A service's own settings."""

    database_url: SecretStr
    workers: int = Field(default=4, ge=1)
    document_types: CommaList = ("application/pdf",)
    size: int = Field(default=10, validation_alias=aliases("STRONGROOM_SIZE", "MAX_FILE_SIZE"))
    optional: str | None = None


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with only the test's variables, and those that every process needs."""
    for name in os.environ:
        if name.upper().startswith(("STRONGROOM_", "AWS_", "S3_")) or name in ("DEBUG", "MAX_FILE_SIZE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", SECRET)
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("STRONGROOM_UNKNOWN_SETTINGS", "ignore")  # those of Example are none of the product's
    return monkeypatch


def test_defaults_and_names(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRONGROOM_WORKERS", "8")
    environment.setenv("strongroom_document_types", "image/png, ,image/gif,")
    environment.setenv("STRONGROOM_LOG_LEVEL", "WARNING")
    environment.setenv("MAX_FILE_SIZE", "5")
    environment.setenv("DEBUG", "true")
    environment.setenv("STRONGROOM_OPTIONAL", "")
    got = read_settings(Example)
    assert (got.workers, got.document_types, got.size) == (8, ("image/png", "image/gif"), 5)
    assert (got.log_level, got.debug, got.optional, got.drain_seconds) == ("warning", True, None, 20.0)


def test_our_own_name_wins_over_its_alias(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MAX_FILE_SIZE", "5")
    environment.setenv("STRONGROOM_SIZE", "6")
    assert read_settings(Example).size == 6


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STRONGROOM_WORKERS", "0", "greater than or equal to 1"),
        ("strongroom_workers", "many", "valid integer"),
        ("MAX_FILE_SIZE", "big", "valid integer"),
        ("DEBUG", "perhaps", "boolean"),
        ("STRONGROOM_AUTH", "none", "'required' or 'optional'"),
        ("STRONGROOM_LOG_LEVEL", "loud", "'debug'"),
        ("STRONGROOM_DRAIN_SECONDS", "-1", "greater than or equal to 0"),
        ("STRONGROOM_DRAIN_SECONDS", "inf", "finite number"),
        ("STRONGROOM_JWT_SECRET", "", "not set"),
        ("STRONGROOM_JWT_SECRET", "15 bytes, sadly", "shorter than 16 bytes"),
        ("STRONGROOM_JWT_SECRET", "-----BEGIN PUBLIC KEY-----\nMIIB\n", "STRONGROOM_JWT_PUBLIC_KEY"),
        ("STRONGROOM_INTERNAL_SECRET", "short", "shorter than 16 bytes"),
        ("STRONGROOM_OLD_INTERNAL_SECRETS", f"{'x' * 32},short", "shorter than 16 bytes"),
        ("STRONGROOM_DATABASE_URL", "", "not set"),
    ],
)
def test_one_line_that_names_the_setting_as_it_was_written(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        load_settings(Example)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"setting {name}: ")
    assert said in line
    assert not value or len(value) < 9 or value not in line


def test_several_wrong_settings_share_the_line(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STRONGROOM_WORKERS", "x")
    environment.setenv("DEBUG", "x")
    with pytest.raises(SettingError) as caught:
        read_settings(Example)
    assert "STRONGROOM_WORKERS: " in str(caught.value)
    assert "DEBUG: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"JWT_PUBLIC_KEY": "/key.pem"}, "STRONGROOM_JWT_SECRET"),
        ({"JWKS_URL": "https://id.example"}, "STRONGROOM_JWT_SECRET"),
        ({"TLS_CERT": "/cert.pem"}, "STRONGROOM_TLS_KEY"),
        ({"TLS_KEY": "/key.pem"}, "STRONGROOM_TLS_CERT"),
        ({"TLS_CLIENT_CERT": "/cert.pem"}, "STRONGROOM_TLS_CLIENT_KEY"),
        ({"TLS_CLIENT_CA": "/ca.pem"}, "STRONGROOM_TLS_CERT"),
    ],
)
def test_settings_that_do_not_go_together(
    environment: pytest.MonkeyPatch, changes: dict[str, str], named: str
) -> None:
    for name, value in changes.items():
        environment.setenv(f"STRONGROOM_{name}", value)
    with pytest.raises(SettingError) as caught:
        read_settings(Example)
    assert caught.value.name == named


def test_optional_auth_needs_no_key(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("STRONGROOM_JWT_SECRET")
    environment.setenv("STRONGROOM_AUTH", "Optional")
    assert read_settings(Example).auth == "optional"


def test_requiring_what_is_optional_elsewhere(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"^STRONGROOM_INTERNAL_SECRET: not set"):
        require(read_settings(Example), "internal_secret")
    environment.setenv("STRONGROOM_INTERNAL_SECRET", SECRET)
    require(read_settings(Example), "internal_secret", "jwt_secret")


def test_secrets_are_never_shown(environment: pytest.MonkeyPatch) -> None:
    got = read_settings(Example)
    for text in (repr(got), str(got), str(got.model_dump()), got.model_dump_json()):
        assert "hunter2" not in text
        assert SECRET not in text
    environment.setenv("STRONGROOM_WORKERS", "x")
    with pytest.raises(SettingError) as caught:
        read_settings(Example)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!s}"


def test_settings_do_not_change() -> None:
    got = CommonSettings(auth="optional")
    with pytest.raises(ValueError, match="frozen"):
        got.auth = "required"  # type: ignore[misc]  # that is the point


def test_a_whole_process_says_one_line_and_exits_2(environment: pytest.MonkeyPatch) -> None:
    code = (
        "from servicekit.settings import CommonSettings, load_settings\n"
        "load_settings(CommonSettings)\nprint('started')"
    )
    kept = {**os.environ, "PYTHONPATH": str(ROOT), "STRONGROOM_MAX_CONCURRENT_STREAMS": "none"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("setting STRONGROOM_MAX_CONCURRENT_STREAMS: ")
