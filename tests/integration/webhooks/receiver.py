"""A webhook target with scripted responses, which records what it receives."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

DOCUMENT: Final = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"


def documented_verify() -> Callable[[str, Mapping[str, str], bytes], None]:
    """The receiver's code as shown in docs/webhooks.md."""
    [code, *_] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(DOCUMENT), "exec"), names)
    found: Callable[[str, Mapping[str, str], bytes], None] = names["verify"]
    return found


@dataclass(frozen=True, slots=True)
class Got:
    """One received request."""

    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Answers requests with ``statuses(path, first, second, …)`` in order, and then repeats the last one."""

    def __init__(self) -> None:
        self._statuses: dict[str, list[int]] = {}
        self._got: defaultdict[str, list[Got]] = defaultdict(list)
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._note(self.path, Got(headers, body))
                self.send_response(status)
                if status in {301, 307}:
                    self.send_header("location", f"http://{receiver.authority}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver")
        self._thread.start()

    @property
    def authority(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, name: str, *statuses: int) -> str:
        """Set the responses of a path, in the order of requests. Returns its URL."""
        with self._lock:
            self._statuses[f"/{name}"] = list(statuses or (204,))
        return f"http://{self.authority}/{name}"

    def got(self, name: str) -> list[Got]:
        """The requests received so far, in order."""
        with self._lock:
            return list(self._got[f"/{name}"])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _note(self, path: str, got: Got) -> int:
        with self._lock:
            self._got[path].append(got)
            statuses = self._statuses.get(path, [404])
            return statuses[0] if len(statuses) == 1 else statuses.pop(0)


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """A receiver that stops listening at the end."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
