"""``strongroom put``: stores files, folders, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import Bars, bars_for
from strongroom.cli.resume import ResumingPut
from strongroom.cli.retention_options import DeleteAfter, Hold, Keep, StorageClass, class_of, wish_of
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally
from strongroom.cli.upload_items import Item, apart, items_of
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile, Visibility
from strongroom.client.retention import RetentionWish
from strongroom.client.sources import UploadSource
from strongroom.client.targets import AtPath, Audio, Documents, Target, Temp, Uploads
from strongroom.client.uploads import Progress
from strongroom.task_groups import side_by_side


class Folder(StrEnum):
    """Folders of plain files."""

    UPLOADS = "uploads"
    DOCUMENTS = "documents"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Details:
    """The options' values for every file of one call."""

    target: Target
    path: str | None
    name: str | None
    content_type: str
    metadata: dict[str, str]
    visibility: Visibility | None
    retention: RetentionWish | None
    storage_class: str
    request_id: str | None
    resume: bool

    def target_of(self, item: Item, *, several: bool) -> Target:
        """Return the target of one file."""
        return self.target if self.path is None else AtPath(self.path_of(item, self.path, several=several))

    def path_of(self, item: Item, path: str, *, several: bool) -> str:
        """Return the file's path. A ``--path`` that ends in ``/``, or is given for several files, is a
        folder.
        """
        if several or path.endswith("/"):
            return f"{path.rstrip('/')}/{self.name or item.relative}"
        return path


async def put(
    session: Session,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Files, folders with -r, or - for standard input."),
    ],
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Store folders with everything in them.")
    ] = False,
    folder: Annotated[
        Folder, typer.Option("--folder", "-f", help="The folder for plain files.")
    ] = Folder.UPLOADS,
    class_id: Annotated[str | None, typer.Option(help="The class of a recording (--folder audio).")] = None,
    path: Annotated[
        str | None,
        typer.Option(
            help="Store it at this path, replacing what is there. A path that ends in / is a folder."
        ),
    ] = None,
    temp: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Delete it automatically after this long, such as 24h.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="File name; default: the file's own.")] = None,
    content_type: Annotated[str, typer.Option("--type", help="Media type; default: detected.")] = "",
    metadata: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="User metadata; may be repeated.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Anyone may read it through its permanent URL.")
    ] = False,
    keep: Keep = None,
    delete_after: DeleteAfter = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
    request_id: Annotated[
        str | None, typer.Option(help="Idempotency key: repeating the command stores nothing twice.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Survive interruptions; after a kill, run the same command again."),
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Number of parallel uploads.")] = 4,
) -> ExitCode:
    """Store files. Prints the key of each."""
    if (name or request_id) and (len(sources) > 1 or recursive):
        raise UsageProblem("--name and --request-id are for a single file")
    details = Details(
        _target(folder, class_id, path, temp),
        path,
        name,
        content_type,
        pairs_of(metadata or ()),
        Visibility.PUBLIC if public else None,
        wish_of(keep, delete_after, hold),
        class_of(storage_class),
        request_id,
        resume,
    )
    tally = Tally(session)
    items = items_of(sources, recursive=recursive, on_error=tally.failed, on_left_out=session.output.note)
    several = len(sources) > 1 or recursive
    if path is not None:
        items = apart(items, lambda item: details.path_of(item, path, several=several), tally.failed)
    async with session.client() as client:
        with bars_for(session.output) as bars:
            upload = _Uploader(session, client, details, bars, tally, several=several)
            await upload.all(items, jobs)
    return tally.exit_code


class _Uploader:
    """Uploads items in parallel. Failures are independent. Results are printed in the order of the items."""

    def __init__(
        self,
        session: Session,
        client: AsyncClient,
        details: Details,
        bars: Bars,
        tally: Tally,
        *,
        several: bool,
    ) -> None:
        self._session = session
        self._client = client
        self._details = details
        self._bars = bars
        self._tally = tally
        self._several = several
        self._done: dict[int, tuple[Item, StoredFile] | None] = {}
        self._printed = 0

    async def all(self, items: Sequence[Item], jobs: int) -> None:
        """Upload all items, ``jobs`` at a time."""

        async def store(numbered: tuple[int, Item]) -> None:
            index, item = numbered
            self._done[index] = await self._one(item)
            self._print()

        await side_by_side(enumerate(items), jobs, store)

    async def _one(self, item: Item) -> tuple[Item, StoredFile] | None:
        """Return the file, or None if the upload failed, which is reported at once."""
        try:
            with self._bars.transfer(item.shown) as report:
                file = await self._store(item, report)
        except Exception as error:  # noqa: BLE001 - reported; the others go on
            self._tally.failed(error, item.shown)
            return None
        return item, file

    async def _store(self, item: Item, report: Progress) -> StoredFile:
        details = self._details
        target = details.target_of(item, several=self._several)
        options: dict[str, Any] = {
            "filename": details.name or ("" if item.path is None else None),
            "content_type": details.content_type,
            "metadata": details.metadata,
            "visibility": details.visibility,
            "request_id": details.request_id,
        }
        if details.retention is not None:
            options["retention"] = details.retention
        if details.storage_class:
            options["storage_class"] = details.storage_class
        if not details.resume:
            source: UploadSource = _stdin() if item.path is None else item.path
            return await self._client.upload(source, target, **options, on_progress=report)
        if item.path is None:
            raise UsageProblem("standard input can't be read twice; leave out --resume")
        return await ResumingPut(self._session, self._client, item.path, target, options).run(report)

    def _print(self) -> None:
        while self._printed in self._done:
            result = self._done.pop(self._printed)
            self._printed += 1
            if result is not None:
                item, file = result
                self._session.output.result(
                    shown.name(file.key), {"source": item.shown, **file_document(file)}
                )


def _stdin() -> UploadSource:
    """Return standard input unbuffered: a thread waiting in a buffered reader would abort the interpreter at
    exit.
    """
    buffered = sys.stdin.buffer
    return getattr(buffered, "raw", buffered)


def _target(folder: Folder, class_id: str | None, path: str | None, temp: str | None) -> Target:
    chosen = [
        option for option, given in (("--path", path), ("--temp", temp), ("--class-id", class_id)) if given
    ]
    if len(chosen) > 1 or (chosen and chosen != ["--class-id"] and folder is not Folder.UPLOADS):
        raise UsageProblem("choose one of --folder, --path and --temp; --class-id belongs to --folder audio")
    if path is not None:
        return AtPath(path)
    if temp is not None:
        return Temp(shown.duration(temp))
    if (class_id is not None) != (folder is Folder.AUDIO):
        raise UsageProblem("--folder audio needs --class-id, and only that folder has it")
    if class_id is not None:
        return Audio(class_id)
    return Documents() if folder is Folder.DOCUMENTS else Uploads()


def pairs_of(given: Sequence[str]) -> dict[str, str]:
    """Parse ``--meta``. Raises UsageProblem for text without ``=`` or a repeated name."""
    pairs = dict(text.partition("=")[::2] for text in given if "=" in text)
    if len(pairs) != len(given):
        raise UsageProblem("--meta takes KEY=VALUE, each key once")
    return pairs
