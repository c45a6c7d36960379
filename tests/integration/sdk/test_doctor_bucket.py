"""The doctor prints storage_service's report on its bucket: the state, and the setting to change."""

from __future__ import annotations

import pytest

from storage_service.objectstore import errors as store_errors
from strongroom.storage.v1.diagnostics_service_pb2 import BucketReport
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.shell import Shell
from tests.integration.sdk.test_doctor import NOT_SERVING, READY, gateway


@pytest.mark.parametrize(
    ("found", "error", "setting"),
    [
        ("no_credentials", store_errors.NoCredentials, "AWS_ACCESS_KEY_ID"),
        ("denied", store_errors.AccessDenied, "AWS_SECRET_ACCESS_KEY"),
        ("bucket_missing", store_errors.BucketMissing, "AWS_S3_BUCKET"),
        ("wrong_region", store_errors.WrongRegion, "AWS_REGION"),
        ("clock_skewed", store_errors.ClockSkewed, "NTP"),
        ("unreachable", store_errors.StoreUnreachable, "AWS_S3_ENDPOINT_URL"),
    ],
)
def test_each_fault_is_named_with_its_setting(
    found: str, error: type[store_errors.StoreError], setting: str, fakes: Fakes, shell: Shell
) -> None:
    fakes.set_health("strongroom.s3", NOT_SERVING)
    fakes.state.bucket.CopyFrom(BucketReport(state=found, advice=str(error())))
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    assert done.exit_code == 1
    (document,) = [one for one in done.documents if one["check"] == "S3, says storage_service"]
    assert document["status"] == "fail"
    assert setting in document["mend"]
