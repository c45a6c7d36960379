"""Settings of metadata_service, read from the environment (`STRONGROOM_` plus the field in capitals)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Self, get_args

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, model_validator

from metadata_service.prices import STANDARD, Prices, prices_of
from metadata_service.retention_rules import RetentionRules, VersionRule, days_by_family
from servicekit.archive_classes import CLASSES, Transition, transitions_of
from servicekit.limits import CapSettings
from servicekit.outbound_settings import OutboundSettings
from servicekit.s3_settings import StorageClass
from servicekit.settings import (
    MOST_TIMER_SECONDS,
    CommaList,
    CommonSettings,
    SettingError,
    SettingsBase,
    env_name,
)

#: Ten years: a larger value is a typing error.
MOST_WINDOW_SECONDS: Final = 10 * 366 * 86400.0


def _is_conninfo(value: SecretStr, info: ValidationInfo) -> SecretStr:
    try:
        conninfo_to_dict(value.get_secret_value())
    except psycopg.ProgrammingError:  # its text contains the value, password included
        problem = "is not the address of a Postgres; write postgresql://USER:PASSWORD@HOST:PORT/NAME"
        raise SettingError(env_name(info.field_name or ""), problem) from None
    return value


#: A URI or keywords, as for libpq.
DatabaseUrl = Annotated[SecretStr, AfterValidator(_is_conninfo)]


@dataclass(frozen=True)
class Timing:
    """Durations in seconds, always measured by the database's clock.

    `lease`: how long a silent attempt lives; its writer renews it every third, and afterwards the owner's own
    repeat continues. `claim`: how long a cleaner may take over a batch. `read_grace`: between a deletion and
    the removal of the object, so that downloads in progress can finish. `restore_window`: how far back
    Postgres may be restored and still find every object; a deleted one is only hidden until then.
    `tombstone_grace`: longer than any S3 request in flight (rule R5). `session`: how long a resumable upload
    may be idle; `empty_session`: one that has no bytes yet. `retry`: pause before a failed cleaning step is
    tried again, doubled each time up to `retry_max`; rows that only wait to be rolled forward (COMPLETING)
    are tried every `roll_forward_max` at least.
    """

    lease: float = 10.0
    claim: float = 30.0
    read_grace: float = 300.0
    restore_window: float = 0.0
    tombstone_grace: float = 3600.0
    idempotency: float = 24 * 3600.0
    soft_delete: float = 7 * 86400.0
    events: float = 24 * 3600.0
    session: float = 24 * 3600.0
    empty_session: float = 3600.0
    retry: float = 30.0
    retry_max: float = 3600.0
    roll_forward_max: float = 60.0

    @property
    def kept_bytes(self) -> float:
        """How long the bytes of a deleted object stay."""
        return max(self.read_grace, self.restore_window)


@dataclass(frozen=True)
class Limits:
    """Default quota of an owner; None: no limit. `open_sessions`: resumable uploads that one owner may have
    open; 0: any number.
    """

    bytes: int | None = None
    files: int | None = None
    open_sessions: int = 0

    @property
    def unlimited(self) -> bool:
        """Whether neither bytes nor files are limited, so that the owner's use needs no summing up."""
        return self.bytes is None and self.files is None


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """Limits of webhooks.

    `webhooks`: how many one owner may have; 0: any number. `parallel`: deliveries of one owner in flight;
    `parallel_each`: of one webhook. `backlog`: waiting deliveries of one webhook; the rest stays in the
    outbox. `tries`: until a delivery is a dead letter. Seconds: `retry`, the first pause, three times as long
    after each further try up to `retry_max`; `hold_max`: the longest pause of a failing target; `disable`:
    after this time without success a webhook is switched off; `keep_delivered`, `keep_dead`: how long ended
    deliveries are kept; `events`: how long the outbox keeps events; `idempotency`: how long a request id of
    Create is remembered.
    """

    webhooks: int = 20
    parallel: int = 8
    parallel_each: int = 4
    backlog: int = 1000
    tries: int = 10
    retry: float = 10.0
    retry_max: float = 6 * 3600.0
    hold_max: float = 300.0
    disable: float = 5 * 86400.0
    keep_delivered: float = 24 * 3600.0
    keep_dead: float = 30 * 86400.0
    events: float = 24 * 3600.0
    idempotency: float = 24 * 3600.0


@dataclass(frozen=True)
class PoolOptions:
    """Connections of one process, and their time limits in seconds.

    `statement` and `lock` become Postgres' statement_timeout and lock_timeout. `transaction` limits a whole
    transaction, so that a frozen process does not hold its locks for ever. `pooled`: the connection leads
    through a pooler in transaction mode (PgBouncer, Supavisor).
    """

    min_size: int = 2
    max_size: int = 16
    wait: float = 5.0
    connect: float = 5.0
    statement: float = 15.0
    lock: float = 5.0
    transaction: float = 20.0
    pooled: bool = False


