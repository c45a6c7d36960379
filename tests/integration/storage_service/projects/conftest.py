from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from devstack import bucket
from devstack.infra import Infra
from tests.databases import Logins
from tests.integration.storage_service.projects.client import ProjectClient
from tests.integration.storage_service.projects.services import Services, fresh_folder, storage_environ


@pytest.fixture(scope="module")
def services(
    servers: Infra,
    module_database: Logins,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Services]:
    """Both services on a versioned bucket; a module's ``SETTINGS`` adds to their settings."""
    folder = fresh_folder(tmp_path_factory.mktemp("projects"))
    running = Services(
        servers,
        module_database,
        folder,
        f"bucket-{uuid.uuid4().hex[:8]}",
        storage_environ(**getattr(request.module, "SETTINGS", {})),
    )
    if getattr(request.module, "VERSIONED", True):
        bucket.ensure(running.entry)
    else:
        running.s3.create_bucket(Bucket=running.entry.bucket)
    yield running
    running.close()


@pytest.fixture
async def client(services: Services) -> AsyncIterator[ProjectClient]:
    """A client for a new owner."""
    async with ProjectClient(services, f"user-{uuid.uuid4().hex[:12]}") as opened:
        yield opened
