"""The parts of uvicorn that ``gateway.server`` relies on exist in the one version that is allowed.

To allow a new version, change the pin, run this and tests/integration/gateway, and read the diff of
``uvicorn/protocols`` (docs/decisions/0030-uvicorn-inside.md).
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server

from gateway.server.protocol import GuardedProtocol
from gateway.server.serve import GatewayServer
from gateway.server.websocket_protocol import GuardedWebSocket

ROOT = Path(__file__).resolve().parents[4]
#: Methods that are called or overridden, by uvicorn's class.
METHODS: list[tuple[type, str, list[str]]] = [
    (HttpToolsProtocol, "_start_asgi_task", ["self", "cycle", "app"]),
    (HttpToolsProtocol, "_unset_keepalive_if_required", ["self"]),
    (HttpToolsProtocol, "handle_websocket_upgrade", ["self"]),
    (HttpToolsProtocol, "on_response_complete", ["self"]),
    (FlowControl, "pause_reading", ["self"]),
    (FlowControl, "resume_reading", ["self"]),
    (WebSocketsSansIOProtocol, "handle_parser_exception", ["self"]),
    (WebSocketsSansIOProtocol, "run_asgi", ["self"]),
    (WebSocketsSansIOProtocol, "send_500_response", ["self"]),
    (Server, "on_tick", ["self", "counter"]),
    (Server, "shutdown", ["self", "sockets"]),
    (Server, "capture_signals", ["self"]),
]
#: Attributes that uvicorn sets when it creates the object, and that are read here.
ATTRIBUTES: list[tuple[Callable[..., None], list[str]]] = [
    (
        HttpToolsProtocol.__init__,
        ["app", "connections", "cycle", "flow", "headers", "parser", "pipeline", "scheme", "scope"],
    ),
    (
        RequestResponseCycle.__init__,
        [
            "disconnected",
            "message_event",
            "more_body",
            "response_complete",
            "response_started",
            "transport",
            "waiting_for_100_continue",
        ],
    ),
    (HttpToolsProtocol.on_message_begin, ["url", "headers", "scope"]),
    (FlowControl.__init__, ["read_paused", "write_paused"]),
    (
        WebSocketsSansIOProtocol.__init__,
        ["close_sent", "conn", "handshake_complete", "initial_response", "writable"],
    ),
]


def test_the_version_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"uvicorn=={version('uvicorn')}" in project["optional-dependencies"]["server"]


@pytest.mark.parametrize(("kind", "name", "parameters"), METHODS, ids=str)
def test_a_method_is_there(kind: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(kind, name)).parameters) == parameters


@pytest.mark.parametrize(("init", "names"), ATTRIBUTES, ids=lambda one: getattr(one, "__qualname__", ""))
def test_attributes_are_there(init: Any, names: list[str]) -> None:
    assert [name for name in names if name not in init.__code__.co_names] == []


@pytest.mark.parametrize("ours", [GuardedProtocol, GuardedWebSocket, GatewayServer])
def test_what_is_replaced_is_uvicorns(ours: type) -> None:
    """If uvicorn renamed a method, our override would not be called."""
    own = {"limits", "metrics", "with_limits", "overdue", "stop"}
    theirs = set(dir(ours.__mro__[1]))
    replaced = {name for name, value in vars(ours).items() if inspect.isfunction(value)} - own
    called = {name for name in replaced if "super()." + name in inspect.getsource(ours)}
    assert called
    assert called <= theirs


def test_a_service_leaves_its_command_line_out() -> None:
    """The parts of uvicorn that the package uses exist, and modules only for uvicorn's command line are not
    imported.
    """
    program = """
import sys, servicekit.lean_imports, uvicorn, uvicorn.server
print(*[name for name in ("click", "multiprocessing", "uvicorn.supervisors") if sys.modules.get(name)])
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert told.stdout == "\n"
