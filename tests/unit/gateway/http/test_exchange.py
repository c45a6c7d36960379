"""What handlers ask a call for."""

from __future__ import annotations

import pytest

from gateway.http.exchange import idempotency_key
from servicekit.auth.principal import Principal
from strongroom.errors import InvalidField, MalformedRequest, UserMismatch
from tests.unit.gateway.calls import make_call


def test_headers_are_joined_and_lower_case() -> None:
    call = make_call(headers={"X-A": "1"})
    call.scope["headers"].append((b"x-a", b"2"))
    assert call.header("x-a") == "1, 2"
    assert call.header("x-b") is None


def test_query() -> None:
    call = make_call("a=2&a=2&b=&c=%C3%A9+x&&d")
    assert [call.query(name) for name in "abcde"] == ["2", "", "é x", "", None]


@pytest.mark.parametrize("query", ["a=%ff", "&".join(f"p{n}=1" for n in range(101))])
def test_queries_that_are_refused(query: str) -> None:
    with pytest.raises(MalformedRequest):
        make_call(query).query("a")


def test_user_id() -> None:
    assert make_call().user_id() == ""
    assert make_call("user_id=alice").user_id() == ""
    assert make_call("user_id=").user_id() == ""
    for call, named in ((make_call("user_id=bob"), None), (make_call(), "bob")):
        with pytest.raises(UserMismatch):
            call.user_id(named)
    admin = Principal("root", is_admin=True)
    assert make_call("user_id=bob", principal=admin).user_id() == "bob"
    assert make_call("user_id=bob", principal=admin).user_id("carol") == "carol"


def test_idempotency_keys() -> None:
    assert idempotency_key(make_call()) == ""
    assert idempotency_key(make_call(headers={"Idempotency-Key": "a-1"})) == "a-1"
    for bad in ("", "a b", "x" * 256, "é"):
        with pytest.raises(InvalidField) as raised:
            idempotency_key(make_call(headers={"Idempotency-Key": bad}))
        assert raised.value.field == "Idempotency-Key"
