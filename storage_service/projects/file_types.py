"""Media types of a project's files: by extension if a browser has to run them, else by content."""

from __future__ import annotations

from collections.abc import Sequence

from servicekit.presentation import essence, with_charset
from storage_service.content.assembler import first_bytes
from storage_service.content.sniffing import charset_of, has_charset, is_utf8
from storage_service.content.types import ContentRules
from storage_service.objectstore.values import Chunk
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.type_names import GENERIC

HEAD_BYTES = 4096
_MARK_BYTES = 4

_BY_EXTENSION = {
    "css": "text/css",
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/vnd.microsoft.icon",
    "js": "text/javascript",
    "json": "application/json",
    "jsx": "text/plain",
    "map": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "otf": "font/otf",
    "py": "text/x-python",
    "scss": "text/plain",
    "svelte": "text/plain",
    "svg": "image/svg+xml",
    "toml": "application/toml",
    "ts": "text/plain",
    "tsx": "text/plain",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "vue": "text/plain",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
"""Fixed here, because `mimetypes` differs between machines and reads .ts as video.

Sources that have to be compiled (.jsx, .ts, .vue) are text: a browser could not run them, and shows them.
"""

_COMPRESSED = frozenset(
    {
        "application/epub+zip",
        "application/gzip",
        "application/java-archive",
        "application/pdf",
        "application/x-7z-compressed",
        "application/x-bzip2",
        "application/x-xz",
        "application/zip",
        "application/zstd",
        "font/woff",
        "font/woff2",
    }
)
_PLAIN_MEDIA = frozenset(
    {"audio/wav", "image/bmp", "image/svg+xml", "image/tiff", "image/vnd.microsoft.icon"}
)
_MEDIA = (
    "audio/",
    "image/",
    "video/",
    "application/vnd.openxmlformats",
    "application/vnd.oasis.opendocument",
)


def described(rules: ContentRules, path: str, chunks: Sequence[Chunk]) -> str:
    """The type to store for the file at ``path``, whose whole content is ``chunks``.

    Has a ``charset`` if it is text with a recognizable encoding. Text from a JSON string is UTF-8.
    """
    kind = content_type_of(rules, path, first_bytes(chunks, HEAD_BYTES))
    if not has_charset(kind):
        return kind
    if is_utf8(chunks, whole=True):
        return with_charset(kind, "utf-8")
    marked = charset_of(first_bytes(chunks, _MARK_BYTES))
    return with_charset(kind, marked if marked != "utf-8" else "")


def content_type_of(rules: ContentRules, path: str, head: bytes) -> str:
    """The type of a file that begins with ``head``, without a charset."""
    name = path.rpartition("/")[2]
    known = _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None
    if known is not None:
        return known
    if not head:
        return GENERIC
    spec = UploadSpec(filename=name)
    spec.target.project_archive.SetInParent()  # a family that allows any type
    return rules.decide(spec, head)


def is_compressed(content_type: str) -> bool:
    """Whether the content is compressed already."""
    content_type = essence(content_type)
    if content_type in _PLAIN_MEDIA:
        return False
    return content_type in _COMPRESSED or content_type.startswith(_MEDIA)
