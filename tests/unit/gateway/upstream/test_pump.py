"""The upload pump: messages are divided without copying, and every end of a call has its own error."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.pump import Batch


@given(pieces=st.lists(st.binary(max_size=30)), cuts=st.lists(st.integers(min_value=0, max_value=50)))
def test_what_is_cut_is_what_was_added(pieces: list[bytes], cuts: list[int]) -> None:
    batch, whole, out = Batch(), b"".join(pieces), b""
    batch.add(pieces)
    for size in cuts:
        taken = b"".join(batch.cut(size))
        assert len(taken) == min(size, len(whole) - len(out))
        out += taken
        assert batch.size == len(whole) - len(out)
    assert out + b"".join(batch.cut(10_000)) == whole
    assert (batch.size, batch.pieces) == (0, [])


def test_cutting_copies_nothing() -> None:
    batch = Batch()
    batch.add([b"abcdef"])
    (first,) = batch.cut(2)
    assert isinstance(first, memoryview)
    assert first.obj == b"abcdef"
