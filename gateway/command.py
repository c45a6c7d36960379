"""The command line: ``serve``."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import structlog
import uvloop

from gateway.app import build_app
from gateway.bootstrap import open_services
from gateway.config import GatewaySettings
from gateway.server.serve import PortTaken, address_of, bind, make_server
from gateway.upstream.reachability import told_of_services
from servicekit import failpoints
from servicekit.serving import memory
from servicekit.settings import SettingError, load_settings, stop
from servicekit.telemetry import process_metrics, tracing
from servicekit.telemetry.logs import configure_logging
from servicekit.telemetry.metrics_http import serve_metrics

log = structlog.get_logger("gateway")

USAGE = "usage: python -m gateway serve\n"


async def serve(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code. Prints ``gateway listening on host:port`` when
    ready.
    """
    listener = bind(settings)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.recorded("gateway"))
        services = await stack.enter_async_context(open_services(settings))
        await stack.enter_async_context(process_metrics.shown(services.metrics.registry, settings))
        if settings.metrics_bind:
            at = await stack.enter_async_context(serve_metrics(settings.metrics_bind, services.metrics))
            log.info("metrics", url=f"http://{at}/metrics")
        server = make_server(build_app(services), settings, services.metrics, services.draining)
        memory.settle()
        await stack.enter_async_context(told_of_services(services))
        sys.stdout.write(f"gateway listening on {address_of(listener)}\n")
        sys.stdout.flush()
        await server.serve(sockets=[listener])
    return 0


def main(arguments: list[str]) -> int:
    """Run the command line, and return the exit code."""
    if arguments != ["serve"]:
        sys.stderr.write(USAGE)
        return 2
    settings = load_settings(GatewaySettings)
    configure_logging("gateway", settings.log_level)
    failpoints.check()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(settings))
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SettingError as error:
        stop(error)
