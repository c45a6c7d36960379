"""How long files and projects stay, and legal holds; ``AsyncClient.retention`` (docs/retention.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.client.arguments import moment
from strongroom.client.connection import Connection
from strongroom.client.files import Family, FileName, Kept, id_or_key, kept_of
from strongroom.metadata.v1 import file_service_pb2, retention_pb2
from strongroom.metadata.v1 import retention_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class RetentionWish:
    """Retention requested with an upload or a save. If the family's rule keeps it longer, that applies.

    ``keep``: can't be deleted or replaced before that time, or for that long after it is stored.
    ``delete_after``: deleted automatically at that time or age; not for projects. ``hold``: places a legal
    hold, with this reason. Times must be timezone-aware. With spans a repeat is the same request; with times
    computed from "now" it is not.
    """

    keep: datetime | timedelta | None = None
    delete_after: datetime | timedelta | None = None
    hold: str = ""

    def to_proto(self) -> retention_pb2.RetentionWish:
        """Return the message.

        :raises TypeError: it is neither a time nor a span. :raises ValueError: a time has no time zone.
        """
        wish = retention_pb2.RetentionWish(hold_reason=self.hold)
        if isinstance(self.keep, timedelta):
            wish.keep_for.FromTimedelta(self.keep)
        elif self.keep is not None:
            wish.keep_until_time.FromDatetime(moment("keep", self.keep))
        if isinstance(self.delete_after, timedelta):
            wish.delete_after.FromTimedelta(self.delete_after)
        elif self.delete_after is not None:
            wish.delete_after_time.FromDatetime(moment("delete_after", self.delete_after))
        return wish

    @classmethod
    def from_proto(cls, wish: retention_pb2.RetentionWish) -> RetentionWish:
        """The value for a ``strongroom.metadata.v1.RetentionWish``."""
        keep: datetime | timedelta | None = None
        delete_after: datetime | timedelta | None = None
        if wish.HasField("keep_for"):
            keep = wish.keep_for.ToTimedelta()
        elif wish.HasField("keep_until_time"):
            keep = wish.keep_until_time.ToDatetime(UTC)
        if wish.HasField("delete_after"):
            delete_after = wish.delete_after.ToTimedelta()
        elif wish.HasField("delete_after_time"):
            delete_after = wish.delete_after_time.ToDatetime(UTC)
        return cls(keep, delete_after, wish.hold_reason)


def proto_of(wish: RetentionWish | None) -> retention_pb2.RetentionWish | None:
    """Return the message for a field; None if not set. Raises ValueError as ``to_proto``."""
    return None if wish is None else wish.to_proto()


@dataclass(frozen=True, slots=True)
class ProjectSlug:
    """Identifies a project where a file could be given as well."""

    slug: str


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """The rule of one family in the settings; None: not set."""

    keep: timedelta | None
    delete_after: timedelta | None


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The rules of families that have one, of projects, and how long files that were deleted automatically
    can be restored.
    """

    families: Mapping[Family, RetentionRule]
    projects: RetentionRule | None
    trash: timedelta


class Retention:
    """Retention and holds, for the caller or the user it acts for. What is kept or held can't be deleted or
    replaced (``RetentionHeld``).

    Every method raises ``FileNotFound`` or ``ProjectNotFound`` if it does not exist, or is somebody else's.
    """

    def __init__(self, connection: Connection, user_id: str = "") -> None:
        self._connection = connection
        self._user_id = user_id

    async def rules(self) -> RetentionRules:
        """The rules in the installation's settings."""
        request = pb.GetRetentionRulesRequest()
        found = await self._connection.unary(self._connection.retention.GetRetentionRules, request)
        return RetentionRules(
            {
                Family.from_proto(rule.family): RetentionRule(
                    _days(rule.keep_days), _days(rule.delete_after_days)
                )
                for rule in found.rules
            },
            RetentionRule(_days(found.project_keep_days), None) if found.project_keep_days else None,
            timedelta(seconds=found.trash_seconds),
        )

    async def keep(self, what: FileName | ProjectSlug, until: datetime | timedelta) -> Kept:
        """Protect it from deletion and replacement until ``until`` (a time, or a span from now by this
        machine's clock); only an admin can shorten that.

        :raises PermissionDenied: this would shorten it.
        """
        request = pb.SetRetentionRequest(keep_until_time=_stamp(until), user_id=self._user_id)
        return await self._set(what, request)

    async def keep_no_longer(self, what: FileName | ProjectSlug) -> Kept:
        """Remove that protection; needs the admin role until the time has passed."""
        return await self._set(what, pb.SetRetentionRequest(clear_keep_until=True, user_id=self._user_id))

    async def delete_after(self, file: FileName, moment: datetime | timedelta | None) -> Kept:
        """Move the file to the trash automatically at that time, or that long from now; None: only by its
        family's rule.
        """
        request = pb.SetRetentionRequest(clear_delete_after=moment is None, user_id=self._user_id)
        if moment is not None:
            request.delete_after_time.CopyFrom(_stamp(moment))
        return await self._set(file, request)

    async def hold(self, what: FileName | ProjectSlug, reason: str = "") -> Kept:
        """Place a legal hold, or change its reason.

        :raises PermissionDenied: an admin has placed it.
        """
        request = pb.PlaceHoldRequest(reason=reason, user_id=self._user_id)
        await self._name(request, what)
        done = await self._connection.unary(self._connection.retention.PlaceHold, request, safe=True)
        return kept_of(done.retention)

    async def release(self, what: FileName | ProjectSlug) -> Kept:
        """Lift the hold; does nothing if there is none.

        :raises PermissionDenied: an admin has placed it.
        """
        request = pb.LiftHoldRequest(user_id=self._user_id)
        await self._name(request, what)
        done = await self._connection.unary(self._connection.retention.LiftHold, request, safe=True)
        return kept_of(done.retention)

    async def _set(self, what: FileName | ProjectSlug, request: pb.SetRetentionRequest) -> Kept:
        await self._name(request, what)
        done = await self._connection.unary(self._connection.retention.SetRetention, request, safe=True)
        return kept_of(done.retention)

    async def _name(
        self,
        request: pb.SetRetentionRequest | pb.PlaceHoldRequest | pb.LiftHoldRequest,
        what: FileName | ProjectSlug,
    ) -> None:
        if isinstance(what, ProjectSlug):
            request.project = what.slug
            return
        file_id, key = id_or_key(what)
        if not file_id:
            named = file_service_pb2.GetFileRequest(user_id=self._user_id, key=key, show_deleted=True)
            found = await self._connection.unary(self._connection.files.GetFile, named)
            file_id = found.file.id
        request.file_id = file_id


def _days(number: float) -> timedelta | None:
    return timedelta(days=number) if number else None


def _stamp(when: datetime | timedelta) -> Timestamp:
    """Return a time, or a span from now, as a timestamp.

    :raises TypeError: it is neither. :raises ValueError: the time has no time zone.
    """
    if isinstance(when, timedelta):
        when = datetime.now(UTC) + when
    stamp = Timestamp()
    stamp.FromDatetime(moment("the time", when))
    return stamp
