from __future__ import annotations

import pytest

from storage_service.content.types import ContentRules
from storage_service.projects.file_types import content_type_of, is_compressed

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("path", "head", "kind"),
    [
        ("index.html", b"<p>", "text/html"),
        ("src/app.ts", b"let x", "text/plain"),
        ("app.MJS", b"", "text/javascript"),
        ("a.wasm", b"\0asm", "application/wasm"),
        ("logo.svg", b"<svg/>", "image/svg+xml"),
        ("photo.png", PNG, "image/png"),
        ("photo.dat", PNG, "image/png"),
        ("Makefile", b"all:\n", "text/plain"),
        ("empty", b"", "application/octet-stream"),
        ("noise", bytes(range(256)), "application/octet-stream"),
        ("png.html/photo.png", PNG, "image/png"),
    ],
)
def test_content_types(path: str, head: bytes, kind: str) -> None:
    assert content_type_of(ContentRules({}), path, head) == kind


@pytest.mark.parametrize(
    ("kind", "compressed"),
    [
        ("image/png", True),
        ("image/svg+xml", False),
        ("video/mp4", True),
        ("audio/wav", False),
        ("application/zip", True),
        ("font/woff2", True),
        ("text/html", False),
        ("application/json", False),
        ("application/octet-stream", False),
    ],
)
def test_what_is_compressed_already(kind: str, compressed: bool) -> None:
    assert is_compressed(kind) is compressed
