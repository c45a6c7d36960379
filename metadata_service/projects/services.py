"""What `bootstrap` adds for projects: the use cases and their servicers."""

from __future__ import annotations

from grpc import aio

from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database
from metadata_service.db.paging import PageTokens
from metadata_service.projects.commit import CommittingSaves
from metadata_service.projects.keys import ProjectKeys
from metadata_service.projects.queries import ProjectQueries
from metadata_service.projects.removal import Removing
from metadata_service.projects.staging import Writing
from metadata_service.projects.start import Beginning
from metadata_service.servicers.previewed_file_service import PreviewedFileServicer
from metadata_service.servicers.project_save_service import ProjectSaveServicer
from metadata_service.servicers.project_service import ProjectServicer
from strongroom.metadata.v1 import (
    previewed_file_service_pb2,
    project_save_service_pb2,
    project_service_pb2,
)
from strongroom.metadata.v1.previewed_file_service_pb2_grpc import add_PreviewedFileServiceServicer_to_server
from strongroom.metadata.v1.project_save_service_pb2_grpc import add_ProjectSaveServiceServicer_to_server
from strongroom.metadata.v1.project_service_pb2_grpc import add_ProjectServiceServicer_to_server


def add_project_services(
    server: aio.Server, database: Database, timing: Timing, limits: Limits, tokens: PageTokens
) -> list[str]:
    """Register ProjectService, ProjectSaveService, PreviewedFileService; answers their full names."""
    queries = ProjectQueries(database, tokens)
    add_ProjectServiceServicer_to_server(ProjectServicer(queries), server)
    add_PreviewedFileServiceServicer_to_server(PreviewedFileServicer(queries), server)
    add_ProjectSaveServiceServicer_to_server(
        ProjectSaveServicer(
            database=database,
            beginning=Beginning(database, timing),
            writing=Writing(database, timing, limits),
            committing=CommittingSaves(database, timing),
            removing=Removing(database, timing),
            keys=ProjectKeys(database, timing),
        ),
        server,
    )
    return [
        project_service_pb2.DESCRIPTOR.services_by_name["ProjectService"].full_name,
        project_save_service_pb2.DESCRIPTOR.services_by_name["ProjectSaveService"].full_name,
        previewed_file_service_pb2.DESCRIPTOR.services_by_name["PreviewedFileService"].full_name,
    ]
