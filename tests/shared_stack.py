"""A whole stack on the run's servers: three services of its own, without its own Postgres and S3.

Its processes are forks (``tests.forks``), because imports were most of a start.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from devstack import bucket, infra
from tests.databases import TEMPLATE, Logins, migrated_template
from tests.servers import forks_of_run, locked
from tests.stack import RunningStack, start_stack

_SWIFT: Final = {"STRONGROOM_S3_SSE": "off", "STRONGROOM_S3_MAX_KEY_BYTES": "800"}
"""What `up` tells storage_service about the S3 server that it starts."""


@contextmanager
def shared_stack(
    servers: infra.Infra, data_dir: Path, env: Mapping[str, str] | None = None
) -> Iterator[RunningStack]:
    """``start_stack`` with its own database and versioned bucket."""
    name = f"stack-{uuid.uuid4().hex}"
    database = migrated_template(servers).create(name, template=TEMPLATE)
    store = replace(servers.s3, bucket=name)
    bucket.ensure(store)
    _keep_passwords(data_dir, database)
    places = {"STRONGROOM_DATABASE_URL": database.superuser, **infra.s3_environ(store), **_SWIFT}
    with closing(forks_of_run(servers.data_dir.parent)) as forks:
        with locked(servers.data_dir / "stack.lock"):  # two at once would both set the roles' passwords
            stack = start_stack(data_dir, {**places, **(env or {})}, forks.start_stack)
        stack.store_dir = servers.data_dir
        with stack:
            yield stack


def _keep_passwords(data_dir: Path, database: Logins) -> None:
    """A stack on an external server sets both roles' passwords to those in its folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    kept = {
        "external_owner": urlsplit(database.owner).password,
        "external_app": urlsplit(database.app).password,
    }
    (data_dir / "secrets.json").write_text(json.dumps(kept))
