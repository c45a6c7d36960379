"""Users' names in S3 keys."""

from __future__ import annotations

import pytest

from metadata_service.files.layouts import segment
from strongroom.subjects import key_segment


@pytest.mark.parametrize("user", ["alice", "ü b/c", "...", ".", "a=b%", "x@y+z~_.-"])
def test_user_ids_stand_in_keys_as_the_service_has_them(user: str) -> None:
    assert key_segment(user) == segment(user)
