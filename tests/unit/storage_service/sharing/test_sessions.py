"""Sessions of guests: sealed, for one share, one password and a limited time."""

from __future__ import annotations

import time
import uuid

import pytest

from storage_service.reading.links import LinkTokens
from storage_service.sharing.sessions import Session, ShareSessions

SECRET = "s" * 32
SHARE = str(uuid.uuid4())


def session(share: str = SHARE, epoch: int = 3, seconds: int = 60) -> Session:
    return Session(share, epoch, int(time.time()) + seconds)


def test_it_opens_its_share_and_no_other() -> None:
    sessions = ShareSessions(SECRET)
    token = sessions.sign(session())
    assert sessions.opens(token, SHARE, 3)
    assert not sessions.opens(token, str(uuid.uuid4()), 3)
    assert not sessions.opens(token, SHARE, 4)  # the password has changed
    assert not sessions.opens(sessions.sign(session(seconds=-1)), SHARE, 3)


def test_no_two_are_alike_and_none_tells_its_share() -> None:
    sessions, made = ShareSessions(SECRET), session()
    assert len({sessions.sign(made) for _ in range(20)}) == 20
    assert SHARE.replace("-", "") not in sessions.sign(made)


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 1025, "a.b.c", "AAAA" * 20])
def test_what_is_no_session(token: str) -> None:
    assert not ShareSessions(SECRET).opens(token, SHARE, 3)


def test_changed_or_of_another_kind_or_secret() -> None:
    sessions = ShareSessions(SECRET)
    token = sessions.sign(session())
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        assert not sessions.opens(token[:place] + other + token[place + 1 :], SHARE, 3)
    assert not ShareSessions("t" * 32).opens(token, SHARE, 3)
    assert ShareSessions("t" * 32, SECRET).opens(token, SHARE, 3)  # secrets are replaced one after the other
    link = LinkTokens(SECRET)._capabilities.seal(bytes(40))
    assert not sessions.opens(link, SHARE, 3)
