"""Checks the gateway: whether it is alive, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from strongroom.cli.doctor.certificates import look_at_certificate
from strongroom.cli.doctor.findings import Finding, fail, ok, warn
from strongroom.cli.doctor.proxy import look_at_buffering
from strongroom.client.settings import DEFAULT_GATEWAY_URL, Tls, read_stack
from strongroom.grpc_targets import is_loopback

if TYPE_CHECKING:
    from httpx import Response

TIMEOUT_SECONDS = 10.0
OK = "ok"
MEND = {
    "storage": "start storage_service, or correct STRONGROOM_STORAGE_ADDRESS of the gateway",
    "metadata": "start metadata_service, or correct STRONGROOM_METADATA_ADDRESS of the gateway",
    "postgres": "look at metadata_service's log, and at the database it is set to",
    "s3": "look at storage_service's log, and at the bucket it is set to",
    "versioning": "turn S3 Versioning of the bucket on: strongroom bucket init",
    "internal": "give storage_service and metadata_service the same STRONGROOM_INTERNAL_SECRET",
    "cleaner": "look at storage_service's log",
    "project_keys": "look at storage_service's log",
    "upload_sweep": "look at storage_service's log",
    "event_listen": "look at metadata_service's log",
    "event_notify": "look at metadata_service's log",
}
#: What to do about calls from storage_service to metadata_service, by the word that storage_service says.
INTERNAL_MEND = {
    "unreachable": "start metadata_service, or correct STRONGROOM_METADATA_ADDRESS of storage_service",
    "clock_differs": "set the machines' clocks (chronyd, systemd-timesyncd)",
}
#: What each check needs: if that fails, so does the check, and only the cause is to be mended.
NEEDS = {
    "postgres": ("metadata",),
    "s3": ("storage",),
    "versioning": ("storage", "s3"),
    "internal": ("storage", "metadata"),
    "cleaner": ("storage", "metadata", "postgres", "internal"),
    "project_keys": ("storage", "metadata", "postgres", "internal"),
    "upload_sweep": ("storage", "metadata", "postgres", "internal"),
    "event_listen": ("metadata", "postgres"),
    "event_notify": ("metadata", "postgres"),
}
#: Without these an event stream does not begin, whatever the proxies do.
EVENTS_NEED = ("metadata", "postgres", "event_listen", "event_notify")


async def look_at_gateway(
    url: str | None, environ: Mapping[str, str], token: str | None = None
) -> list[Finding]:
    """Check ``/healthz``, ``/readyz`` with its details, and proxies on the way.

    A gateway that was not configured may be missing.
    """
    named = url or environ.get("STRONGROOM_GATEWAY_URL")
    if not named and (stack := read_stack(environ)):
        named = stack.gateway_url
    base = (named or DEFAULT_GATEWAY_URL).rstrip("/")
    import httpx  # noqa: PLC0415 - takes longer to load than the rest of the command line

    proxies = named is not None and not is_loopback(urlsplit(base).netloc)
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=proxies) as http:
            alive = await http.get(f"{base}/healthz")
            ready = await http.get(f"{base}/readyz")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return [await _certificate(base) or _silent(base, error, required=named is not None)]
    if alive.status_code != 200:
        return [
            fail(
                "gateway",
                f"{base}/healthz answers {alive.status_code}",
                "is this the gateway? look at its log",
            )
        ]
    states = _states(ready)
    streams = all(states.get(name, OK) == OK for name in EVENTS_NEED)
    buffering = await look_at_buffering(base, token if streams else None)
    return [ok("gateway", f"alive at {base}"), *_readiness(states, ready.status_code), *buffering]


async def _certificate(base: str) -> Finding | None:
    url = urlsplit(base)
    if url.scheme != "https" or url.hostname is None:
        return None
    return await look_at_certificate("gateway", url.hostname, url.port or 443, Tls())


def _silent(base: str, error: Exception, *, required: bool) -> Finding:
    detail = f"does not answer at {base}: {error or type(error).__name__}"
    if required:
        return fail(
            "gateway", detail, "start it (`make up`), or correct --gateway-url or STRONGROOM_GATEWAY_URL"
        )
    return warn("gateway", detail, "only REST clients need it; if you have one, give --gateway-url URL")


def _states(ready: Response) -> dict[str, str]:
    """The result of each check by name, as ``/readyz`` has it; empty if this is no answer of a gateway."""
    try:
        return {str(name): str(state) for name, state in ready.json()["checks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _readiness(states: Mapping[str, str], status: int) -> list[Finding]:
    if not states:
        return [fail("gateway readiness", f"/readyz answers {status}", "is this Strongroom's gateway?")]
    return [
        ok(f"{name}, says the gateway", state)
        if state == OK
        else fail(f"{name}, says the gateway", state, _mend(name, states))
        for name, state in states.items()
    ]


def _mend(name: str, states: Mapping[str, str]) -> str:
    cause = next((need for need in NEEDS.get(name, ()) if states.get(need, OK) != OK), None)
    if cause is not None:
        return f"mend {cause} first: this needs it"
    word = states[name].rpartition(" ")[2]
    if name == "internal" and word in INTERNAL_MEND:
        return INTERNAL_MEND[word]
    return MEND.get(name, "look at the gateway's log")
