"""The protos with their comments, as read by buf."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

#: Field numbers of descriptor.proto, used in the paths of comments.
MESSAGE_OF_FILE, ENUM_OF_FILE, SERVICE_OF_FILE = 4, 5, 6
FIELD_OF_MESSAGE, NESTED, ENUM_OF_MESSAGE = 2, 3, 4
METHOD_OF_SERVICE: Final = 2
VALUE_OF_ENUM: Final = 2
Path_ = tuple[int, ...]


@functools.cache
def files(root: Path) -> tuple[FileDescriptorProto, ...]:
    """Our own files by name.

    :raises SystemExit: buf can't read them.
    """
    buf = Path(sys.executable).parent / "buf"
    done = subprocess.run(
        [buf, "build", "--as-file-descriptor-set", "-o", "-"], cwd=root, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    found = FileDescriptorSet.FromString(done.stdout)
    return tuple(
        sorted((one for one in found.file if one.package.startswith("strongroom.")), key=lambda one: one.name)
    )


def comments(file: FileDescriptorProto) -> dict[Path_, str]:
    """The leading comment of each element, by its path."""
    return {
        tuple(place.path): "\n".join(line.strip() for line in place.leading_comments.strip().splitlines())
        for place in file.source_code_info.location
        if place.leading_comments
    }


def services(root: Path) -> Iterator[tuple[FileDescriptorProto, int]]:
    """Each service: its file, and its index in it."""
    for file in files(root):
        for index in range(len(file.service)):
            yield file, index
