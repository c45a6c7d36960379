"""Address and identity of a command's connection: options, then environment, then a running development
stack.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from strongroom.client.retries import RetryPolicy
from strongroom.client.settings import ClientSettings, Stack, read_stack
from strongroom.client.tokens import Token, development_token

#: The user of a development stack, by default.
DEFAULT_DEVELOPMENT_USER = "dev"
#: Of a token that a command makes for itself.
TTL_SECONDS = 900
#: Default of STRONGROOM_JWT_MAX_LIFETIME_SECONDS.
LONGEST_SECONDS = 30 * 86400


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The options of all commands that connect. ``timeout``: seconds. ``retries``: further tries."""

    storage_address: str | None = None
    metadata_address: str | None = None
    token: str | None = None
    as_user: str | None = None
    timeout: float | None = None
    retries: int | None = None


def client_settings(options: ConnectionOptions, environ: Mapping[str, str] | None = None) -> ClientSettings:
    """Return complete settings of the client.

    Without a token, a development token is made: for ``--as`` (or ``STRONGROOM_USER``, or ``dev``) with the
    secret of the running development stack, or for ``--as`` with ``STRONGROOM_JWT_SECRET``.

    :raises ConfigurationError: stack.json can't be read.
    """
    env = os.environ if environ is None else environ
    settings = ClientSettings.resolve(
        options.storage_address,
        options.metadata_address,
        token=options.token,
        timeout=options.timeout,
        retry=_retry(options),
        environ=env,
    )
    asked = options.as_user or (None if settings.token else env.get("STRONGROOM_USER"))
    if settings.token is not None and not options.as_user:
        return settings
    return replace(settings, token=_development(asked, read_stack(env), env) or settings.token)


def _retry(options: ConnectionOptions) -> RetryPolicy:
    policy = RetryPolicy()
    if options.retries is not None:
        policy = replace(policy, attempts=options.retries + 1)
    return policy if options.timeout is None else replace(policy, max_wait=options.timeout)


def _development(user: str | None, stack: Stack | None, environ: Mapping[str, str]) -> Token | None:
    secret = environ.get("STRONGROOM_JWT_SECRET") if user else None
    secret = secret or (stack.jwt_secret if stack else None)
    if not secret:
        return None
    sub = user or DEFAULT_DEVELOPMENT_USER
    ttl_seconds = min(TTL_SECONDS, longest_seconds(environ))
    return lambda: signed(secret, sub, environ, ttl_seconds)


def longest_seconds(environ: Mapping[str, str]) -> int:
    """For how long the services take a token at most, of settings that they read, too."""
    text = environ.get("STRONGROOM_JWT_MAX_LIFETIME_SECONDS") or ""
    return int(text) if text.isascii() and text.isdigit() else LONGEST_SECONDS


def signed(
    secret: str, sub: str, environ: Mapping[str, str], ttl_seconds: int, role: str | None = None
) -> str:
    """A development token with the audience (the first of several) and the issuer that the services ask for.

    :raises ValueError: the services would refuse it.
    """
    longest = longest_seconds(environ)
    if ttl_seconds > longest:
        raise ValueError(
            f"the services take tokens of at most {longest} s (STRONGROOM_JWT_MAX_LIFETIME_SECONDS),"
            f" not of {ttl_seconds} s"
        )
    audiences = (environ.get("STRONGROOM_JWT_AUDIENCE") or "").split(",")
    return development_token(
        secret,
        sub,
        ttl_seconds=ttl_seconds,
        role=role,
        audience=next(filter(None, map(str.strip, audiences)), None),
        issuer=environ.get("STRONGROOM_JWT_ISSUER"),
    )
