"""`python -m tests.integration.devstack.unlisted DATA_DIR NAME`: store an object that no listing has, as
happens if Swift's object server does not reach the container server.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from devstack import swift_inside

CONTAINER = "AUTH_strongroom/strongroom"


def main() -> None:
    """Store it beside the running servers. Raises RuntimeError if that failed."""
    conf = Path(sys.argv[1]) / "swift" / "conf"
    importlib.import_module("swift.common.utils").set_swift_dir(str(conf))
    swift_inside.join({})
    app = importlib.import_module("swift.common.wsgi").loadapp(str(conf / "object-server.conf"))
    headers = {
        "X-Timestamp": f"{time.time():.5f}", "Content-Type": "text/plain", "Content-Length": "4",
        "X-Container-Host": "127.0.0.1:1", "X-Container-Partition": "0", "X-Container-Device": "d1",
    }  # fmt: skip
    environ = swift_inside.environ_of("PUT", f"/d1/0/{CONTAINER}/{sys.argv[2]}", "", headers)
    inside = swift_inside.Connection(app, environ)
    inside.send(b"late")
    if (status := inside.getresponse().status) != 201:
        raise RuntimeError(f"the object server answered {status}")


if __name__ == "__main__":
    main()
