"""Settings of every process, read from the environment.

Each service subclasses ``CommonSettings`` in its ``config.py`` and loads it with ``load_settings``. Names are
``STRONGROOM_`` plus the field in capitals; a field with other accepted names lists them with ``aliases``. An
empty variable counts as unset. Secrets are ``SecretStr``: neither ``repr`` nor an error message shows them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, Self, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from strongroom import variables

PREFIX: Final = "STRONGROOM_"
MIN_SECRET_BYTES: Final = 16
SEND_IDLE_SECONDS: Final = 30.0
#: A hundred years.
MOST_SECONDS: Final = 36_600 * 86_400
#: gRPC and Postgres count milliseconds in 32 bits.
MOST_TIMER_SECONDS: Final = 2_147_483
#: HTTP/2 counts streams in 31 bits (RFC 9113, section 5.1.1).
MOST_STREAMS: Final = 2**31 - 1
#: The largest bigint.
MOST: Final = 2**63 - 1
_UNITS: Final = {"_seconds": 1, "_minutes": 60, "_hours": 3600, "_days": 86_400}


class SettingError(ValueError):
    """A setting is missing or wrong. ``str()`` is one line that names it as the operator writes it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def aliases(*names: str) -> AliasChoices:
    """A field's accepted variable names, first the one preferred in texts."""
    return AliasChoices(*names)


def _split(value: object) -> object:
    """``"a, b"`` → ``("a", "b")``; anything else unchanged."""
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


#: A comma-separated list.
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
_ORIGIN: Final = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://([A-Za-z0-9*._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _ORIGIN.fullmatch(value):
            raise ValueError(
                f"{value!r} is not an origin like https://app.example.com (no path, no last slash)"
            )
    return values


#: Origins of web pages as browsers send them (RFC 6454 section 6.2), or ``*``.
OriginList = Annotated[CommaList, AfterValidator(_origins)]


