"""Upload-Metadata."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.families.tus.metadata import MAX_BYTES, MetadataFields, parse_metadata
from strongroom.errors import InvalidField, MalformedRequest

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1)


@given(pairs=st.dictionaries(KEYS, st.binary(max_size=60), max_size=8))
def test_what_is_sent_is_read(pairs: dict[str, bytes]) -> None:
    sent = ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs.items())
    assert parse_metadata(sent) == pairs


def test_values_and_the_header_may_be_left_out() -> None:
    assert parse_metadata(None) == parse_metadata(" ") == {}
    assert parse_metadata("a, b , c Yw==") == {"a": b"", "b": b"", "c": b"c"}


@pytest.mark.parametrize("wrong", [",", "a Zm9v,", "a Zm9v,a Zg==", "a !", "a Zm9v Zm9v", "ä Zm9v", "a Zm9"])
def test_the_malformed_is_refused(wrong: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_metadata(wrong)


def test_too_much_is_refused() -> None:
    with pytest.raises(MalformedRequest, match=str(MAX_BYTES)):
        parse_metadata("a " + "A" * MAX_BYTES)


def test_only_fields_that_are_looked_at_must_be_text() -> None:
    fields = MetadataFields({"filename": "kätzchen".encode(), "blob": b"\xff"})
    assert (fields["filename"], len(fields), set(fields)) == ("kätzchen", 2, {"filename", "blob"})
    assert fields.get("missing") is None
    with pytest.raises(InvalidField) as raised:
        fields["blob"]
    assert raised.value.field == "blob"
