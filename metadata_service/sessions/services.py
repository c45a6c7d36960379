"""What `bootstrap` adds for sessions: the use cases and their servicer."""

from __future__ import annotations

from grpc import aio

from metadata_service.attempts.reservation import Reserving
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database
from metadata_service.servicers.upload_session_service import UploadSessionServicer
from metadata_service.sessions.ending import Ending
from metadata_service.sessions.opening import Opening
from metadata_service.sessions.progress import Progress
from metadata_service.sessions.reading import Reading
from strongroom.metadata.v1.upload_session_service_pb2 import DESCRIPTOR
from strongroom.metadata.v1.upload_session_service_pb2_grpc import add_UploadSessionServiceServicer_to_server


def add_session_services(server: aio.Server, database: Database, timing: Timing, limits: Limits) -> list[str]:
    """Register UploadSessionService; answers its full name."""
    add_UploadSessionServiceServicer_to_server(
        UploadSessionServicer(
            opening=Opening(database, timing, Reserving(database, timing, limits), limits.open_sessions),
            reading=Reading(database, timing),
            progress=Progress(database, timing, limits),
            ending=Ending(database),
        ),
        server,
    )
    return [DESCRIPTOR.services_by_name["UploadSessionService"].full_name]
