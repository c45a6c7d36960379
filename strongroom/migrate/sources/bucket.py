"""Objects of another S3 bucket, or below a prefix. Credentials are found in AWS's usual ways."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from strongroom.errors import PathInvalid
from strongroom.migrate.entries import Entry
from strongroom.migrate.extras import demand
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.migrate.reading import tree_digest, tree_of
from strongroom.migrate.sources.source import Found, Source
from strongroom.path_rules import normal_path

READ_BYTES: Final = 1 << 20
#: How often reading one object is resumed.
TRIES: Final = 4
_GONE: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_CHANGED: Final = frozenset({"PreconditionFailed", "412"})
_ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Bucket(Source):
    """A bucket. ``url``: ``s3://bucket/prefix``. ``depth``: as in ``Directory``, below the last ``/`` of the
    prefix.

    :raises PlanProblem: boto3 is not installed, or ``url`` names no bucket.
    """

    def __init__(
        self,
        url: str,
        *,
        endpoint_url: str = "",
        region: str = "",
        profile: str = "",
        depth: int | None = None,
    ) -> None:
        name, _, prefix = url.removeprefix("s3://").partition("/")
        if not url.startswith("s3://") or not name:
            raise PlanProblem(f"{url} names no bucket; write s3://bucket or s3://bucket/prefix")
        self._bucket, self._prefix, self._depth = name, prefix, depth
        self._place = {"endpoint_url": endpoint_url, "region": region, "profile": profile}
        boto3, config = demand("boto3", "another bucket"), demand("botocore.config", "another bucket")
        self._errors = demand("botocore.exceptions", "another bucket")
        self._broken = (*_of(demand("urllib3.exceptions", "another bucket"), "HTTPError"), OSError)
        try:
            session = boto3.session.Session(profile_name=profile or None, region_name=region or None)
            self._client = session.client(
                "s3",
                endpoint_url=endpoint_url or None,
                region_name=session.region_name or "us-east-1",
                config=config.Config(
                    max_pool_connections=64,
                    retries={"mode": "standard", "total_max_attempts": 5},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        except (self._errors.BotoCoreError, ValueError) as error:
            raise PlanProblem(f"the bucket's settings can't work: {error}") from None

    def described(self) -> dict[str, Any]:
        """Return bucket, prefix and connection, without credentials."""
        return {
            "kind": "bucket",
            "url": f"s3://{self._bucket}/{self._prefix}",
            "depth": self._depth,
            **self._place,
        }

    def find(self) -> Iterator[Found]:
        """Yield the objects in key order."""
        if self._depth is None:
            for one in self._listed(self._prefix):
                if not (one["Key"].endswith("/") and one["Size"] == 0):  # the marker of a folder
                    yield self._object(one)
            return
        for folder, objects in itertools.groupby(self._listed(self._prefix), self._folder_of):
            if folder:
                yield _project(folder, self._path(folder), objects)
            else:
                for one in objects:
                    why = "it is in none of the projects"
                    yield Found(one["Key"], self._path(one["Key"]), size=one["Size"], why=why)

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                yield from page.get("Contents", ())

    def _folder_of(self, one: dict[str, Any]) -> str:
        """Return the folder of the object's project, with its slash; empty if the object is above the
        projects.
        """
        key = str(one["Key"])
        path = self._path(key)
        segments, depth = path.split("/"), self._depth or 0
        if len(segments) <= depth:
            return ""
        return key[: len(key) - len(path)] + "/".join(segments[:depth]) + "/"

    def _path(self, key: str) -> str:
        """Return the part of the key after the prefix's last slash."""
        return key[self._prefix.rfind("/") + 1 :]

    def _object(self, one: dict[str, Any]) -> Found:
        archived = one.get("StorageClass") in _ARCHIVED
        why = f"it is archived ({one['StorageClass']}); restore it first" if archived else ""
        return Found(one["Key"], self._path(one["Key"]), one["Size"], stamp_of(one), why=why)

    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of one object. A broken stream is resumed where it broke."""
        etag = entry.stamp.partition(" ")[2]
        size, offset, tries = entry.size, 0, 0
        while True:
            answer = self._get(entry.reference, etag, offset)
            size = size if size is not None else answer["ContentLength"]
            try:
                for piece in answer["Body"].iter_chunks(READ_BYTES):
                    offset += len(piece)
                    yield piece
            except (self._errors.BotoCoreError, *self._broken) as error:
                tries += 1
                if tries == TRIES:
                    raise SourceFailed(f"S3: {error}") from None
                continue
            finally:
                answer["Body"].close()
            if offset >= (size or 0):
                return
            raise SourceChanged

    def _get(self, key: str, etag: str, offset: int) -> dict[str, Any]:
        more = {"IfMatch": etag} if etag else {}
        if offset:
            more["Range"] = f"bytes={offset}-"
        with self._told():
            answer: dict[str, Any] = self._client.get_object(Bucket=self._bucket, Key=key, **more)
        return answer

    @contextmanager
    def folder(self, entry: Entry) -> Generator[Path]:
        """Yield a temporary folder with the objects of a project."""
        with tempfile.TemporaryDirectory(prefix="strongroom-migrate-") as root:
            objects = list(self._listed(entry.reference))
            if not objects:
                raise SourceGone
            if entry.stamp and _tree_stamp(objects) != entry.stamp:
                raise SourceChanged
            for one in objects:
                self._save(one, Path(root) / _relative(one["Key"], entry.reference))
            yield Path(root)

    def _save(self, one: dict[str, Any], local: Path) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        with local.open("xb") as file:
            for piece in self.read(Entry(one["Key"], "", "project", size=one["Size"], stamp=stamp_of(one))):
                file.write(piece)

    def remove(self, entry: Entry, sha256: bytes) -> None:
        """Delete one object, or all of a project, after reading each once more.

        In a bucket with versions, delete markers hide them.
        """
        if entry.family == "project":
            self._remove_project(entry, sha256)
            return
        digest = hashlib.sha256()
        for piece in self.read(entry):
            digest.update(piece)
        if digest.digest() != sha256:
            raise SourceChanged
        with self._told():
            now = self._client.head_object(Bucket=self._bucket, Key=entry.reference)
            if now["ETag"] != entry.stamp.partition(" ")[2]:
                raise SourceChanged
            self._client.delete_object(Bucket=self._bucket, Key=entry.reference)

    def _remove_project(self, entry: Entry, sha256: bytes) -> None:
        with self.folder(entry) as folder:
            files = tree_of(folder)
        if tree_digest(files) != sha256:
            raise SourceChanged
        for one in list(self._listed(entry.reference)):
            content = files.get(_relative(one["Key"], entry.reference))
            if content is not None:  # None: a save leaves it out
                self.remove(Entry(one["Key"], "", "path", size=one["Size"], stamp=stamp_of(one)), content)

    @contextmanager
    def _told(self) -> Generator[None]:
        """Translate S3's errors into one line."""
        try:
            yield
        except self._errors.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _GONE:
                raise SourceGone from None
            if code in _CHANGED:
                raise SourceChanged from None
            said = error.response.get("Error", {}).get("Message", "")
            raise SourceFailed(f"S3: {code} {said}".rstrip()) from None
        except self._errors.NoCredentialsError:
            raise SourceFailed(
                "S3: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or say --profile"
            ) from None
        except self._errors.BotoCoreError as error:
            raise SourceFailed(f"S3: {error}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def stamp_of(one: dict[str, Any]) -> str:
    """Return a text that changes when the object changes."""
    return f"{one['Size']} {one['ETag']}"


def _project(folder: str, path: str, objects: Iterable[dict[str, Any]]) -> Found:
    found = list(objects)
    size = sum(one["Size"] for one in found)
    try:
        for one in found:
            _relative(one["Key"], folder)
    except SourceFailed as error:
        return Found(folder, path, size, why=str(error))
    return Found(folder, path, size, _tree_stamp(found), details={"files": len(found)})


def _tree_stamp(objects: Iterable[dict[str, Any]]) -> str:
    said = hashlib.sha256()
    for one in objects:
        said.update(f"{one['Key']}\0{stamp_of(one)}\0".encode())
    return f"tree {said.hexdigest()[:32]}"


def _relative(key: str, folder: str) -> str:
    """Return the path below a project's folder, checked by the rules of paths before it is used on this
    machine.

    :raises SourceFailed: it breaks a rule.
    """
    try:
        return normal_path(key.removeprefix(folder))
    except PathInvalid as error:
        raise SourceFailed(f"{key!a} can't be a file of a project: {error.message}") from None


def _of(module: Any, name: str) -> tuple[type[Exception], ...]:
    return (getattr(module, name),)
