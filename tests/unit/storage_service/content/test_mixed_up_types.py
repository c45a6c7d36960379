"""Types declared by desktops, browsers and programs for honest files, and disguises."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from storage_service.config import DOCUMENT_TYPES
from storage_service.content.types import ContentRules, detect
from strongroom.errors import ContentTypeMismatch
from strongroom.metadata.v1 import target_pb2
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.type_names import EXCEL, GENERIC, OFFICE, OPEN, POWERPOINT, RTF, WORD, normalise

RULES = ContentRules({"documents": DOCUMENT_TYPES, "event_media": ("image/*",)})
DOCX, XLSX = f"{OFFICE}wordprocessingml.document", f"{OFFICE}spreadsheetml.sheet"
PPTX, ODS = f"{OFFICE}presentationml.presentation", f"{OPEN}spreadsheet"
TABLE = "Größe;Preis €\r\n1;2,50\r\n"
PAGE = b"<html><table><tr><td>1</td></tr></table></html>"
RICH = b"{\\rtf1\\ansi Hello}"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
EXE = b"MZ\x90\x00" + bytes(64)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(20)
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(20)
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(20)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1250", "mac-roman", "utf-32")


def _zip(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, f"{OPEN}spreadsheet" if name == "mimetype" else "<x/>")
    return made.getvalue()


BOOK = _zip("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml")
LETTER = _zip("[Content_Types].xml", "_rels/.rels", "word/document.xml")
OPEN_TABLE = _zip("mimetype", "content.xml")


def _decide(
    content_type: str,
    filename: str,
    head: bytes,
    folder: target_pb2.FileFolder.ValueType = target_pb2.FILE_FOLDER_UPLOADS,
) -> str:
    target = UploadTarget(file=FileTarget(folder=folder))
    return RULES.decide(UploadSpec(target=target, content_type=content_type, filename=filename), head)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "declared", [EXCEL, "application/x-msexcel", XLSX, "text/csv", "application/csv", ""]
)
def test_a_table_in_any_encoding(declared: str, encoding: str) -> None:
    for folder in (target_pb2.FILE_FOLDER_UPLOADS, target_pb2.FILE_FOLDER_DOCUMENTS):
        assert _decide(declared, "prices.csv", TABLE.encode(encoding, "replace"), folder) == "text/csv"


@pytest.mark.parametrize(
    ("declared", "filename", "head", "kind"),
    [
        (EXCEL, "a.xlsx", BOOK, XLSX),
        (EXCEL, "a.xls", BOOK, XLSX),
        (EXCEL, "a", BOOK, XLSX),
        (EXCEL, "a.ods", OPEN_TABLE, ODS),
        (EXCEL, "a", OPEN_TABLE, ODS),
        (EXCEL, "a.xls", PAGE, EXCEL),
        (EXCEL, "a.xls", b"a\tb\n1\t2\n", EXCEL),
        ("", "a.xls", PAGE, EXCEL),
        (EXCEL, "a.tsv", b"a\tb\n", "text/tab-separated-values"),
        (EXCEL, "a.txt", b"a\tb\n", "text/plain"),
        (EXCEL, "a", b"a;b\n", "text/csv"),
        (EXCEL, "a.XLS", COMPOUND, EXCEL),
        (WORD, "a.docx", LETTER, DOCX),
        (WORD, "a.doc", LETTER, DOCX),
        (WORD, "a.rtf", RICH, RTF),
        (WORD, "a.doc", RICH, RTF),
        (WORD, "a.doc", b"\xef\xbb\xbf<?xml version='1.0'?>", WORD),
        (WORD, "a.txt", b"words", "text/plain"),
        (POWERPOINT, "a.pptx", _zip("[Content_Types].xml", "ppt/presentation.xml"), PPTX),
        (XLSX, "locked.xlsx", COMPOUND, XLSX),
        ("", "locked.docx", COMPOUND, DOCX),
        (XLSX, "a.xls", COMPOUND, EXCEL),
        ("application/zip", "a.docx", LETTER, DOCX),
        ("application/x-zip-compressed", "a.xlsx", BOOK, XLSX),
        ("application/x-zip-compressed", "a.zip", _zip("x"), "application/zip"),
        ("text/comma-separated-values", "a.csv", b"a,b\n", "text/csv"),
        ("text/x-csv", "a.csv", b"a,b\n", "text/csv"),
        ("application/x-javascript", "a.js", b"1", "text/javascript"),
        ("image/jpg", "a.jpg", JPEG, "image/jpeg"),
        ("image/pjpeg", "a.jpg", JPEG, "image/jpeg"),
        ("image/x-png", "a.png", PNG, "image/png"),
        ("audio/mp3", "a.mp3", b"ID3\x04" + bytes(20), "audio/mpeg"),
        ("audio/x-m4a", "a.m4a", b"\0\0\0\x1cftypM4A \0\0\2\0", "audio/mp4"),
        ("video/quicktime", "a.mov", b"\0\0\0\x14ftypmp42\0\0\2\0", "video/quicktime"),
        ("video/mp4", "a.mp4", b"\0\0\0\x14ftypqt  \0\0\2\0", "video/mp4"),
        ("video/quicktime", "old.mov", b"\0\0\0\x08wide\0\0\x20\0mdat", "video/quicktime"),
        ("application/x-pdf", "a.pdf", PDF, "application/pdf"),
        ("application/pdf", "a.pdf", b"\r\n" + PDF, "application/pdf"),
        ("application/pdf", "a.pdf", b"\x1b%-12345X@PJL JOB\r\n" + PDF, "application/pdf"),
        ("", "a.pdf", b" " * 900 + PDF, "application/pdf"),
        ("image/jpeg", "a.jpg", HEIC, "image/heic"),
        ("image/jpeg", "a.jpg", WEBP, "image/webp"),
        ("image/png", "a.png", WEBP, "image/webp"),
        ("image/heic", "a.heic", JPEG, "image/jpeg"),
        ("text/xml", "a.xml", b"<a/>", "text/xml"),
        ("application/xml", "a.xml", b"<a/>", "application/xml"),
        ("", "BMW.txt", b"BMW 1200 GS", "text/plain"),
        ("", "notes", b"BM is short for benchmark", "text/plain"),
    ],
)
def test_what_an_honest_file_is(declared: str, filename: str, head: bytes, kind: str) -> None:
    assert _decide(declared, filename, head) == kind


@pytest.mark.parametrize(
    "declared",
    [
        *("image/*", "*/*", "*", "file", "image", "jpg", "binary/octet-stream", "application/x-download"),
        *("/", "a/", "image/jpeg/x", "image jpeg", "image/jpeg, image/png", "undefined", "null", " ; "),
        "application/unknown",
    ],
)
def test_what_says_nothing_is_undeclared(declared: str) -> None:
    assert normalise(declared) == GENERIC
    assert _decide(declared, "i.jpg", JPEG) == "image/jpeg"
    assert _decide(declared, "a.pdf", PDF, target_pb2.FILE_FOLDER_DOCUMENTS) == "application/pdf"


@pytest.mark.parametrize(
    ("declared", "filename", "head"),
    [
        ("image/png", "a.png", PAGE),
        ("image/jpeg", "a.jpg", PAGE),
        ("image/jpeg", "a.jpg", PNG),
        ("image/webp", "a.webp", PAGE),
        ("application/pdf", "a.pdf", EXE),
        ("application/pdf", "a.pdf", EXE + PDF),
        ("application/pdf", "a.pdf", b"<script>1</script>" + PDF),
        ("application/pdf", "a.pdf", b" " * 1024 + PDF),
        (EXCEL, "a.csv", EXE),
        (EXCEL, "a.xls", EXE),
        (EXCEL, "a.xls", PDF),
        (EXCEL, "a.xls", PNG),
        (EXCEL, "a.xls", _zip("virus.exe")),
        (EXCEL, "a.csv", _zip("virus.exe")),
        (WORD, "a.doc", b"only words"),
        (WORD, "a.pdf", b"only words"),
        (DOCX, "a.docx", b"only words"),
        (DOCX, "a.docx", EXE),
        ("video/mp4", "a.mp4", b"words only"),
        ("application/zip", "a.zip", PAGE),
    ],
)
def test_a_disguise_is_refused(declared: str, filename: str, head: bytes) -> None:
    with pytest.raises(ContentTypeMismatch):
        _decide(declared, filename, head)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_brands_of_heic(brand: bytes) -> None:
    assert detect(b"\0\0\0\x18ftyp" + brand + bytes(12))[0] == "image/heic"
    assert detect(b"\0\0\0\x18ftypmif1\0\0\0\0avifmif1")[0] == "image/avif"


def test_files_of_a_corpus() -> None:
    """Every undeclared file has some type; declared with that type, it keeps it. STRONGROOM_CONTENT_CORPUS
    names a folder with more files.
    """
    folder = os.environ.get("STRONGROOM_CONTENT_CORPUS")
    paths = Path(folder).rglob("*") if folder else ()
    files = {path.name: path.read_bytes()[:65536] for path in paths if path.is_file()}
    files |= {"a.docx": LETTER, "b.csv": TABLE.encode("cp1252"), "c": EXE, "d.heic": HEIC}
    for name, head in files.items():
        kind = _decide("", name, head)
        assert _decide(kind, name, head) == kind, name
