"""Settings of all caps, rates and sizes. Every process reads the same names."""

from __future__ import annotations

from typing import Final

from pydantic import ByteSize, Field, SecretStr, field_validator

from servicekit.settings import SettingError, SettingsBase, aliases, check_secrets

MIB: Final = 1024 * 1024
#: S3 allows 5 TiB in one object; our part tables are made for it.
MAX_OBJECT_BYTES: Final = 5 * 1024 * 1024 * MIB
_SCHEMES: Final = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")


class CapSettings(SettingsBase):
    """Rates and caps; 0 disables one.

    ``redis_url``: where replicas count together; None: each process counts for itself. ``redis_seconds``: the
    limit for one of its answers. ``gateway_secret`` (16 bytes or more, the same in all processes): proves to
    the services that the gateway has counted a call.

    ``user_requests_*``: requests of one user, tokens per second and burst. ``user_share_*``: the same while
    other users are active in the same process. ``address_requests_*``: unauthenticated requests.
    ``failed_sign_ins_per_minute``: per address; further ones are answered RATE_LIMITED.
    ``share_openings_per_minute``: of shares with a password or a number of uses, per address.
    ``share_drops_per_minute``: files dropped from one address, and into one drop.
    ``user_sessions_per_minute``, ``user_imports_per_minute``: begun by one user.

    ``user_watches``, ``user_transfers``, ``user_imports``, ``user_exports``: open at once. ``user_archives``:
    transfers that are whole outgoing ZIPs, for guests per address. ``user_calls``: gRPC calls of any kind,
    until their answer is taken; without sign-in per address. ``address_previews``: files of previews, whose
    visitors are unauthenticated. ``address_connections``: to one gateway.
    """

    redis_url: SecretStr | None = None
    redis_seconds: float = Field(default=0.1, gt=0, le=5)
    gateway_secret: SecretStr | None = None

    user_requests_per_second: float = Field(default=1000.0, ge=0)
    user_requests_burst: int = Field(default=2000, ge=1)
    user_share_per_second: float = Field(default=100.0, ge=0)
    user_share_burst: int = Field(default=200, ge=1)
    address_requests_per_second: float = Field(default=200.0, ge=0)
    address_requests_burst: int = Field(default=1000, ge=1)
    failed_sign_ins_per_minute: int = Field(default=100, ge=0)
    share_openings_per_minute: int = Field(default=60, ge=0)
    share_drops_per_minute: int = Field(default=120, ge=0)
    user_sessions_per_minute: int = Field(default=600, ge=0)
    user_imports_per_minute: int = Field(default=600, ge=0)

    user_watches: int = Field(default=16, ge=0)
    user_transfers: int = Field(default=32, ge=0)
    user_archives: int = Field(default=4, ge=0)
    user_exports: int = Field(default=1, ge=0)
    user_calls: int = Field(default=512, ge=0)
    user_imports: int = Field(default=16, ge=0)
    address_previews: int = Field(default=128, ge=0)
    address_connections: int = Field(default=1800, ge=0)

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(_SCHEMES):
            raise SettingError("STRONGROOM_REDIS_URL", f"no URL that begins with {', '.join(_SCHEMES)}")
        return url

    @field_validator("gateway_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            check_secrets("STRONGROOM_GATEWAY_SECRET", secret.get_secret_value())
        return secret


def _size(default: int, *names: str) -> ByteSize:
    """A size in bytes; the variable may be ``10MiB`` or ``10485760``."""
    value: ByteSize = Field(
        default=ByteSize(default),
        gt=0,
        le=MAX_OBJECT_BYTES,
        validation_alias=aliases(*names) if names else None,
    )
    return value


class LimitSettings(SettingsBase):
    """The largest sizes of each family in bytes, inclusive, and of projects. storage_service enforces them;
    the gateway compares announced lengths. ``max_event_media_bytes`` is also read from ``MAX_FILE_SIZE``.
    """

    max_file_bytes: ByteSize = _size(5 * 1024 * MIB)
    max_generation_bytes: ByteSize = _size(100 * MIB)
    max_event_media_bytes: ByteSize = _size(10 * MIB, "STRONGROOM_MAX_EVENT_MEDIA_BYTES", "MAX_FILE_SIZE")
    max_profile_picture_bytes: ByteSize = _size(5 * MIB)
    max_temp_bytes: ByteSize = _size(100 * MIB)
    max_project_file_bytes: ByteSize = _size(10 * MIB)
    max_project_bytes: ByteSize = _size(100 * MIB)
    max_project_files: int = Field(default=5000, ge=1, le=100_000)
