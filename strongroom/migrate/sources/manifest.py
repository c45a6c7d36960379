"""A CSV list with a path or URL per line, and its target."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx

from strongroom.migrate.entries import Entry
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.migrate.sources.local import look_at, read_file, remove_file
from strongroom.migrate.sources.source import Found, Source

READ_BYTES: Final = 1 << 20
#: Possible headers of the column that names the file; the first one found is used.
REFERENCES: Final = ("source", "path", "url", "reference")
_GIVEN: Final = ("owner", "family", "key", "name", "type")
_DETAILS: Final = ("prompt", "settings", "title", "description", "tags")
_TIMEOUT: Final = httpx.Timeout(30.0, connect=15.0)
_ASKED_AT_ONCE: Final = 16
_BATCH: Final = 512


class Manifest(Source):
    """``path``: the CSV, with a line of headers; None if a plan is only read again. ``root``: base of
    relative paths.
    """

    def __init__(self, path: Path | None, root: Path) -> None:
        self._path = path
        self._root = root
        self._http = httpx.Client(follow_redirects=True, timeout=_TIMEOUT, max_redirects=5)

    def described(self) -> dict[str, Any]:
        """Return kind and folder; the plan has the rest."""
        return {"kind": "manifest", "root": str(self._root.resolve())}

    def find(self) -> Iterator[Found]:
        """Yield the lines. For URLs, size and ETag are requested from their servers."""
        rows = self._rows()
        with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="strongroom-migrate") as pool:
            while batch := list(itertools.islice(rows, _BATCH)):
                yield from pool.map(self._found, batch)

    def _rows(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        if self._path is None:
            raise PlanProblem(
                "the list that this plan was made of is not named in it; plan from the list again"
            )
        csv.field_size_limit(16 << 20)
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                yield from self._read(file)
        except UnicodeDecodeError:
            raise PlanProblem(f"{self._path} is not UTF-8; save it as CSV in UTF-8") from None
        except csv.Error as error:
            raise PlanProblem(f"{self._path} can't be read as CSV: {error}") from None

    def _read(self, lines: Iterator[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
        rows = csv.reader(lines)
        heads = [head.strip().lower() for head in next(rows, [])]
        named = next((name for name in REFERENCES if name in heads), "")
        unknown = set(heads) - {*REFERENCES, *_GIVEN, *_DETAILS}
        if not named or unknown:
            what = f"has a column {min(unknown)!r}" if unknown else "names no files"
            known = ", ".join((REFERENCES[0], *_GIVEN, *_DETAILS))
            raise PlanProblem(f"{self._path} {what}; its first line is some of: {known}")
        for row in rows:
            if len(row) != len(heads):
                if row:
                    raise PlanProblem(
                        f"{self._path}, line {rows.line_num}: {len(row)} cells, not {len(heads)}"
                    )
                continue
            cells = dict(zip(heads, row, strict=True))
            yield cells[named], cells

    def _found(self, row: tuple[str, Mapping[str, str]]) -> Found:
        reference, cells = row
        given = {name: cells[name].strip() for name in _GIVEN if cells.get(name, "").strip()}
        details = {name: cells[name] for name in _DETAILS if cells.get(name)}
        if not reference:
            return Found("", "", given=given, why="the line names no file")
        if is_url(reference):
            path, (size, stamp, why) = unquote(urlsplit(reference).path).strip("/"), self._asked(reference)
        else:
            path, (size, stamp, why) = reference, look_at(self._root / reference)
        path = path if given.get("family") != "path" else path.lstrip("/")
        return Found(reference, path, size, stamp, given, details, why)

    def _asked(self, url: str) -> tuple[int | None, str, str]:
        """Return size, stamp and problem of a URL by HEAD. Servers that only support GET leave them empty."""
        try:
            answer = self._http.head(url, headers={"accept-encoding": "identity"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, "", f"it can't be reached: {error}"
        if answer.status_code in {404, 410}:
            return None, "", f"its server says {answer.status_code}"
        if not answer.is_success:
            return None, "", ""
        size = answer.headers.get("content-length", "")
        return int(size) if size.isdecimal() else None, answer.headers.get("etag", ""), ""

    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of a file or of a response."""
        if is_url(entry.reference):
            return self._download(entry)
        return read_file(self._root / entry.reference, entry)

    def is_at_hand(self, entry: Entry) -> bool:
        """True for files, not for URLs."""
        return not is_url(entry.reference)

    def _download(self, entry: Entry) -> Iterator[bytes]:
        try:
            with self._http.stream("GET", entry.reference, headers={"accept-encoding": "identity"}) as answer:
                if answer.status_code in {404, 410}:
                    raise SourceGone
                if not answer.is_success:
                    raise SourceFailed(f"its server says {answer.status_code}")
                if entry.stamp and answer.headers.get("etag", "") != entry.stamp:
                    raise SourceChanged
                yield from answer.iter_bytes(READ_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceFailed(f"it can't be downloaded: {error or type(error).__name__}") from None

    def remove(self, entry: Entry, sha256: bytes) -> None:
        """Delete a file. URLs can't be deleted."""
        if is_url(entry.reference):
            raise PlanProblem("what is at a URL is not deleted from here")
        remove_file(self._root / entry.reference, entry, sha256)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def is_url(reference: str) -> bool:
    """Whether the reference is a URL and not a path."""
    return reference.lower().startswith(("http://", "https://"))
