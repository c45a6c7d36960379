"""Parameters and form fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.fields import MAX_SKIP, choice, flag, integer, media_type, only, page_token, skipped
from strongroom.errors import InvalidField
from tests.unit.gateway.calls import make_call


def size(text: str, *, clamp: bool = True) -> int:
    return integer(make_call(f"n={text}"), "n", default=7, minimum=0, maximum=1000, clamp=clamp)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("0", 0), ("5", 5), ("007", 7), ("1000", 1000), ("1001", 1000), ("9" * 400, 1000), ("-0", 0)],
)
def test_numbers(text: str, wanted: int) -> None:
    assert size(text) == wanted


def test_default() -> None:
    assert integer(make_call(), "n", default=7, minimum=0, maximum=9) == 7


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "1e3", "%2B5", "%205", "5%20", "0x10", "%D9%A3", "--1", "1_000"]
)
def test_no_numbers(text: str) -> None:
    with pytest.raises(InvalidField) as raised:
        size(text)
    assert raised.value.metadata == {"field": "n", "rule": "integer"}


@pytest.mark.parametrize("text", ["-1", "-" + "9" * 400])
def test_too_small(text: str) -> None:
    with pytest.raises(InvalidField) as raised:
        size(text)
    assert raised.value.metadata["rule"] == "gte"


@pytest.mark.parametrize("text", ["1001", "9" * 400])
def test_too_large_where_it_is_not_lowered(text: str) -> None:
    with pytest.raises(InvalidField) as raised:
        size(text, clamp=False)
    assert raised.value.metadata["rule"] == "lte"


@given(st.integers())
def test_every_integer_is_lowered_or_refused(number: int) -> None:
    if number < 0:
        with pytest.raises(InvalidField):
            size(str(number))
    else:
        assert size(str(number)) == min(number, 1000)


def test_choices() -> None:
    words = {"a": 1, "b": 2}
    assert choice({"x": "b"}, "x", words) == 2
    assert choice({}, "x", words, default="a") == 1
    for fields in ({}, {"x": "c"}, {"x": ""}):
        with pytest.raises(InvalidField) as raised:
            choice(fields, "x", words)
        assert raised.value.field == "x"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ""),
        ("token=a", "a"),
        ("page_token=a", "a"),
        ("token=a&page_token=a", "a"),
        ("token=&page_token=a", "a"),
    ],
)
def test_page_tokens(query: str, wanted: str) -> None:
    assert page_token(make_call(query), "token") == wanted


def test_page_tokens_that_differ() -> None:
    with pytest.raises(InvalidField):
        page_token(make_call("token=a&page_token=b"), "token")


@pytest.mark.parametrize(("text", "count"), [("", 0), ("n=0", 0), ("n=7", 7), (f"n={MAX_SKIP}", MAX_SKIP)])
def test_rows_to_skip(text: str, count: int) -> None:
    assert skipped(make_call(text), "n") == count


@pytest.mark.parametrize("text", [str(MAX_SKIP + 1), "500000", "9" * 400])
def test_too_many_rows_to_skip(text: str) -> None:
    with pytest.raises(InvalidField, match="page_token") as raised:
        skipped(make_call(f"n={text}"), "n")
    assert raised.value.metadata == {"field": "n", "rule": "lte"}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ""),
        ("t=", ""),
        ("t=image/png", "image/png"),
        ("t=IMAGE/*", "image/*"),
        ("t=*/*", "*/*"),
        ("t=image/png;q=1", "image/png"),
        ("t=text/plain%3B%20charset=utf-8", "text/plain"),
        ("t=image/svg%2Bxml", "image/svg+xml"),
        ("t=%20audio/mpeg%20", "audio/mpeg"),
    ],
)
def test_media_types(query: str, wanted: str) -> None:
    assert media_type(make_call(query), "t") == wanted


@pytest.mark.parametrize(
    "text", ["image", "image/", "/png", "*", "*/png", "image/png,image/gif", "im%0Aage/png"]
)
def test_what_is_no_media_type(text: str) -> None:
    with pytest.raises(InvalidField, match="image/png") as raised:
        media_type(make_call(f"t={text}"), "t")
    assert raised.value.metadata == {"field": "t", "rule": "media_type"}


@pytest.mark.parametrize("query", ["", "a=1&b=2", "a=1&a=1", "a=1&_=1&_=2&ts=1&ts=2"])
def test_lists_take_a_parameter_once(query: str) -> None:
    only(make_call(query), "a", "b")


@pytest.mark.parametrize("query", ["a=1&a=2", "b=1&a=&a=x", "user_id=x&user_id=", "a=A&a=a"])
def test_lists_pass_over_no_filter(query: str) -> None:
    with pytest.raises(InvalidField, match="comes twice") as raised:
        only(make_call(query), "a", "b")
    assert raised.value.metadata["rule"] == "repeated"


@pytest.mark.parametrize("query", ["a=&n=&b=", "a&n&b", "n=", "a=&n=&_="])
def test_empty_parameters_of_a_list_are_as_if_not_sent(query: str) -> None:
    call = make_call(query)
    only(call, "a", "b", "n")
    assert call.query("a") is None
    assert integer(call, "n", default=7, minimum=1, maximum=9) == 7
    assert skipped(call, "n") == 0
    assert not flag(call, "a")
    assert media_type(call, "b") == ""


def test_an_empty_setting_is_searched_for() -> None:
    call = make_call("settings.style=&a=")
    only(call, "a", below="settings.")
    assert call.query("settings.style") == ""


@pytest.mark.parametrize("method", ["DELETE", "POST", "PATCH"])
def test_what_is_empty_where_something_changes_stays_a_value(method: str) -> None:
    call = make_call("a=")
    call.scope["method"] = method
    only(call, "a")
    assert call.query("a") == ""
