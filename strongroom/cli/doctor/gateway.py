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
MEND = {
    "storage": "start storage_service, or correct STRONGROOM_STORAGE_ADDRESS of the gateway",
    "metadata": "start metadata_service, or correct STRONGROOM_METADATA_ADDRESS of the gateway",
    "postgres": "look at metadata_service's log, and at the database it is set to",
    "s3": "look at storage_service's log, and at the bucket it is set to",
    "versioning": "turn S3 Versioning of the bucket on: strongroom bucket init",
    "internal": "give storage_service and metadata_service the same STRONGROOM_INTERNAL_SECRET",
}


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
    return [ok("gateway", f"alive at {base}"), *_readiness(ready), *await look_at_buffering(base, token)]


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


def _readiness(ready: Response) -> list[Finding]:
    try:
        checks = ready.json()["checks"]
        states = {str(name): str(state) for name, state in checks.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return [
            fail("gateway readiness", f"/readyz answers {ready.status_code}", "is this Strongroom's gateway?")
        ]
    return [
        ok(f"{name}, says the gateway", state)
        if state == "ok"
        else fail(f"{name}, says the gateway", state, MEND.get(name, "look at the gateway's log"))
        for name, state in states.items()
    ]
