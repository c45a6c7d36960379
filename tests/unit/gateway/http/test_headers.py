"""Headers of answers with a file's bytes."""

from __future__ import annotations

import pytest

from gateway.http.headers import SANDBOX, content_headers


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/javascript",
        "text/plain",
        "application/zip",
        "nonsense",
    ],
)
def test_what_a_browser_could_run_is_an_attachment_in_a_sandbox(kind: str) -> None:
    headers = dict(content_headers(kind, "x", corp="same-origin"))
    assert headers[b"content-security-policy"].decode() == SANDBOX
    assert headers[b"content-disposition"].startswith(b"attachment")


@pytest.mark.parametrize(
    "kind", ["image/png", "video/mp4", "IMAGE/JPEG", "audio/mpeg; codecs=mp3", "application/pdf"]
)
def test_inert_types_go_inline(kind: str) -> None:
    headers = dict(content_headers(kind, "x", corp="cross-origin"))
    assert b"content-security-policy" not in headers
    assert headers[b"content-disposition"].startswith(b"inline")
    assert headers[b"cross-origin-resource-policy"] == b"cross-origin"


def test_attachment_on_demand() -> None:
    headers = dict(content_headers("image/png", "x", corp="same-origin", attachment=True))
    assert headers[b"content-disposition"].startswith(b"attachment")
