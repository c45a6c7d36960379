"""The streaming form reader."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.multipart import FormLimits, FormReader, boundary_of
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
    for word in ("segment", "Segment", "Error", "("):  # the parser's own
        assert word not in raised.value.message


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


def raw(head: bytes, content: bytes = b"x") -> bytes:
    return f"--{BOUNDARY}\r\n".encode() + head + b"\r\n\r\n" + content + b"\r\n" + END


def outcome(body: bytes, cuts: int) -> object:
    """The fields and file of a form, or why it is refused."""
    try:
        reader, content = read(body, cuts)
        file = reader.finish()
    except StrongroomError as error:
        return type(error), error.message
    return file.filename, file.content_type, content, reader.fields


def split(body: bytes, at: int) -> object:
    """The error for a form sent in two pieces."""
    reader = FormReader(BOUNDARY)
    try:
        reader.feed(body[:at])
        reader.feed(body[at:])
    except StrongroomError as error:
        return type(error)
    return None


DISPOSITION = b'Content-Disposition: form-data; name="file"'


@pytest.mark.parametrize(
    "head",
    [
        DISPOSITION + b'; filename="a.png"; filename="b.exe"',
        DISPOSITION + b'; filename="a.png"; FileName=b.exe',
        DISPOSITION + b"; filename*=UTF-8''a.png; filename*=UTF-8''b.exe",
        DISPOSITION + b"; filename=\"a.png\"; filename*=UTF-8''b.exe",
        DISPOSITION + b'; name="other"; filename="a"',
        DISPOSITION + b'; filename="a.png"\r\nContent-Disposition: form-data; name="file"; filename="b.exe"',
        b'content-disposition: form-data; name="x"\r\n' + DISPOSITION,
        DISPOSITION + b'; filename="a"\r\nContent-Type: image/png\r\nContent-Type: text/html',
        DISPOSITION
        + b'; filename="a"\r\nContent-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: binary',
        DISPOSITION + b'; filename="a\0.png"',
        DISPOSITION + b'; filename="a.png"\r; x="b"',
        DISPOSITION + b'; filename="a.png"\nX: y',
        b"X: a\rb\r\n" + DISPOSITION,
        b"X\0: a\r\n" + DISPOSITION,
        DISPOSITION + b' junk; filename="a.png"',
        DISPOSITION + b'; filename="a.png" junk',
        DISPOSITION + b'; junk; filename="a.png"',
        DISPOSITION + b'; filename="a.png',
        DISPOSITION + b', form-data; filename="a.png"',
        b'Content-Disposition: form-data junk; name="file"',
        b'Content-Disposition: attachment; name="file"',
        b"Content-Disposition: form-data",
        b"Content-Type: text/plain",
        b": x\r\n" + DISPOSITION,
    ],
)
def test_heads_that_readers_would_understand_differently(head: bytes) -> None:
    body = raw(head)
    refused = [str(outcome(body, step)) for step in (1, 2, 3, 7, len(body))]
    assert all(MalformedRequest.__name__ in one for one in refused)
    for at in range(1, len(body)):
        assert split(body, at) is MalformedRequest
    assert not any(word in str(refused) for word in ("Error(", "codec", "b'"))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (DISPOSITION + b"; filename=\"a.png\"; filename*=UTF-8''b.png", "b.png"),
        (DISPOSITION + b"; filename=\"_.PNG\"; filename*=UTF-8''%E7%8C%AB.png", "猫.png"),
        (DISPOSITION + b"; filename=a.png; filename*=\"UTF-8''%e2%82%ac.png\"", "€.png"),
        (DISPOSITION + b'; filename="caf\xe9.txt"', "café.txt"),
        (DISPOSITION + b'; filename="\x93x\x94.txt"', "“x”.txt"),
        (DISPOSITION + b'; filename="\xcf\xf0\xe8.txt"', "Ïðè.txt"),
        (DISPOSITION + b'; filename="a\x81.txt"', "a\ufffd.txt"),
        (DISPOSITION + b'; filename="a;b=c.txt"', "a;b=c.txt"),
        (DISPOSITION + b'; filename = "a.txt" ; size=3', "a.txt"),
        (DISPOSITION + b";filename=a.txt;", "a.txt"),
        (b'Content-Disposition:form-data;name=file;filename="a \\"b\\".txt"', 'a "b".txt'),
        (b'Content-Disposition: form-data;\r\n name="file"; filename="folded.txt"', "folded.txt"),
        (b'CONTENT-DISPOSITION: Form-Data; NAME="file"; FILENAME="a.txt"', "a.txt"),
        (DISPOSITION + b'; filename="a%22b.txt"', 'a"b.txt'),
        (DISPOSITION + b'; filename="100%.txt"', "100%.txt"),
        (DISPOSITION + b'; filename="C:\\\\x\\\\a.txt"', "a.txt"),
    ],
)
def test_names_as_clients_send_them(head: bytes, name: str) -> None:
    body = raw(head)
    assert {str(outcome(body, step)) for step in (1, 3, len(body))} == {str((name, "", b"x", {}))}


@pytest.mark.parametrize(
    "header",
    [
        "multipart/form-data junk; boundary=abc",
        "multipart/form-data; junk boundary=abc",
        "multipart/form-data; boundary=abc junk",
        "multipart/form-data; boundary=abc; boundary=xyz",
        "multipart/form-data; boundary=abc, multipart/form-data; boundary=xyz",
        "multipart/form-data, x; boundary=abc",
        "multipart/form-data; =; boundary=abc",
        'multipart/form-data; boundary="abc',
        "multipart/form-data; a=b c; boundary=abc",
    ],
)
def test_junk_around_the_boundary(header: str) -> None:
    with pytest.raises((MalformedRequest, UnsupportedMediaType)) as raised:
        boundary_of(header)
    assert raised.value.http_status in (400, 415)


@pytest.mark.parametrize(
    "header", ["multipart/form-data;;boundary=abc;", "multipart/form-data ; boundary=abc"]
)
def test_empty_parameters_are_none(header: str) -> None:
    assert boundary_of(header) == "abc"


@pytest.mark.parametrize(
    ("preamble", "taken"),
    [(b"", True), (b"hello\r\n", True), (b"\r\n", True), (b"--b0\r\n", True), (b"x", False), (b"\n", False)],
)
def test_preambles_are_judged_alike_however_they_are_cut(preamble: bytes, taken: bool) -> None:
    body = preamble + FILE + END
    results = {str(outcome(body, step)) for step in (1, 2, 5, 11, 13, len(body))}
    assert len(results) == 1
    assert ("content" in results.pop()) is taken


def with_names(body: bytes, ignored: int = 100) -> tuple[FormReader, bytes]:
    reader = FormReader(
        BOUNDARY, text_fields={"settings", "prompt"}, limits=FormLimits(ignored_bytes=ignored, field_bytes=50)
    )
    content = b"".join(piece for at in range(0, len(body), 9) for piece in reader.feed(body[at : at + 9]))
    return reader, content


def test_fields_that_come_as_blobs() -> None:
    blob = part("settings", b'{"a":1}', "Content-Type: application/json", filename="blob")
    reader, content = with_names(
        blob + part("prompt", b"\xe9", "Content-Type: text/plain; charset=ISO-8859-1") + FILE + END
    )
    assert reader.finish().filename == "a.txt"
    assert reader.fields == {"settings": '{"a":1}', "prompt": "é"}
    assert content == b"content"
    for twice in (blob + part("settings", b"{}"), part("settings", b"{}") + blob):
        with pytest.raises(InvalidField, match="settings comes twice"):
            with_names(twice + FILE + END)
    with pytest.raises(InvalidField, match="too long"):
        with_names(part("settings", b"x" * 51, filename="blob"))


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain"])
def test_inputs_where_nothing_was_chosen(kind: str) -> None:
    empty = [part(name, b"", f"Content-Type: {kind}", filename="") for name in ("cover", "settings", "file")]
    for body in (b"".join(empty) + FILE, FILE + empty[0] + empty[1], empty[0] + FILE + empty[1]):
        reader, content = with_names(body + END)
        assert (reader.finish().filename, content, reader.fields) == ("a.txt", b"content", {})
    with pytest.raises(InvalidField, match="No file was chosen"):
        with_names(b"".join(empty) + END)[0].finish()


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_text_under_the_name_of_the_file_is_refused(step: int) -> None:
    for text in (part("file", b"abc"), part("file", b"abc", "Content-Type: text/plain; charset=utf-8")):
        for body in (text + END, text + FILE + END):
            with pytest.raises(InvalidField, match=r"came as text.*-F file=@PATH"):
                read(body, step)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_file_without_a_name_is_one_however_its_bytes_come(step: int) -> None:
    typed = part("file", b"abc", "Content-Type: image/png")
    blank = part("file", b"abc", filename="")
    for body in (typed, blank):
        reader, content = read(body + END, step)
        assert (content, reader.finish().size, reader.finish().filename) == (b"abc", 3, "")
        with pytest.raises(InvalidField, match="two files"):
            read(body + FILE + END, step)


def test_who_names_the_file_otherwise_is_told_so() -> None:
    with pytest.raises(InvalidField, match="no part named file; its files are named f, photo"):
        with_names(part("photo", b"", filename="b") + part("f", b"", filename="a") + END)[0].finish()


def test_files_under_unknown_names_are_passed_over() -> None:
    other = part("other", b"\xff" * 90, "Content-Type: image/png", filename="b.png")
    reader, content = with_names(other + FILE + END)
    assert (reader.finish().size, content, reader.fields) == (7, b"content", {})
    with pytest.raises(InvalidField) as raised:
        with_names(FILE + other + other + END)
    assert raised.value.field == "other"
