"""Settings of the service and of migrate."""

from __future__ import annotations

import pytest

from metadata_service.config import MetadataSettings, MigrationSettings
from servicekit.settings import SettingError, read_settings

ENV = {
    "STRONGROOM_DATABASE_URL": "postgresql://app:secret-word@db/strongroom",
    "STRONGROOM_JWT_SECRET": "j" * 32,
    "STRONGROOM_INTERNAL_SECRET": "i" * 32,
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)


def test_durations_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_UPLOAD_LEASE_SECONDS", "2")
    monkeypatch.setenv("STRONGROOM_IDEMPOTENCY_HOURS", "0.5")
    monkeypatch.setenv("STRONGROOM_QUOTA_BYTES", "10")
    settings = read_settings(MetadataSettings)
    assert settings.timing.lease == 2
    assert settings.timing.idempotency == 1800
    assert (settings.limits.bytes, settings.limits.files) == (10, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRONGROOM_UPLOAD_LEASE_SECONDS", "0"),
        ("STRONGROOM_READ_GRACE_SECONDS", "-1"),
        ("STRONGROOM_RESTORE_WINDOW_SECONDS", "-1"),
        ("STRONGROOM_RESTORE_WINDOW_SECONDS", "7d"),
        ("STRONGROOM_RESTORE_WINDOW_SECONDS", "604800000"),
        ("STRONGROOM_DATABASE_POOL_MIN", "99"),
        ("STRONGROOM_QUOTA_FILES", "many"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        read_settings(MetadataSettings)
    assert name in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_the_database_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRONGROOM_DATABASE_URL")
    with pytest.raises(SettingError, match="STRONGROOM_DATABASE_URL"):
        read_settings(MetadataSettings)


def test_the_url_is_a_secret() -> None:
    settings = read_settings(MetadataSettings)
    assert "secret-word" not in repr(settings)


def test_migrations_run_as_the_owner_and_grant_to_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(MigrationSettings).owner_url == ENV["STRONGROOM_DATABASE_URL"]
    monkeypatch.setenv("STRONGROOM_MIGRATION_DATABASE_URL", "postgresql://owner@db/strongroom")
    settings = read_settings(MigrationSettings)
    assert settings.owner_url == "postgresql://owner@db/strongroom"
    assert settings.service_login == ("app", "secret-word")


@pytest.mark.parametrize("url", ["postgresql://db/strongroom", "not a url"])
def test_a_url_has_to_name_a_user(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", url)
    with pytest.raises(SettingError, match="STRONGROOM_DATABASE_URL"):
        assert read_settings(MigrationSettings).service_login
