"""Names that mean the same on every system on which a tree may be unpacked.

The same rules apply to entries of ZIPs and to paths of saves, in addition to those of ``PATH_INVALID`` and of
the ZIP reader (relative, no ``..``, no control characters).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

_BIDI: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff]"
)
"""Default-ignorable code points that no orthography needs in a name."""
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""Flags of England and the like: an emoji followed by tags."""
_STRAY_JOINER: Final = re.compile("(?<=[\x00-\x7f])[\u200c\u200d]")
"""A joiner follows a letter of a joining script or an emoji, never ASCII."""
_IGNORED: Final = re.compile(
    f"{_BIDI.pattern[:-1]}{_UNSEEN.pattern[1:-1]}\u180b-\u180d\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_DOTS: Final = re.compile(r"/\.{1,2}/")
_GIT: Final = re.compile(r"/(?:\.git|git~[0-9]+)[. ]*[:/]")
_RESERVED: Final = re.compile(
    r"/(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$|clock\$)"
    r"\s*(?:\.[^/]*)?/",
    re.IGNORECASE,
)
_DOT_OR_BLANK: Final = re.compile(r"[.\s]/")
_SHORT_OR_HOME: Final = re.compile(r"/(?:[^./~]{1,7}~[0-9]{1,6}(?:\.[^./]{0,3})?|~[A-Za-z0-9_-]*)/")
_UNICODE_ESCAPE: Final = re.compile("%u([0-9A-Fa-f]{4})")
_OVERLONG: Final = (
    (b"\xc0\xae", b"."),
    (b"\xe0\x80\xae", b"."),
    (b"\xc0\xaf", b"/"),
    (b"\xe0\x80\xaf", b"/"),
)
_ENCODED_LAYERS: Final = 5


class NameRefused(Exception):
    """A name means different things on different systems. ``rule`` names the kind; the text completes a
    sentence about the name.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


def check_portable(path: str) -> None:
    """Check ``path``, in NFC with ``/`` between segments. Raises NameRefused."""
    if "%" in path and _leads_out(path):
        raise NameRefused("encoded_name", "the name holds an encoded .. or NUL")
    between = f"/{path}/"
    for rule, message, breaks in _RULES:
        if breaks(between):
            raise NameRefused(rule, message)


def folded(path: str) -> str:
    """The path as a system sees it that ignores case, normalization and invisible characters.

    Segments are separated by NUL, so that a folder's contents sort directly after it.
    """
    seen = _IGNORED.sub("", unicodedata.normalize("NFD", path)).casefold()
    return unicodedata.normalize("NFC", seen).replace("/", "\0")


class PathSet:
    """The paths of one tree, sorted by their folded form.

    Paths that clash at any level have neighbours that clash, so folders need no entries of their own.
    """

    def __init__(self) -> None:
        self._paths: list[tuple[str, str, bool]] = []

    def add(self, path: str, *, is_folder: bool = False) -> None:
        """Add a path. Raises NameRefused: ``duplicate_name``, ``case_collision``, ``file_and_folder``."""
        insort(self._paths, self.check(path, is_folder=is_folder))

    def check(self, path: str, *, is_folder: bool = False) -> tuple[str, str, bool]:
        """Check like ``add``, without adding. Returns the entry."""
        entry = (folded(path), path, is_folder)
        at = bisect_left(self._paths, entry)
        for other in self._paths[max(at - 1, 0) : at + 1]:
            _check_pair(entry, other)
        return entry

    def holds(self, path: str) -> bool:
        """Whether the path is in the set as a file."""
        entry = (folded(path), path, False)
        at = bisect_left(self._paths, entry)
        return self._paths[at : at + 1] == [entry]


def _check_pair(one: tuple[str, str, bool], other: tuple[str, str, bool]) -> None:
    if one[1] == other[1]:
        raise NameRefused("duplicate_name", "the name comes twice")
    for mine, its, fold_mine, fold_its in zip(
        one[1].split("/"), other[1].split("/"), one[0].split("\0"), other[0].split("\0"), strict=False
    ):
        if fold_mine != fold_its:
            return
        if mine != its:
            raise NameRefused(
                "case_collision", "the name differs from another one only in case or in unseen characters"
            )
    shorter = min(one, other, key=lambda entry: entry[1].count("/"))
    if not shorter[2]:
        raise NameRefused("file_and_folder", "the name is that of a file and of a folder")


def _leads_out(path: str) -> bool:
    """Whether some layer of decoding turns a segment into one or two dots, or into a name with a NUL."""
    layer = path.encode()
    for _ in range(_ENCODED_LAYERS):
        text = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), layer.decode("utf-8", "replace"))
        decoded = unquote_to_bytes(text.encode("utf-8", "replace"))
        for overlong, meant in _OVERLONG:
            decoded = decoded.replace(overlong, meant)
        if decoded == layer:
            return False
        layer = decoded
        segments = layer.replace(b"\\", b"/").split(b"/")
        if b"\0" in layer or b".." in segments or b"." in segments:
            return True
    return True


def _is_git(between: str) -> bool:
    """``.git`` in the spellings of NTFS, HFS+ and Windows' short names."""
    return _GIT.search(_IGNORED.sub("", between).casefold()) is not None


def _holds_unseen(between: str) -> bool:
    return _UNSEEN.search(_FLAG.sub("", between)) is not None or _STRAY_JOINER.search(between) is not None


#: Each is matched once per path, with slashes around it: 1,024 bytes may have 512 segments.
_RULES: Final[tuple[tuple[str, str, Callable[[str], object]], ...]] = (
    ("dot_segment", "the name holds . or .. between its slashes; write the path out", _DOTS.search),
    ("git_folder", "the name is that of git's own folder, which runs commands where it lands", _is_git),
    ("bidi_control", "the name holds a character that turns the order of reading", _BIDI.search),
    ("unseen_character", "the name holds a character that nobody sees", _holds_unseen),
    ("reserved_name", "the name is that of a device on Windows", _RESERVED.search),
    ("trailing_dot_or_blank", "a name ends in a dot or a blank, which Windows drops", _DOT_OR_BLANK.search),
    ("stream_name", "the name holds a colon: a hidden stream on Windows", lambda path: ":" in path),
    ("tilde", "the name is a home folder (~, ~user) or a short name (NAME~1) to some", _SHORT_OR_HOME.search),
)
