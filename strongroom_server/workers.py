"""Several processes on the same ports: starts them, restarts dead ones, and drains them together."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from servicekit.net import join_address, split_address
from servicekit.settings import CommonSettings, SettingError, read_settings, stop

#: The variable of each target's address, and its default.
BINDS: Final = {
    "metadata": ("STRONGROOM_METADATA_BIND", "127.0.0.1:50052"),
    "storage": ("STRONGROOM_STORAGE_BIND", "127.0.0.1:50051"),
    "gateway": ("STRONGROOM_HTTP_BIND", "127.0.0.1:8080"),
}
#: First pause before a dead worker is restarted. Seconds; doubled each time until a worker has lived for
#: long.
FIRST_PAUSE: Final = 0.2
LAST_PAUSE: Final = 10.0
LIVED_SECONDS: Final = 30.0
#: Time for a worker to close, in addition to the drain time, before it is killed. Seconds.
CLOSING_SECONDS: Final = 15.0
#: Exit codes of a process that can't start and has said why.
_REFUSED: Final = (1, 2)
_PR_SET_PDEATHSIG: Final = 1


class Worker:
    """One worker process."""

    def __init__(self, argv: Sequence[str], number: int) -> None:
        self.number = number
        self._argv = argv
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> int:
        """Run the process, and restart it whenever it ends. Returns the exit code of a failed first start."""
        pause, first = FIRST_PAUSE, True
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, start_new_session=True, preexec_fn=_end_with_parent
            )
            code = await self._process.wait()
            lived = clock() - began > LIVED_SECONDS
            if first and not lived and code in _REFUSED:
                return code
            first, pause = False, FIRST_PAUSE if lived else min(2 * pause, LAST_PAUSE)
            sys.stderr.write(f"worker {self.number} ended with {code}; starts again in {pause:g} s\n")
            await asyncio.sleep(pause)

    async def leave(self, seconds: float) -> None:
        """Send SIGTERM, which drains the process, and kill it if it has not ended after ``seconds``."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _end_with_parent() -> None:
    """Let the kernel end the worker with its supervisor (prctl(2); Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def supervise(targets: Sequence[str], count: int, argv: Sequence[str]) -> int:
    """Run ``count`` workers until SIGTERM or SIGINT; returns the exit code.

    ``argv``: their command line without the final number. If a worker can't start (a setting, an address, no
    database), all end with its code; one that dies later is restarted.
    """
    try:
        drain = read_settings(CommonSettings).drain_seconds
        with contextlib.ExitStack() as stack:
            for name in targets:
                stack.enter_context(_held(*BINDS[name]))
            workers = [Worker([*argv, str(number)], number) for number in range(1, count + 1)]
            return asyncio.run(_supervise(workers, drain + CLOSING_SECONDS))
    except SettingError as error:
        stop(error)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1


async def _supervise(workers: Sequence[Worker], seconds: float) -> int:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    kept = [asyncio.create_task(worker.keep()) for worker in workers]
    leaving = asyncio.create_task(asked.wait())
    done, _ = await asyncio.wait({leaving, *kept}, return_when=asyncio.FIRST_COMPLETED)
    code = next((one.result() for one in kept if one in done), 0)
    for one in (leaving, *kept):
        one.cancel()
    await asyncio.wait({leaving, *kept})
    await asyncio.gather(*(worker.leave(seconds) for worker in workers))
    return code


@contextlib.contextmanager
def _held(variable: str, default: str) -> Iterator[None]:
    """Hold an address for the workers: no other program gets it, and port 0 is the same port for all workers.

    :raises SettingError: the address is invalid. :raises OSError: another process has it.
    """
    text = os.environ.get(variable) or default
    try:
        host, port = split_address(text)
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (ValueError, OSError) as error:
        raise SettingError(variable, f"{text!r} is not an address of this machine ({error})") from None
    with socket.socket(family, kind, protocol) as guard:
        try:
            with socket.socket(family, kind, protocol) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind(address)  # fails if another program, or other workers, have it
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                guard.setsockopt(socket.SOL_SOCKET, option, 1)
            guard.bind(address)
        except OSError:
            raise OSError(
                f"can't listen on {text}; another process has the port, or it is not an address of this"
                f" machine. Stop it or change {variable}."
            ) from None
        os.environ[variable] = join_address(host, port or guard.getsockname()[1])
        yield
