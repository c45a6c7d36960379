"""Part sizes give at most 10,000 parts, in whole MiB."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage_service.content.body import Limits, SizeRule
from storage_service.objectstore.values import MAX_OBJECT_SIZE, MIB
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadTarget

LIMITS = Limits({"file": SizeRule("files", 5 << 30)}, min_part_bytes=8 * MIB)


def test_common_sizes() -> None:
    assert LIMITS.part_size(None) == 8 * MIB
    assert LIMITS.part_size(1) == 8 * MIB
    assert LIMITS.part_size(80_000 * MIB) == 8 * MIB
    assert LIMITS.part_size(80_000 * MIB + 1) == 9 * MIB


@given(st.integers(0, MAX_OBJECT_SIZE))
def test_never_more_than_ten_thousand_parts(size: int) -> None:
    part = LIMITS.part_size(size)
    assert part % MIB == 0
    assert -(-size // part) <= 10_000


def test_the_rule_of_a_target() -> None:
    assert LIMITS.for_target(UploadTarget(file=FileTarget())).max_bytes == 5 << 30
