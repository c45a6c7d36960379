"""What `strongroom verify` proposes for a finding."""

from __future__ import annotations

import pytest

from strongroom.cli.verify import _line
from strongroom.client.verification_values import Finding


@pytest.mark.parametrize(
    ("kind", "found", "adopts"),
    [
        ("object_orphaned", "attempt 5e0a3f4e-9d2f-4a3f-8a30-0c7f9e6a1b55", True),
        ("object_orphaned", "written by nobody known", False),
        ("foreign_version", "attempt 5e0a3f4e-9d2f-4a3f-8a30-0c7f9e6a1b55", False),
    ],
)
def test_what_may_be_a_file_is_adopted_before_anything_is_moved(kind: str, found: str, adopts: bool) -> None:
    empty = dict.fromkeys(("owner_id", "blob_id", "row", "version_id", "upload_id", "expected"), "")
    finding = Finding(
        number=1,
        kind=kind,
        key="files/a",
        size_bytes=1,
        found=found,
        line=b"{}",
        proposal="quarantine",
        **empty,
    )
    assert ("strongroom adopt list" in _line(finding)) is adopts
    assert "repair: quarantine" in _line(finding)
