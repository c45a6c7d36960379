"""Checks the settings of this machine: addresses, TLS files, the token."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongroom.cli.doctor.findings import Finding, fail, ok, warn
from strongroom.client.channels import uses_tls
from strongroom.client.settings import ClientSettings, Tls, stack_path
from strongroom.grpc_targets import is_loopback

SIGN_IN_MEND = (
    "set STRONGROOM_TOKEN to a token of your identity provider; in development: strongroom token --sub NAME"
)


def look_at_setup(settings: ClientSettings, environ: Mapping[str, str]) -> list[Finding]:
    """Check what is possible without a network."""
    findings = [
        _address("storage address", settings.storage_address, settings),
        _address("metadata address", settings.metadata_address, settings),
    ]
    if isinstance(settings.tls, Tls):
        findings += [_pem(name, source) for name, source in _pem_files(settings.tls)]
    stack = stack_path(environ)
    if stack.exists():
        findings.append(_permissions(stack))
    findings.append(_token(settings))
    return findings


def _address(check: str, address: str, settings: ClientSettings) -> Finding:
    host, colon, port = address.rsplit("/", 1)[-1].rpartition(":")
    if not address.startswith("unix:") and not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        name = check.upper().replace(" ", "_")
        return fail(check, f"{address!r} is not host:port", f"set STRONGROOM_{name} to host:port")
    if not uses_tls(address, settings) and not is_loopback(address):
        return warn(
            check,
            f"{address}, in plaintext",
            "tokens and contents can be read in transit; unset STRONGROOM_ALLOW_PLAINTEXT and "
            "give the service TLS",
        )
    return ok(check, f"{address}{' with TLS' if uses_tls(address, settings) else ''}")


def _pem_files(tls: Tls) -> list[tuple[str, str]]:
    named = {
        "STRONGROOM_TLS_CA": tls.ca,
        "STRONGROOM_TLS_CLIENT_CERT": tls.certificate,
        "STRONGROOM_TLS_CLIENT_KEY": tls.key,
    }
    return [
        (name, os.fspath(source)) for name, source in named.items() if isinstance(source, str | os.PathLike)
    ]


def _pem(name: str, path: str) -> Finding:
    try:
        is_pem = b"-----BEGIN" in Path(path).read_bytes()
    except OSError as error:
        return fail(name, f"{path} can't be read: {error.strerror}", f"set {name} to a PEM file you can read")
    if not is_pem:
        return fail(
            name, f"{path} is not PEM", f"set {name} to a PEM file (openssl x509 -inform der converts)"
        )
    return ok(name, path)


def _permissions(stack: Path) -> Finding:
    mode = stack.stat().st_mode & 0o777
    if mode & 0o077:
        return warn("stack.json", f"{stack} can be read by others ({mode:o})", f"chmod 600 {stack}")
    return ok("stack.json", str(stack))


def _token(settings: ClientSettings) -> Finding:
    token = settings.token
    if token is None:
        return warn("token", "none", SIGN_IN_MEND)
    if not isinstance(token, str):
        return ok("token", "made for development, with the secret of the stack")
    import jwt  # noqa: PLC0415 - loads all of cryptography, which only this command needs

    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        return fail("token", f"not a JWT: {error}", SIGN_IN_MEND)
    missing = [claim for claim in ("sub", "exp") if claim not in claims]
    if missing:
        return fail("token", f"has no claim {' or '.join(missing)}; the services refuse that", SIGN_IN_MEND)
    left = float(claims["exp"]) - time.time()
    if left <= 0:
        return fail("token", f"expired {_span(-left)} ago", SIGN_IN_MEND)
    return ok("token", f"for {claims['sub']}, {_span(left)} left")


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
