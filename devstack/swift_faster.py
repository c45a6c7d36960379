"""Caches and shortens what Swift computes hundreds of times per request: `remember()`.

Translating header names, checking and quoting the same paths, finding a controller's methods by reflection
and copying bucket information are half of the calls of a small PUT (docs/decisions/0034). Each replacement
gives the same results; tests/unit/devstack/test_swift_faster.py compares them.
"""

from __future__ import annotations

import importlib
import re
import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime
from email.message import Message
from email.parser import Parser
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final

_MOST: Final = 4096  # cached results per function
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - Swift's texts name no zone
#: Functions that depend only on their arguments.
PURE: Final = (
    ("swift.common.swob", "header_to_environ_key"),
    ("swift.common.swob", "wsgi_quote"),
    ("swift.common.swob", "wsgi_unquote"),
    ("swift.common.constraints", "check_utf8"),
)
#: Headers as clients send them: no folded lines, no stray line ends, no spaces in names.
_HEADER: Final = re.compile(r"([!-9;-~]+):[ \t]*([^\r\n]*)\r\n")
_PLAIN: Final = re.compile(rf"(?:{_HEADER.pattern})*\r\n")
_NESTED: Final = re.compile(r"multipart/|message/", re.IGNORECASE)
#: Properties that list a controller's methods with this mark.
MARKED: Final = {"allowed_methods": "publicly_accessible", "private_methods": "privately_accessible"}


@lru_cache(_MOST)
def header_of(key: str) -> str:
    """The header's name for a key of a WSGI environment, or nothing."""
    if key in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        return key.title().replace("_", "-")
    if not key.startswith("HTTP_"):
        return ""
    return key[5:].encode("latin-1").replace(b"_", b"-").title().decode("latin-1")


def header_names(proxy: Any) -> list[str]:
    """HeaderEnvironProxy.keys, in the order of the environment."""
    return [name for key in proxy.environ if (name := header_of(key))]


@lru_cache(_MOST)
def title(name: str) -> str:
    """The usual case of a header's name: HeaderKeyDict._title."""
    return name.encode("latin-1").title().decode("latin-1")


def copied(value: Any) -> Any:
    """copy.deepcopy for JSON values."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value


@lru_cache(_MOST)
def _seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - _EPOCH).total_seconds()


def moment(kind: Callable[[float], Any], text: str) -> Any:
    """BaseTimestamp.from_isoformat for the output of BaseTimestamp.isoformat."""
    return kind(_seconds(text))


class HeaderParser:
    """email.parser.Parser for the head of a request: a full parser only for headers that are unusual."""

    def __init__(self, _class: Callable[[], Message]) -> None:
        self._class = _class

    def parsestr(self, text: str) -> Message:
        """The headers, as a message without a body."""
        if not _PLAIN.fullmatch(text) or _NESTED.search(text):
            return Parser(_class=self._class).parsestr(text)
        message = self._class()
        for name, value in _HEADER.findall(text):
            message.set_raw(name, value)
        message.set_payload("")
        return message


def at_once(patient: Callable[..., Any]) -> Callable[..., Any]:
    """swift.common.db._db_timeout, whose timer is needed only while the database is locked."""

    def call_at_once(timeout: float, db_file: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
        return patient(timeout, db_file, call)

    return call_at_once


def without_size(call: Callable[..., Any]) -> Callable[..., Any]:
    """ContainerContext._app_call: a listing without the bucket's size.

    Swift adds the size of the old versions to it, which is another request, and S3 lists no sizes of buckets.
    """

    def call_without_size(context: Any, environ: dict[str, Any]) -> Any:
        body = call(context, environ)
        if environ["REQUEST_METHOD"] == "GET":
            headers = context._response_headers  # noqa: SLF001 - as Swift's own contexts do
            headers[:] = [header for header in headers if header[0] != "X-Container-Bytes-Used"]
        return body

    return call_without_size


@lru_cache
def _marked(kind: Any, mark: str) -> frozenset[str]:
    return frozenset(name for name in dir(kind) if getattr(getattr(kind, name), mark, False))


def listed(name: str, mark: str) -> property:
    """A replacement property: the methods with the mark, as a set owned by the controller."""

    def methods(controller: Any) -> set[str]:
        own: set[str] | None = getattr(controller, f"_{name}")
        if own is None:  # each controller gets its own set, because it may remove items
            kind: Any = type(controller)
            own = set(_marked(kind, mark))
            setattr(controller, f"_{name}", own)
        return own

    return property(methods)


def _put(module: str, name: str, replacement: Callable[..., Any]) -> None:
    """Replace a function in its module and wherever it was imported by name. Raises AttributeError."""
    original = getattr(importlib.import_module(module), name)
    for each in [held for key, held in sys.modules.items() if key == module or key.startswith("swift.")]:
        for alias in [key for key, value in vars(each).items() if value is original]:
            vars(each)[alias] = replacement


def remember() -> None:
    """Install the replacements, for the life of this process."""
    for module, name in PURE:
        _put(module, name, lru_cache(_MOST)(getattr(importlib.import_module(module), name)))
    importlib.import_module("swift.common.swob").HeaderEnvironProxy.keys = header_names
    importlib.import_module("swift.common.header_key_dict").HeaderKeyDict._title = staticmethod(title)  # noqa: SLF001 - replaced
    controllers = importlib.import_module("swift.proxy.controllers.base")
    for copying in (controllers, importlib.import_module("swift.common.registry")):
        vars(copying)["deepcopy"] = copied
    importlib.import_module("swift.common.utils.timestamp").BaseTimestamp.from_isoformat = classmethod(moment)
    vars(importlib.import_module("eventlet.green.http.client"))["email"] = SimpleNamespace(
        parser=SimpleNamespace(Parser=HeaderParser)
    )
    databases = importlib.import_module("swift.common.db")
    vars(databases)["_db_timeout"] = at_once(databases._db_timeout)  # noqa: SLF001 - replaced
    versions = importlib.import_module("swift.common.middleware.versioned_writes.object_versioning")
    versions.ContainerContext._app_call = without_size(versions.ContainerContext._app_call)  # noqa: SLF001 - replaced
    for name, mark in MARKED.items():
        setattr(controllers.Controller, name, listed(name, mark))
