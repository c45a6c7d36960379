"""Sources of addresses, tokens and TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.client.channels import channel_options, service_config, uses_tls
from strongroom.client.settings import ClientSettings, ConfigurationError, Tls, read_stack
from strongroom.grpc_targets import is_loopback, past_proxies
from tests.unit.strongroom.client.stack_file import write_stack


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_arguments_win_over_the_environment_over_the_stack_over_defaults(tmp_path: Path) -> None:
    stack = write_stack(tmp_path)
    environ = stack | {"STRONGROOM_METADATA_ADDRESS": "env:1", "STRONGROOM_TOKEN": "t"}
    settings = ClientSettings.resolve("arg:1", environ=environ)
    assert (settings.storage_address, settings.metadata_address, settings.token) == ("arg:1", "env:1", "t")
    settings = ClientSettings.resolve(environ=stack)
    assert (settings.storage_address, settings.metadata_address, settings.token) == (
        "127.0.0.1:2",
        "127.0.0.1:3",
        None,
    )
    settings = ClientSettings.resolve(environ={"STRONGROOM_DATA_DIR": str(tmp_path / "none")})
    assert (settings.storage_address, settings.metadata_address) == ("127.0.0.1:50051", "127.0.0.1:50052")


def test_a_stack_whose_processes_are_gone_does_not_count(tmp_path: Path) -> None:
    environ = write_stack(tmp_path, pid=dead_pid())
    assert read_stack(environ) is None
    for holder in (str(dead_pid()), "", "unknown"):
        (tmp_path / "lock").write_text(holder)
        assert read_stack(environ) is None


def test_a_stack_counts_while_its_supervisor_starts_a_service_again(tmp_path: Path) -> None:
    environ = write_stack(tmp_path, pid=dead_pid())
    (tmp_path / "lock").write_text(str(os.getpid()))
    assert read_stack(environ) is not None
    assert ClientSettings.resolve(environ=environ).storage_address == "127.0.0.1:2"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"gateway": 3}'])
def test_a_stack_file_of_another_shape_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"stack\.json is not a stack"):
        read_stack({"STRONGROOM_DATA_DIR": str(tmp_path)})


def test_a_stack_file_is_not_looked_at_when_it_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("broken")
    environ = {"STRONGROOM_DATA_DIR": str(tmp_path), "STRONGROOM_STORAGE_ADDRESS": "a:1"}
    assert ClientSettings.resolve(metadata_address="b:1", environ=environ).metadata_address == "b:1"


@pytest.mark.parametrize(
    ("environ", "tls"),
    [
        ({}, None),
        ({"STRONGROOM_ALLOW_PLAINTEXT": "true"}, False),
        ({"STRONGROOM_ALLOW_PLAINTEXT": "0"}, None),
        ({"STRONGROOM_TLS_CA": "/ca", "STRONGROOM_ALLOW_PLAINTEXT": "1"}, Tls(ca="/ca")),
        (
            {"STRONGROOM_TLS_CLIENT_CERT": "/c", "STRONGROOM_TLS_CLIENT_KEY": "/k"},
            Tls(certificate="/c", key="/k"),
        ),
    ],
)
def test_tls_comes_from_the_environment(environ: dict[str, str], tls: Tls | bool | None) -> None:
    assert ClientSettings.resolve("a:1", "b:1", environ=environ).tls == tls


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("dns:///localhost:1", True),
        ("ipv4:127.0.0.1:1", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", True),
        ("ipv6:[::1]:1,[::1]:2", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("unix:/run/x.sock", True),
        ("10.0.0.1:1", False),
        ("storage:50051", False),
        ("dns:///localhost.example.org:1", False),
        ("127.0.0.1.example.org:1", False),
        ("[2001:db8::1]:1", False),
    ],
)
def test_loopback_is_told_from_the_rest(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
    assert bool(past_proxies(address)) is expected


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:50052", "without http://"),
        ("grpc://storage:50051", "without grpc://"),
        ("storage:99999", "ports end at 65535"),
        ("ipv4:10.0.0.1:1,10.0.0.2:70000", "ports end at 65535"),
        ("a storage:1", "contains a blank"),
        (" storage:50051\n", ""),
        ("unix:/run/99999:70000", ""),
        ("dns:///storage.example.org", ""),
        ("[2001:db8::1]:50051", ""),
    ],
)
def test_what_grpc_would_take_for_another_address_is_told(address: str, said: str) -> None:
    if not said:
        assert ClientSettings.resolve(address, "m:1", environ={}).storage_address == address.strip()
        return
    for given, environ in ((address, {}), (None, {"STRONGROOM_STORAGE_ADDRESS": address})):
        with pytest.raises(ConfigurationError, match=f"storage_service.*{said}"):
            ClientSettings.resolve(given, "m:1", environ=environ)


def test_a_token_travels_in_the_clear_to_loopback_only_unless_asked_for() -> None:
    def encrypted(address: str, tls: Tls | bool | None) -> bool:
        return uses_tls(address, ClientSettings(address, address, tls=tls))

    assert [encrypted("127.0.0.1:1", None), encrypted("example.org:1", None)] == [False, True]
    assert [encrypted("example.org:1", False), encrypted("127.0.0.1:1", True)] == [False, True]
    assert encrypted("127.0.0.1:1", Tls())


def test_the_service_config_balances_and_leaves_retries_to_the_policy() -> None:
    config = json.loads(service_config())
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert "methodConfig" not in config
    assert int(dict(channel_options())["grpc.keepalive_time_ms"]) >= 10_000


def test_secrets_are_not_shown() -> None:
    assert "t0ken" not in repr(ClientSettings("a", "b", token="t0ken"))
