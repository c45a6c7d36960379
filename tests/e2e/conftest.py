"""One whole stack per group of modules, and an origin from which it may import.

The stack ends with the last test of the group: idle, it would cost a twentieth of a core until the run ends.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from devstack import infra
from devstack.stackfile import S3Entry
from tests.e2e import chromium
from tests.e2e.pages import Pages, serving
from tests.faults.checker import Checker
from tests.integration.importing.origin import Origin, running_origin
from tests.integration.sdk.shell import Shell
from tests.shared_stack import shared_stack
from tests.stack import RunningStack

Login = Callable[..., httpx.Client]


@pytest.fixture(scope="package")
def origin() -> Iterator[Origin]:
    """The source of imported generations."""
    with running_origin() as running:
        yield running


@pytest.fixture(scope="package")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Web pages of another origin that may call the gateway."""
    with serving(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.fixture(scope="package")
def stack(
    servers: infra.Infra, origin: Origin, pages: Pages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """A running stack. Users are distinguished by name only, so use new ones (``somebody``)."""
    env = {
        "STRONGROOM_IMPORT_ALLOW_HOSTS": origin.authority,
        "STRONGROOM_CORS_ORIGINS": pages.origin,
        "MAX_FILE_SIZE": str(1 << 20),
    }
    with shared_stack(servers, tmp_path_factory.mktemp("e2e") / "data", env) as running:
        yield running


@pytest.fixture(scope="package", autouse=True)
def _browser_ends() -> Iterator[None]:
    """Close ``open_page``'s browser after the last page."""
    yield
    chromium.shared.close()


@pytest.fixture(scope="package")
def checker(stack: RunningStack) -> Checker:
    """Looks into Postgres and S3."""
    state = stack.state
    return Checker(state["postgres"]["dsn"], S3Entry(**state["s3"]))


@contextmanager
def signing_in(stack: RunningStack) -> Iterator[Login]:
    """Creates clients of a stack's gateway; they are closed at the end."""
    made: list[httpx.Client] = []

    def make(sub: str, **claims: object) -> httpx.Client:
        made.append(stack.http(sub, **claims))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="package")
def login(stack: RunningStack) -> Iterator[Login]:
    """Clients of the gateway: ``login("ada")``, ``login("root", roles=["admin"])``."""
    with signing_in(stack) as make:
        yield make


@pytest.fixture
def user() -> str:
    """A new user."""
    return f"user-{uuid.uuid4()}"


@pytest.fixture
def http(login: Login, user: str) -> httpx.Client:
    """A client signed in as ``user``."""
    return login(user)


@pytest.fixture
def environ(stack: RunningStack, user: str) -> dict[str, str]:
    """The environment with which the command line finds the stack, as ``user``."""
    return {
        "STRONGROOM_DATA_DIR": str(stack.data_dir),
        "STRONGROOM_TOKEN": stack.token(user),
        "COLUMNS": "200",
    }


@pytest.fixture
def shell(environ: dict[str, str]) -> Shell:
    """The command line of ``user``."""
    return Shell(environ)
