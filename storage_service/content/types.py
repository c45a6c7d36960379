"""Determines the content type of a file, and whether its family accepts it.

The first bytes are compared with signatures (``sniffing``). Types with the same beginning form a group (a
.docx is a ZIP). A declared type is refused only if it has a signature, the bytes are of no type in its group,
and it isn't one that clients mix up (``type_names``): a .csv that Windows calls Excel is stored as .csv, a
web page declared as PNG is refused.

The stored type has a ``charset`` if the file is text of a known encoding: the declared one, else the detected
one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from servicekit.presentation import essence, with_charset
from storage_service.content import pictures, sniffing
from storage_service.content.assembler import first_bytes
from storage_service.content.picture_sizes import MOST_HEADER_BYTES
from storage_service.content.sniffing import charset_of, declared_charset, has_charset, is_text
from storage_service.objectstore.values import Chunk
from strongroom.errors import ContentTypeMismatch, ContentTypeNotAllowed
from strongroom.metadata.v1 import target_pb2
from strongroom.metadata.v1.target_pb2 import UploadSpec, UploadTarget
from strongroom.type_names import (
    COMPOUND_OFFICE,
    EXCEL,
    GENERIC,
    MIXED_UP_OFFICE,
    OFFICE_TEXT,
    PDF,
    RTF,
    WORD,
    ZIPPED_OFFICE,
    by_extension,
    normalise,
    pictures_mixed_up,
)

SNIFF_BYTES: Final = 64 * 1024
"""Number of first bytes by which the type is detected, and whether a text is UTF-8."""

_Group = tuple[bytes, int, tuple[str, ...]]
_HEIC: Final = ("image/heic", "image/heif")
_AVIF: Final = ("image/avif",)
_FILM: Final = ("video/mp4", "audio/mp4", "video/quicktime", "video/3gpp", "audio/3gpp", "audio/aac")
_MOVIE: Final = ("video/quicktime", "video/mp4")
_ZIP: Final = ("application/zip", "application/epub+zip", "application/java-archive", *ZIPPED_OFFICE)
#: Signature, its offset, and the types that begin with it.
_GROUPS: Final[tuple[_Group, ...]] = (
    (b"PK\x03\x04", 0, _ZIP),
    (b"PK\x05\x06", 0, _ZIP),
    (b"PK\x07\x08", 0, _ZIP),
    (b"\xd0\xcf\x11\xe0", 0, COMPOUND_OFFICE),
    *(
        (b"ftyp" + brand, 4, _HEIC)
        for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm")
    ),
    (b"ftypmif1", 4, (*_HEIC, *_AVIF)),
    (b"ftypmsf1", 4, (*_HEIC, *_AVIF)),
    (b"ftypavif", 4, _AVIF),
    (b"ftypavis", 4, _AVIF),
    (b"ftypqt  ", 4, ("video/quicktime", *(kind for kind in _FILM if kind != "video/quicktime"))),
    (b"ftypM4A", 4, ("audio/mp4", *(kind for kind in _FILM if kind != "audio/mp4"))),
    (b"ftyp", 4, _FILM),
    (b"\x1aE\xdf\xa3", 0, ("video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska")),
    (b"OggS", 0, ("audio/ogg", "video/ogg", "audio/opus")),
    (b"ID3", 0, ("audio/mpeg", "audio/aac", "audio/flac")),
    (b"{\\rtf", 0, (RTF,)),
    (b"%PDF-", 0, (PDF,)),
    (b"\x89PNG\r\n\x1a\n", 0, ("image/png", "image/apng")),
    (b"\xff\xd8\xff", 0, ("image/jpeg",)),
    (b"GIF8", 0, ("image/gif",)),
    (b"WEBP", 8, ("image/webp",)),
    (b"WAVE", 8, ("audio/wav",)),
    (b"AVI ", 8, ("video/x-msvideo",)),
    (b"fLaC", 0, ("audio/flac",)),
    (b"II*\0", 0, ("image/tiff",)),
    (b"MM\0*", 0, ("image/tiff",)),
    (b"\x1f\x8b", 0, ("application/gzip",)),
)
_BMP: Final = ("image/bmp",)
#: QuickTime films from before `ftyp` begin with one of these boxes.
_OLD_MOVIE: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
#: Types whose files always begin with a signature (raw MPEG and AAC frames need not).
_SIGNED: Final = frozenset({*_BMP, *(kind for _, _, types in _GROUPS for kind in types)}) - {
    "audio/mpeg",
    "audio/aac",
    "image/apng",
}
#: Readers search this many first bytes for the beginning of a PDF (PDF Reference 1.7, H.3.4.1, note 13).
_PDF_WINDOW: Final = 1024
#: Beginnings that no PDF has by mistake: programs, archives, web pages.
_NEVER_BEFORE_PDF: Final = (b"MZ", b"\x7fELF", b"#!", b"PK", b"<", b"\xef\xbb\xbf<")
_OFFICE_ENTRY: Final = re.compile(rb"PK\x03\x04.{26}(xl|word|ppt)/", re.DOTALL)
_OPEN_ENTRY: Final = re.compile(
    rb"PK\x03\x04.{26}mimetype(application/vnd\.oasis\.opendocument\.[a-z]+)", re.DOTALL
)
_BY_FOLDER: Final = {
    b"word": by_extension(".docx"),
    b"xl": by_extension(".xlsx"),
    b"ppt": by_extension(".pptx"),
}
#: Beginnings of web pages, XML and saved e-mails, after a byte order mark and blanks.
_MARKUP: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<|MIME-Version:)", re.IGNORECASE)


class ContentRules:
    """Which types each family accepts, and how large the pictures that it shows may be.

    ``allowed`` maps a family's rule name (``documents``, ``generation`` …) to types or wildcards
    (``image/*``). A name without an entry accepts any type. ``max_pixels``: limit of a picture in the
    families that show pictures.
    """

    def __init__(self, allowed: Mapping[str, Sequence[str]], *, max_pixels: int = 100_000_000) -> None:
        self._max_pixels = max_pixels
        self._allowed = {name: tuple(patterns) for name, patterns in allowed.items()}

    def declared(self, spec: UploadSpec) -> str:
        """Return the type as far as it is known before the bytes. Raises ContentTypeNotAllowed for a declared
        one.
        """
        named = normalise(spec.content_type)
        if named == GENERIC:
            named = by_extension(spec.filename)
            return _described(named if named not in _SIGNED else GENERIC, spec, b"")
        self.check(spec.target, named)
        return _described(named, spec, b"")

    def describe(self, spec: UploadSpec, head: bytes) -> str:
        """Return the type to store, with its charset if known.

        ``head``: the whole file, or at least its first ``SNIFF_BYTES`` and as much more as ``wants_more``
        asks for.

        Raises ContentTypeMismatch, ContentTypeNotAllowed, PictureRefused.
        """
        kind = self.decide(spec, head)
        self.check_picture(spec.target, kind, head)
        return _described(kind, spec, head)

    def enough(self, spec: UploadSpec, head: bytes) -> int:
        """Return how many first bytes the decision needs, given the ``head`` read so far."""
        more = len(head) >= SNIFF_BYTES and self.wants_more(spec, head)
        return MOST_HEADER_BYTES if more else SNIFF_BYTES

    def head(self, spec: UploadSpec, chunks: Sequence[Chunk]) -> bytes:
        """Return the first bytes of a body, as many as the decision needs; ``chunks`` is its beginning."""
        return first_bytes(chunks, self.enough(spec, first_bytes(chunks, SNIFF_BYTES)))

    def wants_more(self, spec: UploadSpec, head: bytes) -> bool:
        """Whether the decision needs more first bytes than ``head``, up to ``MOST_HEADER_BYTES``."""
        if len(head) < SNIFF_BYTES:
            return True
        if not shows_pictures(spec.target):
            return False
        try:
            kind = self.decide(spec, head)
        except (ContentTypeMismatch, ContentTypeNotAllowed):
            return False  # it is refused in any case
        return kind.startswith("image/") and pictures.wants_more(kind, head)

    def check_picture(self, target: UploadTarget, kind: str, head: bytes) -> None:
        """Refuse a picture that is too large, if the family shows pictures. Raises PictureRefused."""
        if shows_pictures(target) and kind.startswith("image/"):
            pictures.check_picture(kind, head, self._max_pixels)

    def decide(self, spec: UploadSpec, head: bytes) -> str:
        """Return the type without charset. Raises ContentTypeMismatch, ContentTypeNotAllowed."""
        named = normalise(spec.content_type)
        if named != GENERIC and named not in _SIGNED and rule_name(spec.target) not in self._allowed:
            return named  # no signature to compare with, and no rule of the family
        detected = detect(head)
        if named == GENERIC:
            chosen = _choose(spec.filename, head, detected)
        elif named in _SIGNED and head:
            chosen = _compared(named, spec.filename, head, detected)
        else:
            chosen = named
        self.check(spec.target, chosen)
        if detected and chosen not in detected and not is_text(head, legacy=True):
            self.check(spec.target, detected[0])  # bytes of another type under an accepted name
        if chosen.startswith("text/") and head and not is_text(head, legacy=True):
            self.check(spec.target, GENERIC)  # declared as text, but isn't
        return chosen

    def check(self, target: UploadTarget, content_type: str) -> None:
        """Raises ContentTypeNotAllowed when the target's family does not take the type."""
        name, content_type = rule_name(target), essence(content_type)
        patterns = self._allowed.get(name)
        if patterns is None or any(_matches(content_type, pattern) for pattern in patterns):
            return
        raise ContentTypeNotAllowed(
            f"{content_type} is not allowed for {name}; allowed: {', '.join(patterns)}",
            metadata={"detected": content_type, "allowed": ",".join(patterns)},
        )


def shows_pictures(target: UploadTarget) -> bool:
    """Whether files of this family are shown as pictures."""
    return target.WhichOneof("target") in {"generation", "event_media", "profile_picture"}


def rule_name(target: UploadTarget) -> str:
    """Return the name of the target's rule: the folder for plain files, else the family."""
    family = target.WhichOneof("target") or ""
    if family != "file":
        return family
    folder = target.file.folder
    if folder == target_pb2.FILE_FOLDER_DOCUMENTS:
        return "documents"
    return "audio" if folder == target_pb2.FILE_FOLDER_AUDIO else "uploads"


def hint(content_type: str) -> str:
    """Return a type claimed by a third party, or ``""`` for one with a signature, which the bytes decide."""
    claimed = normalise(content_type)
    if claimed in _SIGNED or claimed == GENERIC:
        return ""
    return with_charset(claimed, declared_charset(content_type))


def detect(head: bytes) -> tuple[str, ...]:
    """Return the types that a file beginning with ``head`` may have, likeliest first; empty if no signature
    matches.
    """
    for signature, offset, types in _GROUPS:
        if head[offset : offset + len(signature)] == signature:
            return _AVIF + _HEIC if types == (*_HEIC, *_AVIF) and b"avif" in head[8:64] else types
    if head[4:8] in _OLD_MOVIE:
        return _MOVIE
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # many texts begin with these two letters
        return _BMP
    found = tuple(dict.fromkeys(normalise(name) for name in sniffing.content_types(head)))
    if not found and not head.startswith(_NEVER_BEFORE_PDF) and b"%PDF-" in head[:_PDF_WINDOW]:
        return (PDF,)
    return found


def _described(kind: str, spec: UploadSpec, head: bytes) -> str:
    """Add the declared charset, or else the detected one."""
    if not has_charset(kind):
        return kind
    whole = len(head) < SNIFF_BYTES
    return with_charset(kind, declared_charset(spec.content_type) or charset_of(head, whole=whole))


def _choose(filename: str, head: bytes, detected: tuple[str, ...]) -> str:
    """Choose a type when none was declared: by the filename's extension, within what the bytes allow."""
    named = by_extension(filename)
    if named in detected:
        return named
    if named in MIXED_UP_OFFICE and (office := _office(named, named, head, detected)):
        return office
    by_name = named != GENERIC and named not in _SIGNED
    if by_name and (not detected or is_text(head, legacy=False)):
        return named
    if detected:
        return detected[0]
    return "text/plain" if is_text(head, legacy=False) else GENERIC


def _compared(declared: str, filename: str, head: bytes, detected: tuple[str, ...]) -> str:
    """Return the actual type of a file declared with a type that has a signature. Raises
    ContentTypeMismatch.
    """
    named = by_extension(filename)
    if declared in detected:
        mixed_up = declared == "application/zip" or declared in MIXED_UP_OFFICE
        return named if mixed_up and named in MIXED_UP_OFFICE and named in detected else declared
    if declared in MIXED_UP_OFFICE and (office := _office(declared, named, head, detected)):
        return office
    shown = detected[0] if detected else "unknown"
    if pictures_mixed_up(declared, shown):
        return shown
    raise ContentTypeMismatch(
        f"the file was declared as {declared}, but its bytes are not (they look like: {shown})",
        metadata={"declared": declared, "detected": shown},
    )


def _office(declared: str, named: str, head: bytes, detected: tuple[str, ...]) -> str:
    """Return the actual type of a wrongly declared office document, or ``""`` if it isn't one.

    ``named``: the type of the filename's extension.
    """
    containers = [kind for kind in detected if kind in MIXED_UP_OFFICE]
    if named in containers:
        return named
    if RTF in containers:
        return RTF  # Word saves RTF as .doc
    if WORD in containers:  # a password-protected document is not a ZIP
        wanted = declared if named == GENERIC else named
        return wanted if wanted in ZIPPED_OFFICE else ""
    if containers:
        return _zipped_office(head)
    if not _SIGNED.isdisjoint(detected) or not is_text(head, legacy=True):
        return ""
    return _office_text(declared, named, head)


def _zipped_office(head: bytes) -> str:
    """Return the type by the names of the first ZIP entries, or ``""`` for another archive."""
    if found := _OPEN_ENTRY.match(head):
        kind = found[1].decode()
        return kind if kind in ZIPPED_OFFICE else ""
    folder = _OFFICE_ENTRY.search(head)
    return _BY_FOLDER[folder[1]] if folder else ""


def _office_text(declared: str, named: str, head: bytes) -> str:
    """Return the type of text that an office program writes or opens: tables (.csv, .xls), pages as .xls or
    .doc.
    """
    if named in OFFICE_TEXT or named == EXCEL:
        return named
    markup = _MARKUP.match(head) is not None
    if named == WORD:
        return WORD if markup else ""
    if named != GENERIC:
        return ""
    if markup:
        return "text/html"
    return "text/csv" if declared == EXCEL or "sheet" in declared else "text/plain"


def _matches(content_type: str, pattern: str) -> bool:
    if pattern.endswith("/*"):
        return content_type.startswith(pattern[:-1])
    return content_type == pattern
