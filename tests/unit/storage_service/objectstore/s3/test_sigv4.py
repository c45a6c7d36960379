from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from storage_service.objectstore.s3.http.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Credentials,
    SigV4,
    encode_query,
    sha256_of,
)
from storage_service.objectstore.s3.options import Endpoint

NOW = datetime(2026, 11, 20, 10, 14, 34, tzinfo=UTC)
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token/with+signs==")
BOTO_KEYS = BotoCredentials(KEYS.access_key_id, KEYS.secret_access_key, KEYS.session_token)
ENDPOINT = Endpoint.of("http://store.example:9000", "bucket", "path", custom=True)

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
keys = st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable())


def frozen_boto_clock() -> AbstractContextManager[object]:
    return mock.patch.object(botocore.auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None))


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE"]),
    key=keys,
    query=st.dictionaries(st.sampled_from(["partNumber", "uploadId", "versionId", "a b"]), printable),
    meta=st.dictionaries(st.sampled_from(["x-amz-meta-a", "x-amz-meta-b_c", "content-type"]), printable),
    payload=st.sampled_from([UNSIGNED_PAYLOAD, EMPTY_SHA256, sha256_of([b"body", b"parts"])]),
)
def test_headers_equal_botocores(
    method: str, key: str, query: dict[str, str], meta: dict[str, str], payload: str
) -> None:
    path, text = ENDPOINT.path_of(key), encode_query(query)
    headers = {**meta, "host": ENDPOINT.host_header}
    mine = SigV4("eu-west-1").sign(
        method, path, text, headers, payload_hash=payload, credentials=KEYS, now=NOW
    )
    request = AWSRequest(method, ENDPOINT.url(path, text), headers=headers)
    auth = botocore.auth.S3SigV4Auth(BOTO_KEYS, "s3", "eu-west-1")
    with frozen_boto_clock(), mock.patch.object(auth, "payload", return_value=payload):
        auth.add_auth(request)
    theirs = request.headers["Authorization"].replace(", ", ",")
    assert mine["authorization"] == theirs
    assert mine["x-amz-date"] == "20261120T101434Z"
    assert mine["x-amz-security-token"] == KEYS.session_token


@given(key=keys, query=st.dictionaries(st.just("response-content-disposition"), st.text(max_size=20)))
def test_presigned_urls_equal_botocores(key: str, query: dict[str, str]) -> None:
    path = ENDPOINT.path_of(key)
    query = {name: text for name, text in query.items() if text.isprintable() and text}
    mine = SigV4("us-east-1").presign(
        "GET", path, query, {"host": ENDPOINT.host_header}, credentials=KEYS, now=NOW, expires=900
    )
    request = AWSRequest("GET", ENDPOINT.url(path, encode_query(query)))
    with frozen_boto_clock():
        botocore.auth.S3SigV4QueryAuth(BOTO_KEYS, "s3", "us-east-1", expires=900).add_auth(request)
    assert parse_qs(mine) == parse_qs(urlsplit(str(request.url)).query)


def test_the_signing_key_follows_day_and_secret() -> None:
    signer = SigV4("us-east-1")

    def signature(credentials: Credentials, now: datetime) -> str:
        headers = {"host": "h"}
        signed = signer.sign("GET", "/k", "", headers, payload_hash="x", credentials=credentials, now=now)
        return signed["authorization"]

    other = Credentials(KEYS.access_key_id, "another secret")
    first = signature(KEYS, NOW)
    different = {first, signature(KEYS, NOW + timedelta(days=1)), signature(other, NOW)}
    assert len(different) == 3
    assert signature(KEYS, NOW) == first


def test_post_policies_equal_botocores() -> None:
    client: Any = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://store.example:9000",
        aws_access_key_id=KEYS.access_key_id,
        aws_secret_access_key=KEYS.secret_access_key,
        aws_session_token=KEYS.session_token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    with frozen_boto_clock():
        theirs = client.generate_presigned_post(
            "bucket", "a/key", Fields={"acl": "private"}, Conditions=[["content-length-range", 1, 9]]
        )["fields"]
    mine = SigV4("us-east-1").sign_policy(
        {"key": "a/key", "acl": "private"},
        [{"bucket": "bucket"}, ["content-length-range", 1, 9]],
        credentials=KEYS,
        now=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    assert mine.keys() == theirs.keys()
    assert {name: mine[name] for name in mine if "policy" not in name and "signature" not in name} == {
        name: theirs[name] for name in theirs if "policy" not in name and "signature" not in name
    }
    policy = json.loads(base64.b64decode(mine["policy"]))
    assert policy["expiration"] == "2026-11-20T11:14:34Z"
    assert ["content-length-range", 1, 9] in policy["conditions"]
    assert {"bucket": "bucket"} in policy["conditions"]
    assert {"key": "a/key"} in policy["conditions"]
    # the signature is that of botocore for the same policy
    request = AWSRequest("POST", "http://store.example:9000/bucket")
    request.context["s3-presign-post-fields"] = {}
    request.context["s3-presign-post-policy"] = {"conditions": []}
    key = botocore.auth.SigV4Auth(BOTO_KEYS, "s3", "us-east-1")
    request.context["timestamp"] = mine["x-amz-date"]
    assert key.signature(mine["policy"], request) == mine["x-amz-signature"]


def test_credentials_do_not_show_themselves() -> None:
    assert KEYS.secret_access_key not in repr(KEYS)
    assert KEYS.secret_access_key not in f"{KEYS}"
