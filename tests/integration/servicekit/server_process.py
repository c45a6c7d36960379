"""A gRPC process for tests, with ``Echo`` and settings from the environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from servicekit import context, failpoints
from servicekit.serving.server import run, run_server
from servicekit.settings import CommonSettings, load_settings
from strongroom.errors import DatabaseUnavailable
from strongroom.storage.v1.upload_pb2 import UploadResponse
from tests.integration.servicekit.echo import Echo

POINT = failpoints.register("echo.unary")


async def unary(request: Any, _: Any) -> UploadResponse:
    """``sleep…`` waits a while, ``drain`` waits until the process drains; every message hits the
    failpoint.
    """
    await failpoints.hit(POINT)
    if request.upload_id.startswith("sleep"):
        await asyncio.sleep(float(request.upload_id.removeprefix("sleep")))
    if request.upload_id == "drain":
        await context.draining().wait()
    return UploadResponse(persisted_size=1)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    if os.environ.get("FAIL_AT_START") == "DATABASE_UNAVAILABLE":
        raise DatabaseUnavailable("Postgres does not answer.")
    if "FAIL_AT_START" in os.environ:
        raise RuntimeError("postgresql://strongroom:hunter2@db")
    sys.stdout.write("lifespan entered\n")
    yield
    sys.stdout.write("lifespan left\n")
    sys.stdout.flush()


if __name__ == "__main__":
    settings = load_settings(CommonSettings)
    spec = Echo(unary=unary).spec(bind=os.environ.get("STRONGROOM_ECHO_BIND", "127.0.0.1:0"))
    sys.exit(run(lambda: run_server(settings, spec, lifespan())))
