"""DiagnosticsService over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import grpc

from storage_service.content.body import SizeRule
from storage_service.diagnosis import InternalCalls
from strongroom.storage.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc

Context = grpc.aio.ServicerContext

#: Folders of plain files. They share one size limit, and each has its own types.
_FOLDERS: Final = ("uploads", "documents", "audio")


class DiagnosticsServicer(diagnostics_service_pb2_grpc.DiagnosticsServiceServicer):
    """See strongroom/storage/v1/diagnostics_service.proto."""

    def __init__(
        self, calls: InternalCalls, limits: Sequence[diagnostics_service_pb2.UploadLimit] = ()
    ) -> None:
        self._calls = calls
        self._limits = limits

    async def Diagnose(
        self,
        request: diagnostics_service_pb2.DiagnoseRequest,
        context: Context[diagnostics_service_pb2.DiagnoseRequest, diagnostics_service_pb2.DiagnoseResponse],
    ) -> diagnostics_service_pb2.DiagnoseResponse:
        response = await self._calls.diagnose()
        response.limits.extend(self._limits)
        return response


def upload_limits(
    sizes: Mapping[str, SizeRule],
    types: Mapping[str, Sequence[str]],
    *,
    project_file_bytes: int,
    project_files: int,
) -> list[diagnostics_service_pb2.UploadLimit]:
    """Limits of uploads. ``sizes``: by target; ``types``: by rule (``ContentRules``)."""
    limit = diagnostics_service_pb2.UploadLimit
    found = [
        limit(
            family=name,
            max_size_bytes=sizes["file" if name in _FOLDERS else name].max_bytes,
            content_types=types.get(name, ()),
        )
        for name in (*_FOLDERS, *(name for name in sizes if name not in {"file", "project_archive"}))
    ]
    whole = sizes["project_archive"].max_bytes
    found.append(limit(family="project", max_size_bytes=whole, max_files=project_files))
    found.append(limit(family="project_file", max_size_bytes=project_file_bytes))
    return found
