"""Calls of a service on behalf of a user whose share a guest has opened."""

from __future__ import annotations

import pytest

from servicekit.auth.authenticator import Authenticator
from servicekit.auth.credentials import INTERNAL, InternalCredential
from servicekit.auth.principal import Principal, effective_owner
from servicekit.auth.tokens import ClaimRules
from servicekit.context import RequestContext, bind, outgoing_metadata
from strongroom.errors import InternalTokenInvalid, TokenMissing, UserMismatch

SECRET = "s" * 32


def authenticator(secret: str = SECRET) -> Authenticator:
    rules = ClaimRules(max_lifetime=60, leeway=0, audience=(), issuer=None)
    return Authenticator(None, rules, optional=False, internal=InternalCredential(secret))


async def test_it_acts_for_that_user_and_nobody_else() -> None:
    lent = Principal("ada", internal="storage_service", lent=True)
    with bind(RequestContext("1", principal=lent)):
        sent = dict(outgoing_metadata(lent, InternalCredential(SECRET)))
    found = await authenticator().authenticate(sent)
    assert (found.subject, found.internal, found.lent, found.is_admin) == (
        "ada",
        "storage_service",
        True,
        False,
    )
    assert effective_owner(found, "") == "ada"
    with pytest.raises(UserMismatch):
        effective_owner(found, "bob")


async def test_nobody_else_can_say_so() -> None:
    sent = {INTERNAL: InternalCredential("x" * 32).act_for("ada")}
    with pytest.raises(InternalTokenInvalid):
        await authenticator().authenticate(sent)


@pytest.mark.parametrize("user", ["", "a\nb", " ada", "x" * 256])
async def test_a_name_that_nobody_has_is_nobody(user: str) -> None:
    found = await authenticator().authenticate({INTERNAL: InternalCredential(SECRET).act_for(user)})
    assert found.subject == ""
    with pytest.raises(TokenMissing):
        effective_owner(found, "")


async def test_without_a_guest_it_acts_for_nobody() -> None:
    found = await authenticator().authenticate({INTERNAL: InternalCredential(SECRET).mint()})
    assert (found.subject, found.lent) == ("", False)
