"""Tests of the fault proxies: they pass other bytes unmodified, and each fault does what its name says."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from devstack import bucket, infra
from tests.faults.s3_faults import (
    apply_late,
    apply_then_refuse,
    break_off,
    drop,
    drop_reply,
    duplicate,
    flip_bit,
    refuse,
)
from tests.faults.s3_proxy import Fault, S3Proxy
from tests.faults.tcp_proxy import Moment, PostgresProxy

BODY = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
def proxy(servers: infra.Infra) -> Iterator[S3Proxy]:
    with S3Proxy(servers.s3.endpoint) as running:
        yield running


@pytest.fixture
def s3(servers: infra.Infra, proxy: S3Proxy) -> Iterator[Any]:
    """boto3 through the proxy, with one try per call."""
    client = boto3.client(
        "s3",
        endpoint_url=proxy.endpoint,
        aws_access_key_id=servers.s3.access_key,
        aws_secret_access_key=servers.s3.secret_key,
        region_name=servers.s3.region,
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
    )
    yield client
    proxy.disarm()
    client.close()


def _there(servers: infra.Infra, key: str) -> int:
    """Versions of a key in the store itself."""
    reply = bucket.client(servers.s3).list_object_versions(Bucket=servers.s3.bucket, Prefix=key)
    return len(reply.get("Versions", []))


def test_requests_pass_untouched(servers: infra.Infra, s3: Any, proxy: S3Proxy) -> None:
    name = servers.s3.bucket
    s3.put_object(Bucket=name, Key="plain/ä b+c", Body=BODY)
    assert s3.get_object(Bucket=name, Key="plain/ä b+c")["Body"].read() == BODY
    upload = s3.create_multipart_upload(Bucket=name, Key="plain/parts")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="plain/parts", UploadId=upload, PartNumber=1, Body=BODY)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=name, Key="plain/parts", UploadId=upload, MultipartUpload=parts)
    assert s3.head_object(Bucket=name, Key="plain/parts")["ContentLength"] == len(BODY)
    assert proxy.operations("plain/parts") == [
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "HeadObject",
    ]


@pytest.mark.parametrize(
    ("fault", "versions"),
    [
        (drop, 0),
        (drop_reply, 1),
        (duplicate, 2),
        (refuse(503, "SlowDown"), 0),
        (apply_then_refuse(500, "InternalError"), 1),
    ],
)
def test_faults_of_a_write(
    servers: infra.Infra, s3: Any, proxy: S3Proxy, fault: Fault, versions: int
) -> None:
    key = f"write/{uuid.uuid4()}"
    proxy.arm("PutObject", fault, key=key)
    if fault is duplicate:
        s3.put_object(Bucket=servers.s3.bucket, Key=key, Body=BODY)
    else:
        with pytest.raises((HTTPClientError, ClientError)):
            s3.put_object(Bucket=servers.s3.bucket, Key=key, Body=BODY)
    assert _there(servers, key) == versions


def test_a_late_write(servers: infra.Infra, s3: Any, proxy: S3Proxy) -> None:
    rule = proxy.arm("PutObject", apply_late, key="late/")
    with pytest.raises(HTTPClientError):
        s3.put_object(Bucket=servers.s3.bucket, Key="late/one", Body=BODY)
    rule.wait_reached()
    assert _there(servers, "late/one") == 0
    rule.release()
    assert rule.wait_applied() == 200
    assert _there(servers, "late/one") == 1


def test_faults_of_a_read(servers: infra.Infra, s3: Any, proxy: S3Proxy) -> None:
    s3.put_object(Bucket=servers.s3.bucket, Key="read/one", Body=BODY)
    proxy.arm("GetObject", flip_bit(1000), key="read/")
    flipped = s3.get_object(Bucket=servers.s3.bucket, Key="read/one")["Body"].read()
    assert [at for at in range(len(BODY)) if BODY[at] != flipped[at]] == [1000]
    proxy.arm("GetObject", break_off(1000), key="read/")
    broken = s3.get_object(Bucket=servers.s3.bucket, Key="read/one")["Body"]
    assert broken.read(1000) == BODY[:1000]
    with pytest.raises(HTTPClientError):
        broken.read()


@pytest.mark.parametrize("runs_before", [0, 8], ids=["plain", "prepared"])
@pytest.mark.parametrize(("at", "applied"), [("before", 0), ("mid", 0), ("after", 1), ("slow", 1)])
def test_faults_of_a_commit(servers: infra.Infra, at: Moment, applied: int, runs_before: int) -> None:
    """After five uses psycopg prepares a statement, COMMIT included; the proxy recognizes both forms."""
    where = urlsplit(servers.postgres_superuser_dsn)
    table = f"proxy_{at}_{runs_before}"
    with PostgresProxy("127.0.0.1", where.port or 0) as proxy:
        dsn = servers.postgres_superuser_dsn.replace(f":{where.port}/", f":{proxy.port}/")
        connection = psycopg.connect(dsn, autocommit=True)
        connection.execute(f"CREATE TABLE {table} (n int)".encode())
        for _ in range(runs_before):
            connection.execute("BEGIN")
            connection.execute("COMMIT")
        rule = proxy.arm(f"INSERT INTO {table}", at=at, seconds=0.2)
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {table} VALUES (1)".encode())
        if at == "slow":
            connection.execute("COMMIT")
        else:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("COMMIT")
        rule.wait_reached()
        connection.close()
    with psycopg.connect(servers.postgres_superuser_dsn) as direct:
        assert direct.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (applied,)


def test_only_what_is_committed_is_after_the_commit(servers: infra.Infra) -> None:
    """If a transaction is sent at once, answers arrive before the COMMIT has begun."""
    where = urlsplit(servers.postgres_superuser_dsn)

    def insert(port: int) -> None:
        dsn = servers.postgres_superuser_dsn.replace(f":{where.port}/", f":{port}/")
        with psycopg.connect(dsn, autocommit=True) as connection, connection.pipeline():
            connection.execute("BEGIN")
            connection.execute("INSERT INTO proxy_at_once VALUES (1)")
            connection.pgconn.send_flush_request()
            connection.execute("SELECT pg_sleep(0.5)")
            connection.execute("COMMIT")

    with psycopg.connect(servers.postgres_superuser_dsn, autocommit=True) as direct:
        direct.execute("CREATE TABLE proxy_at_once (n int)")
        with PostgresProxy("127.0.0.1", where.port or 0) as proxy:
            proxy.arm("INSERT INTO proxy_at_once", at="after")
            with pytest.raises(psycopg.OperationalError):
                insert(proxy.port)
            assert direct.execute("SELECT count(*) FROM proxy_at_once").fetchone() == (1,)


def test_a_refusing_database(servers: infra.Infra) -> None:
    where = urlsplit(servers.postgres_superuser_dsn)
    with PostgresProxy("127.0.0.1", where.port or 0) as proxy:
        dsn = servers.postgres_superuser_dsn.replace(f":{where.port}/", f":{proxy.port}/")
        proxy.refuse()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn)
        proxy.disarm()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
