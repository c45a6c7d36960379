"""Metrics of transfers: files and bytes uploaded and downloaded, by family and way (``form``, ``tus``, …)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final, Literal

from prometheus_client import Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from servicekit.context import current, note_file
from strongroom.families import family_name
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import ProjectFile

#: ``form``: one body through the gateway; ``tus``: a resumable upload through the gateway; ``direct``: sent
#: to S3 by the client, only confirmed here; ``import``: fetched from a URL; ``copy``: a copy or a move;
#: ``drop``: sent by a guest of a share; ``grpc``: any other call by a gRPC client.
Way = Literal["form", "tus", "direct", "import", "copy", "drop", "grpc"]
DownloadWay = Literal["http", "grpc", "link", "share", "preview"]
PROJECT: Final = "project"
ARCHIVE: Final = "project_archive"
EXPORT: Final = "export"
_LABELS: Final = ("family", "way")


def family_of(file: File | ProjectFile) -> str:
    """The family in lower case, for the label; ``other`` if this release does not know it."""
    if isinstance(file, ProjectFile):
        return PROJECT
    return family_name(file.family)


def by_gateway(way: Way) -> Way:
    """``way`` if the call in progress came through the gateway, else ``grpc``."""
    request = current()
    return way if request is not None and request.by_gateway else "grpc"


def read_way() -> DownloadWay:
    """The way of the call in progress: ``http`` if it came through the gateway, else ``grpc``."""
    request = current()
    return "http" if request is not None and request.by_gateway else "grpc"


class Download:
    """Counts one download whose file is found only while the call is answered."""

    def __init__(self, transfers: Transfers, way: DownloadWay) -> None:
        self._transfers = transfers
        self._way: DownloadWay = way
        self._sent: Counter | None = None

    def begun(self, file: File | ProjectFile) -> None:
        """Count a download of ``file``; ``piece`` counts its bytes from here on."""
        self._sent = self._transfers.begun(file, self._way)

    def piece(self, size: int) -> None:
        """Count ``size`` more bytes. Does nothing before ``begun``."""
        if self._sent is not None:
            self._sent.inc(size)


class Transfers(Collector):
    """The counters of one process."""

    def __init__(self) -> None:
        self._uploads = Counter("strongroom_uploads", "Files stored.", _LABELS, registry=None)
        self._uploaded = Counter("strongroom_upload_bytes", "Bytes of files stored.", _LABELS, registry=None)
        self._downloads = Counter("strongroom_downloads", "Downloads started.", _LABELS, registry=None)
        self._downloaded = Counter(
            "strongroom_download_bytes", "Bytes of files sent to readers.", _LABELS, registry=None
        )

        self._stored, self._stored_bytes = cache(self._uploads.labels), cache(self._uploaded.labels)
        self._sent, self._sent_bytes = cache(self._downloads.labels), cache(self._downloaded.labels)

    def collect(self) -> Iterable[Metric]:
        """All four metrics."""
        for metric in (self._uploads, self._uploaded, self._downloads, self._downloaded):
            yield from metric.collect()

    def stored(self, file: File, way: Way) -> None:
        """Count a committed file."""
        note_file(file.id)
        self._count(family_of(file), way, file.size_bytes)

    def saved(self, size: int, way: Way) -> None:
        """Count a committed save of a project; ``size`` in bytes."""
        self._count(PROJECT, way, size)

    def _count(self, family: str, way: Way, size: int) -> None:
        self._stored(family, way).inc()
        self._stored_bytes(family, way).inc(size)

    def begun(self, file: File | ProjectFile, way: DownloadWay) -> Counter:
        """Count a download of ``file``. Returns the counter of its bytes."""
        if isinstance(file, File):
            note_file(file.id)
        return self.sending(family_of(file), way)

    def one(self, way: DownloadWay) -> Download:
        """A counter of one download whose file is not known yet. Counts nothing until ``Download.begun``."""
        return Download(self, way)

    def sending(self, family: str, way: DownloadWay) -> Counter:
        """Count a download of ``family``. Returns the counter of its bytes."""
        self._sent(family, way).inc()
        return self._sent_bytes(family, way)
