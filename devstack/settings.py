"""The stack's settings, from environment variables; unknown ones are passed on to the services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devstack.errors import SettingError

DEFAULT_DATA_DIR = ".strongroom"
# The names that storage_service accepts for the same settings, in order of preference.
_ENDPOINT_NAMES = ("AWS_S3_ENDPOINT_URL", "STRONGROOM_S3_ENDPOINT_URL")
_BUCKET_NAMES = ("AWS_S3_BUCKET", "AWS_S3_BUCKET_NAME", "S3_BUCKET_NAME", "STRONGROOM_S3_BUCKET")
_REGION_NAMES = ("AWS_REGION", "S3_REGION", "AWS_DEFAULT_REGION", "STRONGROOM_S3_REGION")
_ACCESS_KEY_NAMES = ("AWS_ACCESS_KEY_ID", "STRONGROOM_S3_ACCESS_KEY_ID")
_SECRET_KEY_NAMES = ("AWS_SECRET_ACCESS_KEY", "STRONGROOM_S3_SECRET_ACCESS_KEY")
_USE_SSL_NAMES = ("AWS_S3_USE_SSL", "STRONGROOM_S3_USE_SSL")
_VERIFY_SSL_NAMES = ("AWS_S3_VERIFY_SSL", "STRONGROOM_S3_VERIFY_SSL")
_NO = ("0", "f", "false", "n", "no", "off")


@dataclass(frozen=True)
class ExternalS3:
    """The caller's S3 server. Keys may be empty (an instance role, a profile)."""

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str
    session_token: str
    verify_ssl: bool


#: The services in one process, or in three.
Form = Literal["one", "three"]
FORMS: tuple[Form, ...] = ("one", "three")
DEFAULT_FORM: Form = "one"


@dataclass(frozen=True)
class Settings:
    """The stack's settings. A port of 0: a free one is chosen, and kept for later starts."""

    data_dir: Path
    http_port: int
    storage_port: int
    metadata_port: int
    database_url: str | None
    s3: ExternalS3 | None
    jwt_secret: str | None
    internal_secret: str | None
    link_secret: str | None
    drain_seconds: float
    form: Form = DEFAULT_FORM


def from_environ(environ: Mapping[str, str], data_dir: Path | None = None) -> Settings:
    """Read the settings; `data_dir` overrides STRONGROOM_DATA_DIR. Raises SettingError."""
    _refuse_tls(environ)
    form = _form(environ)
    if form == "three" and environ.get("STRONGROOM_METRICS_BIND"):
        raise SettingError(
            "STRONGROOM_METRICS_BIND is set, but three processes can't share one address: "
            "set STRONGROOM_METRICS_BIND_STORAGE, _METADATA and _GATEWAY instead"
        )
    return Settings(
        data_dir=data_dir or Path(environ.get("STRONGROOM_DATA_DIR") or DEFAULT_DATA_DIR),
        http_port=_port(environ, "STRONGROOM_HTTP_PORT", 8080),
        storage_port=_port(environ, "STRONGROOM_STORAGE_PORT", 50051),
        metadata_port=_port(environ, "STRONGROOM_METADATA_PORT", 50052),
        database_url=environ.get("STRONGROOM_DATABASE_URL") or None,
        s3=_external_s3(environ),
        jwt_secret=environ.get("STRONGROOM_JWT_SECRET") or None,
        internal_secret=environ.get("STRONGROOM_INTERNAL_SECRET") or None,
        link_secret=environ.get("STRONGROOM_LINK_SECRET") or None,
        drain_seconds=_seconds(environ, "STRONGROOM_DRAIN_SECONDS", 20.0),
        form=form,
    )


def _form(environ: Mapping[str, str]) -> Form:
    text = environ.get("STRONGROOM_FORM") or DEFAULT_FORM
    for form in FORMS:
        if text == form:
            return form
    raise SettingError(f"STRONGROOM_FORM is {text!r}: it must be one (all services in one process) or three")


def first_of(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The first of these variables that is set, or an empty text."""
    return next((environ[name] for name in names if environ.get(name)), "")


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) > 65535:
        raise SettingError(f"{name} is {text!r}: it must be a port number from 0 (choose one) to 65535")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise SettingError(f"{name} is {text!r}: it must be a number of seconds from 0 to 3600")
    return seconds


def _refuse_tls(environ: Mapping[str, str]) -> None:
    for name in ("STRONGROOM_TLS_CERT", "STRONGROOM_TLS_CLIENT_CA", "STRONGROOM_HTTP_TLS_CERT"):
        if environ.get(name):
            raise SettingError(
                f"{name} is set: the development stack serves plaintext on loopback; unset it "
                "(docs/devstack.md says how to run the services with TLS)"
            )


def _external_s3(environ: Mapping[str, str]) -> ExternalS3 | None:
    endpoint, bucket = first_of(environ, _ENDPOINT_NAMES), first_of(environ, _BUCKET_NAMES)
    if not endpoint and not bucket:
        return None
    if not endpoint or not bucket:
        given, missing = (
            ("AWS_S3_ENDPOINT_URL", "AWS_S3_BUCKET") if endpoint else ("AWS_S3_BUCKET", "AWS_S3_ENDPOINT_URL")
        )
        raise SettingError(
            f"{given} is set but {missing} is not: set both to use your own S3, neither for the embedded one"
        )
    if "://" not in endpoint:
        plain = first_of(environ, _USE_SSL_NAMES).lower() in _NO
        endpoint = f"{'http' if plain else 'https'}://{endpoint}"
    return ExternalS3(
        endpoint=endpoint,
        bucket=bucket,
        region=first_of(environ, _REGION_NAMES) or "us-east-1",
        access_key=first_of(environ, _ACCESS_KEY_NAMES),
        secret_key=first_of(environ, _SECRET_KEY_NAMES),
        session_token=environ.get("AWS_SESSION_TOKEN", ""),
        verify_ssl=first_of(environ, _VERIFY_SSL_NAMES).lower() not in _NO,
    )
