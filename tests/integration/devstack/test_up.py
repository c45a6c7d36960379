"""`make up` with stand-ins for the services: what runs, their environments, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator

import jwt
import psycopg
import pytest

from tests.integration.devstack.conftest import StartStack
from tests.integration.devstack.running import CHECKOUT, STANDINS, RunningStack, alive, until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that tests only inspect."""
    caller = {"STRONGROOM_UPLOAD_LEASE_SECONDS": "7", "AWS_SESSION_TOKEN": "caller's own"}
    started = RunningStack(tmp_path_factory.mktemp("running"), STANDINS, None, **caller)
    yield started
    started.stop()


def test_stack_json_has_the_agreed_shape_and_is_private(running: RunningStack) -> None:
    stack = running.wait_up()
    path = running.data_dir / "stack.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {key: set(value) if isinstance(value, dict) else None for key, value in stack.items()} == {
        "gateway": {"url", "pid"},
        "storage": {"address", "pid"},
        "metadata": {"address", "pid"},
        "postgres": {"dsn", "pid"},
        "s3": {"endpoint", "bucket", "access_key", "secret_key", "region", "pids"},
        "jwt_secret": None,
        "metrics": None,
    }
    assert all(alive(pid) for pid in running.pids())
    with psycopg.connect(stack["postgres"]["dsn"]) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == (True,)


def test_each_process_gets_what_it_needs_and_no_more(running: RunningStack) -> None:
    stack = running.wait_up()
    env = {role: running.starts(role)[0] for role in ("migrate", "metadata", "storage", "gateway")}
    holders = {
        name: {role for role, values in env.items() if name in values}
        for name in (
            "STRONGROOM_DATABASE_URL", "STRONGROOM_MIGRATION_DATABASE_URL", "AWS_SECRET_ACCESS_KEY",
            "STRONGROOM_INTERNAL_SECRET", "STRONGROOM_JWT_SECRET", "AWS_SESSION_TOKEN",
        )
    }  # fmt: skip
    assert holders == {
        "STRONGROOM_DATABASE_URL": {"migrate", "metadata"},
        "STRONGROOM_MIGRATION_DATABASE_URL": {"migrate"},
        "AWS_SECRET_ACCESS_KEY": {"storage"},
        "STRONGROOM_INTERNAL_SECRET": {"metadata", "storage"},
        "STRONGROOM_JWT_SECRET": {"metadata", "storage", "gateway"},
        "AWS_SESSION_TOKEN": set(),
    }
    for values in env.values():
        assert values["STRONGROOM_UPLOAD_LEASE_SECONDS"] == "7"
        assert values["MALLOC_TRIM_THRESHOLD_"] == "268435456"
    assert env["gateway"]["STRONGROOM_JWT_SECRET"] == stack["jwt_secret"]
    assert env["storage"]["STRONGROOM_S3_SSE"] == "off"
    assert env["storage"]["AWS_S3_ENDPOINT_URL"] == stack["s3"]["endpoint"]
    assert env["storage"]["STRONGROOM_METADATA_ADDRESS"] == stack["metadata"]["address"]
    assert "strongroom_app:" in env["metadata"]["STRONGROOM_DATABASE_URL"]
    assert "strongroom_owner:" in env["migrate"]["STRONGROOM_MIGRATION_DATABASE_URL"]


def test_a_killed_service_comes_back_and_stack_json_tells_its_new_pid(start_stack: StartStack) -> None:
    running = start_stack(STRONGROOM_FAILPOINTS_STORAGE="storage.reserved=kill")
    before = running.wait_up()
    os.kill(before["storage"]["pid"], signal.SIGKILL)
    until("storage is ready again", lambda: "ready again" in running.output)
    after = running.stack()
    assert after["storage"]["pid"] != before["storage"]["pid"]
    assert alive(after["storage"]["pid"])
    assert {**after, "storage": None} == {**before, "storage": None}
    assert "killed by SIGKILL" in running.output
    first, second = running.starts("storage")
    assert first["STRONGROOM_FAILPOINTS"] == "storage.reserved=kill"
    assert "STRONGROOM_FAILPOINTS" not in second
    assert "STRONGROOM_FAILPOINTS" not in running.starts("gateway")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_reverse_order(start_stack: StartStack, number: signal.Signals) -> None:
    running = start_stack()
    running.wait_up()
    pids = running.pids()
    assert running.stop(number) == 0
    assert [pid for pid in pids if alive(pid)] == []
    assert (running.notes / "stopped").read_text().split() == ["gateway", "storage", "metadata"]
    assert not (running.data_dir / "stack.json").exists()


