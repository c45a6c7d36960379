"""The caller of a request, and the user for whom it acts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from strongroom.errors import InvalidField, PermissionDenied, TokenMissing, UserMismatch
from strongroom.subjects import wrong_subject

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller of one request.

    ``subject``: the token's ``sub``; ``"anonymous"`` without a token under ``STRONGROOM_AUTH=optional``;
    ``""`` when a Strongroom service calls on nobody's behalf (internal credential, no bearer token).
    ``token``: the bearer token, to be passed on; never logged. ``internal``: the name of the calling service,
    if it proved to be one. ``lent``: the caller is a guest, who acts for the subject through a share, within
    the limits of the calling service. ``begins``, ``expires``: the token's validity, seconds since 1970.
    """

    subject: str
    is_admin: bool = False
    token: str | None = field(default=None, repr=False)
    internal: str | None = None
    expires: float = field(default=math.inf, repr=False, compare=False)
    begins: float = field(default=0.0, repr=False, compare=False)
    lent: bool = False


def effective_owner(principal: Principal, requested_user_id: str) -> str:
    """The owner for whom a request acts: the caller, or for admins the user they name.

    :raises InvalidField: an admin named a user whom no token can name.
    :raises UserMismatch: another user was named and the caller is no admin.
    :raises TokenMissing: nobody was named and the call is on nobody's behalf.
    """
    if requested_user_id and requested_user_id != principal.subject:
        if not principal.is_admin:
            raise UserMismatch(
                "The token belongs to another user than user_id names: only admins may do that. Leave user_id"
                " out, or send the token's own sub, to act for yourself."
            )
        if wrong := wrong_subject(requested_user_id):
            raise InvalidField(f"user_id {wrong}; no user has such a name.", field="user_id", rule="subject")
        return requested_user_id
    if not principal.subject:
        raise TokenMissing("This call acts for a user: send the user's bearer token as authorization.")
    return principal.subject


def only_admins(principal: Principal, why: str = "do this") -> str:
    """The subject of the calling admin. ``why`` completes "Only admins may".

    :raises PermissionDenied: the caller is no admin.
    """
    if not principal.is_admin:
        raise PermissionDenied(f"Only admins may {why}: the call needs a token with the admin role.")
    return principal.subject
