from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.objectstore import checksums


def test_check_value_of_the_castagnoli_polynomial() -> None:
    # RFC 3720 appendix B.4 and the CRC catalogue: CRC-32/ISCSI of "123456789"
    assert checksums.crc32c_of([b"123456789"]) == 0xE3069283
    assert checksums.crc32c_of([bytes(32)]) == 0x8A9136AA


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_combine_equals_counting_both(first: bytes, second: bytes) -> None:
    whole = checksums.crc32c_of([first + second])
    combined = checksums.combine(checksums.crc32c_of([first]), checksums.crc32c_of([second]), len(second))
    assert combined == whole


def test_combine_holds_for_sizes_beyond_32_bits() -> None:
    # 5 GiB of zeros after "a": built by doubling, and in one step
    size = 5 << 30
    zeros_mib = checksums.crc32c_of([bytes(1 << 20)])
    doubled, length = zeros_mib, 1 << 20
    while length * 2 <= 1 << 32:
        doubled, length = checksums.combine(doubled, doubled, length), length * 2
    rest = zeros_mib
    rest_length = 1 << 20
    while rest_length < size - length:
        rest, rest_length = checksums.combine(rest, rest, rest_length), rest_length * 2
    zeros = checksums.combine(doubled, rest, rest_length)
    head = checksums.crc32c_of([b"a"])
    step_by_step = checksums.combine(checksums.combine(head, doubled, length), rest, rest_length)
    assert length + rest_length == size
    assert checksums.combine(head, zeros, size) == step_by_step


def test_combine_refuses_a_negative_size() -> None:
    with pytest.raises(ValueError, match="negative"):
        checksums.combine(1, 2, -1)


@pytest.mark.parametrize("size", [0, 1, 4096, 300_001, 1 << 20])
def test_counting_what_a_message_ends_with_equals_counting_it_alone(size: int) -> None:
    head, data = b"\x18\x80\x80\x40\x22", random.Random(size).randbytes(size)
    message = head + data
    counted = checksums.Counted.of(memoryview(message)[len(head) :], tail_of=message)
    assert (counted.data, counted.crc32c) == (data, checksums.crc32c_of([data]))
    assert checksums.append(checksums.crc32c_of([head]), counted) == checksums.crc32c_of([message])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: memoryview(bytearray(b))[0:]])
def test_every_kind_of_chunk(kind) -> None:  # type: ignore[no-untyped-def]
    assert checksums.extend(0, kind(b"123456789")) == 0xE3069283


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_base64_round_trip(crc: int) -> None:
    assert checksums.from_base64(checksums.to_base64(crc)) == crc


@pytest.mark.parametrize("text", [None, "", "AAAAAA==-3", "not base64!", "AAAA", "é"])
def test_what_is_no_full_object_checksum_reads_as_none(text: str | None) -> None:
    assert checksums.from_base64(text) is None
