"""The shipped alerts: each fires on its fault, none without one."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yml"
UPLOAD: Final = 'http_requests_total{method="POST",route="/api/v1/s3/upload",status="%s"}'
DOWNLOAD: Final = 'http_requests_total{method="GET",route="/api/v1/s3/file/{key:path}",status="%s"}'
LIST: Final = 'http_requests_total{method="GET",route="/api/v1/s3/files",status="%s"}'
SLOW: Final = 'http_request_duration_seconds_%s{method="GET",route="/api/v1/s3/files"%s}'
UP: Final = 'strongroom_dependency_up{instance="a",dependency="%s"}'
S3: Final = 'strongroom_s3_requests_total{operation="PutObject",outcome="%s",status="%s"}'
FOUND: Final = 'strongroom_verify_last_findings{kind="%s"}'
CERTIFICATE: Final = 'strongroom_certificate_not_after_timestamp_seconds{use="server"}'
VERIFIED: Final = "strongroom_verify_last_finished_timestamp_seconds"
PASSED: Final = 'strongroom_background_last_pass_timestamp_seconds{task="cleaner"}'
OFF: Final = 'strongroom_clock_offset_seconds{instance="a",of="postgres"}'
HOOKS: Final = 'strongroom_webhook_deliveries_total{outcome="%s"}'
DAY: Final = 86_400

#: Series of a system that is well, a value a minute ("a+bxN": from a, b more each time; "axN": always a).
WELL: Final[Mapping[str, str]] = {
    'up{job="strongroom",instance="a"}': "1x200",
    UPLOAD % "201": "0+600x200",
    UPLOAD % "503": "0x200",
    DOWNLOAD % "200": "0+600x200",
    LIST % "200": "0+600x200",
    SLOW % ("bucket", ',le="1.0"'): "0+599x200",
    SLOW % ("count", ""): "0+600x200",
    'grpc_server_handled_total{grpc_method="Upload",grpc_code="OK"}': "0+600x200",
    **{UP % name: "1x200" for name in ("s3", "postgres", "versioning", "internal", "cleaner")},
    S3 % ("ok", "2xx"): "0+600x200",
    S3 % ("precondition_failed", "412"): "0+6x200",
    'strongroom_db_writable{instance="a"}': "1x200",
    'strongroom_db_pool_waiting{instance="a"}': "0x200",
    'strongroom_db_pool_timeouts_total{instance="a"}': "0x200",
    'strongroom_db_errors_total{sqlstate_class="40"}': "0+60x200",
    'strongroom_db_round_trip_duration_seconds_bucket{le="0.05"}': "0+600x200",
    'strongroom_db_round_trip_duration_seconds_bucket{le="+Inf"}': "0+600x200",
    PASSED: "0+60x200",
    'strongroom_background_failures_total{task="cleaner"}': "0x200",
    'strongroom_cleaning_due{queue="deleting"}': "5x200",
    'strongroom_cleaning_due_oldest_seconds{queue="deleting"}': "5x200",
    'strongroom_attempts_lapsed_oldest_seconds{state="pending"}': "3x200",
    "strongroom_events_oldest_age_seconds": f"{DAY}x200",
    "strongroom_webhook_due_oldest_seconds": "1x200",
    HOOKS % "delivered": "0+600x200",
    HOOKS % "dead": "0x200",
    'strongroom_damaged_objects_total{kind="lost"}': "0x200",
    'strongroom_damaged_objects_total{kind="corrupt"}': "0x200",
    FOUND % "object_missing": "0x200",
    FOUND % "usage_drift": "0x200",
    VERIFIED: "0x200",
    "strongroom_scrub_oldest_check_age_seconds": f"{DAY}x200",
    CERTIFICATE: f"{30 * DAY}x200",
    OFF: "0.01x200",
    'process_resident_memory_bytes{job="strongroom",instance="a"}': "200000000x200",
    'process_open_fds{job="strongroom",instance="a"}': "100x200",
    'process_max_fds{job="strongroom",instance="a"}': "1024x200",
    'strongroom_event_loop_lag_seconds_bucket{instance="a",le="0.01"}': "0+240x200",
    'strongroom_event_loop_lag_seconds_bucket{instance="a",le="+Inf"}': "0+240x200",
    'strongroom_memory_budget_waiters{instance="a",budget="upload"}': "0x200",
    'strongroom_notification_lag_seconds_bucket{le="0.1"}': "0+60x200",
    'strongroom_notification_lag_seconds_bucket{le="+Inf"}': "0+60x200",
    "limits_shared_up": "1x200",
    "strongroom_scanner_up": "1x200",
    'strongroom_build_info{version="0.1.0",commit="a"}': "1x200",
}
#: Fault → minutes after which its alerts are there, what is other than well, and the alerts by severity.
FAULTS: Final[Mapping[str, tuple[int, Mapping[str, str], set[tuple[str, str]]]]] = {
    "nothing": (30, {}, set()),
    "uploads fail": (
        20, {UPLOAD % "503": "0+60x200"},
        {("StrongroomUploadErrorBudgetBurns", "page"), ("StrongroomUploadErrorBudgetBurns", "ticket")},
    ),
    "downloads fail": (
        20, {DOWNLOAD % "503": "0+60x200"},
        {("StrongroomDownloadErrorBudgetBurns", "page"), ("StrongroomDownloadErrorBudgetBurns", "ticket")},
    ),
    "lists fail": (
        20, {LIST % "500": "0+60x200"},
        {
            ("StrongroomListErrorBudgetBurns", "page"), ("StrongroomListErrorBudgetBurns", "ticket"),
            ("StrongroomBugs", "ticket"),
        },
    ),
    "some uploads fail": (
        20, {UPLOAD % "503": "0+2x200"}, {("StrongroomUploadErrorBudgetBurns", "ticket")},
    ),
    "lists are slow": (15, {SLOW % ("bucket", ',le="1.0"'): "0+500x200"}, {("StrongroomListSlow", "ticket")}),
    "a replica is killed": (
        3, {'up{job="strongroom",instance="a"}': "0x200"}, {("StrongroomReplicaDown", "page")},
    ),
    "RPCs have bugs": (
        5, {'grpc_server_handled_total{grpc_method="Upload",grpc_code="INTERNAL"}': "0+6x200"},
        {("StrongroomBugs", "ticket")},
    ),
    "the loop is late": (
        20, {'strongroom_event_loop_lag_seconds_bucket{instance="a",le="0.01"}': "0+100x200",
             'strongroom_event_loop_lag_seconds_bucket{instance="a",le="1.0"}': "0+240x200"},
        {("StrongroomEventLoopLate", "ticket")},
    ),
    "memory is spent": (
        15, {'strongroom_memory_budget_waiters{instance="a",budget="upload"}': "3x200"},
        {("StrongroomMemoryBudgetSpent", "ticket")},
    ),
    "many are refused": (
        30, {LIST % "429": "0+900x200"}, {("StrongroomRefusesMany", "ticket")},
    ),
    "notifications are late": (
        20, {'strongroom_notification_lag_seconds_bucket{le="0.1"}': "0x200",
             'strongroom_notification_lag_seconds_bucket{le="60.0"}': "0+60x200"},
        {("StrongroomNotificationsLate", "ticket")},
    ),
    "Redis is away": (10, {"limits_shared_up": "0x200"}, {("StrongroomSharedLimitsAway", "ticket")}),
    "the scanner is away": (5, {"strongroom_scanner_up": "0x200"}, {("StrongroomScannerAway", "page")}),
    "an upgrade stands still": (
        130, {'strongroom_build_info{version="0.1.0",commit="b"}': "1x200"},
        {("StrongroomVersionsMixed", "ticket")},
    ),
    "S3 is away": (2, {UP % "s3": "1 0x200"}, {("StrongroomObjectStoreAway", "page")}),
    "S3 fails": (
        8, {S3 % ("store_unavailable", "500"): "0+60x200"}, {("StrongroomObjectStoreErrors", "page")},
    ),
    "S3 throttles": (
        15, {S3 % ("store_throttled", "503"): "0+33x200", S3 % ("ok", "2xx"): "0+6000x200"},
        {("StrongroomObjectStoreThrottles", "ticket")},
    ),
    "the bucket is full": (
        4, {S3 % ("insufficient_storage", "507"): "0+10x200"}, {("StrongroomBucketRefusesWrites", "page")},
    ),
    "the policy forbids writes": (
        4, {S3 % ("access_denied", "403"): "0+10x200"}, {("StrongroomBucketRefusesWrites", "page")},
    ),
    "versioning is off": (4, {UP % "versioning": "0x200"}, {("StrongroomVersioningOff", "page")}),
    "Postgres is away": (2, {UP % "postgres": "1 0x200"}, {("StrongroomPostgresAway", "page")}),
    "Postgres is full": (
        2, {'strongroom_db_writable{instance="a"}': "0x200"}, {("StrongroomDatabaseRefusesWrites", "page")},
    ),
    "the pool is exhausted": (
        4,
        {'strongroom_db_pool_waiting{instance="a"}': "7x200"},
        {("StrongroomDatabasePoolExhausted", "page")},
    ),
    "statements are cut off": (
        8, {'strongroom_db_errors_total{sqlstate_class="57"}': "0+60x200"},
        {("StrongroomDatabaseErrors", "ticket")},
    ),
    "Postgres is slow": (
        15, {'strongroom_db_round_trip_duration_seconds_bucket{le="0.05"}': "0+500x200",
             'strongroom_db_round_trip_duration_seconds_bucket{le="1.0"}': "0+600x200"},
        {("StrongroomDatabaseSlow", "ticket")},
    ),
    "the cleaner is dead": (5, {PASSED: "0 60x200"}, {("StrongroomCleanerStopped", "page")}),
    "a loop hangs": (
        8, {UP % "upload_sweep": "0x200"}, {("StrongroomLoopStuck", "ticket")},
    ),
    "a loop fails": (
        20, {'strongroom_background_failures_total{task="cleaner"}': "0+5x200"},
        {("StrongroomLoopFailing", "ticket")},
    ),
    "the backlog is old": (
        15, {'strongroom_cleaning_due_oldest_seconds{queue="deleting"}': "4000x200"},
        {("StrongroomBacklogOld", "ticket")},
    ),
    "leases lapse": (
        8, {'strongroom_attempts_lapsed_oldest_seconds{state="pending"}': "900x200"},
        {("StrongroomLeasesLapsed", "ticket")},
    ),
    "nobody looks": (
        15, {'strongroom_cleaning_due{queue="deleting"}': ""}, {("StrongroomBacklogUnknown", "ticket")},
    ),
    "webhooks are late": (
        10, {"strongroom_webhook_due_oldest_seconds": "900x200"}, {("StrongroomWebhooksLate", "ticket")},
    ),
    "webhooks are given up": (
        10, {HOOKS % "dead": "0 0 1x200"}, {("StrongroomWebhookDeadLetters", "info")},
    ),
    "an object is lost": (
        5, {'strongroom_damaged_objects_total{kind="lost"}': "0 0 1x200"}, {("StrongroomObjectLost", "page")},
    ),
    "an object is corrupt": (
        5, {'strongroom_damaged_objects_total{kind="corrupt"}': "0 0 1x200"},
        {("StrongroomObjectCorrupt", "page")},
    ),
    "a verification finds loss": (
        2, {FOUND % "object_missing": "1x200"}, {("StrongroomVerifyFindings", "page")},
    ),
    "a verification finds drift": (
        2, {FOUND % "usage_drift": "1x200"}, {("StrongroomVerifyDrift", "ticket")},
    ),
    "nobody looks after it": (
        70,
        {"strongroom_events_oldest_age_seconds": f"{4 * DAY}x200", VERIFIED: f"-{4 * DAY}x200",
         "strongroom_scrub_oldest_check_age_seconds": f"{100 * DAY}x200"},
        {
            ("StrongroomEventsKept", "ticket"), ("StrongroomVerifyTooOld", "ticket"),
            ("StrongroomScrubTooOld", "ticket"),
        },
    ),
    "a certificate ends in a week": (
        2, {CERTIFICATE: f"{7 * DAY}x200"}, {("StrongroomCertificateEnds", "ticket")},
    ),
    "a certificate ends tomorrow": (
        2, {CERTIFICATE: f"{DAY}x200"},
        {("StrongroomCertificateEnds", "ticket"), ("StrongroomCertificateEnds", "page")},
    ),
    "a clock is behind": (5, {OFF: "-90x200"}, {("StrongroomClockOff", "ticket")}),
    "the internal secrets differ": (
        3, {UP % "internal": "0x200"}, {("StrongroomInternalSecretRefused", "page")},
    ),
    "memory grows": (
        20, {'process_resident_memory_bytes{job="strongroom",instance="a"}': "900000000x200"},
        {("StrongroomMemoryHigh", "ticket")},
    ),
    "descriptors run out": (
        4, {'process_open_fds{job="strongroom",instance="a"}': "1000x200"},
        {("StrongroomFileDescriptors", "page")},
    ),
}  # fmt: skip


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        raise RuntimeError("these tests need Debian's prometheus: apt-get install prometheus")
    return found


@functools.cache
def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def _case(name: str) -> dict[str, Any]:
    minutes, other, expected = FAULTS[name]
    series = {key: values for key, values in {**WELL, **other}.items() if values}
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname, severity) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}", severity="{severity}"}}', "value": 1}
                    for alert, severity in sorted(expected)
                ],
            }
        ],
    }


def test_each_fault_raises_its_alerts_and_no_other(tmp_path: Path) -> None:
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1m"  # a quarter of the work, and nothing here changes faster
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    cases = [_case(name) for name in FAULTS]
    file = tmp_path / "test.yml"
    told = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": cases}
    file.write_text(json.dumps(told))  # which is YAML, and needs a hundredth of the time
    in_memory = Path("/dev/shm")  # a database for each fault
    environ = {
        **os.environ,
        "TMPDIR": str(in_memory if in_memory.is_dir() else tmp_path),
        "GOGC": "400",  # a third of its work was looking for garbage
    }
    done = subprocess.run(
        [promtool(), "test", "rules", file], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_fault() -> None:
    raised = {alert for _, _, expected in FAULTS.values() for alert in expected}
    assert {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()} == raised


@pytest.mark.parametrize("name", sorted({rule["alert"] for rule in alerts()}))
def test_every_alert_has_a_section_in_a_runbook(name: str) -> None:
    for rule in alerts():
        if rule["alert"] == name:
            page, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert anchor == name.lower()
            text = (ROOT / page).read_text()
            section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
            assert section is not None, f"{page} has no section {name}"
            for part in ("**Means.**", "**Check.**", "**Fix.**"):
                assert part in section[1], f"{name}: {part}"
