"""Settings → what imports are told."""

from __future__ import annotations

from servicekit.outbound import UrlRules
from storage_service.config import StorageSettings
from storage_service.outbound.client import Timeouts
from storage_service.uploads.importing.importer import ImportLimits


def url_rules(settings: StorageSettings) -> UrlRules:
    """What import URLs may look like."""
    ports = frozenset(int(port) for port in settings.import_ports)
    return UrlRules(ports, frozenset(settings.import_allow_hosts))


def source_timeouts(settings: StorageSettings) -> Timeouts:
    """Time limits of one connection to a source."""
    return Timeouts(settings.import_connect_seconds, settings.import_idle_seconds)


def import_limits(settings: StorageSettings) -> ImportLimits:
    """Limits of one import with all its tries."""
    return ImportLimits(
        settings.import_timeout_seconds,
        settings.import_min_bytes_per_second,
        settings.import_tries,
        parallel=settings.import_parallel,
        parallel_per_user=settings.import_parallel_per_user,
        queued_per_user=settings.import_queued_per_user,
    )
