"""Registers StorageService with the copy-saving serializers of ``strongroom.wire`` for its hot methods."""

from __future__ import annotations

from typing import Any

import grpc

from storage_service.servicers.storage import StorageServicer
from strongroom import wire
from strongroom.storage.v1 import storage_service_pb2_grpc
from strongroom.storage.v1.download_pb2 import DownloadRequest
from strongroom.storage.v1.storage_service_pb2 import DESCRIPTOR
from strongroom.storage.v1.upload_pb2 import UploadResponse

SERVICE = DESCRIPTOR.services_by_name["StorageService"].full_name


def add_storage_service(server: grpc.aio.Server, servicer: StorageServicer) -> list[str]:
    """Add the service to ``server``; returns its full name, for health and reflection."""
    recorder = _Recorder()
    storage_service_pb2_grpc.add_StorageServiceServicer_to_server(servicer, recorder)  # type: ignore[arg-type]
    handlers = recorder.handlers
    handlers["Upload"] = grpc.stream_unary_rpc_method_handler(
        servicer.Upload,
        request_deserializer=wire.decode_upload,
        response_serializer=UploadResponse.SerializeToString,
    )
    handlers["Download"] = grpc.unary_stream_rpc_method_handler(
        servicer.Download,
        request_deserializer=DownloadRequest.FromString,
        response_serializer=wire.encode_download,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return [SERVICE]


class _Recorder:
    """Stands in for a server and keeps the handlers that the generated code makes."""

    def __init__(self) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers in their older form."""

    def add_registered_method_handlers(
        self, _service: str, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Called by the generated code with the handlers by method name."""
        self.handlers = dict(handlers)
