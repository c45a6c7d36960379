"""Names of families."""

from __future__ import annotations

import pytest

from strongroom.families import family_name
from strongroom.metadata.v1.file_pb2 import FileFamily


def test_every_family_of_the_contract_by_its_name() -> None:
    named = {family_name(number) for number in FileFamily.values()}
    assert named == {"unspecified", "file", "generation", "event_media", "profile_picture", "temp", "path"}


@pytest.mark.parametrize("number", [7, 99, 2**31 - 1, -1])
def test_a_family_of_a_newer_release_is_one_word(number: int) -> None:
    assert family_name(number) == "other"
