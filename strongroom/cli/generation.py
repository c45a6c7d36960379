"""``strongroom generation``: generated images and videos."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import bars_for
from strongroom.cli.retention_options import DeleteAfter, Hold, Keep, StorageClass, class_of, wish_of
from strongroom.cli.rm import Soft
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally, change_each, show, store_each
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile, Visibility
from strongroom.client.generations import ImportItem
from strongroom.client.targets import GenerationKind
from strongroom.client.uploads import Progress


class Kind(StrEnum):
    """The kind of a generation."""

    TEXT_TO_IMAGE = "text-to-image"
    TEXT_TO_VIDEO = "text-to-video"
    IMAGE_TO_IMAGE = "image-to-image"
    IMAGE_TO_VIDEO = "image-to-video"


Type = Annotated[Kind, typer.Option("--type", help="How it was generated.")]
Prompt = Annotated[str, typer.Option(help="The prompt, stored with it.")]
Settings = Annotated[str, typer.Option(metavar="JSON", help="Settings, stored byte for byte.")]
Public = Annotated[bool, typer.Option("--public", help="Anyone may read it through its permanent URL.")]


async def import_(
    session: Session,
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="What to fetch.")],
    *,
    kind: Type = Kind.TEXT_TO_IMAGE,
    prompt: Prompt = "",
    settings: Settings = "",
    public: Public = False,
    keep: Keep = None,
    delete_after: DeleteAfter = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
) -> ExitCode:
    """Have the service fetch generations from URLs, in parallel. Prints the key of each."""
    _check(settings)
    tally = Tally(session)
    visibility = Visibility.PUBLIC if public else None
    retention = wish_of(keep, delete_after, hold)
    async with session.client() as client:
        if len(urls) == 1:
            with bars_for(session.output) as bars, bars.transfer(urls[0]) as report:
                file = await client.generations.import_url(
                    urls[0],
                    _kind(kind),
                    prompt,
                    settings,
                    visibility=visibility,
                    retention=retention,
                    storage_class=class_of(storage_class),
                    on_progress=report,
                )
            show(session, file)
            return tally.exit_code
        items = [
            ImportItem(
                url,
                _kind(kind),
                prompt,
                settings,
                visibility=visibility,
                retention=retention,
                storage_class=class_of(storage_class),
            )
            for url in urls
        ]
        for url, found in zip(urls, await client.generations.import_batch(items), strict=True):
            if isinstance(found, StoredFile):
                show(session, found)
            else:
                tally.failed(found, url)
    return tally.exit_code


async def put(
    session: Session,
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", help="Images and videos.")],
    *,
    kind: Type = Kind.TEXT_TO_IMAGE,
    prompt: Prompt = "",
    settings: Settings = "",
    public: Public = False,
    keep: Keep = None,
    delete_after: DeleteAfter = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
) -> ExitCode:
    """Store local images and videos as generations. Prints the key of each."""
    _check(settings)
    visibility = Visibility.PUBLIC if public else None
    retention = wish_of(keep, delete_after, hold)

    async def store(client: AsyncClient, source: Path, report: Progress) -> StoredFile:
        return await client.generations.upload(
            source,
            _kind(kind),
            prompt,
            settings,
            visibility=visibility,
            retention=retention,
            storage_class=class_of(storage_class),
            on_progress=report,
        )

    return await store_each(session, sources, store)


async def list_(
    session: Session,
    *,
    kind: Annotated[Kind | None, typer.Option("--type", help="Only this type.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
) -> None:
    """List generations, newest first: size, time, type, key, prompt."""
    async with session.client() as client:
        count = 0
        async for file in client.generations.list(_kind(kind) if kind else None):
            details = file.generation_info
            about = f"{details.type:<14}  " if details else ""
            prompt = shown.line(details.prompt)[:60] if details else ""
            when = shown.time(file.created_at)
            session.output.result(
                f"{shown.size(file.size):>10}  {when}  {about}{shown.name(file.key)}  {prompt}".rstrip(),
                file_document(file),
            )
            count += 1
            if count == limit:
                return


async def stats(session: Session) -> None:
    """Count generations: total, by type, by day."""
    async with session.client() as client:
        found = await client.generations.stats()
    lines = [f"{found.total} generations, {shown.size(found.total_bytes)}"]
    lines += [f"  {kind:<14}  {one.count:>8}  {shown.size(one.size)}" for kind, one in found.by_type.items()]
    lines += [
        f"  {day}      {one.count:>8}  {shown.size(one.size)}"
        for day, one in found.by_day.items()
        if one.count
    ]
    document = {
        "total": found.total,
        "total_bytes": found.total_bytes,
        "by_type": {kind: {"count": one.count, "bytes": one.size} for kind, one in found.by_type.items()},
        "by_day": [
            {"date": day.isoformat(), "count": one.count, "bytes": one.size}
            for day, one in found.by_day.items()
        ],
        "estimated_monthly_cost_usd": found.estimated_monthly_cost_usd,
    }
    session.output.result("\n".join(lines), document)


async def rm(
    session: Session,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Keys or ids of generations.")],
    *,
    soft: Soft = False,
) -> ExitCode:
    """Delete generations. Prints the key of each."""
    return await change_each(session, files, lambda client, name: client.generations.delete(name, soft=soft))


def _kind(kind: Kind) -> GenerationKind:
    return kind.value


def _check(settings: str) -> None:
    try:
        if settings:
            json.loads(settings)
    except ValueError as error:
        raise UsageProblem(f"--settings is not JSON: {error}") from None
