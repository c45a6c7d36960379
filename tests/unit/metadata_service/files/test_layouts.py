"""Every S3 key in rest.md; users' text can't change a key's structure."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.files.layouts import (
    MAX_KEY_BYTES,
    ROOTS,
    Attempt,
    extension_of,
    holds_time,
    object_key,
    owner_in,
    path_key,
    project_file_key,
    segment,
)
from strongroom.errors import InvalidField, PathInvalid
from strongroom.metadata.v1 import file_pb2
from strongroom.metadata.v1.target_pb2 import (
    FILE_FOLDER_AUDIO,
    FILE_FOLDER_DOCUMENTS,
    UploadTarget,
)

ATTEMPT = UUID("11111111-2222-4333-8444-555555555555")
EVENT = "0a1b2c3d-0000-4000-8000-000000000000"
AT = datetime(2025, 3, 9, 7, 5, 4, 321, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def attempt(owner: str = "ada", extension: str = "png") -> Attempt:
    return Attempt(owner, ATTEMPT, AT, extension)


def target(family: str, **fields: object) -> UploadTarget:
    made = UploadTarget()
    chosen = getattr(made, family)
    chosen.SetInParent()
    for name, value in fields.items():
        setattr(chosen, name, value)
    return made


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        (target("file"), f"uploads/ada/{ATTEMPT}.png"),
        (target("file", folder=FILE_FOLDER_DOCUMENTS), f"documents/ada/{ATTEMPT}.png"),
        (target("file", folder=FILE_FOLDER_AUDIO, class_id="c 1"), f"audio/c=201/{ATTEMPT}.png"),
        (
            target("generation", type=file_pb2.GENERATION_TYPE_TEXT_TO_IMAGE),
            f"ada/text-to-image/2025-03-09-{ATTEMPT}.png",
        ),
        (target("event_media", event_id=EVENT.upper()), f"events/{EVENT}/media/2025/03/09/070504_000321.png"),
        (target("profile_picture"), "users/ada/profile/2025/03/09/070504_000321.png"),
        (target("temp"), "temp/2025/03/09/070504_000321.png"),
        (target("path", path="src/[id]/a b.tsx"), "paths/ada/src/[id]/a b.tsx"),
    ],
    ids=lambda value: value.WhichOneof("target") if isinstance(value, UploadTarget) else "",
)
def test_the_layouts(wanted: UploadTarget, key: str) -> None:
    made = object_key(wanted, attempt())
    assert made.text == key
    assert made.shared == (wanted.WhichOneof("target") == "path")


def test_projects() -> None:
    assert project_file_key("ada", "my-site", "src/é.js") == "projects/ada/my-site/src/é.js"


def test_archives_are_saved_elsewhere() -> None:
    with pytest.raises(InvalidField) as caught:
        object_key(target("project_archive", slug="a"), attempt())
    assert caught.value.field == "target"


def test_the_time_matters_where_the_key_holds_it() -> None:
    families = ("file", "generation", "event_media", "profile_picture", "temp", "path")
    timed = {family for family in families if holds_time(target(family))}
    assert timed == {"generation", "event_media", "profile_picture", "temp"}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("auth0|123", "auth0=7C123"),
        ("a/b", "a=2Fb"),
        (".", "=2E"),
        ("..", "=2E."),
        ("...", "=2E.."),
        ("a..b", "a..b"),
        ("a=b", "a=3Db"),
        ("100%", "100=25"),
        ("é", "=C3=A9"),
        ("mail+tag@x.org~-_", "mail+tag@x.org~-_"),
    ],
)
def test_segments(text: str, escaped: str) -> None:
    assert segment(text) == escaped


def test_an_empty_segment_is_refused_by_name() -> None:
    with pytest.raises(InvalidField) as caught:
        object_key(target("file", folder=FILE_FOLDER_AUDIO), attempt())
    assert caught.value.field == "class_id"


@given(TEXT)
def test_no_text_leaves_its_segment(text: str) -> None:
    escaped = segment(text)
    assert re.fullmatch(r"[A-Za-z0-9\-_.~@+=]+", escaped)
    assert escaped not in {".", ".."}
    unescaped = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), escaped.encode())
    assert unescaped.decode() == text  # so different texts give different segments


@given(TEXT, TEXT)
def test_two_users_never_share_a_prefix(one: str, other: str) -> None:
    roots = []
    for owner in (one, other):
        keys = [object_key(target(family), attempt(owner)).text for family in ("file", "profile_picture")]
        keys.append(path_key(owner, "x"))
        keys.append(project_file_key(owner, "s", "x"))
        keys.append(object_key(target("generation", type=1), attempt(owner)).text)
        roots.append([key.rsplit("/", 1)[0] + "/" for key in keys])
    for mine in roots[0]:
        for yours in roots[1]:
            assert one == other or (not mine.startswith(yours) and not yours.startswith(mine))


@given(st.sampled_from(sorted(ROOTS)))
def test_a_user_named_like_a_family_stays_out_of_it(root: str) -> None:
    key = object_key(target("generation", type=1), attempt(root)).text
    assert key.split("/")[0] not in ROOTS
    assert key.split("/")[0] == f"={ord(root[0]):02X}{root[1:]}"
    assert segment(key.split("/")[0]) != key.split("/")[0], "no other user has it"


@given(TEXT)
def test_paths_stay_below_their_owner(path: str) -> None:
    for make in (partial(path_key, "ada"), partial(project_file_key, "ada", "site")):
        with contextlib.suppress(PathInvalid):
            parts = make(path).split("/")
            assert parts[1] == "ada"
            assert not {"", ".", ".."} & set(parts)
            assert len("/".join(parts).encode()) <= MAX_KEY_BYTES


def test_prefix_and_path_together_fit_into_a_key() -> None:
    assert len(path_key("ada", "x" * (MAX_KEY_BYTES - len("paths/ada/"))).encode()) == MAX_KEY_BYTES
    with pytest.raises(PathInvalid) as caught:
        path_key("ada", "x" * MAX_KEY_BYTES)
    assert caught.value.metadata["rule"] == "max_key_bytes"


def test_the_longest_ids_still_give_a_key() -> None:
    owner = "\U0001f408" * 63
    for family in ("file", "generation", "profile_picture"):
        wanted = target(family, type=1) if family == "generation" else target(family)
        assert len(object_key(wanted, attempt(owner, "x" * 10)).text) <= MAX_KEY_BYTES


@pytest.mark.parametrize(
    ("key", "owner"),
    [
        ("uploads/ada/x.txt", "ada"),
        ("documents/a=20b=C3=BC/x.pdf", "a bü"),
        ("paths/eve/ada/x.txt", "eve"),
        ("users/=2E./profile/2026/01/01/x.png", ".."),
        ("projects/ada/site/index.html", "ada"),
        ("ada/text-to-image/2026-01-01-x.png", "ada"),
        ("=75sers/text-to-image/2026-01-01-x.png", "users"),
        ("audio/class/x.mp3", ""),
        ("events/ada/media/x.png", ""),
        ("temp/ada/x.txt", ""),
        ("segments/ada/1", ""),
        ("ada/holiday/x.png", ""),
        ("uploads/ada", ""),
        ("", ""),
    ],
)
def test_whom_a_key_names(key: str, owner: str) -> None:
    assert owner_in(key) == owner


@pytest.mark.parametrize(
    ("name", "content_type", "extension"),
    [
        ("a.PNG", "text/plain", "png"),
        ("a.tar.gz", "", "gz"),
        (".env", "", "env"),
        ("a.", "image/jpeg", "jpg"),
        ("a.toolongextension", "image/png", "png"),
        ("a.p g", "image/png; charset=x", "png"),
        ("a.п", "application/x-unknown", "bin"),
        ("", "", "bin"),
        ("a.png\n", "", "bin"),
    ],
)
def test_extensions(name: str, content_type: str, extension: str) -> None:
    assert extension_of(name, content_type) == extension


@given(st.text(), st.text())
def test_an_extension_is_harmless(name: str, content_type: str) -> None:
    extension = extension_of(name, content_type)
    assert 1 <= len(extension) <= 10
    assert extension.isascii()
    assert extension.isalnum()
    assert extension == extension.lower()