def test_a_second_interrupt_kills_what_does_not_stop(start_stack: StartStack) -> None:
    running = start_stack(STANDIN_GATEWAY="deaf")
    running.wait_up()
    pids = running.pids()
    running.process.send_signal(signal.SIGINT)
    until("it says that it stops", lambda: "stopping" in running.output)
    assert running.process.poll() is None
    assert running.stop(signal.SIGINT) == 0
    assert [pid for pid in pids if alive(pid)] == []
    assert "did not stop in time and was killed" in running.output


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_works(start_stack: StartStack) -> None:
    running = start_stack()
    before = running.wait_up()
    pids = running.pids()
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    until("all children are gone", lambda: not any(alive(pid) for pid in pids))
    again = start_stack().wait_up()
    assert again["postgres"]["dsn"] == before["postgres"]["dsn"]
    assert again["s3"]["endpoint"] == before["s3"]["endpoint"]
    assert again["jwt_secret"] == before["jwt_secret"]


def test_everything_may_be_killed_at_once(start_stack: StartStack) -> None:
    running = start_stack()
    before = running.wait_up()
    for pid in (running.process.pid, *running.pids()):
        os.kill(pid, signal.SIGKILL)
    running.process.wait()
    again = start_stack().wait_up()
    with psycopg.connect(again["postgres"]["dsn"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert again["s3"]["endpoint"] == before["s3"]["endpoint"]


def test_a_second_start_on_the_same_data_says_who_runs(start_stack: StartStack) -> None:
    first = start_stack()
    first.wait_up()
    said = first.output
    second = start_stack()  # prints to the same file
    assert second.process.wait(60) == 1
    assert f"already running on {first.data_dir} (pid {first.process.pid})" in second.output
    assert said
    assert all(alive(pid) for pid in first.pids())


def test_a_taken_port_is_named_with_its_holder_and_the_variable(start_stack: StartStack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        printed = start_stack(STRONGROOM_STORAGE_PORT=str(port)).wait_failed()
    assert f"port {port}, wanted for storage, is taken by" in printed
    assert f"(pid {os.getpid()})" in printed
    assert "set STRONGROOM_STORAGE_PORT to a free port" in printed


@pytest.mark.parametrize("role", ["migrate", "metadata"])
def test_a_process_that_fails_at_start_is_quoted(start_stack: StartStack, role: str) -> None:
    running = start_stack(**{f"STANDIN_{role.upper()}": "exit"})
    printed = running.wait_failed()
    assert f"{role}: the reason it gives" in printed
    assert "exited with 3" in printed
    assert f"{running.data_dir}/log/{role}.log" in printed


def test_a_bad_setting_is_one_line_that_names_it(start_stack: StartStack) -> None:
    printed = start_stack(STRONGROOM_HTTP_PORT="eighty").wait_failed()
    assert printed.count("\n") == 1
    assert "STRONGROOM_HTTP_PORT is 'eighty'" in printed


def test_the_printed_token_is_signed_and_names_dev(running: RunningStack) -> None:
    stack = running.wait_up()
    until("the tour is printed", lambda: "curl -f " in running.output)
    line = next(line for line in running.output.splitlines() if line.strip().startswith("curl -f "))
    token = line.partition("Bearer ")[2].partition('"')[0]
    claims = jwt.decode(token, stack["jwt_secret"], algorithms=["HS256"])
    assert claims["sub"] == "dev"
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert line.endswith(f"-F file=@README.md {stack['gateway']['url']}/api/v1/s3/upload")


def test_down_and_status_speak_of_the_stack_of_that_directory(start_stack: StartStack) -> None:
    running = start_stack()
    running.wait_up()

    def devstack(command: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "devstack", command, "--data-dir", str(running.data_dir)]
        return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)

    up = devstack("status")
    assert (up.returncode, f"running  pid {running.process.pid}" in up.stdout) == (0, True)
    assert devstack("down").returncode == 0
    assert running.process.wait(60) == 0
    gone = devstack("status")
    assert (gone.returncode, "nothing runs" in gone.stdout) == (1, True)
