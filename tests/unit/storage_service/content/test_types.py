"""A file gets a type that fits its bytes, and its family accepts or refuses it."""

from __future__ import annotations

import pytest

from storage_service.config import DOCUMENT_TYPES
from storage_service.content.types import ContentRules, detect
from strongroom import errors
from strongroom.metadata.v1 import target_pb2
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
ZIP = b"PK\x03\x04\x14\x00\x06\x00" + bytes(32)
EXE = b"MZ\x90\x00" + bytes(64)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
RULES = ContentRules({"documents": DOCUMENT_TYPES, "audio": ("audio/*",)})


def _spec(
    content_type: str = "",
    filename: str = "x",
    folder: target_pb2.FileFolder.ValueType = target_pb2.FILE_FOLDER_UPLOADS,
) -> UploadSpec:
    target = UploadTarget(file=FileTarget(folder=folder, class_id="7" if folder == 3 else ""))
    return UploadSpec(target=target, content_type=content_type, filename=filename)


@pytest.mark.parametrize(
    ("declared", "filename", "head", "expected"),
    [
        ("image/png", "a.png", PNG, "image/png"),
        ("", "a.png", PNG, "image/png"),
        ("application/octet-stream", "renamed.txt", PNG, "image/png"),
        ("IMAGE/JPG; q=1", "a.jpg", b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        ("", "report.docx", ZIP, DOCX),
        ("", "archive.zip", ZIP, "application/zip"),
        ("", "notes.md", b"# Title\n", "text/markdown"),
        ("", "notes", b"plain words", "text/plain"),
        ("", "blob", b"\x00\x01\x02", "application/octet-stream"),
        ("", "empty.bin", b"", "application/octet-stream"),
        ("image/png", "empty.png", b"", "image/png"),
        ("application/x-own", "a", PNG, "application/x-own"),
        ("text/plain", "cut.txt", "ö".encode() * 3000 + b"\xc3", "text/plain"),
    ],
)
def test_the_type_of_a_file(declared: str, filename: str, head: bytes, expected: str) -> None:
    assert RULES.decide(_spec(declared, filename), head[:4096]) == expected


@pytest.mark.parametrize(
    ("declared", "head"),
    [("image/png", b"<html>"), ("image/jpeg", PNG), ("application/pdf", EXE), ("video/mp4", b"words only")],
)
def test_bytes_that_contradict_the_declared_type(declared: str, head: bytes) -> None:
    with pytest.raises(errors.ContentTypeMismatch) as refused:
        RULES.decide(_spec(declared), head)
    assert refused.value.metadata["declared"] == declared


@pytest.mark.parametrize(
    ("declared", "head"), [("application/pdf", PDF), ("text/csv", b"a,b\n"), (DOCX, ZIP)]
)
def test_documents_take_documents(declared: str, head: bytes) -> None:
    assert RULES.decide(_spec(declared, folder=target_pb2.FILE_FOLDER_DOCUMENTS), head) == declared


@pytest.mark.parametrize(
    ("declared", "head"),
    [("image/png", PNG), ("text/plain", EXE), ("text/csv", b"\x00\x9f\x00\x01"), ("", EXE)],
)
def test_documents_refuse_everything_else(declared: str, head: bytes) -> None:
    with pytest.raises(errors.ContentTypeNotAllowed, match="documents"):
        RULES.decide(_spec(declared, folder=target_pb2.FILE_FOLDER_DOCUMENTS), head)


def test_wildcards() -> None:
    audio = _spec("audio/ogg", folder=target_pb2.FILE_FOLDER_AUDIO)
    assert RULES.decide(audio, b"OggS" + bytes(30)) == "audio/ogg"


def test_detection_of_nothing() -> None:
    assert detect(b"") == ()
