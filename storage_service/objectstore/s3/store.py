"""The whole adapter, and its construction."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.config import Config

from storage_service.objectstore.s3.botocore_data import data_files
from storage_service.objectstore.s3.bucket import S3BucketAdmin, S3BucketSetup
from storage_service.objectstore.s3.calls import RetryPolicy, S3Context
from storage_service.objectstore.s3.client import LightClient, Offload
from storage_service.objectstore.s3.credentials import ChainCredentials, CredentialSource, StaticCredentials
from storage_service.objectstore.s3.http.connection import Timeouts
from storage_service.objectstore.s3.http.pool import ConnectionPool, tls_context
from storage_service.objectstore.s3.http.sigv4 import SigV4
from storage_service.objectstore.s3.listing import S3Lister
from storage_service.objectstore.s3.liveness import Liveness
from storage_service.objectstore.s3.metrics import S3Calls
from storage_service.objectstore.s3.multipart import S3Copier
from storage_service.objectstore.s3.objects import S3Deleter
from storage_service.objectstore.s3.options import Endpoint, S3Options
from storage_service.objectstore.s3.urls import S3UrlSigner

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3ObjectStore(S3Copier, S3Lister, S3Deleter, S3UrlSigner, S3BucketAdmin):
    """ObjectStore on one bucket. ``setup`` prepares the bucket itself."""

    def __init__(self, context: S3Context) -> None:
        super().__init__(context)
        self.setup = S3BucketSetup(context)

    async def aclose(self) -> None:
        """See ObjectStore.aclose."""
        await self._context.offload.close()
        self._context.light.close()
        self._context.client.close()
        self._context.slow_client.close()


def open_s3_store(
    settings: S3Options, *, on_mid_body: Callable[[str], None] | None = None, calls: S3Calls | None = None
) -> S3ObjectStore:
    """Build clients and pools, without sending anything. The first call blocks for some 100 ms (botocore's
    data).

    ``on_mid_body`` is called on a worker thread in the middle of each body with the name of its failpoint
    (``s3.put.mid_body``, ``s3.part.mid_body``). ``calls``: where requests are counted. Raises ValueError for
    an impossible endpoint URL.
    """
    session = botocore.session.get_session()
    session.register_component("data_loader", data_files(session.get_config_variable("data_path")))
    credentials: CredentialSource = (
        ChainCredentials(session) if settings.use_iam_role else StaticCredentials(settings)
    )
    client = _client(session, settings, settings.reply_timeout)
    endpoint = _endpoint(settings, settings.endpoint_url or client.meta.endpoint_url)
    public = _endpoint(settings, settings.public_endpoint_url) if settings.public_endpoint_url else endpoint
    signer = SigV4(settings.region)
    timeouts = Timeouts(settings.connect_timeout, settings.read_timeout, settings.reply_timeout)
    tls = tls_context(verify=settings.verify_ssl, ca_bundle=settings.ca_bundle) if endpoint.secure else None
    pool = ConnectionPool(endpoint, tls, timeouts, settings.max_writes + settings.max_reads)
    return S3ObjectStore(
        S3Context(
            settings=settings,
            client=client,
            slow_client=_client(session, settings, settings.slow_reply_timeout),
            light=LightClient(endpoint, pool, signer, credentials, settings.sign_payload),
            offload=Offload(
                max_writes=settings.max_writes,
                max_reads=settings.max_reads,
                max_control_calls=settings.max_control_calls,
            ),
            retry=RetryPolicy(settings.max_attempts, try_seconds=settings.reply_timeout),
            liveness=Liveness(settings.reply_timeout),
            credentials=credentials,
            signer=signer,
            public_endpoint=public,
            on_mid_body=on_mid_body,
            calls=calls or S3Calls(),
        )
    )


def _endpoint(settings: S3Options, url: str) -> Endpoint:
    if not settings.use_ssl and settings.endpoint_url is None:
        url = url.replace("https://", "http://", 1)
    custom = settings.endpoint_url is not None
    return Endpoint.of(url, settings.bucket, settings.addressing_style, custom=custom)


def _client(session: botocore.session.Session, settings: S3Options, read_timeout: float) -> S3Client:
    config = Config(
        region_name=settings.region,
        signature_version="s3v4",
        connect_timeout=settings.connect_timeout,
        read_timeout=read_timeout,
        max_pool_connections=settings.max_control_calls,
        retries={"total_max_attempts": 1, "mode": "standard"},  # calls.py decides
        proxies={},  # the light path has none, and both must reach the same store
        s3={"addressing_style": "path" if settings.endpoint_url else "auto"}
        if settings.addressing_style == "auto"
        else {"addressing_style": settings.addressing_style},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="strongroom",
    )
    keys: dict[str, Any] = {}
    if not settings.use_iam_role:
        # without keys, calls fail by NoCredentials instead of using whatever the environment contains
        keys = {
            "aws_access_key_id": settings.access_key_id or "",
            "aws_secret_access_key": settings.secret_access_key or "",
            "aws_session_token": settings.session_token,
        }
    client: Any = session.create_client(
        "s3",
        endpoint_url=settings.endpoint_url,
        use_ssl=settings.use_ssl,
        verify=settings.ca_bundle or settings.verify_ssl,
        config=config,
        **keys,
    )
    for operation in ("DeleteObjects", "PutBucketLifecycleConfiguration", "PutBucketCors"):
        client.meta.events.register(f"before-call.s3.{operation}", _add_content_md5)
    client.meta.events.register("before-call.s3", _follow_no_redirect)
    return cast("S3Client", client)


def _follow_no_redirect(params: dict[str, Any], **_: object) -> None:
    """Keep botocore from looking for the bucket's region after a redirect. The light path does not follow
    either, and where HeadBucket is redirected as well (a proxy from http to https), each look would begin
    another one, hundreds of them a second.
    """
    params["context"]["s3_redirect"]["redirected"] = True


def _add_content_md5(params: dict[str, Any], **_: object) -> None:
    """Add Content-MD5: S3 requires a checksum of these bodies, and older stores don't know the CRC that
    botocore sends.
    """
    body = params["body"]
    digest = hashlib.md5(body if isinstance(body, bytes) else body.encode(), usedforsecurity=False)
    params["headers"]["Content-MD5"] = base64.b64encode(digest.digest()).decode("ascii")
