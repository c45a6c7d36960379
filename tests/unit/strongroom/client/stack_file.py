"""A stack.json like `make up` writes it."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_stack(
    folder: Path,
    storage: str = "127.0.0.1:2",
    metadata: str = "127.0.0.1:3",
    secret: str = "s" * 40,
    *,
    gateway: str = "http://127.0.0.1:1",
    pid: int | None = None,
) -> dict[str, str]:
    """Write it, and answer the environment that points at it. Its processes run, unless ``pid`` says
    otherwise.
    """
    pid = os.getpid() if pid is None else pid
    stack = {
        "gateway": {"url": gateway, "pid": pid},
        "storage": {"address": storage, "pid": pid},
        "metadata": {"address": metadata, "pid": pid},
        "postgres": {"dsn": "postgresql://x", "pid": pid},
        "s3": {"endpoint": "http://127.0.0.1:4", "bucket": "b"},
        "jwt_secret": secret,
    }
    path = folder / "stack.json"
    path.write_text(json.dumps(stack))
    path.chmod(0o600)
    return {"STRONGROOM_DATA_DIR": str(folder)}
