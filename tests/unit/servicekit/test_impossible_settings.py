"""A typing error in any setting stops the process at the start, with the setting's name."""

from __future__ import annotations

import os

import pytest

from gateway.config import GatewaySettings
from metadata_service.config import MetadataSettings
from servicekit.net import check_target
from servicekit.settings import CommonSettings, SettingError, _names, read_settings
from storage_service.config import StorageSettings

ENOUGH = {
    "STRONGROOM_JWT_SECRET": "j" * 32,
    "STRONGROOM_INTERNAL_SECRET": "i" * 32,
    "STRONGROOM_DATABASE_URL": "postgresql://app:password@db/strongroom",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_S3_BUCKET": "bucket",
}
SERVICES: tuple[type[CommonSettings], ...] = (GatewaySettings, StorageSettings, MetadataSettings)
HUGE = "9" * 30


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("STRONGROOM_", "AWS_", "S3_", "MAX_", "DEBUG")):
            monkeypatch.delenv(name)
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("service", SERVICES)
def test_every_number_has_an_end(environment: pytest.MonkeyPatch, service: type[CommonSettings]) -> None:
    defaults = read_settings(service)
    numbers = [
        _names(service, field)[0]
        for field, about in service.model_fields.items()
        if isinstance(getattr(defaults, field), int | float) and about.annotation is not bool
    ]
    assert len(numbers) > 20
    for name in numbers:
        environment.setenv(name, HUGE)
        with pytest.raises(SettingError) as caught:
            read_settings(service)
        assert name in str(caught.value)
        environment.delenv(name)


@pytest.mark.parametrize(
    ("service", "name", "value", "said"),
    [
        (GatewaySettings, "STRONGROOM_STORAGE_ADDRESS", "127.0.0.1:70000", "host:port"),
        (GatewaySettings, "STRONGROOM_METADATA_ADDRESS", "metadata", "host:port"),
        (StorageSettings, "STRONGROOM_METADATA_ADDRESS", "!?:50052", "host:port"),
        (MetadataSettings, "STRONGROOM_IMPORT_PORTS", "443,https", "'https' is not a port"),
        (StorageSettings, "STRONGROOM_IMPORT_PORTS", "0", "'0' is not a port"),
        (StorageSettings, "STRONGROOM_IMPORT_ALLOW_HOSTS", "localhost", "'localhost': write host:port"),
        (StorageSettings, "STRONGROOM_TEMP_TYPES", "image/*,png", "'png' is neither a media type"),
        (StorageSettings, "AWS_REGION", "größe", "match pattern"),
        (GatewaySettings, "STRONGROOM_CORS_ORIGINS", "https://app.example.com/", "no last slash"),
        (GatewaySettings, "STRONGROOM_MAX_CONCURRENT_STREAMS", "2147483648", "equal to 2147483647"),
        (MetadataSettings, "STRONGROOM_DATABASE_STATEMENT_SECONDS", "2147484", "2147483"),
        (MetadataSettings, "STRONGROOM_READ_GRACE_SECONDS", "3162240001", "greater than 3162240000"),
        (MetadataSettings, "STRONGROOM_IDEMPOTENCY_HOURS", "878401", "greater than 878400"),
    ],
)  # fmt: skip
def test_what_can_not_work_is_refused(
    environment: pytest.MonkeyPatch, service: type[CommonSettings], name: str, value: str, said: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        read_settings(service)
    assert str(caught.value).startswith(f"{name}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("service", "name", "value"),
    [
        (GatewaySettings, "STRONGROOM_CORS_ORIGINS", "*"),
        (
            GatewaySettings,
            "STRONGROOM_CORS_ORIGINS",
            "https://a.example, http://[::1]:3000, tauri://localhost",
        ),
        (StorageSettings, "STRONGROOM_TEMP_TYPES", "image/*, Application/vnd.x+json"),
        (StorageSettings, "STRONGROOM_IMPORT_ALLOW_HOSTS", "localhost:9000,[::1]:80"),
        (StorageSettings, "AWS_REGION", "us-gov-west-1"),
    ],
)
def test_what_works_is_taken(
    environment: pytest.MonkeyPatch, service: type[CommonSettings], name: str, value: str
) -> None:
    environment.setenv(name, value)
    assert read_settings(service)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:50051", "storage:50051", "[::1]:50051", "dns:///storage.svc.cluster.local:50051"),
        *("dns:storage:50051", "dns://8.8.8.8/storage:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051"),
        *("ipv6:[::1]:50051", "unix:/run/storage.sock", "unix:///run/storage.sock", "xds:///storage"),
    ],
)
def test_names_that_grpc_looks_up(address: str) -> None:
    assert check_target(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("", " ", "localhost", "localhost:", ":50051", "localhost:0", "localhost:65536", "localhost:-1"),
        *("http://storage:50051", "größe:1", "a b:1", "a\nb:1", "dns:///storage", "dns:", "unix:"),
        *("ipv4:10.0.0.1:50051,10.0.0.2", "1:2:3", "٣:٣"),
    ],
)
def test_names_that_would_be_looked_up_in_vain(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        check_target(address)
