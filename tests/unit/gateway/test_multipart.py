"""The streaming form reader."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.multipart import FormLimits, FormReader, boundary_of
from strongroom.errors import (
    InvalidField,
    MalformedRequest,
    StrongroomError,
    UnsupportedMediaType,
    UploadIncomplete,
)

BOUNDARY = "b0undary"


def part(name: str, content: bytes, *more: str, filename: str | None = None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = "\r\n".join((disposition, *more))
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = part("file", b"content", filename="a.txt")


def read(body: bytes, step: int = 1 << 20, limits: FormLimits | None = None) -> tuple[FormReader, bytes]:
    reader = FormReader(BOUNDARY, limits=limits)
    content = b""
    for start in range(0, len(body), step):
        content += b"".join(reader.feed(body[start : start + step]))
    return reader, content


def test_fields_before_and_after_the_file() -> None:
    body = part("folder", b"audio") + FILE + part("class_id", "Straße".encode()) + END
    for step in (1, 2, 3, 7, 1000):
        reader, content = read(body, step)
        file = reader.finish()
        assert content == b"content"
        assert reader.fields == {"folder": "audio", "class_id": "Straße"}
        assert (file.filename, file.content_type, file.size, file.complete) == ("a.txt", "", 7, True)


def test_every_truncation_is_refused() -> None:
    body = part("folder", b"uploads") + FILE + part("x", b"y") + END
    whole = len(body) - 2  # the line break after the final boundary is optional
    for length in range(whole):
        reader, _ = read(body[:length], 5)
        with pytest.raises(UploadIncomplete):
            reader.finish()
    reader, content = read(body[:whole])
    assert reader.finish().size == len(content) == 7


@settings(max_examples=150)
@given(
    content=st.binary(max_size=200)
    | st.sampled_from([b"\r\n--b0undary", b"\r\n--b0undar", b"\r\n--" * 40, b"\r" * 99]),
    cuts=st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=5),
    kind=st.sampled_from([bytes, bytearray]),
)
def test_content_comes_through_however_it_is_cut(
    content: bytes, cuts: list[int], kind: type[bytes | bytearray]
) -> None:
    if f"\r\n--{BOUNDARY}".encode() in b"\r\n" + content:
        return  # such content needs another boundary
    body, out, position = part("file", content, filename="x") + END, b"", 0
    reader = FormReader(BOUNDARY)
    while position < len(body):
        step = cuts[position % len(cuts)]
        out += b"".join(reader.feed(kind(body[position : position + step])))
        position += step
    assert reader.finish().size == len(content)
    assert out == content


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(noise: bytes) -> None:
    statuses = []
    try:
        reader, _ = read(f"--{BOUNDARY}\r\n".encode() + noise, 50)
        reader.finish()
    except StrongroomError as error:
        statuses.append(error.http_status)
    assert statuses in ([], [400], [422])


@pytest.mark.parametrize(
    ("disposition", "wanted"),
    [
        ('filename="plain.txt"', "plain.txt"),
        ('filename="Ünï.txt"', "Ünï.txt"),
        ('filename="a%22b.txt"', 'a"b.txt'),
        ("filename=\"x.txt\"; filename*=UTF-8''%E7%8C%AB.txt", "猫.txt"),
        ("filename*=utf-8'en'%E7%8C%AB.txt", "猫.txt"),
        ("filename*=ISO-8859-1''M%FCller.txt", "Müller.txt"),
        ('filename="C:\\\\docs\\\\a.txt"', "a.txt"),
        ('filename="/etc/passwd"', "passwd"),
    ],
)
def test_filenames(disposition: str, wanted: str) -> None:
    head = f'Content-Disposition: form-data; name="file"; {disposition}'
    body = f"--{BOUNDARY}\r\n{head}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n".encode() + END
    reader, _ = read(body)
    file = reader.finish()
    assert file.filename == wanted
    assert file.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "kind", "field"),
    [
        (part("x", b"1") + END, InvalidField, "file"),
        (END, InvalidField, "file"),
        (FILE + FILE + END, InvalidField, "file"),
        (FILE + part("other", b"1", filename="b") + END, InvalidField, "other"),
        (part("a", b"1") + part("a", b"2") + FILE + END, InvalidField, "a"),
        (part("a", b"\xff") + FILE + END, InvalidField, "a"),
        (part("file", b"", filename="") + END, InvalidField, "file"),
        (part("file", b"x", "Content-Transfer-Encoding: base64", filename="a") + END, MalformedRequest, None),
        (part("file", b"x", filename="a").replace(b"form-data", b"attachment") + END, MalformedRequest, None),
        (b"no boundary here" + END, MalformedRequest, None),
    ],
)
def test_refused(body: bytes, kind: type[StrongroomError], field: str | None) -> None:
    with pytest.raises(kind) as raised:
        read(body)[0].finish()
    assert raised.value.field == field


def test_an_empty_file_with_a_name_is_a_file() -> None:
    reader, content = read(part("file", b"", filename="empty.txt") + END)
    assert (reader.finish().size, content) == (0, b"")


LIMITS = FormLimits(
    parts=4, headers=3, header_bytes=200, field_bytes=100, fields_bytes=150, silence_bytes=500
)


@pytest.mark.parametrize(
    "body",
    [
        b"".join(part(f"f{n}", b"") for n in range(5)),
        part("file", b"x", *(f"X-{n}: y" for n in range(3)), filename="a"),
        part("file", b"x", "X-Long: " + "y" * 300, filename="a"),
        part("a", b"x" * 101),
        part("a", b"x" * 80) + part("b", b"x" * 80),
        b"\r\n" * 400,
        FILE + END + b"epilogue" * 100,
        f"--{BOUNDARY}\r\n".encode() + b"X" * 600,
    ],
)
def test_bombs_are_defused(body: bytes) -> None:
    with pytest.raises(StrongroomError) as raised:
        read(body, 64, LIMITS)
    assert raised.value.http_status in {400, 422}


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/form-data; boundary="a b:c"', "a b:c"),
        ("Multipart/Form-Data; charset=utf-8; boundary=abc", "abc"),
    ],
)
def test_boundaries(header: str, wanted: str) -> None:
    assert boundary_of(header) == wanted


@pytest.mark.parametrize("header", [None, "", "application/json", "multipart/mixed; boundary=a"])
def test_other_media_types(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        boundary_of(header)


@pytest.mark.parametrize("boundary", ["", "x" * 300, '"a\x00b"', '"trailing "'])
def test_bad_boundaries(boundary: str) -> None:
    with pytest.raises(MalformedRequest):
        boundary_of(f"multipart/form-data; boundary={boundary}")


def test_errors_never_repeat_control_characters() -> None:
    with pytest.raises(InvalidField) as raised:
        read(part("a\x1b[31m", b"x" * (1 << 18)))
    assert raised.value.field == "a?[31m"
