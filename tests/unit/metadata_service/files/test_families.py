"""Names of families."""

from __future__ import annotations

from metadata_service.events.reader import named
from metadata_service.files.families import FAMILIES
from strongroom.families import family_name
from strongroom.metadata.v1.file_pb2 import FileFamily


def test_every_family_of_the_contract_has_a_name() -> None:
    for number in FileFamily.values():
        written = FileFamily.Name(number).removeprefix("FILE_FAMILY_").lower()
        assert family_name(number) == written
    assert set(FAMILIES.values()) == set(FileFamily.values()) - {0}


def test_events_of_earlier_releases_tell_the_name_too() -> None:
    assert named({"family": 2, "key": "k"}) == {"family": "generation", "key": "k"}
    assert named({"family": "temp"}) == {"family": "temp"}
    assert named({"slug": "s"}) == {"slug": "s"}
