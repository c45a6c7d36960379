"""The embedded store's cached results are those that Swift would compute."""

from __future__ import annotations

import copy
import importlib
import sqlite3
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from types import SimpleNamespace
from typing import Any

import pytest

from devstack import swift_faster

KEYS = (
    "HTTP_X_TIMESTAMP",
    "HTTP_ETAG",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_X_\xc3\x9f_\xff",
    "wsgi.input",
    "PATH_INFO",
)


def test_names_of_headers() -> None:
    environ = dict.fromkeys(KEYS, "1")
    theirs = importlib.import_module("swift.common.swob").HeaderEnvironProxy(environ)
    ours = swift_faster.header_names(SimpleNamespace(environ=environ))
    assert sorted(ours) == sorted(theirs.keys())


@pytest.mark.parametrize("name", ["x-trans-id", "ETAG", "x-object-meta-\xc3\x9f", "a.b c", ""])
def test_names_in_their_usual_case(name: str) -> None:
    assert swift_faster.title(name) == importlib.import_module(
        "swift.common.header_key_dict"
    ).HeaderKeyDict._title(name)


def test_copies_share_nothing_that_changes() -> None:
    info = {"status": 200, "meta": {"a": [1, {"b": None}]}, "cors": {}, "acl": "x"}
    copied = swift_faster.copied(info)
    assert copied == copy.deepcopy(info)
    copied["meta"]["a"][1]["b"] = copied["cors"]["new"] = 1
    assert info == {"status": 200, "meta": {"a": [1, {"b": None}]}, "cors": {}, "acl": "x"}


@pytest.mark.parametrize(
    "head",
    [
        "Host: a:1\r\nX-Empty:\r\nx-twice: 1\r\nX-Twice:\t 2 \r\nX-Latin: \xc3\x9f\xff\r\n\r\n",
        "\r\n",
        "Host: a\n\n",
        "Host: a\r\nX-Folded: b\r\n c\r\n\r\n",
        "Host: a\r\nX-Stray: b\rX-Next: c\r\n\r\n",
        "Host: a\r\nX-\xc3\x9f: b\r\nX-Next: c\r\n\r\n",
        "Host: a\r\nno colon\r\nX-Next: c\r\n\r\n",
        "From here: a\r\nHost: b\r\n\r\n",
        "X-Lines: a\x0bb\x85c\r\n\r\n",
        "Content-Type: Multipart/mixed; boundary=x\r\n\r\n",
        "Content-Type: message/rfc822\r\n\r\n",
        "Host: cut",
        "",
    ],
)
def test_heads_of_requests(head: str) -> None:
    theirs, ours = Parser().parsestr(head), swift_faster.HeaderParser(Message).parsestr(head)
    assert list(ours.raw_items()) == list(theirs.raw_items())
    assert repr(ours.get_payload()) == repr(theirs.get_payload()) or ours.is_multipart()
    assert (ours.is_multipart(), ours.get("Content-Type"), len(ours.defects)) == (
        theirs.is_multipart(),
        theirs.get("Content-Type"),
        len(theirs.defects),
    )


def test_a_locked_database_is_waited_for_with_the_timer() -> None:
    answers: list[Any] = [sqlite3.OperationalError("database is locked"), "later"]
    waited: list[tuple[float, str]] = []

    def call() -> Any:
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    def patient(seconds: float, file: str, again: Any) -> Any:
        waited.append((seconds, file))
        return again()

    once = swift_faster.at_once(patient)
    assert (once(3.0, "a.db", call), waited) == ("later", [(3.0, "a.db")])
    assert (once(3.0, "a.db", lambda: 1), len(waited)) == (1, 1)
    answers.append(sqlite3.OperationalError("no such table"))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        once(3.0, "a.db", call)
    assert len(waited) == 1


@pytest.mark.parametrize(("method", "names"), [("GET", ["X-A"]), ("HEAD", ["X-Container-Bytes-Used", "X-A"])])
def test_only_listings_name_no_size(method: str, names: list[str]) -> None:
    context = SimpleNamespace(_response_headers=[("X-Container-Bytes-Used", "3"), ("X-A", "b")])
    call = swift_faster.without_size(lambda *_: [b"body"])
    assert call(context, {"REQUEST_METHOD": method}) == [b"body"]
    assert [name for name, _ in context._response_headers] == names


@pytest.mark.parametrize("at", [0.0, 1764460800.00001, 1764460800.123456, 253402300799.0 / 30])
def test_moments_of_listings(at: float) -> None:
    theirs = importlib.import_module("swift.common.utils.timestamp").NormalTimestamp
    text = theirs(at).isoformat
    assert swift_faster.moment(theirs, text) == theirs.from_isoformat(text)


@pytest.mark.parametrize(
    "kind", ["account.AccountController", "container.ContainerController", "obj.BaseObjectController"]
)
@pytest.mark.parametrize(("name", "mark"), swift_faster.MARKED.items())
def test_methods_of_controllers(kind: str, name: str, mark: str) -> None:
    module, _, of = kind.partition(".")
    theirs: Any = getattr(importlib.import_module(f"swift.proxy.controllers.{module}"), of)
    controller = theirs.__new__(theirs)
    controller._allowed_methods = controller._private_methods = None
    expected = getattr(controller, name)
    bare: Any = type("Bare", (theirs,), {name: swift_faster.listed(name, mark)})
    ours, other = (bare.__new__(bare) for _ in range(2))
    for each in (ours, other):
        each._allowed_methods = each._private_methods = None
    assert getattr(ours, name) == expected
    getattr(ours, name).clear()  # as the account's does, where accounts may not be made
    assert (getattr(ours, name), getattr(other, name)) == (set(), expected)


def test_everything_that_is_replaced_is_there() -> None:
    """In a separate process, because the replacements last for the life of a process."""
    script = """
import importlib
from devstack import swift_faster
importlib.import_module("swift.proxy.server")
swift_faster.remember()
swob = importlib.import_module("swift.common.swob")
symlink = importlib.import_module("swift.common.middleware.symlink")
assert swob.wsgi_quote is symlink.wsgi_quote or hasattr(symlink.wsgi_quote, "cache_info")
kept = [getattr(importlib.import_module(module), name) for module, name in swift_faster.PURE]
assert all(hasattr(each, "cache_info") for each in kept), kept
assert importlib.import_module("swift.proxy.server").check_utf8 is kept[3]
request = swob.Request.blank("/v1/a", headers={"x-foo": "bar", "Content-Length": "3"})
registry = importlib.import_module("swift.common.registry")
registry.register_swift_info("x", sizes=[1, {"a": 2}])
registry.get_swift_info()["x"]["sizes"][1]["a"] = 3
assert registry.get_swift_info()["x"] == {"sizes": [1, {"a": 2}]}
client = importlib.import_module("eventlet.green.http.client")
assert client.email.parser.Parser is swift_faster.HeaderParser
databases = importlib.import_module("swift.common.db")
assert databases._db_timeout.__name__ == "call_at_once"
versions = importlib.import_module("swift.common.middleware.versioned_writes.object_versioning")
assert versions.ContainerContext._app_call.__name__ == "call_without_size"
assert dict(request.headers)["X-Foo"] == "bar" and request.content_length == 3
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)
