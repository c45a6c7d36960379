"""Decodes and checks the names inside a ZIP.

A bad name is refused, never corrected: an archive that contains ``../x`` is malicious or broken, and its
author should know. The rules of project paths (``PATH_INVALID``) apply as well; ``tree_names`` has those that
both share.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable

from storage_service.projects.archives import zip_layout as layout
from storage_service.projects.archives.zip_layout import refused
from storage_service.projects.tree_names import NameRefused, PathSet, check_portable
from strongroom.path_rules import as_stored

MAX_NAME_BYTES = 1024
_DRIVE = re.compile(r"[A-Za-z]:")
_LEADING_DOTS = re.compile(r"^(?:\./)+")
"""`tar -a -cf x.zip .` writes such names; APPNOTE 4.4.17 forbids only drives, slashes and backslashes."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


def decode_name(raw: bytes, flags: int, unicode_path: bytes | None) -> str:
    """Decode a name: UTF-8 if the entry says so; else the Unicode path extra field (APPNOTE 4.6.9), UTF-8
    (macOS does not say so), or code page 437. Raises ArchiveInvalid.
    """
    if not raw:
        raise refused("empty_name", "an entry has no name")
    if len(raw) > MAX_NAME_BYTES:
        raise refused("long_name", f"the name is longer than {MAX_NAME_BYTES} bytes", raw)
    name = _plain_name(raw, flags)
    if unicode_path is None:
        return name
    told = _unicode_path(raw, unicode_path)
    if told != name and (raw.isascii() or flags & layout.UTF8):
        raise refused("two_names", "the Unicode path extra field has another name", raw)
    return told


def check_name(name: str) -> str:
    """The path in NFC, without a leading ``./`` and a folder's final slash; empty for the folder ``./``
    itself.

    Raises ArchiveInvalid with the rule.
    """
    given, name = name, _LEADING_DOTS.sub("", name)
    if not name and given.endswith("/"):
        return ""
    if "\\" in name:
        raise refused("backslash", "the name holds a backslash; folders are separated by /", given)
    if _CONTROL.search(name):
        raise refused("control_character", "the name holds a control character", given)
    if name.startswith("/"):
        raise refused("absolute_name", "the name is absolute", given)
    if _DRIVE.match(name):
        raise refused("drive_letter", "the name begins with a drive letter", given)
    path = as_stored(name).removesuffix("/")
    segments = path.split("/")
    if ".." in segments:
        raise refused("parent_segment", "the name leaves the archive with ..", given)
    if "" in segments or "." in segments:
        raise refused("empty_segment", "the name holds an empty segment or a dot", given)
    try:
        check_portable(path)
    except NameRefused as error:
        raise refused(error.rule, error.message, given) from error
    return path


def check_unique(paths: Iterable[tuple[str, bool]]) -> None:
    """``paths``: (path, is a folder). Raises ArchiveInvalid for a duplicate, for a path that is both file and
    folder, and for paths that some system takes for the same.
    """
    tree = PathSet()
    for path, is_folder in paths:
        if not path:  # the archive's root folder
            continue
        try:
            tree.add(path, is_folder=is_folder)
        except NameRefused as error:
            raise refused(error.rule, error.message, path) from error


def _plain_name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if flags & layout.UTF8:
            raise refused("bad_utf8", "the name is marked as UTF-8, and is not", raw) from error
        return raw.decode("cp437")


def _unicode_path(raw: bytes, extra: bytes) -> str:
    """Extra field 0x7075: version 1, CRC-32 of the plain name, the name in UTF-8."""
    if len(extra) < 6 or extra[0] != 1 or struct.unpack_from("<L", extra, 1)[0] != zlib.crc32(raw):
        raise refused("two_names", "the Unicode path extra field belongs to another name", raw)
    try:
        return extra[5:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused("bad_utf8", "the Unicode path extra field is not UTF-8", raw) from error
