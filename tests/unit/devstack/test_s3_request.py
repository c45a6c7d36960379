"""The requests that create the embedded store's bucket."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from devstack import s3_request
from devstack.stackfile import S3Entry

ENTRY = S3Entry("http://127.0.0.1:9", "a-bucket", "account:user", "secret", "us-east-1", [])


@pytest.mark.parametrize(("query", "body"), [("", b""), ("versioning=", b"<a/>")])
def test_the_signature_is_that_of_botocore(query: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)
    ours = s3_request.signed_headers(ENTRY, "/a-bucket", query, body, now)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: now.replace(tzinfo=None))
    url = f"{ENTRY.endpoint}/a-bucket" + (f"?{query}" if query else "")
    theirs = AWSRequest("PUT", url, headers={"content-md5": ours["content-md5"]}, data=body)
    theirs.context["payload_signing_enabled"] = True
    S3SigV4Auth(Credentials(ENTRY.access_key, ENTRY.secret_key), "s3", ENTRY.region).add_auth(theirs)
    assert ours["authorization"] == theirs.headers["Authorization"]


def test_a_store_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_request, "_PAUSE_SECONDS", 0.0)
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:9: "):
        s3_request.put(ENTRY)
