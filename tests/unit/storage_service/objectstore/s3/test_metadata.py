from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.objectstore.s3 import headers

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts)
def test_any_text_comes_back(text: str) -> None:
    header = headers.encode_value(text)
    assert headers.decode_value(header) == text


@given(st.text(max_size=2_000))
def test_headers_are_plain_bounded_ascii(text: str) -> None:
    header = headers.encode_value(text)
    assert header.isascii()
    assert header.isprintable()
    assert 0 < len(header) <= headers.MAX_VALUE
    assert header == header.strip()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=300, max_size=600))
def test_long_text_is_cut_at_a_character(text: str) -> None:
    kept = headers.decode_value(headers.encode_value(text))
    assert text.startswith(kept)
    assert len(kept.encode()) >= headers.MAX_VALUE // 2


def test_plain_text_stays_readable() -> None:
    assert headers.encode_value("report (final) 100%.pdf") == "report (final) 100%.pdf"
    assert headers.encode_value("Grüße.pdf").startswith("=?UTF-8?B?")


def test_text_that_looks_encoded_is_not_taken_for_it() -> None:
    tricky = "=?UTF-8?B?aGk=?="
    assert headers.decode_value(headers.encode_value(tricky)) == tricky


@pytest.mark.parametrize("header", ["=?UTF-8?B?a?=", "=?UTF-8?B?/w==?=", "=?iso-8859-1?Q?a?=", "plain"])
def test_what_is_not_ours_is_left_alone(header: str) -> None:
    assert headers.decode_value(header) == header


@pytest.mark.parametrize("key", ["", "A", "a b", "a\r\nx", "ü", "-a", "a-b", "a" * 65])
def test_bad_keys(key: str) -> None:
    with pytest.raises(ValueError, match="metadata key"):
        headers.encode_metadata({key: "x"})


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="2048"):
        headers.encode_metadata({f"k{n}": "x" * 250 for n in range(9)})


def test_keys_that_lost_their_underscores() -> None:
    found = headers.decode_metadata({"User-Id": "u", "original-filename": "f", "strongroom-attempt": "a"})
    assert found == {"user_id": "u", "original_filename": "f", "strongroom-attempt": "a"}
