"""Settings → rules of imports and webhooks."""

from __future__ import annotations

from servicekit.background import Heartbeats
from servicekit.outbound import UrlRules
from storage_service.config import StorageSettings
from storage_service.metadata.webhooks import WebhookDeliveries
from storage_service.outbound.client import Timeouts
from storage_service.uploads.importing.importer import ImportLimits
from storage_service.webhooks.assembly import Webhooks
from storage_service.webhooks.metrics import WebhookMetrics


def url_rules(settings: StorageSettings) -> UrlRules:
    """The rules for URLs of imports."""
    return UrlRules(settings.outbound_ports, frozenset(settings.import_allow_hosts))


def source_timeouts(settings: StorageSettings) -> Timeouts:
    """Time limits of one connection to a source."""
    return Timeouts(settings.import_connect_seconds, settings.import_idle_seconds)


def import_limits(settings: StorageSettings) -> ImportLimits:
    """Limits of one import, retries included."""
    return ImportLimits(
        settings.import_timeout_seconds,
        settings.import_min_bytes_per_second,
        settings.import_tries,
        parallel=settings.import_parallel,
        parallel_per_user=settings.import_parallel_per_user,
        queued_per_user=settings.import_queued_per_user,
    )


def webhooks(
    settings: StorageSettings, work: WebhookDeliveries, heartbeats: Heartbeats, metrics: WebhookMetrics
) -> Webhooks:
    """The sender, under the rules of imports."""
    return Webhooks(work, url_rules(settings), settings.webhook_pace(), heartbeats, metrics)
