"""``strongroom version``: shows the builds of this program and the services."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import Any, Final

import grpc

from strongroom.cli import shown
from strongroom.cli.session import Session
from strongroom.cli.settings import client_settings
from strongroom.client.channels import make_channel
from strongroom.client.settings import ClientSettings
from strongroom.version import PROTOCOL, Build, build_of, this_build

#: Time limit of a service's answer, unless ``--timeout`` is given.
SECONDS: Final = 5.0


async def version(session: Session) -> None:
    """Show the builds of this program and of the services it reaches: version, commit, protocol.

    No token is needed. A service that does not answer is reported, and is not a failure.
    """
    settings = client_settings(session.options)
    seconds = session.options.timeout or SECONDS
    ours = this_build(os.environ.get("STRONGROOM_COMMIT", ""))
    addresses = {"storage_service": settings.storage_address, "metadata_service": settings.metadata_address}
    answers = await asyncio.gather(*(_ask(address, settings, seconds) for address in addresses.values()))
    lines, document = [_line("client", ours)], {"client": dataclasses.asdict(ours)}
    for (name, address), answer in zip(addresses.items(), answers, strict=True):
        at = shown.line(address)
        told: dict[str, Any] = {"address": address, "reachable": not isinstance(answer, str)}
        if isinstance(answer, Build):
            lines.append(f"{_line(name, answer)}, at {at}")
            told |= dataclasses.asdict(answer)
        else:
            lines.append(f"{name:<17}{answer or 'does not say which build it is'}, at {at}")
        document[name] = told
    session.output.result("\n".join(lines), document)
    others = {one.protocol for one in answers if isinstance(one, Build)} - {PROTOCOL}
    if others:
        spoken = ", ".join(sorted(others))
        session.output.note(
            f"the services use protocol {shown.line(spoken)}, this program {PROTOCOL}; update the older one"
        )


def _line(name: str, build: Build) -> str:
    text = f"{build.version}, commit {build.commit or 'unknown'}, protocol {build.protocol}"
    return f"{name:<17}{shown.line(text)}"


async def _ask(address: str, settings: ClientSettings, seconds: float) -> Build | str | None:
    """Return the build at an address; None if it doesn't say; a text if there is no answer."""
    channel = make_channel(address, settings, whatever_its_health=True)
    try:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes
        )
        call = check(b"", timeout=seconds)
        await call
        metadata = await call.trailing_metadata()
    except grpc.aio.AioRpcError:
        return "does not answer"
    finally:
        await channel.close()
    return build_of({key: value for key, value in metadata or () if isinstance(value, str)})