class MetadataSettings(OutboundSettings, CapSettings, CommonSettings):
    """`database_url` is the service's own login, neither superuser nor owner of the tables nor BYPASSRLS;
    `migration_database_url` (default: the same) owns the tables and runs `migrate`.

    `database_direct_url`: the same database past a pooler, when `database_url` leads through one in
    transaction mode: for LISTEN and for the lock that one replica holds, two connections a process.

    `database_read_url`: a streaming standby that may answer lists while it is at most
    `database_read_lag_seconds` behind.

    `database_pool_max` connections at most are open per process; Postgres' max_connections must cover all
    replicas. `group_commit`: plain uploads that arrive together share a transaction.
    """

    metadata_bind: str = "127.0.0.1:50052"
    database_url: DatabaseUrl
    migration_database_url: DatabaseUrl | None = None
    database_direct_url: DatabaseUrl | None = None
    database_read_url: DatabaseUrl | None = None
    database_read_lag_seconds: float = Field(default=5.0, gt=0, le=3600)
    database_pool_min: int = Field(default=2, ge=0)
    database_pool_max: int = Field(default=16, ge=1, le=1000)
    database_pool_wait_seconds: float = Field(default=5.0, gt=0)
    database_connect_seconds: float = Field(default=5.0, gt=0, le=MOST_TIMER_SECONDS)
    database_statement_seconds: float = Field(default=15.0, gt=0, le=MOST_TIMER_SECONDS)
    database_lock_seconds: float = Field(default=5.0, gt=0, le=MOST_TIMER_SECONDS)

    group_commit: bool = True

    upload_lease_seconds: float = Field(default=10.0, ge=0.5)
    upload_expiry_seconds: float = Field(default=86400.0, ge=1)
    read_grace_seconds: float = Field(default=300.0, ge=0)
    restore_window_seconds: float = Field(default=0.0, ge=0, le=MOST_WINDOW_SECONDS)
    tombstone_grace_seconds: float = Field(default=3600.0, ge=0)
    idempotency_hours: float = Field(default=24.0, gt=0)
    soft_delete_seconds: float = Field(default=7 * 86400.0, ge=0)
    event_retention_hours: float = Field(default=24.0, gt=0)
    cleaner_retry_seconds: float = Field(default=30.0, ge=0)

    user_open_sessions: int = Field(default=100, ge=0)
    empty_session_seconds: float = Field(default=3600.0, ge=1)
    quota_bytes: int | None = Field(default=None, ge=0)
    quota_files: int | None = Field(default=None, ge=0)
    user_webhooks: int = Field(default=20, ge=0)
    user_webhook_deliveries: int = Field(default=8, ge=1)
    webhook_backlog: int = Field(default=1000, ge=1, le=100_000)
    webhook_tries: int = Field(default=10, ge=1, le=50)
    webhook_retry_seconds: float = Field(default=10.0, gt=0, le=3600)
    webhook_disable_days: float = Field(default=5.0, gt=0)
    webhook_dead_letter_days: float = Field(default=30.0, gt=0)
    retention_keep_days: str = ""
    retention_delete_after_days: str = ""
    project_keep_versions: int = Field(default=0, ge=0, le=1_000_000)
    project_keep_daily_days: int = Field(default=0, ge=0, le=36_600)
    retention_sweep_seconds: float = Field(default=600.0, gt=0, le=86400)
    backup_days: float = Field(default=0.0, ge=0, le=36600)
    price_per_gb_month: float = Field(default=0.023, ge=0)
    prices: str = ""
    price_per_1000_writes: float = Field(default=0.005, ge=0)
    s3_storage_class: StorageClass | None = None
    s3_transitions: str = ""
    s3_upload_classes: CommaList = ()

    @model_validator(mode="after")
    def _pool_is_consistent(self) -> Self:
        if self.database_pool_min > self.database_pool_max:
            raise SettingError("STRONGROOM_DATABASE_POOL_MIN", "is larger than STRONGROOM_DATABASE_POOL_MAX")
        return self

    @property
    def timing(self) -> Timing:
        """The durations that the write protocol uses."""
        return Timing(
            lease=self.upload_lease_seconds,
            claim=3 * self.upload_lease_seconds,
            read_grace=self.read_grace_seconds,
            restore_window=self.restore_window_seconds,
            tombstone_grace=self.tombstone_grace_seconds,
            idempotency=self.idempotency_hours * 3600,
            soft_delete=self.soft_delete_seconds,
            events=self.event_retention_hours * 3600,
            session=self.upload_expiry_seconds,
            empty_session=min(self.upload_expiry_seconds, self.empty_session_seconds),
            retry=self.cleaner_retry_seconds,
        )

    @property
    def webhook_rules(self) -> WebhookRules:
        """How webhooks are sent, and how many there may be."""
        return WebhookRules(
            webhooks=self.user_webhooks,
            parallel=self.user_webhook_deliveries,
            parallel_each=max(1, self.user_webhook_deliveries // 2),
            backlog=self.webhook_backlog,
            tries=self.webhook_tries,
            retry=self.webhook_retry_seconds,
            disable=self.webhook_disable_days * 86400,
            keep_delivered=self.event_retention_hours * 3600,
            keep_dead=self.webhook_dead_letter_days * 86400,
            events=self.event_retention_hours * 3600,
            idempotency=self.idempotency_hours * 3600,
        )

    @property
    def version_rule(self) -> VersionRule:
        """How many versions are kept of a project without its own rule."""
        return VersionRule(self.project_keep_versions, self.project_keep_daily_days)

    @property
    def retention(self) -> RetentionRules:
        """How long the files of each family stay. Raises SettingError."""
        keep = days_by_family("STRONGROOM_RETENTION_KEEP_DAYS", self.retention_keep_days, projects=True)
        delete = days_by_family(
            "STRONGROOM_RETENTION_DELETE_AFTER_DAYS", self.retention_delete_after_days, projects=False
        )
        return RetentionRules(keep, delete)

    @property
    def costs(self) -> Prices:
        """What storage costs. Raises SettingError."""
        classes = prices_of(self.prices, self.price_per_gb_month)
        return Prices(classes, self.price_per_1000_writes, self.s3_storage_class or STANDARD)

    @property
    def upload_classes(self) -> frozenset[str]:
        """Storage classes that uploads may name. Raises SettingError."""
        known = (*get_args(StorageClass), *CLASSES)
        for name in self.s3_upload_classes:
            if name not in known:
                raise SettingError(
                    "STRONGROOM_S3_UPLOAD_CLASSES",
                    f"has {name!r}; S3's are {', '.join(dict.fromkeys(known))}",
                )
        return frozenset(self.s3_upload_classes)

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """When the bucket moves objects to cheaper classes. Raises SettingError."""
        return transitions_of(self.s3_transitions)

    @property
    def limits(self) -> Limits:
        """The default quota, and how many uploads may be open."""
        return Limits(self.quota_bytes, self.quota_files, self.user_open_sessions)

    @property
    def addresses(self) -> tuple[str, str | None]:
        """The database's address, and the one that bypasses a pooler."""
        direct = self.database_direct_url
        return self.database_url.get_secret_value(), direct.get_secret_value() if direct else None

    @property
    def session_url(self) -> str:
        """The address for connections that keep a session: `LISTEN`, session locks."""
        return (self.database_direct_url or self.database_url).get_secret_value()

    @property
    def pool(self) -> PoolOptions:
        """Size and time limits of the connection pool."""
        return PoolOptions(
            min_size=self.database_pool_min,
            max_size=self.database_pool_max,
            wait=self.database_pool_wait_seconds,
            connect=self.database_connect_seconds,
            statement=self.database_statement_seconds,
            lock=self.database_lock_seconds,
            transaction=self.database_statement_seconds + 5,
            pooled=self.database_direct_url is not None,
        )


class MigrationSettings(SettingsBase):
    """Settings of `migrate`.

    `database_url` names the role that gets the rights; `migration_database_url` (default: the same) is the
    login that owns the tables.
    """

    database_url: DatabaseUrl
    migration_database_url: DatabaseUrl | None = None

    @property
    def owner_setting(self) -> str:
        """The name of the setting of `owner_url`."""
        is_own = self.migration_database_url is not None
        return "STRONGROOM_MIGRATION_DATABASE_URL" if is_own else "STRONGROOM_DATABASE_URL"

    @property
    def owner_url(self) -> str:
        """The login that runs the migrations."""
        return (self.migration_database_url or self.database_url).get_secret_value()

    @property
    def service_login(self) -> tuple[str, str]:
        """Name and password (`""`: none) of the service's role. Raises SettingError."""
        parts = conninfo_to_dict(self.database_url.get_secret_value())
        if not parts.get("user"):
            raise SettingError(
                "STRONGROOM_DATABASE_URL", "names no user; write postgresql://USER:PASSWORD@HOST/NAME"
            )
        return str(parts["user"]), str(parts.get("password") or "")
