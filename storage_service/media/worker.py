"""The program that reads: ``python -m storage_service.media.worker``.

It has the libraries loaded and never touches a file's bytes; a child, forked for each file, does, within
limits of memory and time. Both speak on standard input and output (``frames``): a job comes in; the child
asks for bytes and tells facts; when it has ended, however, the parent says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
from typing import Any

from storage_service.media.facts import facts_of
from storage_service.media.frames import BROKEN, DIED, RemoteFile, read_frame, tell

IN, OUT = 0, 1


def main() -> None:
    """Until nobody has a job any more."""
    with contextlib.suppress(OSError):
        os.nice(10)
    while (frame := read_frame(IN)) is not None:
        child = os.fork()
        if not child:
            _work(json.loads(frame))
        _, status = os.waitpid(child, 0)
        tell(OUT, ended=os.waitstatus_to_exitcode(status))


def _work(job: dict[str, Any]) -> None:
    """In the child, which ends here."""
    code = DIED
    try:
        _limit(job["memory"], job["seconds"])
        file = RemoteFile(job["size"], job["budget"], OUT, IN)
        for facts in facts_of(job["content_type"], file):
            if facts:
                tell(OUT, facts=facts)
        code = 0
    except MemoryError:
        code = DIED
    except Exception:  # noqa: BLE001 - whatever a broken file makes of the libraries: what was told counts
        code = BROKEN
    finally:
        os._exit(code)


def _limit(memory: int, seconds: int) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(kind, (value, value))


def run() -> None:
    """As a program. What libraries print must not come between the frames."""
    global OUT  # noqa: PLW0603 - of this process
    OUT = os.dup(1)
    os.dup2(2, 1)
    main()


if __name__ == "__main__":
    run()
