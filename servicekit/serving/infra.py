"""The services of every gRPC process beside its own: health, reflection (v1, v1alpha), channelz."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from typing import Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc import aio
from grpc_channelz.v1 import channelz, channelz_pb2  # type: ignore[import-untyped]  # no types published
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]

from servicekit.inprocess import InProcessServer
from servicekit.probes import REASON, DependencyStates
from strongroom.version import Build, build_headers, this_build

REFLECTION_V1: Final = "grpc.reflection.v1.ServerReflection"


class ReasonedHealth(health.aio.HealthServicer):  # type: ignore[misc]  # no types published
    """Answers of Check contain the reason why a dependency does not work (``REASON``); those about the
    process also contain its ``build``.
    """

    def __init__(self, build: Build | None = None) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}
        self._build = build_headers(build or this_build())

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: aio.ServicerContext[object, object]
    ) -> health_pb2.HealthCheckResponse:
        reason = self.reasons.get(request.service)
        told = ((REASON, reason),) if reason else ()
        build = self._build if request.service == "" else ()
        if told or build:
            context.set_trailing_metadata((*told, *build))
        return await super().Check(request, context)


class Infra:
    """Health per service and for the whole (``""``); reflection and channelz if enabled."""

    def __init__(self, *, build: Build, channelz: bool, reflection: bool = True) -> None:
        self._health = ReasonedHealth(build)
        self._channelz = channelz
        self._services: Sequence[str] = ()
        self._reflection = reflection
        self.dependencies = DependencyStates()
        self.is_serving = False  # the health of ``""``

    async def register(self, server: aio.Server, services: Sequence[str]) -> None:
        """Add the services to ``server`` and set everything to SERVING."""
        names = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME, REFLECTION_V1]
        self.add_health(server)
        if self._channelz:
            channelz.add_channelz_servicer(server)
            names.append(channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name)
        if self._reflection:
            _load_descriptors(services)
            describe_v1()
            _add_reflection(server, names)
        self._services = ("", *services)
        await self.serving(is_serving=True)

    def add_health(self, server: aio.Server | InProcessServer) -> None:
        """Only the health service, for callers within this process."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)

    async def report(self, name: str, found: bool | str) -> None:
        """Set a dependency's health: whether it works, or one word with the reason why not."""
        self.dependencies.found(name, works=found is True)
        status = health_pb2.HealthCheckResponse
        self._health.reasons[name] = found if isinstance(found, str) else ""
        await self._health.set(name, status.SERVING if found is True else status.NOT_SERVING)

    async def serving(self, *, is_serving: bool, reason: str = "") -> None:
        """Set the health of the process and its services for balancers; ``reason``: one word why not."""
        status = health_pb2.HealthCheckResponse
        self.is_serving = is_serving
        for name in self._services:
            self._health.reasons[name] = reason
            await self._health.set(name, status.SERVING if is_serving else status.NOT_SERVING)

    async def not_serving(self) -> None:
        """Tell everybody who asks or watches that the process is leaving, for good."""
        self.is_serving = False
        await self._health.enter_graceful_shutdown()


def _load_descriptors(services: Sequence[str]) -> None:
    """Import the files that declare ``services``; generated servicers only import those of their messages.

    Proto packages are Python packages here, and that of a servicer is loaded already.
    """
    for name in sorted({service.rpartition(".")[0] for service in services} & sys.modules.keys()):
        for module in pkgutil.iter_modules(sys.modules[name].__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{name}.{module.name}")


def describe_v1() -> None:
    """Add v1's file to the pool, for clients that ask reflection about itself (``--list-methods``): it is
    v1alpha's under the other package name.
    """
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(REFLECTION_V1)
    except KeyError:
        old = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(old)
        text = text_format.MessageToString(old).replace("v1alpha", "v1")
        pool.AddSerializedFile(
            text_format.Parse(text, descriptor_pb2.FileDescriptorProto()).SerializeToString()
        )


def _add_reflection(server: aio.Server, names: Sequence[str]) -> None:
    """One servicer under both names: grpcio-reflection has only v1alpha, and v1 has the same messages."""
    servicer = reflection.aio.ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for service in (REFLECTION_V1, reflection.SERVICE_NAME):
        methods = {"ServerReflectionInfo": handler}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
