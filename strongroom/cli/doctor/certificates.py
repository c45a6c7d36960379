"""Explains why a TLS connection fails because of the server's certificate, and how to fix it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import Any, Final

from strongroom.cli.doctor.findings import Finding, fail
from strongroom.client.settings import Tls

TIMEOUT_SECONDS: Final = 5.0
#: X509_V_ERR_* in openssl's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


async def look_at_certificate(check: str, host: str, port: int, tls: Tls) -> Finding | None:
    """Return what is wrong with the certificate at ``host:port``; None if it isn't the problem."""
    return await asyncio.to_thread(_look, check, host, port, tls)


def _look(check: str, host: str, port: int, tls: Tls) -> Finding | None:
    where = f"{host}:{port}"
    try:
        _certificate(host, port, _context(tls))
    except ssl.SSLCertVerificationError as error:
        return _refused(check, host, port, tls, error)
    except ssl.SSLError as error:
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
            mend = (
                "give the service STRONGROOM_TLS_CERT and STRONGROOM_TLS_KEY, or (on a network you trust) set"
                " STRONGROOM_ALLOW_PLAINTEXT here"
            )
            return fail(check, f"{where} does not speak TLS, and this machine requires it", mend)
        return None
    except (OSError, ValueError):
        return None
    return None


def _refused(check: str, host: str, port: int, tls: Tls, error: ssl.SSLCertVerificationError) -> Finding:
    where = f"{host}:{port}"
    match error.verify_code:
        case code if code in {_OTHER_HOST, _OTHER_ADDRESS}:
            names = ", ".join(_names(host, port, tls)) or "no name at all"
            return fail(
                check,
                f"the certificate at {where} is for {names}, not for {host}",
                f"use an address that the certificate names, or issue one whose subjectAltName has {host}",
            )
        case code if code == _EXPIRED:
            return fail(check, f"the certificate at {where} has expired", "renew it, and restart the service")
        case code if code == _NOT_YET_VALID:
            mend = "set the clocks of both machines (chronyd, systemd-timesyncd)"
            return fail(check, f"the certificate at {where} is not valid yet", mend)
    return fail(
        check,
        f"this machine does not trust the signer of the certificate at {where}: {error.verify_message}",
        "set STRONGROOM_TLS_CA to the PEM file of the authority that signed it",
    )


def _names(host: str, port: int, tls: Tls) -> list[str]:
    """Return the host names of a correctly signed certificate."""
    context = _context(tls)
    context.check_hostname = False
    try:
        found = _certificate(host, port, context)
    except (OSError, ValueError):
        return []
    return [str(name) for _, name in found.get("subjectAltName", ())]


def _certificate(host: str, port: int, context: ssl.SSLContext) -> dict[str, Any]:
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.getpeercert() or {}


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    if tls.ca is not None:
        if isinstance(tls.ca, bytes):
            context.load_verify_locations(cadata=tls.ca.decode())
        else:
            context.load_verify_locations(cafile=os.fspath(tls.ca))
    if isinstance(tls.certificate, str | os.PathLike) and isinstance(tls.key, str | os.PathLike):
        context.load_cert_chain(tls.certificate, tls.key)
    return context
