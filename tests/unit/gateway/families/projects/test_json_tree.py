"""The body of a save."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from typing import Any

import pytest

from gateway.families.projects.json_tree import TreeFile, TreeReader
from strongroom.errors import InvalidField, MalformedRequest, ProjectLimitExceeded

MIB = 1 << 20


def read(text: bytes, step: int = 65536) -> tuple[TreeReader, list[TreeFile]]:
    reader, files = TreeReader(5000), []
    for at in range(0, len(text), step):
        files += reader.feed(text[at : at + step])
    return reader, files + reader.finish()


def body(**members: Any) -> bytes:
    return json.dumps(
        {"name": "n", "slug": "s", "files": [{"path": "a", "content": "b"}], **members}
    ).encode()


@pytest.mark.parametrize("step", [1, 7, 65536])
def test_a_tree(step: int) -> None:
    text = json.dumps(
        {
            "unknown": {"slug": "not me", "files": [{"path": 1}], "files.item": {"path": "nor me"}},
            "files.item.path": "nobody",
            "files": [
                {"path": "a.txt", "content": "ü\n😀", "more": {"path": "x", "content": []}},
                {"encoding": "base64", "content": base64.b64encode(b"\0\xff").decode(), "path": "b"},
                {"path": "c", "content": "", "encoding": "UTF8", "executable": None},
                {"executable": True, "path": "run.sh", "content": "x"},
                {"path": "plain", "content": "x", "executable": False},
            ],
            "user_id": None,
            "slug": "s",
            "name": "n",
        }
    ).encode()
    reader, files = read(b"\xef\xbb\xbf" + text, step)
    assert files == [
        TreeFile("a.txt", "ü\n😀".encode()),
        TreeFile("b", b"\0\xff"),
        TreeFile("c", b""),
        TreeFile("run.sh", b"x", executable=True),
        TreeFile("plain", b"x", executable=False),
    ]
    assert (reader.head.slug, reader.head.name, reader.head.user_id) == ("s", "n", "")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"[]", "body"),
        (b'"x"', "body"),
        (b"7", "body"),
        (b"{}", "name"),
        (b'{"name": "n"}', "slug"),
        (b'{"name": "n", "slug": "s"}', "files"),
        (body(slug=1), "slug"),
        (body(slug=None), "slug"),
        (body(name={}), "name"),
        (body(user_id=["x"]), "user_id"),
        (body(files={}), "files"),
        (body(files=None), "files"),
        (body(files=[1]), "files[0]"),
        (body(files=[{"path": "a", "content": "b"}, []]), "files[1]"),
        (body(files=[{"path": "a"}]), "files[0].content"),
        (body(files=[{"content": "a"}]), "files[0].path"),
        (body(files=[{"path": {}, "content": "a"}]), "files[0].path"),
        (body(files=[{"path": "a", "content": [[1]]}]), "files[0].content"),
        (body(files=[{"path": "a", "content": "é", "encoding": "base64"}]), "files[0].content"),
        (body(files=[{"path": "a", "content": "b", "encoding": "utf-16"}]), "files[0].encoding"),
        (body(files=[{"path": "a", "content": "b", "executable": "yes"}]), "files[0].executable"),
        (body(files=[{"path": "a", "content": "b", "executable": 1}]), "files[0].executable"),
    ],
)
def test_fields_are_named(text: bytes, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read(text)
    assert raised.value.field == field


@pytest.mark.parametrize("half", [r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800\ud83d\ude00", r"\uDbFfA"])
@pytest.mark.parametrize(
    ("text", "field"),
    [
        (r'{"name": "nX"}', "name"),
        (r'{"slug": "X"}', "slug"),
        (r'{"files": [{"path": "a", "content": "xXy"}]}', "files[0].content"),
        (r'{"files": [{"path": "a", "content": "b"}, {"path": "X"}]}', "files[1].path"),
        (r'{"files": [{"encoding": "X"}]}', "files[0].encoding"),
        (r'{"more": {"deep": ["X"]}}', "more"),
    ],
)
def test_halves_of_surrogate_pairs(half: str, text: str, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read(text.replace("X", half).encode(), step=3)
    assert (raised.value.field, raised.value.metadata["rule"]) == (field, "string.unicode")


@pytest.mark.parametrize(
    "text",
    [
        b'{"name": "n", "slug": "s", "slug": "t", "files": []}',
        b'{"files": [], "files": []}',
        b'{"files": [{"path": "a", "content": "b", "path": "c"}]}',
        b'{"name": "n", "slug": "s", "files": []} {}',
        b'{"name": "n", "slug": "s", "files": [NaN]}',
        body().decode().encode("utf-16"),
    ],
)
def test_what_is_no_json_or_two_things_at_once(text: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read(text)


DEEP = {
    "arrays": b"[" * MIB,
    "objects": b'{"a":' * (MIB // 5),
    "both": b'[{"a":' * (MIB // 6),
    "long names": (b'{"' + b"k" * 1000 + b'":[') * (MIB // 1005),
    "blanks": b"[ \n" * (MIB // 3),
}


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize(
    "before",
    [
        b"",
        b'{"unknown": ',
        b'{"name": "n", "slug": "s", "files": ',
        b'{"files": [{"path": "a", "content": ',
        b'{"files": [{"path": "a", "unknown": ',
        b'{"files": [{"path": "a", "content": "b"}, {"more": [',
    ],
)
def test_deep_nesting_costs_nothing(before: bytes, deep: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(MalformedRequest, match="more than 100 deep"):
        read(before + deep, step=512 * 1024)
    assert time.process_time() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("item", [b"[],", b"{},", b"1,", b'"",', b'{"a":[]},'])
def test_many_small_values_and_long_names_before_them(item: bytes) -> None:
    text = b'{"' + b"k" * 100_000 + b'": [' + item * (MIB // len(item))
    began = time.process_time()
    with pytest.raises(MalformedRequest, match="more than 50,000 values"):
        read(text)
    assert time.process_time() - began < 2


def test_text_without_end() -> None:
    with pytest.raises(ProjectLimitExceeded):
        read(b'{"files": [{"content": "' + b"x" * (17 * MIB), step=MIB)
    with pytest.raises(ProjectLimitExceeded):
        read(b" " * (17 * MIB), step=MIB)


def test_tags_are_no_more_than_a_version_may_have() -> None:
    reader, _ = read(body(tags=["one", "two"] * 20_000))
    assert reader.head.tags == ("one", "two")
    with pytest.raises(InvalidField) as refused:
        read(body(tags=[str(number) for number in range(33)]))
    assert (refused.value.metadata["field"], refused.value.metadata["rule"]) == ("tags", "max_items")


@pytest.mark.parametrize("name", ["remove", "x" * 1000])
def test_what_changes_is_said_by_known_members_alone(name: str) -> None:
    reader = TreeReader(10, partial=True)
    with pytest.raises(InvalidField) as refused:
        reader.feed(json.dumps({"name": "New", name: ["a.txt"]}).encode())
    assert refused.value.metadata["field"] == name[:40]
    assert not TreeReader(10).feed(json.dumps({name: ["a.txt"]}).encode())
