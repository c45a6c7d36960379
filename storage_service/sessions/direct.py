"""Direct uploads: signed requests for the client's own PUTs to S3, then a completion that checks S3's object.

What S3 doesn't tell is computed by reading the object once: its CRC-32C if the store keeps none of the whole
object, and MD5 or SHA if the client has announced one. The first bytes are read in any case, to detect the
type.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from servicekit import failpoints
from storage_service.attempts.engine import fingerprint
from storage_service.content.body import Limits
from storage_service.metadata.reservations import handle_of
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes, SignedRequest
from storage_service.sessions.content import Content
from storage_service.sessions.direct_completion import DirectCompletion, check_committed_parts
from storage_service.sessions.driver import Driver
from storage_service.sessions.views import is_whole
from strongroom.errors import InvalidField, UploadNotFound
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_DIRECT,
    OpenSessionRequest,
    RecordProgressRequest,
    Session,
)
from strongroom.storage.v1.direct_pb2 import (
    CompleteUploadRequest,
    SignedPart,
    SignUploadRequest,
    SignUploadResponse,
)

AFTER_CREATE = failpoints.register("storage.session.direct.after_create")

DEFAULT_PARTS = 100
MOST_PARTS = 1000
DEFAULT_SECONDS = 3600
MOST_SECONDS = 604_800


class DirectUploads:
    """Signs and completes direct uploads. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        state: SessionState,
        driver: Driver,
        completion: DirectCompletion,
        *,
        limits: Limits,
        content: Content,
    ) -> None:
        self._store = store
        self._state = state
        self._driver = driver
        self._completion = completion
        self._limits = limits
        self._content = content

    async def sign(self, request: SignUploadRequest) -> SignUploadResponse:
        """Begin a direct upload, or sign more parts of one. Both count as activity and extend its expiry.

        If the beginning of a finished upload is repeated, the answer has no parts; ``complete`` returns its
        file again.

        Raises InvalidField, SizeLimitExceeded, ContentTypeNotAllowed, UploadNotFound, UploadExpired, and what
        Reservations.reserve raises.
        """
        if request.WhichOneof("upload") == "spec":
            session = await self._driver.open(self._opening(request))
            if session.finished and session.upload_id:
                return SignUploadResponse(upload_id=session.upload_id)
        else:
            session = await self._state.get(request.upload_id)
        if session.kind != SESSION_KIND_DIRECT or session.finished:
            raise UploadNotFound("There is no such direct upload under way.")
        async with self._driver.registry.turn(session.upload_id):
            session = await self._begun(session)
        return await self._signed(session, request)

    async def complete(self, request: CompleteUploadRequest) -> File:
        """Check the client's parts against S3 and return the file. A repeat returns it again.

        Raises UploadIncomplete, SizeMismatch, ChecksumMismatch, ContentTypeMismatch, ContentTypeNotAllowed,
        UploadLost, and what T3 and T4 raise.
        """
        upload_id = request.upload_id
        async with self._driver.registry.turn(upload_id):
            self._driver.refuse_while_finishing(upload_id)
            session = await self._state.acquire(upload_id)
            if is_whole(session):
                session = await self._driver.finish(session)
            if session.finished:
                check_committed_parts(session.blob, request.parts)
            elif session.kind != SESSION_KIND_DIRECT:
                raise InvalidField("This is not a direct upload.", field="upload_id", rule="kind")
            else:
                session = await self._driver.run(session, self._completion.run(session, request.parts))
        return session.file

    def _opening(self, request: SignUploadRequest) -> OpenSessionRequest:
        spec, rule = request.spec, self._limits.for_target(request.spec.target)
        if not spec.HasField("size_bytes"):
            raise InvalidField(
                "A direct upload is signed for its size; set size_bytes.",
                field="spec.size_bytes",
                rule="required",
            )
        rule.check(spec.size_bytes)
        opening = OpenSessionRequest(
            spec=spec,
            kind=SESSION_KIND_DIRECT,
            blob_kind=blob_pb2.BLOB_KIND_SINGLE,
            part_size_bytes=self._limits.part_size(spec.size_bytes),
        )
        opening.spec.content_type = self._content.declared(spec)
        if spec.request_id:
            opening.fingerprint = fingerprint(spec, "direct")
        return opening

    async def _begun(self, session: Session) -> Session:
        """Return the session with its multipart upload (if it needs one) and an extended expiry."""
        blob, multipart = session.blob, ""
        if session.size_bytes > blob.part_size_bytes and not blob.upload_id:
            session = await self._state.get(session.upload_id)  # another request may have begun it meanwhile
            blob = session.blob
        if session.size_bytes > blob.part_size_bytes and not blob.upload_id:
            multipart = await self._store.create(blob.key, _attributes(blob))
            await failpoints.hit(AFTER_CREATE)
        response = await self._state.record(
            RecordProgressRequest(blob=handle_of(blob), multipart_upload_id=multipart)
        )
        blob.upload_id = blob.upload_id or multipart
        session.expire_time.CopyFrom(response.expire_time)
        return session

    async def _signed(self, session: Session, request: SignUploadRequest) -> SignUploadResponse:
        blob, size = session.blob, session.size_bytes
        expires = _lifetime(session, request.expires_in_seconds)
        total = -(-size // blob.part_size_bytes) if blob.upload_id else 1
        response = SignUploadResponse(
            upload_id=session.upload_id, part_size_bytes=blob.part_size_bytes, part_total=total
        )
        response.expire_time.FromDatetime(datetime.now(UTC) + expires)
        if not blob.upload_id:
            await self._sign_whole(response, session, expires)
            return response
        first = request.first_part or 1
        for number in range(first, min(first + _count(request), total + 1)):
            offset = (number - 1) * blob.part_size_bytes
            length = min(blob.part_size_bytes, size - offset)
            crc32c = request.part_crc32c.get(number) if number in request.part_crc32c else None
            signed = await self._store.presign_part(
                blob.key, blob.upload_id, number, size=length, crc32c=crc32c, expires=expires
            )
            response.parts.append(_part(number, offset, length, signed))
        return response

    async def _sign_whole(self, response: SignUploadResponse, session: Session, expires: timedelta) -> None:
        """Add a signed PUT, and a form that has the same effect."""
        blob, size, attrs = session.blob, session.size_bytes, _attributes(session.blob)
        checks = blob.spec.checksums
        crc32c = checks.crc32c if checks.HasField("crc32c") else None
        signed = await self._store.presign_put(blob.key, attrs, size=size, crc32c=crc32c, expires=expires)
        response.parts.append(_part(1, 0, size, signed))
        form = await self._store.post_form(blob.key, attrs, min_size=size, max_size=size, expires=expires)
        response.post_url = form.url
        response.post_fields.update(form.fields)


def _part(number: int, offset: int, size: int, signed: SignedRequest) -> SignedPart:
    return SignedPart(
        part_number=number, url=signed.url, headers=dict(signed.headers), offset=offset, size_bytes=size
    )


def _attributes(blob: blob_pb2.Blob) -> ObjectAttributes:
    return ObjectAttributes(
        content_type=blob.content_type,
        metadata=dict(blob.object_metadata),
        storage_class=blob.spec.storage_class,
    )


def _count(request: SignUploadRequest) -> int:
    return min(request.part_count or DEFAULT_PARTS, MOST_PARTS)


def _lifetime(session: Session, wanted: int) -> timedelta:
    """Return the requested lifetime, ending before the session does: a later PUT would leave an object
    behind.
    """
    left = session.expire_time.ToDatetime(UTC) - datetime.now(UTC)
    seconds = min(wanted or DEFAULT_SECONDS, int(left.total_seconds()), MOST_SECONDS)
    return timedelta(seconds=max(seconds, 1))
