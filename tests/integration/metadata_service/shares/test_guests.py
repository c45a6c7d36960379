"""Which guests are admitted, and how often."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import argon2
import pytest

from metadata_service.shares.guests import GUESSES_AT_ONCE
from metadata_service.shares.owners import ShareEdit
from metadata_service.shares.passwords import Passwords
from strongroom.errors import Overloaded, RateLimited, ShareEnded, ShareNotFound, SharePasswordWrong
from tests.integration.metadata_service.shares.conftest import Sharing


async def test_each_opening_is_counted(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, max_uses=2)
    for uses in (1, 2):
        share, _ = await sharing.guests.admit(made.token, "")
        assert share.uses == uses
        assert share.HasField("last_use_time")
    with pytest.raises(ShareEnded) as refused:
        await sharing.guests.admit(made.token, "")
    assert refused.value.metadata == {"cause": "used_up"}
    assert (await sharing.guests.share(made.token))[0].uses == 2  # for those who are in


async def test_many_at_once_get_no_more_uses(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, max_uses=3)
    results = await asyncio.gather(
        *(sharing.guests.admit(made.token, "") for _ in range(12)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 3
    assert {type(result) for result in results if isinstance(result, BaseException)} == {ShareEnded}


@pytest.mark.parametrize("token", ["x", "a" * 27, "'; --", "é"])
async def test_no_other_token_opens_it(sharing: Sharing, token: str, ada: str) -> None:
    made = await sharing.make(ada)
    for attempt in (sharing.guests.admit(token, ""), sharing.guests.share(made.token.lower() + "x")):
        with pytest.raises(ShareNotFound):
            await attempt


async def test_it_ends_as_its_owner_wants(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, expires_in_seconds=3600)
    await sharing.guests.admit(made.token, "")
    sharing.world.logins.rows(
        "UPDATE shares SET expires_at = now() - interval '1 s' WHERE id = %s RETURNING id", made.share.id
    )
    for attempt in (sharing.guests.admit(made.token, ""), sharing.guests.share(made.token)):
        with pytest.raises(ShareEnded) as refused:
            await attempt
        assert refused.value.metadata == {"cause": "expired"}
    await sharing.owners.update(ShareEdit(ada, UUID(made.share.id), new_end=True))
    await sharing.guests.admit(made.token, "")
    await sharing.owners.revoke(ada, UUID(made.share.id))
    for attempt in (sharing.guests.admit(made.token, ""), sharing.guests.share(made.token)):
        with pytest.raises(ShareEnded) as refused:
            await attempt
        assert refused.value.metadata == {"cause": "revoked"}


async def test_a_password_is_asked_for(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, password="naïve", max_uses=1)
    for wrong in ("", "naive", "Naïve", "naïve ", "x" * 1024):
        with pytest.raises(SharePasswordWrong):
            await sharing.guests.admit(made.token, wrong)
    share, epoch = await sharing.guests.admit(made.token, "nai\u0308ve")  # as typed on another keyboard
    assert share.uses == 1  # wrong passwords don't count as uses
    await sharing.owners.update(ShareEdit(ada, UUID(made.share.id), password="other"))
    assert (await sharing.guests.share(made.token))[1] == epoch + 1


async def test_guessing_is_bounded(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, password="right")
    results = await asyncio.gather(
        *(sharing.guests.admit(made.token, str(n)) for n in range(GUESSES_AT_ONCE + 5)),
        return_exceptions=True,
    )
    kinds = [type(result) for result in results]
    assert kinds.count(SharePasswordWrong) == GUESSES_AT_ONCE
    assert kinds.count(RateLimited) == 5
    with pytest.raises(RateLimited) as refused:
        await sharing.guests.admit(made.token, "right")
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 6
    sharing.world.logins.rows(
        "UPDATE shares SET guesses_full_at = guesses_full_at - make_interval(secs => %s) WHERE id = %s"
        " RETURNING id",
        refused.value.retry_after,
        made.share.id,
    )
    await sharing.guests.admit(made.token, "right")


async def test_right_passwords_are_no_guesses(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, password="right")
    for _ in range(GUESSES_AT_ONCE + 2):
        await sharing.guests.admit(made.token, "right")


async def test_a_wrong_password_takes_as_long_as_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    kept = await passwords.hashed("ada", "right")
    hashed: list[bytes] = []
    verify = argon2.low_level.verify_secret

    def counted(*args: Any) -> bool:
        hashed.append(args[1])
        return bool(verify(*args))

    monkeypatch.setattr("argon2._password_hasher.verify_secret", counted)
    assert await passwords.matches(kept, "right")
    for wrong in ("", "w", "righ", "x" * 1024):
        assert not await passwords.matches(kept, wrong)
    assert len(hashed) == 5  # each is hashed completely, with the same parameters


async def test_a_guess_that_nobody_looked_at_costs_nothing(
    sharing: Sharing, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await sharing.make(ada, password="right")

    async def overloaded(passwords: Passwords, kept: str, password: str) -> bool:
        raise Overloaded("Too many.", retry_after=1.0)

    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "matches", overloaded)
        for n in range(GUESSES_AT_ONCE + 5):
            with pytest.raises(Overloaded):
                await sharing.guests.admit(made.token, str(n))
    await sharing.guests.admit(made.token, "right")


async def test_an_owner_sets_one_password_at_a_time(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada)
    edit = ShareEdit(ada, UUID(made.share.id), password="other")
    results = await asyncio.gather(
        *(sharing.make(ada, password="p") for _ in range(5)),
        *(sharing.owners.update(edit) for _ in range(5)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert {type(result) for result in refused} == {RateLimited}
    assert 0 < len(refused) < len(results)
    await sharing.make(ada, password="p")  # later
