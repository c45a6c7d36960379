"""A whole real stack for tests: `python -m devstack up` in a separate process, on free ports.

``with start_stack(tmp_path / "data") as stack: stack.http("ada").get("/api/v1/s3/files")``. The supervisor
restarts crashed processes, and stack.json has the current pids, so tests need only ``kill`` and the waits
below.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self, TypeVar

import grpc
import httpx
import jwt

CHECKOUT: Final = Path(__file__).resolve().parents[1]
PATIENCE: Final = 120.0
#: The services in one process, or in three; `make test-both` tests whole stacks in both forms.
FORM: Final = os.environ.get("STRONGROOM_FORM") or "one"

FAST_DRAIN: Final[Mapping[str, str]] = {
    "STRONGROOM_UPLOAD_LEASE_SECONDS": "2",
    "STRONGROOM_READ_GRACE_SECONDS": "1",
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "2",
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "0.5",
    "STRONGROOM_CLEANER_RETRY_SECONDS": "0.1",
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "2",
    "STRONGROOM_VERIFY_INTERVAL_SECONDS": "0",
    "STRONGROOM_VERIFY_GRACE_SECONDS": "2",
}
"""Leases and graces so short that everything left by a dead process is gone within seconds."""

AT_EASE: Final[Mapping[str, str]] = {
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "2",
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "30",
    "STRONGROOM_WEBHOOK_INTERVAL_SECONDS": "3",
}
"""For stacks in which tests seldom wait for removals or deliveries: the cleaner's passes cost the
others CPU.
"""

NO_WEBHOOKS: Final[Mapping[str, str]] = {"STRONGROOM_WEBHOOKS_ENABLED": "false"}
"""If no test has webhooks: looking for deliveries was a fifth of an idle service's cost."""

NO_LIMITS: Final[Mapping[str, str]] = {
    f"STRONGROOM_{name}": "0"
    for name in (
        "USER_REQUESTS_PER_SECOND",
        "USER_SHARE_PER_SECOND",
        "ADDRESS_REQUESTS_PER_SECOND",
        "FAILED_SIGN_INS_PER_MINUTE",
        "USER_SESSIONS_PER_MINUTE",
        "USER_IMPORTS_PER_MINUTE",
        "USER_WATCHES",
        "USER_TRANSFERS",
        "USER_ARCHIVES",
        "USER_EXPORTS",
        "USER_IMPORTS",
        "ADDRESS_PREVIEWS",
        "USER_OPEN_SESSIONS",
    )
}
"""A test is one user at full speed on one address."""

_LONGEST_PAUSE: Final = 0.5

Service = Literal["gateway", "storage", "metadata"]
T = TypeVar("T")


def until(what: str, holds: Callable[[], T], seconds: float = PATIENCE, pause: float = 0.05) -> T:
    """Wait until ``holds()`` is true and return its value; fail with ``what`` after ``seconds``.

    The pause between two calls is at least ``pause`` seconds and at most a tenth of the time waited so far.
    So long waits ask less often: many tests wait at once, and each call is work for the services.
    """
    begin = time.monotonic()
    while not (value := holds()):
        waited = time.monotonic() - begin
        assert waited < seconds, f"still not so after {seconds:.0f} s: {what}"
        time.sleep(max(pause, min(waited / 10, _LONGEST_PAUSE)))
    return value


def clean_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The caller's environment without variables that would configure the system under test."""
    return {
        key: value for key, value in environ.items() if not key.startswith(("AWS_", "S3_", "STRONGROOM_"))
    } | {"STRONGROOM_ENV_FILE": os.devnull}


def user_token(secret: str, sub: str, **claims: object) -> str:
    """An HS256 token for ``sub``, valid for an hour; ``claims`` are added to its claims or replace them."""
    now = int(time.time())
    return jwt.encode({"sub": sub, "iat": now, "exp": now + 3600, **claims}, secret, algorithm="HS256")


class Supervisor(Protocol):
    """The process of an `up`: a ``subprocess.Popen``, or an equivalent."""

    def poll(self) -> int | None: ...

    def send_signal(self, number: signal.Signals, /) -> None: ...

    def wait(self, seconds: float, /) -> int: ...


Launch = Callable[[Mapping[str, str], Path], Supervisor]
"""Starts an `up` with an environment; its output is appended to a file."""


