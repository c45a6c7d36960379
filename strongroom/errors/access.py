"""Errors of authorization: tokens, permissions, shares that must be opened."""

from __future__ import annotations

from grpc import StatusCode as Code

from strongroom.errors.base import StrongroomError


class TokenMissing(StrongroomError, code=Code.UNAUTHENTICATED, http_status=401):
    """No bearer token was sent."""


class TokenInvalid(StrongroomError, code=Code.UNAUTHENTICATED, http_status=401):
    """The token is malformed, wrongly signed, or a claim is refused. Metadata: ``claim``."""


class TokenExpired(StrongroomError, code=Code.UNAUTHENTICATED, http_status=401):
    """The token's ``exp`` has passed."""


class PermissionDenied(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """The caller may not do this at all (an internal RPC, an admin action)."""


class UserMismatch(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """A ``user_id`` other than the caller's own, without the admin role."""


class SharePasswordWrong(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """The share has another password."""


class ShareLocked(StrongroomError, code=Code.PERMISSION_DENIED, http_status=403):
    """The share has to be opened first. Metadata: ``needs``."""


class InternalTokenInvalid(StrongroomError, code=Code.UNAVAILABLE, http_status=503):
    """One service refuses another's credential (secrets or clocks differ); its log says why.

    Metadata: ``cause``, ``seconds``.
    """


class UserBeingErased(StrongroomError, code=Code.FAILED_PRECONDITION, http_status=409):
    """All that this user has stored is being erased; nothing new is stored until that has ended."""
