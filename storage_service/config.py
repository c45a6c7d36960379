"""Settings of storage_service. Those of S3 are in ``servicekit.s3_settings``."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from servicekit.archive_classes import STANDARD
from servicekit.limits import CapSettings
from servicekit.limits.settings import LimitSettings
from servicekit.net import TargetAddress
from servicekit.outbound import UrlRules
from servicekit.outbound_settings import OutboundSettings
from servicekit.s3_settings import S3Settings
from servicekit.settings import CommaList, CommonSettings, OriginList, SettingError, check_secrets
from storage_service.content.body import SizeRule
from storage_service.media.assembly import MediaRules
from storage_service.media.process import ReadingLimits
from storage_service.objectstore.values import MAX_PUT_SIZE, MIB, MIN_PART_SIZE
from storage_service.outbound.client import Timeouts
from storage_service.reading.archived import RestoreRules
from storage_service.repairing.assembly import RepairRules
from storage_service.repairing.guard import MostWrong
from storage_service.scanning.clamd import Address
from storage_service.scanning.rules import FAMILIES, PROJECT, ScanRules
from storage_service.uploads.importing.importer import ImportLimits
from storage_service.verifying.stage import Rates
from storage_service.webhooks.assembly import WebhookPace
from strongroom.metadata.v1.file_pb2 import (
    FILE_FAMILY_EVENT_MEDIA,
    FILE_FAMILY_FILE,
    FILE_FAMILY_GENERATION,
    FILE_FAMILY_PATH,
    FILE_FAMILY_PROFILE_PICTURE,
    FILE_FAMILY_TEMP,
    FileFamily,
)

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
DOCUMENT_TYPES = (
    "application/pdf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    f"{_OFFICE}wordprocessingml.document",
    f"{_OFFICE}spreadsheetml.sheet",
    f"{_OFFICE}presentationml.presentation",
    f"{_OPEN}text",
    f"{_OPEN}spreadsheet",
    f"{_OPEN}presentation",
    "application/rtf",
    "application/epub+zip",
    "text/plain",
    "text/markdown",
    "text/csv",
    "text/tab-separated-values",
)


def _type_patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _TYPE.fullmatch(value):
            raise ValueError(f"{value!r} is neither a media type like image/png nor a group like image/*")
    return tuple(value.lower() for value in values)


#: Exact types or wildcards, comma-separated.
TypeList = Annotated[CommaList, AfterValidator(_type_patterns)]
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)", re.ASCII)


class BucketSettings(S3Settings):
    """Settings for preparing a bucket.

    ``cors_origins``, ``upload_expiry_seconds`` and ``restore_window_seconds`` are those of the gateway and
    metadata_service.
    """

    cors_origins: OriginList = ()
    upload_expiry_seconds: float = 86400.0
    restore_window_seconds: float = 0.0
    internal_secret: SecretStr | None = None


class StorageSettings(OutboundSettings, LimitSettings, CapSettings, CommonSettings, S3Settings):
    """Settings of storage_service.

    Memory of bodies: ``upload_memory_bytes`` for the process. An upload holds at most two parts of
    ``part_size_bytes``, a project's save 32 MiB; in addition each open stream has up to 4 MiB of messages
    being decoded. ``min_body_rate``: bytes per second an upload must bring over each ``body_rate_window``
    (seconds in which the service was ready to read); 64 KiB/s while others wait for memory.
    ``download_memory_bytes``: messages that readers have not taken yet; each download takes another 256 KiB.
    ``archive_memory_bytes`` is for ZIPs: one that is read takes 4 MiB and a largest project file; one that is
    written takes up to 19 MiB, and another 1 MiB outside the budget. Writing may use half of it.
    ``export_manifest_bytes``: of /tmp, for the manifests of all exports in progress.

    ``*_types`` are exact types or wildcards (``image/*``); empty allows any. ``max_picture_pixels``: width
    times height of pictures in generations, event media and profile pictures. ``media_processes``: processes
    that read the facts of pictures, videos and sounds (0: none), each file for at most ``media_seconds`` of a
    processor in ``media_memory_bytes`` of address space. ``preview_page_seconds``: how long a previewed page
    can use its own address.

    ``link_secret``: seals links and previews; the same in every replica. Without one, a key is derived from
    ``internal_secret``, and links end when that is replaced. ``old_link_secrets``: former ones; what they
    sealed is still opened. ``link_*_seconds``: how long links to files of a family are valid, 0: until they
    are revoked. ``link_redirect_seconds``: validity of the signed URLs to which the gateway redirects links.

    ``verify_interval_seconds``: begin a verification when the last one is this old (0: only when an admin
    asks). ``verify_grace_seconds``: younger objects and uploads are not reported as orphans.
    ``cleaner_enabled``: false only while a restored database is examined. ``scrub_bytes_per_second``: how
    fast this process reads objects back (0: never). ``repair_most_count``, ``repair_most_percent``: a repair
    refuses when more objects than both belong to no row, or more rows have lost theirs.
    ``quarantine_seconds``: how long entries in quarantine are kept.
    """

    storage_bind: str = "127.0.0.1:50051"
    metadata_address: TargetAddress = "127.0.0.1:50052"

    part_size_bytes: int = Field(default=8 * MIB, ge=MIN_PART_SIZE, le=MAX_PUT_SIZE)
    upload_memory_bytes: int = Field(default=256 * MIB, ge=2 * MIN_PART_SIZE)
    download_memory_bytes: int = Field(default=128 * MIB, ge=4 * MIB)
    archive_memory_bytes: int = Field(default=128 * MIB, ge=1)
    export_manifest_bytes: int = Field(default=768 * MIB, ge=MIB)
    min_body_rate: int = Field(default=1024, ge=0)
    body_rate_window: float = Field(default=30.0, gt=0)
    upload_lease_seconds: float = Field(default=10.0, gt=0)
    cleaner_enabled: bool = True
    cleaner_interval_seconds: float = Field(default=5.0, gt=0)
    cleaner_sweep_seconds: float = Field(default=600.0, gt=0)

    verify_interval_seconds: float = Field(default=86400.0, ge=0)
    verify_grace_seconds: float = Field(default=86400.0, ge=0)
    scrub_bytes_per_second: int = Field(default=0, ge=0)
    repair_most_count: int = Field(default=20, ge=0)
    repair_most_percent: float = Field(default=5.0, ge=0, le=100)
    quarantine_seconds: float = Field(default=30 * 86400.0, ge=0)

    upload_types: TypeList = ()
    document_types: TypeList = DOCUMENT_TYPES
    audio_types: TypeList = ("audio/*", "video/webm")
    generation_types: TypeList = ("image/*", "video/*")
    event_media_types: TypeList = ("image/*", "video/*", "audio/*", "application/pdf")
    profile_picture_types: TypeList = ("image/*",)
    temp_types: TypeList = ()

    max_picture_pixels: int = Field(default=100_000_000, ge=1)
    media_processes: int = Field(default=1, ge=0, le=32)
    media_seconds: int = Field(default=10, ge=1, le=600)
    media_memory_bytes: int = Field(default=640 * MIB, ge=256 * MIB)
    preview_page_seconds: int = Field(default=900, ge=1, le=86_400)

    link_secret: SecretStr | None = None
    old_link_secrets: CommaList = Field(default=(), repr=False)
    link_file_seconds: int = Field(default=3600, ge=0)
    link_generation_seconds: int = Field(default=0, ge=0)
    link_event_media_seconds: int = Field(default=0, ge=0)
    link_profile_picture_seconds: int = Field(default=0, ge=0)
    link_temp_seconds: int = Field(default=3600, ge=0)
    link_path_seconds: int = Field(default=3600, ge=0)
    link_redirect_seconds: int = Field(default=900, ge=60, le=604_800)

    import_timeout_seconds: float = Field(default=120.0, gt=0)
    import_connect_seconds: float = Field(default=10.0, gt=0)
    import_idle_seconds: float = Field(default=30.0, gt=0)
    import_min_bytes_per_second: float = Field(default=1024.0, ge=0)
    import_tries: int = Field(default=3, ge=1, le=10)
    import_parallel: int = Field(default=32, ge=1)
    import_parallel_per_user: int = Field(default=8, ge=1)
    import_queued_per_user: int = Field(default=200, ge=0)

    clamd_address: str = ""
    scan_families: CommaList = FAMILIES
    scan_max_bytes: int = Field(default=25 * MIB, ge=1)
    scan_oversized: Literal["refuse", "accept"] = "refuse"
    scan_failure: Literal["refuse", "accept"] = "refuse"
    scan_timeout_seconds: float = Field(default=30.0, gt=0)
    rescan_bytes_per_second: int = Field(default=8 * MIB, ge=0)
    rescan_interval_seconds: float = Field(default=60.0, gt=0)

    webhooks_enabled: bool = True
    webhook_interval_seconds: float = Field(default=1.0, gt=0)
    webhook_timeout_seconds: float = Field(default=15.0, gt=0, le=120)
    webhook_parallel: int = Field(default=64, ge=1, le=1000)

    def url_rules(self) -> UrlRules:
        """The URLs that imports and webhooks may use."""
        return UrlRules(self.outbound_ports, frozenset(self.import_allow_hosts))

    def source_timeouts(self) -> Timeouts:
        """Time limits of one connection to an import's source."""
        return Timeouts(self.import_connect_seconds, self.import_idle_seconds)

    def import_limits(self) -> ImportLimits:
        """Limits of one import, retries included."""
        return ImportLimits(
            self.import_timeout_seconds,
            self.import_min_bytes_per_second,
            self.import_tries,
            parallel=self.import_parallel,
            parallel_per_user=self.import_parallel_per_user,
            queued_per_user=self.import_queued_per_user,
        )

    def webhook_pace(self) -> WebhookPace:
        """How webhooks are sent."""
        return WebhookPace(
            self.webhooks_enabled,
            self.webhook_interval_seconds,
            self.webhook_timeout_seconds,
            self.import_connect_seconds,
            self.webhook_parallel,
        )

    def scan_rules(self) -> ScanRules | None:
        """How bodies are scanned for malware. Raises SettingError for an invalid address."""
        if not self.clamd_address:
            return None
        return ScanRules(
            address=self._clamd(),
            families=frozenset(self.scan_families),
            max_bytes=self.scan_max_bytes,
            take_oversized=self.scan_oversized == "accept",
            take_unscanned=self.scan_failure == "accept",
            seconds=self.scan_timeout_seconds,
        )

    def _clamd(self) -> Address:
        try:
            return Address.parse(self.clamd_address)
        except ValueError as error:
            raise SettingError("STRONGROOM_CLAMD_ADDRESS", str(error)) from error

    def verify_rates(self) -> Rates:
        """How often and how fast stored objects are verified."""
        return Rates(
            self.verify_interval_seconds,
            self.verify_grace_seconds,
            self.scrub_bytes_per_second,
            self.s3_storage_class or STANDARD,
        )

    def repair_rules(self) -> RepairRules:
        """When a repair refuses, and how long the quarantine keeps entries."""
        most = MostWrong(self.repair_most_count, self.repair_most_percent)
        return RepairRules(self.verify_grace_seconds, self.quarantine_seconds, most)

    @property
    def restore_rules(self) -> RestoreRules:
        """Rules of restoring objects from archive classes."""
        return RestoreRules(self.s3_restore_days, self.s3_restore_tier)

    def media_rules(self) -> MediaRules:
        """The number of processes that read facts of media, and their limits for one file."""
        return MediaRules(self.media_processes, ReadingLimits(self.media_memory_bytes, self.media_seconds))

    def size_rules(self) -> dict[str, SizeRule]:
        """Size rules by the name of UploadTarget's field."""
        rules = {
            "file": SizeRule("files", self.max_file_bytes),
            "generation": SizeRule("generations", self.max_generation_bytes),
            "event_media": SizeRule("event media", self.max_event_media_bytes),
            "profile_picture": SizeRule("profile pictures", self.max_profile_picture_bytes),
            "temp": SizeRule("temporary files", self.max_temp_bytes),
            "path": SizeRule("files", self.max_file_bytes),
            "project_archive": SizeRule("project archives", self.max_project_bytes),
        }
        return {
            name: SizeRule(rule.name, self._scanned(name, rule.max_bytes)) for name, rule in rules.items()
        }

    def project_file_bytes(self) -> int:
        """The largest file of a project."""
        return self._scanned(PROJECT, self.max_project_file_bytes)

    def _scanned(self, family: str, most: int) -> int:
        """The largest body in bytes: ``most``, or the scanner's limit if larger bodies would be refused."""
        is_scanned = self.clamd_address and self.scan_oversized == "refuse" and family in self.scan_families
        return min(most, self.scan_max_bytes) if is_scanned else most

    def link_seconds(self) -> dict[FileFamily.ValueType, int]:
        """How long links are valid, by family."""
        return {
            FILE_FAMILY_FILE: self.link_file_seconds,
            FILE_FAMILY_GENERATION: self.link_generation_seconds,
            FILE_FAMILY_EVENT_MEDIA: self.link_event_media_seconds,
            FILE_FAMILY_PROFILE_PICTURE: self.link_profile_picture_seconds,
            FILE_FAMILY_TEMP: self.link_temp_seconds,
            FILE_FAMILY_PATH: self.link_path_seconds,
        }

    def link_secrets(self) -> tuple[str, ...]:
        """The secrets of links, the current one first."""
        link = reveal(self.link_secret)
        current = (link,) if link else self.internal_secrets()
        return (*current, *self.old_link_secrets)

    @model_validator(mode="after")
    def _link_secrets_are_long(self) -> Self:
        current = reveal(self.link_secret)
        check_secrets("STRONGROOM_LINK_SECRET", *((current,) if current else ()))
        check_secrets("STRONGROOM_OLD_LINK_SECRETS", *self.old_link_secrets)
        return self

    @model_validator(mode="after")
    def _scanner_is_one(self) -> Self:
        if unknown := sorted(set(self.scan_families) - set(FAMILIES)):
            raise SettingError(
                "STRONGROOM_SCAN_FAMILIES", f"{unknown[0]} is not one of {', '.join(FAMILIES)}"
            )
        if self.clamd_address:
            self._clamd()
        return self

    @model_validator(mode="after")
    def _projects_fit_into_memory(self) -> Self:
        if self.max_project_file_bytes > self.upload_memory_bytes:
            raise SettingError(
                "STRONGROOM_MAX_PROJECT_FILE_BYTES", "is larger than STRONGROOM_UPLOAD_MEMORY_BYTES"
            )
        if self.max_project_file_bytes + 4 * MIB > self.archive_memory_bytes:
            raise SettingError(
                "STRONGROOM_ARCHIVE_MEMORY_BYTES", "holds no 4 MiB beside STRONGROOM_MAX_PROJECT_FILE_BYTES"
            )
        return self

    def allowed_types(self) -> dict[str, tuple[str, ...]]:
        """Allow-lists by rule name (see ``content.types.rule_name``). A name without a list allows any
        type.
        """
        lists = {
            "uploads": self.upload_types,
            "documents": self.document_types,
            "audio": self.audio_types,
            "generation": self.generation_types,
            "event_media": self.event_media_types,
            "profile_picture": self.profile_picture_types,
            "temp": self.temp_types,
        }
        return {name: patterns for name, patterns in lists.items() if patterns}


def reveal(secret: SecretStr | None) -> str | None:
    """The text of a secret setting, for the client that needs it."""
    return secret.get_secret_value() if secret is not None else None