class RunningStack:
    """A running `up`. Its output is in ``output``, the processes' logs in ``data_dir / "log"``."""

    def __init__(
        self, data_dir: Path, env: Mapping[str, str] | None = None, launch: Launch | None = None
    ) -> None:
        self.data_dir = data_dir
        #: Where the embedded S3 server keeps objects; another folder if it is the run's server.
        self.store_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self._printed = data_dir / "printed.txt"
        ports = {f"STRONGROOM_{name}_PORT": "0" for name in ("HTTP", "STORAGE", "METADATA")}
        place = {"STRONGROOM_DATA_DIR": str(data_dir), "STRONGROOM_FORM": FORM}
        environ = clean_environ() | ports | place | dict(env or {})
        self.form = environ["STRONGROOM_FORM"]
        self._process = (launch or self._launch)(environ, self._printed)

    def _launch(self, environ: Mapping[str, str], printed: Path) -> Supervisor:
        command, folder = self.command()
        with printed.open("ab") as output:
            return subprocess.Popen(
                command, env=environ, cwd=folder, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def command(self) -> tuple[list[str], Path]:
        """The command that starts it, and its working folder."""
        return [sys.executable, "-m", "devstack", "up"], CHECKOUT

    @property
    def output(self) -> str:
        """The output of `up` so far."""
        return self._printed.read_text()

    @property
    def state(self) -> dict[str, Any]:
        """The current stack.json."""
        content: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return content

    @property
    def url(self) -> str:
        """`http://host:port` of the gateway."""
        return str(self.state["gateway"]["url"])

    def pid(self, service: Service) -> int:
        """The current pid."""
        return int(self.state[service]["pid"])

    def log(self, service: Service) -> str:
        """The log of a service's process so far, without an unfinished last line."""
        text = self.log_path(service).read_text()
        return text[: text.rfind("\n") + 1]

    def log_path(self, service: Service) -> Path:
        """The log file of a service's process: the same for all if they are one process."""
        name = service if self.form == "three" else "strongroom"
        return self.data_dir / "log" / f"{name}.log"

    def wait_up(self) -> None:
        """Wait until stack.json exists and the gateway reaches everything behind it."""

        def written() -> bool:
            assert self._process.poll() is None, f"the stack ended:\n{self.output}"
            return (self.data_dir / "stack.json").exists()

        until("stack.json is written", written)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until /readyz says that both services, Postgres and S3 are reachable."""
        until(f"{self.url}/readyz answers 200", lambda: answers(f"{self.url}/readyz"))

    def token(self, sub: str, **claims: object) -> str:
        """A token for this stack."""
        return user_token(self.state["jwt_secret"], sub, **claims)

    def http(self, sub: str, **claims: object) -> httpx.Client:
        """A gateway client signed in as ``sub``; the caller closes it.

        It uses no TLS (``verify=False``, here and in other tests), because loading certificates takes 27 ms
        of CPU.
        """
        return httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.token(sub, **claims)}"},
            timeout=PATIENCE,
            trust_env=False,
            verify=False,
        )

    def channel(self, service: Literal["storage", "metadata"]) -> grpc.Channel:
        """A channel to one of the gRPC services; the caller closes it."""
        return grpc.insecure_channel(self.state[service]["address"], options=[("grpc.enable_http_proxy", 0)])

    def kill(self, service: Service, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal a service, wait until the supervisor has restarted it, and return the new pid."""
        before = self.pid(service)
        os.kill(before, number)
        pid = until(f"{service} runs again", lambda: self._other_pid(service, before))
        self.wait_ready()
        return pid

    def _other_pid(self, service: Service, before: int) -> int:
        return pid if (pid := self.pid(service)) != before else 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal the supervisor, wait, and return its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_stack(
    data_dir: Path, env: Mapping[str, str] | None = None, launch: Launch | None = None
) -> RunningStack:
    """Start a stack with `env` added to ``FAST_DRAIN``, ``AT_EASE`` and ``NO_LIMITS``; existing data is used.

    It starts Postgres and S3 unless ``env`` names other servers (``tests.shared_stack``). ``launch``: another
    way to start the same programs.
    """
    stack = RunningStack(data_dir, {**FAST_DRAIN, **AT_EASE, **NO_LIMITS, **(env or {})}, launch)
    try:
        stack.wait_up()
    except BaseException:
        stack.stop()
        raise
    return stack


def answers(url: str) -> bool:
    """Whether a GET returns 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
