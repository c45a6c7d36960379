from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.content import assembler as parts
from storage_service.content.assembler import Part, PartAssembler
from storage_service.objectstore import checksums

BODY = bytes(range(256)) * 40


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(body[at : at + size])
        at += size
    return [*chunks, body[at:]]


def assemble(chunks: list[bytes], assembler: PartAssembler) -> list[Part]:
    done: list[Part] = []
    for chunk in chunks:
        done.extend(assembler.feed(chunk))
        assert assembler.pending < assembler.part_size
    last = assembler.finish()
    return [*done, last] if last else done


def bytes_of(part: Part) -> bytes:
    return b"".join(bytes(chunk) for chunk in part.chunks)


@given(
    body=st.binary(max_size=2_000),
    sizes=st.lists(st.integers(min_value=0, max_value=300), max_size=40),
    part_size=st.integers(min_value=1, max_value=700),
)
def test_any_chunking_gives_the_same_parts(body: bytes, sizes: list[int], part_size: int) -> None:
    assembler = PartAssembler(part_size)
    made = assemble(cut(body, sizes), assembler)
    expected = [body[at : at + part_size] for at in range(0, len(body), part_size)]
    assert [bytes_of(part) for part in made] == expected
    assert [part.crc32c for part in made] == [checksums.crc32c_of([piece]) for piece in expected]
    assert [part.size for part in made] == [len(piece) for piece in expected]
    assert [part.number for part in made] == list(range(1, len(expected) + 1))
    assert [part.offset for part in made] == list(range(0, len(body), part_size))
    assert assembler.size == len(body)
    assert assembler.crc32c == checksums.crc32c_of([body])


@pytest.mark.parametrize("part_size", [1 << 20, 3 << 19, (2 << 20) + 5])
def test_counted_chunks_give_the_same_parts(part_size: int) -> None:
    body = BODY * 450
    chunks = [checksums.Counted.of(piece) for piece in cut(body, [1 << 20, 1 << 20, 1000, 1 << 20])]
    assembler = PartAssembler(part_size)
    made = [part for chunk in chunks for part in assembler.feed(chunk)]
    last = assembler.finish()
    made += [last] if last else []
    assert b"".join(bytes_of(part) for part in made) == body
    assert all(part.crc32c == checksums.crc32c_of(part.chunks) for part in made)
    assert assembler.crc32c == checksums.crc32c_of([body])


@given(
    sizes=st.lists(st.integers(min_value=1, max_value=60_000), max_size=20),
    part_size=st.integers(min_value=10_000, max_value=70_000),
)
def test_large_and_small_chunks_mixed(sizes: list[int], part_size: int) -> None:
    body = (BODY * 60)[:600_000]
    made = assemble(cut(body, sizes), PartAssembler(part_size))
    assert b"".join(bytes_of(part) for part in made) == body
    assert all(part.crc32c == checksums.crc32c_of(part.chunks) for part in made)


@given(st.integers(min_value=0, max_value=9))
def test_a_resumed_object_ends_with_the_same_checksum(boundary: int) -> None:
    part_size = 1_000
    whole = PartAssembler(part_size)
    made = assemble([BODY], whole)
    before = BODY[: boundary * part_size]
    resumed = PartAssembler(
        part_size, number=boundary + 1, size=len(before), crc32c=checksums.crc32c_of([before])
    )
    again = assemble([BODY[len(before) :]], resumed)
    assert [(p.number, p.offset, p.crc32c) for p in again] == [
        (p.number, p.offset, p.crc32c) for p in made[boundary:]
    ]
    assert (resumed.size, resumed.crc32c, resumed.next_number) == (
        whole.size,
        whole.crc32c,
        whole.next_number,
    )


def test_large_chunks_are_not_copied() -> None:
    whole, straddling = bytes(parts.SMALL_CHUNK * 3), bytes(parts.SMALL_CHUNK * 4)
    assembler = PartAssembler(parts.SMALL_CHUNK * 5)
    assert assembler.feed(whole) == []
    (part,) = assembler.feed(straddling)
    last = assembler.finish()
    assert last is not None
    assert part.chunks[0] is whole
    assert [view.obj for view in (part.chunks[1], last.chunks[0]) if isinstance(view, memoryview)] == [
        straddling,
        straddling,
    ]
    assert [len(part.chunks[1]), len(last.chunks[0])] == [parts.SMALL_CHUNK * 2] * 2


def test_single_bytes_do_not_multiply_the_memory() -> None:
    assembler = PartAssembler(300_000)
    made = [part for _ in range(300_000) for part in assembler.feed(b"x")]
    assert len(made) == 1
    assert len(made[0].chunks) <= 2


def test_nothing_makes_no_part() -> None:
    assembler = PartAssembler(10)
    assert assembler.feed(b"") == []
    assert assembler.feed(checksums.Counted.of(b"")) == []
    assert assembler.finish() is None
    assert (assembler.size, assembler.crc32c) == (0, 0)


def test_a_body_that_ends_at_a_boundary_has_no_empty_last_part() -> None:
    assembler = PartAssembler(4)
    assert [p.size for p in assembler.feed(b"12345678")] == [4, 4]
    assert assembler.finish() is None


def test_a_part_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="part_size"):
        PartAssembler(0)
