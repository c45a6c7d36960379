"""The reading program: ``python -m storage_service.media.worker``.

It loads the libraries, and forks a child for each file, with limits on memory and time. Only the child
handles the file's bytes. Both use standard input and output (``frames``): the parent receives a job; the
child requests bytes and sends facts; when the child has ended, for any reason, the parent reports that.
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
    """Run until standard input closes."""
    with contextlib.suppress(OSError):
        os.nice(10)
    while (frame := read_frame(IN)) is not None:
        child = os.fork()
        if not child:
            _work(json.loads(frame))
        _, status = os.waitpid(child, 0)
        tell(OUT, ended=os.waitstatus_to_exitcode(status))


def _work(job: dict[str, Any]) -> None:
    """Run one job in the child, which exits here."""
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
    except Exception:  # noqa: BLE001 - libraries raise anything; facts told so far count
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
    """Run as a program. Output of the libraries goes to standard error, so that it can't mix with frames."""
    global OUT  # noqa: PLW0603 - of this process
    OUT = os.dup(1)
    os.dup2(2, 1)
    main()


if __name__ == "__main__":
    run()