class SettingsBase(BaseSettings):
    """Prefix and rules of all settings; frozen after loading."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        allow_inf_nan=False,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - called by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - called by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - called by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the environment. For a settings file, which does not exist, the library would go through all
        fields again, at the cost of the environment.
        """
        return init_settings, env_settings

    @model_validator(mode="after")
    def _numbers_are_possible(self) -> Self:
        """A typing error must not end as an overflow in a timer, in a column, or in an interval of SQL."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            unit = next((seconds for end, seconds in _UNITS.items() if field.endswith(end)), 0)
            most = MOST_SECONDS // unit if unit else MOST
            if isinstance(value, int | float) and value > most:
                name = _written_name(type(self), field, os.environ)
                raise SettingError(name, f"is greater than {most}, the most that is possible")
        return self


class CommonSettings(SettingsBase):
    """Auth, TLS, logging, metrics and limits of one process.

    Tokens are verified with exactly one of ``jwt_secret`` (HS256), ``jwt_public_key`` (PEM or its path) and
    ``jwks_url``. ``jwt_max_lifetime_seconds`` limits exp - iat (exp - now without iat); 30 days, so that a
    leaked token does not stay valid for ever. ``internal_secret`` (at least 16 bytes) authenticates services
    to each other; ``old_internal_secrets`` do, too, and open what they have sealed, so that it can be
    replaced one process after the other. A bind address outside of loopback needs TLS or ``allow_plaintext``.
    ``max_concurrent_streams`` applies per connection, ``max_concurrent_rpcs`` to the process; further calls
    are refused with RESOURCE_EXHAUSTED. ``send_idle_seconds``: a reader that takes nothing of an answer for
    this long is cut off. ``metrics_bind`` may be any address: metrics name methods, not users.
    ``reflection``: whether gRPC lists its methods to nobody, to callers with a token, or to everybody; unset:
    to everybody on loopback (or with ``debug``), elsewhere with a token. ``commit``: of the build, if its
    files don't say it (an image's).
    """

    auth: Literal["required", "optional"] = "required"
    jwt_secret: SecretStr | None = None
    jwt_public_key: str | None = None
    jwks_url: str | None = None
    jwt_algorithms: CommaList = ()
    jwt_audience: CommaList = ()
    jwt_issuer: str | None = None
    jwt_max_lifetime_seconds: int = Field(default=30 * 86400, ge=1)
    jwt_leeway_seconds: int = Field(default=5, ge=0, le=600)
    internal_secret: SecretStr | None = None
    old_internal_secrets: CommaList = Field(default=(), repr=False)

    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tls_ca: Path | None = None
    tls_client_cert: Path | None = None
    tls_client_key: Path | None = None
    allow_plaintext: bool = False

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    debug: bool = Field(default=False, validation_alias=aliases("STRONGROOM_DEBUG", "DEBUG"))
    metrics_bind: str | None = None
    commit: str = ""
    reflection: Literal["off", "token", "open"] | None = None
    drain_seconds: float = Field(default=20.0, ge=0, le=3600)
    max_concurrent_streams: int = Field(default=128, ge=1, le=MOST_STREAMS)
    send_idle_seconds: float = Field(default=SEND_IDLE_SECONDS, gt=0)
    max_concurrent_rpcs: int = Field(default=4096, ge=1)
    max_connection_age_seconds: float = Field(default=3600.0, gt=0, le=MOST_TIMER_SECONDS)

    @model_validator(mode="before")
    @classmethod
    def _lower_case_words(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in ("log_level", "auth", "reflection"):
                if isinstance(values.get(name), str):
                    values[name] = values[name].lower()
        return values

    @model_validator(mode="after")
    def _keys_are_consistent(self) -> Self:
        check_keys(self)
        return self

    def internal_secrets(self) -> tuple[str, ...]:
        """The secrets of the services, the current one first; empty if it is not set."""
        current = self.internal_secret
        return (current.get_secret_value(), *self.old_internal_secrets) if current is not None else ()

    @property
    def serves_tls(self) -> bool:
        """Whether servers of this process use TLS."""
        return self.tls_cert is not None


def check_keys(settings: CommonSettings) -> None:
    """The rules between settings of auth and TLS.

    :raises SettingError: with the setting to change.
    """
    sources = [n for n in ("jwt_secret", "jwt_public_key", "jwks_url") if getattr(settings, n)]
    if len(sources) > 1:
        others = " and ".join(env_name(name) for name in sources[1:])
        raise SettingError(
            env_name(sources[0]), f"set together with {others}; tokens have one source of keys"
        )
    if not sources and settings.auth == "required":
        raise SettingError(
            "STRONGROOM_JWT_SECRET",
            "not set; set it, STRONGROOM_JWT_PUBLIC_KEY or STRONGROOM_JWKS_URL, so that tokens can be checked"
            " (for development only: STRONGROOM_AUTH=optional)",
        )
    for name in ("jwt_secret", "internal_secret"):
        secret: SecretStr | None = getattr(settings, name)
        check_secrets(env_name(name), *(() if secret is None else (secret.get_secret_value(),)))
    check_secrets("STRONGROOM_OLD_INTERNAL_SECRETS", *settings.old_internal_secrets)
    if settings.jwt_secret is not None and "-----BEGIN" in settings.jwt_secret.get_secret_value():
        raise SettingError(
            "STRONGROOM_JWT_SECRET",
            "is a PEM key, not a shared secret; set STRONGROOM_JWT_PUBLIC_KEY instead",
        )
    for one, other in (("tls_cert", "tls_key"), ("tls_client_cert", "tls_client_key")):
        if (getattr(settings, one) is None) != (getattr(settings, other) is None):
            missing = one if getattr(settings, one) is None else other
            raise SettingError(
                env_name(missing), f"not set, but {env_name(other if missing == one else one)} is"
            )
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        raise SettingError("STRONGROOM_TLS_CERT", "not set, but STRONGROOM_TLS_CLIENT_CA is")


def check_secrets(name: str, *secrets: str) -> None:
    """Refuse secrets that could be guessed.

    :raises SettingError: names the setting ``name``.
    """
    if any(len(secret.encode()) < MIN_SECRET_BYTES for secret in secrets):
        raise SettingError(name, f"shorter than {MIN_SECRET_BYTES} bytes; use 32 random bytes or more")


def env_name(field: str) -> str:
    """The variable of a field without aliases."""
    return PREFIX + field.upper()


def require(settings: SettingsBase, *fields: str) -> None:
    """Require that optional ``fields`` are set, for a process that can't work without them.

    :raises SettingError: with the first that is not.
    """
    for field in fields:
        if getattr(settings, field) is None:
            raise SettingError(_names(type(settings), field)[0], "not set, but this process needs it")


S = TypeVar("S", bound=SettingsBase)


def read_settings(cls: type[S]) -> S:
    """The settings of ``cls`` from the environment.

    :raises SettingError: one line for everything that is wrong, without any value.
    """
    try:
        return cls()
    except SettingError:
        raise
    except ValidationError as error:
        raise _explained(cls, error) from None


def load_settings(cls: type[S]) -> S:
    """``read_settings`` for ``__main__``: a wrong setting prints one line that names it and exits 2. Unknown
    names are reported first.
    """
    variables.report(os.environ)
    try:
        return read_settings(cls)
    except SettingError as error:
        stop(error)


def stop(error: SettingError) -> NoReturn:
    """Print one line for a wrong setting and exit 2."""
    sys.stderr.write(f"setting {error}\n")
    raise SystemExit(2)


def _explained(cls: type[SettingsBase], error: ValidationError) -> SettingError:
    """The first problem as a SettingError; further ones are added to its line."""
    found: list[tuple[str, str]] = []
    for item in error.errors(include_url=False, include_input=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, SettingError):
            return cause
        name = _written_name(cls, str(item["loc"][0]), os.environ) if item["loc"] else cls.__name__
        problem = "not set, but this process needs it" if item["type"] == "missing" else item["msg"]
        found.append((name, problem))
    name, problem = found[0]
    rest = "".join(f"; {name}: {problem}" for name, problem in found[1:])
    return SettingError(name, problem + rest)


def _names(cls: type[SettingsBase], field: str) -> Sequence[str]:
    alias = cls.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [str(alias)] if alias else [env_name(field)]


def _written_name(cls: type[SettingsBase], location: str, environ: Mapping[str, str]) -> str:
    """The variable for an error location (a field or one of its aliases), spelled as in ``environ``."""
    fields = [f for f in cls.model_fields if f == location or location in _names(cls, f)]
    names = _names(cls, fields[0]) if fields else [location]
    for name in names:
        for written in environ:
            if written.lower() == name.lower() and environ[written]:
                return written
    return names[0]
