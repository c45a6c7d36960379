"""The records of a ZIP file for reader and writer (PKWARE APPNOTE.TXT 6.3.10, section 4.3)."""

from __future__ import annotations

import struct
from typing import Final

from strongroom.errors import ArchiveInvalid

LOCAL_SIGNATURE: Final = b"PK\3\4"
CENTRAL_SIGNATURE: Final = b"PK\1\2"
DESCRIPTOR_SIGNATURE: Final = b"PK\7\x08"
END_SIGNATURE: Final = b"PK\5\6"
END64_SIGNATURE: Final = b"PK\6\6"
LOCATOR_SIGNATURE: Final = b"PK\6\7"

#: signature, version needed, flags, method, time, date, crc32, csize, size, name length, extra length
LOCAL: Final = struct.Struct("<4s5H3L2H")
#: signature, version made by (low: version, high: system), version needed, flags, method, time, date,
#: crc32, csize,
#: size, name length, extra length, comment length, disk, internal attributes, external attributes, local
#: offset
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
#: signature, disk, disk of directory, entries on disk, entries, directory size, directory offset, comment
#: length
END: Final = struct.Struct("<4s4H2LH")
#: signature, size of the rest, version made by, version needed, disk, disk of directory, entries on disk,
#: entries,
#: directory size, directory offset
END64: Final = struct.Struct("<4sQ2H2L4Q")
#: signature, disk of END64, offset of END64, disks
LOCATOR: Final = struct.Struct("<4sLQL")

STORED: Final = 0
DEFLATED: Final = 8

ENCRYPTED: Final = 1 << 0
DESCRIPTOR: Final = 1 << 3
PATCHED: Final = 1 << 5
STRONGLY_ENCRYPTED: Final = 1 << 6
UTF8: Final = 1 << 11
MASKED: Final = 1 << 13

ZIP64_EXTRA: Final = 0x0001
UNICODE_PATH_EXTRA: Final = 0x7075

MAX16: Final = 0xFFFF
MAX32: Final = 0xFFFFFFFF


SHOWN = 200


def refused(rule: str, message: str, entry: bytes | str = b"") -> ArchiveInvalid:
    """ArchiveInvalid {rule, entry}. The entry's name is escaped and cut: it travels in headers and logs."""
    shown = ascii(entry.decode("utf-8", "replace") if isinstance(entry, bytes) else entry)[1:-1][:SHOWN]
    where = f"{shown}: " if shown else ""
    return ArchiveInvalid(f"{where}{message}", metadata={"rule": rule, "entry": shown})
