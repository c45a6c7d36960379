"""A reading process that behaves as the media type says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from tempfile import gettempdir

from storage_service.media import worker
from storage_service.media.facts import Facts
from storage_service.media.frames import RemoteFile


def _mad(content_type: str, file: RemoteFile) -> Iterator[Facts]:
    yield {"width": 1, "height": 2}
    match content_type.partition("/")[2]:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "garbage":
            os.write(worker.OUT, b"\xff" * 64)
        case "beyond":
            file.at(0, 1)
            os.write(worker.OUT, b"\0\0\0\x15" + b'{"read": [0, 1000000]}'[:21])
        case "spin":
            while True:
                file.tell()
        case "hungry":
            yield {"width": len(bytes(1 << 30)), "height": 2}
        case "files":
            os.truncate(os.open(gettempdir(), os.O_TMPFILE | os.O_WRONLY), 10)  # the file has no name
        case "talkative":
            while True:
                yield {"orientation": 1}
        case _:
            yield {"orientation": 3}


if __name__ == "__main__":
    vars(worker)["facts_of"] = _mad
    worker.run()
