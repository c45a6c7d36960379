from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from devstack import infra
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import S3ObjectStore, open_s3_store
from tests.contract.objectstore.backends import ALL, ONLY, PLAIN, VERSIONED
from tests.doubles.memory_store import MemoryObjectStore

MIB = 1 << 20


@dataclass
class Opened:
    """A backend's two buckets: without and with versioning."""

    plain: ObjectStore
    versioned: ObjectStore


@dataclass(frozen=True)
class S3Endpoint:
    """A running S3 server."""

    url: str
    access_key: str
    secret_key: str

    def options(self, bucket: str) -> S3Options:
        """Options for one of its buckets. Copies of more than 5 MiB are made in parts; workers share the
        server, and are forks of one process.
        """
        return S3Options(
            bucket=f"{bucket}-{os.getpid()}",
            endpoint_url=self.url,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            copy_threshold=6 * MIB,
            copy_part_size=5 * MIB,
        )


@pytest.fixture(scope="session")
def swift_endpoint(servers: infra.Infra) -> S3Endpoint:
    """The embedded Swift as used by `make up`."""
    return S3Endpoint(servers.s3.endpoint, servers.s3.access_key, servers.s3.secret_key)


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[S3Endpoint]:
    """A moto server in a thread."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Endpoint(f"http://{host}:{port}", "moto", "moto")
    server.stop()


@pytest.fixture(scope="session")
def opened_memory() -> Opened:
    return Opened(MemoryObjectStore(versioned=False, page_size=3), MemoryObjectStore(page_size=3))


@pytest.fixture(scope="session")
def opened_swift(swift_endpoint: S3Endpoint) -> Iterator[Opened]:
    yield from _open_buckets(swift_endpoint)


@pytest.fixture(scope="session")
def opened_moto(moto_endpoint: S3Endpoint) -> Iterator[Opened]:
    yield from _open_buckets(moto_endpoint)


@pytest.fixture(scope="session")
def opened_other() -> Iterator[Opened]:
    """Any S3, given by the caller of `python -m scripts.store_table`."""
    named = (os.environ[f"STRONGROOM_CONTRACT_{name}"] for name in ("URL", "KEY", "SECRET"))
    yield from _open_buckets(S3Endpoint(*named))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a single store, keep only tests that use it."""
    if not ONLY:
        return
    here = Path(__file__).parent
    asked = [one for one in items if "backend" in getattr(one, "fixturenames", ())]
    others = [one for one in items if here not in one.path.parents]
    config.hook.pytest_deselected(items=[one for one in items if one not in asked and one not in others])
    items[:] = [one for one in items if one in asked or one in others]


def _open_buckets(endpoint: S3Endpoint) -> Iterator[Opened]:
    plain = open_s3_store(endpoint.options(PLAIN))
    versioned = open_s3_store(endpoint.options(VERSIONED))

    async def prepare() -> None:
        await plain.setup.create()
        await versioned.setup.create()
        await versioned.setup.enable_versioning()

    asyncio.run(prepare())
    yield Opened(plain, versioned)
    asyncio.run(plain.aclose())
    asyncio.run(versioned.aclose())


@pytest.fixture(params=ALL)
def backend(request: pytest.FixtureRequest) -> str:
    """The store's name; narrowed with ``parametrize("backend", having(…), indirect=True)``."""
    name: str = request.param
    return name


@pytest.fixture
def opened(request: pytest.FixtureRequest, backend: str) -> Opened:
    opened: Opened = request.getfixturevalue(f"opened_{backend}")
    return opened


@pytest.fixture
def store(opened: Opened) -> ObjectStore:
    """The store's bucket without versioning."""
    return opened.plain


@pytest.fixture
def versioned(opened: Opened) -> ObjectStore:
    """The store's bucket with versioning."""
    return opened.versioned


@pytest.fixture
def http_store(store: ObjectStore) -> S3ObjectStore:
    """A store that speaks HTTP."""
    assert isinstance(store, S3ObjectStore)
    return store


@pytest.fixture
def prefix() -> str:
    """A prefix in the bucket for one test."""
    return f"t/{uuid.uuid4().hex}/"
