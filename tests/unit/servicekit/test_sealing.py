"""What is sealed opens with its secret, its label and what it is bound to; kept and handed out are the same
bytes as ever.
"""

from __future__ import annotations

import pytest

from metadata_service.files.carried import Sealing
from metadata_service.shares.tokens import SealedTokens
from servicekit.sealing import Capabilities, Sealed

SECRET = b"secret of sixteen"


def test_it_comes_back() -> None:
    sealed = Sealed(SECRET, b"kind 1").seal(b"content", b"ada", b"")
    assert Sealed(SECRET, b"kind 1").open(sealed, b"ada", b"") == b"content"
    assert len(sealed) == len(b"content") + 16


def test_nothing_else_opens_it() -> None:
    right = Sealed(SECRET, b"kind 1")
    sealed = right.seal(b"content", b"ada")
    for other in (Sealed(SECRET, b"kind 2"), Sealed(b"another", b"kind 1")):
        with pytest.raises(ValueError, match="another secret"):
            other.open(sealed, b"ada")
    for bound_to in ((), (b"bob",), (b"ada", b"")):
        with pytest.raises(ValueError, match="another secret"):
            right.open(sealed, *bound_to)
    for damaged in (b"", sealed[:-1], sealed[:7], b"\0" + sealed[1:]):
        with pytest.raises(ValueError, match=r"."):
            right.open(damaged, b"ada")


def test_old_secrets_open_and_do_not_seal() -> None:
    old, both = Sealed(SECRET, b"kind 1"), Sealed(b"another", b"kind 1", b"third", SECRET)
    assert both.open(old.seal(b"content", b"ada"), b"ada") == b"content"
    with pytest.raises(ValueError, match="another secret"):
        both.open(old.seal(b"content", b"ada"), b"bob")
    with pytest.raises(ValueError, match="another secret"):
        old.open(both.seal(b"content"))
    assert both.is_fingerprint(old.fingerprint(b"x"), b"x")
    assert not old.is_fingerprint(both.fingerprint(b"x"), b"x")


def test_what_objects_carry_stays() -> None:
    assert Sealing(SECRET).seal(b"content").hex() == "d37f8f2a1fd772ef3226c26b422e42656e531fa958c17a"


def test_copies_of_tokens_stay() -> None:
    tokens = SealedTokens(SECRET)
    sealed = tokens.seal("token", "ada", "request-1")
    assert sealed.hex() == "5333427d278527069de5bccc436014038302eb58cb"
    assert tokens.fingerprint(b"x").hex() == (
        "bcf2ee090374d264fc919fc4999927f6fff663c9e68ded482c72cb5d179832fe"
    )
    assert tokens.open(sealed, "ada", "request-1") == "token"
    assert SealedTokens(b"another").open(sealed, "ada", "request-1") is None


def test_capabilities_stay() -> None:
    old = "88do9si2YCzJ8Ny4GGblfAORFXJc8e3p3zHg"
    both = Capabilities(["new", "old"], "kind 1")
    assert both.seal(b"content") == "e1IN2w0pTtpRRr3Md5FVxZGp-IAQyRFnx63I"
    assert Capabilities(["old"], "kind 1").seal(b"content") == old
    assert both.open(old) == b"content"
