"""Addresses: of clients, for limits; of the gateway, as clients see it; and of files in responses.

Forwarded headers count only if they come from trusted proxies. ``storage_service`` makes the paths of links
(docs/links.md), each of which reads one file and always stays the same; this module adds the gateway's
address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from starlette.types import Scope

from gateway.upstream.call import Call, Services
from gateway.upstream.rpcs import SIGN_LINKS
from servicekit.context import note_message
from servicekit.limits.addresses import behind_proxies, client_key
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.link_pb2 import SignLinksRequest
from strongroom.storage.v1.upload_pb2 import UploadResponse


def address_of(services: Services, scope: Scope) -> str:
    """The client's address as a key for limits; with trusted proxies the forwarded one."""
    client = scope.get("client")
    peer = client[0] if client else "local"
    trusted = services.settings.trusted_proxies
    if trusted:
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        peer = behind_proxies(peer, b",".join(lines).decode("latin-1"), trusted)
    return client_key(peer)


_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_SCHEMES: Final = frozenset({"http", "https"})


def forwarded_origin(call: Call) -> str:
    """``https://host`` from ``X-Forwarded-Proto`` and ``X-Forwarded-Host``; ``""`` if no trusted proxy sent
    them.

    Of several values the last one counts: the trusted peer appended it.
    """
    if not call.services.settings.trusted_proxies:
        return ""
    proto, host = _last(call, "x-forwarded-proto").lower(), _last(call, "x-forwarded-host")
    if not (proto or host) or not from_trusted_proxy(call):
        return ""
    host = host or (call.header("host") or "")
    proto = proto or call.scope.get("scheme", "http")
    return f"{proto}://{host}" if proto in _SCHEMES and _HOST.fullmatch(host) else ""


def base_url(call: Call) -> str:
    """The base of the gateway's URLs for clients anywhere: ``STRONGROOM_PUBLIC_URL``, else what trusted
    proxies forward, else that of the request. ``""``: the request has no valid host.
    """
    told = public_origin(call)
    if told:
        return told
    host, scheme = call.header("host") or "", call.scope.get("scheme", "http")
    return f"{scheme}://{host}" if scheme in _SCHEMES and _HOST.fullmatch(host) else ""


def public_origin(call: Call) -> str:
    """The same if a relative reference would do as well: ``""`` unless it is configured or forwarded."""
    return call.services.settings.public_url or forwarded_origin(call)


def from_trusted_proxy(call: Call) -> bool:
    """Whether the connection comes from one of ``STRONGROOM_TRUSTED_PROXIES``."""
    client = call.scope.get("client")
    try:
        address = ipaddress.ip_address(client[0]) if client else None
    except ValueError:
        return False  # a Unix socket's peer has no address
    return address is not None and any(
        address in network for network in call.services.settings.trusted_proxies
    )


def _last(call: Call, name: str) -> str:
    return (call.header(name) or "").rpartition(",")[2].strip()


def absolute(call: Call, url: str) -> str:
    """``url`` for clients anywhere: a path gets the gateway's base; other URLs (of public files) stay."""
    return _after(base_url(call), url)


class Urls(dict[str, str]):
    """Links by file id.

    ``stamp``: identifies how they were made (GetUrlStamps); empty if there are no links, None if they were
    not available.
    """

    stamp: str | None = ""


async def urls_of(call: Call, files: Sequence[File]) -> Urls:
    """A link by file id. Empty if none are available now, since the rest of the response is useful without
    them.
    """
    urls = Urls()
    if not files:
        return urls
    request = SignLinksRequest(file_ids=[file.id for file in files], user_id=call.user_id())
    try:
        found = await call.ask(SIGN_LINKS, request)
    except StrongroomError as error:
        note_message(f"answered without URLs: {error.message}")
        urls.stamp = None
        return urls
    base = base_url(call)
    urls.update((name, _after(base, link.url)) for name, link in found.links.items())
    urls.stamp = found.stamp or None
    return urls


async def url_of_stored(call: Call, stored: UploadResponse) -> str | None:
    """The link to a file that was just stored; it usually comes with the upload's response.

    None if no link is available now: the file is stored all the same.
    """
    if stored.url:
        return absolute(call, stored.url)
    file_id = stored.file.id
    request = SignLinksRequest(file_ids=[file_id], user_id=call.user_id(stored.file.owner_id))
    try:
        link = (await call.ask(SIGN_LINKS, request)).links.get(file_id)
    except StrongroomError as error:
        note_message(f"stored without a URL: {error.message}")
        return None
    return absolute(call, link.url) if link is not None else None


def _after(base: str, url: str) -> str:
    return f"{base}{url}" if url.startswith("/") else url
