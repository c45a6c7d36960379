"""Files that can't be migrated are found and explained before any file is moved."""

from __future__ import annotations

import dataclasses

import pytest

from strongroom.client.uploads import UploadLimit
from strongroom.migrate.checks import why_not
from strongroom.migrate.entries import Entry

LIMITS = {
    "uploads": UploadLimit(100),
    "path": UploadLimit(100),
    "documents": UploadLimit(100, ("application/pdf", "text/*")),
    "generation": UploadLimit(100, ("image/*", "video/*")),
    "event_media": UploadLimit(100, ("image/*",)),
    "project": UploadLimit(1000, (), 3),
}
FITS = Entry("a", "alice", "uploads", "", "a.txt", "", 5)
EVENT = "0b5c1f0e-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"size": None},
        {"size": 0},
        {"size": 100},
        {"owner": "ada lovelace"},
        {"owner": "o'hara; DROP TABLE"},
        {"family": "path", "key": "a/ünï/$(reboot).txt"},
        {"family": "documents", "type": "Text/Plain; charset=latin1"},
        {"family": "documents", "type": "", "name": "noextension"},
        {"family": "documents", "type": "application/octet-stream", "name": "x.pdf"},
        {
            "family": "generation",
            "key": "text-to-image",
            "name": "f.png",
            "details": {"settings": '{"a": 1}'},
        },
        {"family": "event_media", "key": EVENT, "name": "f.jpg", "details": {"tags": "a, b"}},
        {"family": "project", "key": "my-site", "details": {"files": 3}},
        {"family": "profile_picture", "name": "f.png"},
    ],
)
def test_what_fits_moves(change: dict[str, object]) -> None:
    assert why_not(dataclasses.replace(FITS, **change), LIMITS) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"why": "it is a link"}, "it is a link"),
        ({"family": "temp"}, "is not a family"),
        ({"family": ""}, "is not a family"),
        ({"owner": ""}, "names no owner"),
        ({"owner": "a\nb"}, "control characters"),
        ({"owner": "a\u2028b"}, "control characters"),
        ({"owner": "\udcff"}, "control characters"),
        ({"owner": " alice"}, "blank or an invisible"),
        ({"owner": "alice\u200b"}, "blank or an invisible"),
        ({"owner": "é" * 128}, "longer than 255 bytes"),
        ({"size": 101}, "too large: 101 bytes, 100 are taken"),
        ({"name": "n" * 256}, "longer than 255 characters"),
        ({"name": "a\0b"}, "NUL"),
        ({"name": "a\udcff"}, "not valid Unicode"),
        ({"type": "t" * 256}, "type is longer"),
        ({"family": "path", "key": ""}, "its key is missing: the path"),
        ({"family": "path", "key": "/etc/passwd"}, "begins or ends with `/`"),
        ({"family": "path", "key": "a//b"}, "holds `//`"),
        ({"family": "path", "key": "../../etc/passwd"}, "`..` segment"),
        ({"family": "path", "key": "a/./b"}, "`.` or `..` segment"),
        ({"family": "path", "key": "..\\..\\boot.ini"}, "backslash"),
        ({"family": "path", "key": "a\x1b[31m"}, "control character"),
        ({"family": "path", "key": "a\udcff"}, "not valid Unicode"),
        ({"family": "path", "key": "a" * 1025}, "1024 bytes"),
        ({"family": "path", "key": "a" * 1020}, "with its prefix"),
        (
            {"family": "documents", "name": "a.exe", "type": "application/x-msdownload"},
            "is not accepted here",
        ),
        (
            {"family": "documents", "name": "a.png"},
            "image/png is not accepted here; documents accepts application/pdf",
        ),
        ({"family": "generation", "key": "painting"}, "'painting' is none of text-to-image"),
        (
            {"family": "generation", "key": "text-to-image", "name": "a.png", "details": {"settings": "{"}},
            "JSON",
        ),
        (
            {
                "family": "generation",
                "key": "text-to-image",
                "name": "a.png",
                "details": {"prompt": "p" * 32769},
            },
            "prompt is longer",
        ),
        ({"family": "event_media", "key": "42", "name": "a.png"}, "is no UUID"),
        ({"family": "event_media", "key": EVENT, "name": "a.png", "details": {"tags": ["t"] * 33}}, "tags"),
        ({"family": "audio", "key": "c" * 129}, "longer than 128 bytes"),
        ({"family": "project", "key": "My Site"}, "is no slug"),
        ({"family": "project", "key": "-site"}, "is no slug"),
        ({"family": "project", "key": "s", "details": {"files": 4}}, "too many files: 4, 3 are taken"),
        ({"family": "project", "key": "s", "size": 1001}, "too large"),
    ],
)
def test_what_does_not_fit_is_told_why(change: dict[str, object], said: str) -> None:
    assert said in why_not(dataclasses.replace(FITS, **change), LIMITS)  # type: ignore[arg-type]
