"""Hand-made ZIPs in which each field can be wrong."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Any, Self

from storage_service.projects.archives import zip_layout as layout


@dataclass
class Entry:
    """One file. ``local`` and ``central`` override the fields of its headers (names as in ``_header``)."""

    name: bytes = b"a.txt"
    body: bytes = b"hello"
    method: int = layout.STORED
    flags: int = 0
    mode: int = 0o100644
    extra: bytes = b""
    packed: bytes | None = None
    descriptor: bytes | None = None
    before: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> Self:
        """Return the same entry with changes."""
        return replace(self, **changes)

    @property
    def data(self) -> bytes:
        """The bytes of the content in the archive."""
        if self.packed is not None:
            return self.packed
        return deflate(self.body) if self.method == layout.DEFLATED else self.body

    def told(self, overrides: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a header."""
        plain = {
            "flags": self.flags,
            "method": self.method,
            "crc32": zlib.crc32(self.body),
            "packed": len(self.data),
            "size": len(self.body),
            "name": self.name,
            "extra": self.extra,
        }
        return plain | overrides


@dataclass
class Archive:
    """Entries and what follows them. ``end`` overrides fields of the end record."""

    entries: list[Entry]
    before: bytes = b""
    between: bytes = b""
    comment: bytes = b""
    after: bytes = b""
    end: dict[str, int] = field(default_factory=dict)
    wide: bool = False

    def build(self) -> bytes:
        """Return the bytes of the ZIP."""
        out = bytearray(self.before)
        directory = bytearray()
        for entry in self.entries:
            out += entry.before
            offset = len(out)
            out += _local(entry) + entry.data + (entry.descriptor or b"")
            directory += _central(entry, offset)
        start = len(out)
        out += directory + self.between
        told = {
            "here": len(self.entries),
            "entries": len(self.entries),
            "size": len(directory),
            "offset": start,
        }
        told |= {"disk": 0, "first": 0} | self.end
        if self.wide:
            wide_at = len(out)
            out += layout.END64.pack(
                layout.END64_SIGNATURE, 44, 45, 45, told["disk"], told["first"], told["here"],
                told["entries"], told["size"], told["offset"],
            )  # fmt: skip
            out += layout.LOCATOR.pack(layout.LOCATOR_SIGNATURE, 0, wide_at, 1)
            told = dict.fromkeys(told, layout.MAX16) | {"size": layout.MAX32, "offset": layout.MAX32}
        out += layout.END.pack(
            layout.END_SIGNATURE, told["disk"], told["first"], told["here"], told["entries"], told["size"],
            told["offset"], len(self.comment),
        )  # fmt: skip
        return bytes(out + self.comment + self.after)


def archive(*entries: Entry, **more: Any) -> bytes:
    """Return a complete ZIP."""
    return Archive(list(entries) or [Entry()], **more).build()


def descriptor(entry: Entry, *, signed: bool = True, wide: bool = False, **lies: int) -> bytes:
    """Return a data descriptor."""
    told = {"crc32": zlib.crc32(entry.body), "packed": len(entry.data), "size": len(entry.body)} | lies
    packed = struct.pack("<LQQ" if wide else "<LLL", told["crc32"], told["packed"], told["size"])
    return (layout.DESCRIPTOR_SIGNATURE if signed else b"") + packed


def streamed(entry: Entry, **shape: Any) -> Entry:
    """Return the entry as made by writers that don't know its size in advance."""
    entry = entry.but(flags=entry.flags | layout.DESCRIPTOR)
    unknown = {"crc32": 0, "packed": 0, "size": 0} | entry.local
    return entry.but(local=unknown, descriptor=descriptor(entry, **shape))


def deflate(body: bytes) -> bytes:
    """Return the body as raw deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def field_of(kind: int, data: bytes) -> bytes:
    """Return one extra field."""
    return struct.pack("<HH", kind, len(data)) + data


def unicode_path(plain: bytes, name: str) -> bytes:
    """Return the Unicode path extra field."""
    return field_of(layout.UNICODE_PATH_EXTRA, struct.pack("<BL", 1, zlib.crc32(plain)) + name.encode())


def _local(entry: Entry) -> bytes:
    told = entry.told(entry.local)
    signature = told.get("signature", layout.LOCAL_SIGNATURE)
    header = layout.LOCAL.pack(
        signature, 20, told["flags"], told["method"], 0, 33, told["crc32"], told["packed"], told["size"],
        len(told["name"]), told.get("extra_size", len(told["extra"])),
    )  # fmt: skip
    return bytes(header) + bytes(told["name"]) + bytes(told["extra"])


def _central(entry: Entry, offset: int) -> bytes:
    told = entry.told(entry.central)
    header = layout.CENTRAL.pack(
        layout.CENTRAL_SIGNATURE, 3 << 8 | 20, 20, told["flags"], told["method"], 0, 33, told["crc32"],
        told["packed"], told["size"], len(told["name"]), told.get("extra_size", len(told["extra"])), 0,
        told.get("disk", 0), 0, entry.mode << 16, told.get("offset", offset),
    )  # fmt: skip
    return bytes(header) + bytes(told["name"]) + bytes(told["extra"])
