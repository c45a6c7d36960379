"""Readiness probes of the three services."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import grpc

from devstack.command import Explain, Probe

_TIMEOUT_SECONDS = 2.0
# grpc.health.v1: the request for the whole server (service "") is an empty message; SERVING is field 1 with
# the value 1. Generated code would be more than this needs.
_WHOLE_SERVER = b""
_SERVING = b"\x08\x01"


def grpc_serving(address: str) -> Probe:
    """Asks grpc.health.v1.Health/Check about the whole server."""

    def probe() -> bool:
        # A new channel each time: after a failure a channel waits longer and longer before it connects again.
        with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check", _unchanged, _unchanged)
            try:
                return bool(check(_WHOLE_SERVER, timeout=_TIMEOUT_SECONDS) == _SERVING)
            except grpc.RpcError:
                return False

    return probe


def http_ok(url: str) -> Probe:
    """Expects 200 from a GET; goes through no proxy."""

    def probe() -> bool:
        return _get(url)[0] == 200

    return probe


def readiness(url: str) -> Explain:
    """The failing checks of the gateway's /readyz in one line, or its unexpected answer."""

    def explain() -> str:
        status, text = _get(url)
        if not status:
            return f"{url} does not answer"
        failing = ", ".join(f"{name}: {state}" for name, state in _failing(text).items())
        if failing:
            return f"{failing}; `strongroom doctor` says how to fix it"
        return f"{url} answers {status} {' '.join(text.split())[:500]}"

    return explain


def _failing(text: str) -> dict[str, object]:
    try:
        return {name: state for name, state in json.loads(text)["checks"].items() if state != "ok"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _get(url: str) -> tuple[int, str]:
    """Status (0: no answer) and body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(4096).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(4096).decode("utf-8", "replace")
    except OSError:  # URLError is one
        return 0, ""


def _unchanged(message: bytes) -> bytes:
    return message
