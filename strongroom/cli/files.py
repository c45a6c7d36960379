"""``strongroom ls``, ``search``, ``stat``, ``edit``, ``cp``, ``mv``: list, show and change stored files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import typer

from strongroom.cli import shown
from strongroom.cli.output import file_document
from strongroom.cli.problems import UsageProblem
from strongroom.cli.put import pairs_of
from strongroom.cli.rm import OfFamily
from strongroom.cli.session import Session
from strongroom.cli.tally import first, show
from strongroom.client.files import StoredFile, Visibility
from strongroom.client.searches import Wanted
from strongroom.client.targets import AtPath

MAX_PAGE = 1000
File = Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")]
Destination = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="One of your paths; ending in /, it is a folder and the file keeps its name. / is the root.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")]


async def ls(
    session: Session,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Only keys that begin with this.")] = "",
    *,
    family: OfFamily = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Include soft-deleted files.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
    page_token: Annotated[str, typer.Option(help="Continue where a list with --limit ended.")] = "",
) -> None:
    """List files by key: size, last change, key, name."""
    left = limit
    async with session.client() as client:
        while True:
            page = await client.list_page(
                prefix,
                family=family,
                show_deleted=deleted,
                page_size=MAX_PAGE if left is None else min(left, MAX_PAGE),
                page_token=page_token,
            )
            for file in page.files:
                session.output.result(_line(file, file.updated_at), file_document(file))
            page_token = page.next_page_token
            left = None if left is None else left - len(page.files)
            if not page_token:
                return
            if left is not None and left <= 0:
                session.output.note(f"more: add --page-token {shown.name(page_token)}")
                return


async def search(
    session: Session,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD", help="Each must occur in the name, path, prompt, title, description or tags."
        ),
    ] = None,
    *,
    family: OfFamily = None,
    content_type: Annotated[str, typer.Option("--type", help="image/png, or image/*.")] = "",
    prefix: Annotated[str, typer.Option(help="Only keys that begin with this.")] = "",
    after: Annotated[
        str, typer.Option(metavar="TIME", help="Created at this time or later: 2026-01-31.")
    ] = "",
    before: Annotated[str, typer.Option(metavar="TIME", help="Created before this time.")] = "",
    min_size: Annotated[int | None, typer.Option(min=0, help="Minimum size in bytes.")] = None,
    max_size: Annotated[int | None, typer.Option(min=0, help="Maximum size in bytes.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Setting of a generation, such as model=sdxl; may be repeated."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="List at most this many.")] = None,
) -> None:
    """Find files, newest first: size, creation, key, name. Quote words to find them as a phrase."""
    wanted = Wanted(
        " ".join(f'"{word}"' if " " in word else word for word in words or ()),
        family,
        content_type,
        prefix,
        _moment(after),
        _moment(before),
        min_size,
        max_size,
        _pairs(setting or ()),
    )
    async with session.client() as client, aclosing(first(client.search(wanted), limit)) as found:
        async for file in found:
            session.output.result(_line(file, file.created_at), file_document(file))


def _line(file: StoredFile, moment: datetime | None) -> str:
    gone = "  (deleted)" if file.deleted_at else ""
    when, names = shown.time(moment), f"{shown.name(file.key)}  {shown.name(file.filename)}"
    return f"{shown.size(file.size):>10}  {when}  {names}{gone}"


def _moment(text: str) -> datetime | None:
    return shown.moment(text) if text else None


def _pairs(given: Sequence[str]) -> dict[str, str]:
    if not all("=" in text for text in given):
        raise UsageProblem("--setting takes NAME=VALUE")
    return dict(text.partition("=")[::2] for text in given)


async def stat(
    session: Session,
    file: File,
    deleted: Annotated[bool, typer.Option("--deleted", help="Even if it is soft-deleted.")] = False,
) -> None:
    """Show one file."""
    async with session.client() as client:
        show_all(session, await client.get(file, show_deleted=deleted))


def show_all(session: Session, file: StoredFile) -> None:
    """Print a file with one line for each known value."""
    document = file_document(file)
    lines = [
        f"{label:<16} {_value(value)}" for label, value in document.items() if value not in (None, {}, "")
    ]
    session.output.result("\n".join(lines), document)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{shown.name(str(key))}={shown.name(str(item))}" for key, item in value.items())
    return shown.name(value) if isinstance(value, str) else shown.line(str(value))


async def edit(
    session: Session,
    file: File,
    *,
    name: Annotated[str | None, typer.Option(help="New file name; the key stays the same.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Set user metadata; may be repeated."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--no-meta", metavar="KEY", help="Remove user metadata; may be repeated."),
    ] = None,
    public: Annotated[
        bool | None,
        typer.Option("--public/--private", help="Whether anyone may read it through its permanent URL."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Event media: its title.")] = None,
    description: Annotated[str | None, typer.Option(help="Event media: its description.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Event media: its new tags; may be repeated.")
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Event media: remove all tags.")] = False,
    expect: Annotated[
        int | None, typer.Option(min=1, metavar="GENERATION", help="Only if the file is at this generation.")
    ] = None,
) -> None:
    """Change a file's name, metadata and visibility, all or nothing. Prints the key."""
    if tags and no_tags:
        raise UsageProblem("choose --tag or --no-tags")
    pairs = pairs_of(metadata or ())
    if both := sorted(pairs.keys() & set(without or ())):
        raise UsageProblem(f"--meta and --no-meta both name {', '.join(both)}")
    if not (pairs or without or tags or no_tags) and {name, public, title, description} == {None}:
        raise UsageProblem("nothing to change; give --name, --meta, --no-meta, --public, --title, --tag …")
    async with session.client() as client:
        edited = await client.update(
            file,
            filename=name,
            visibility=None if public is None else Visibility.PUBLIC if public else Visibility.PRIVATE,
            set_metadata=pairs,
            remove_metadata=without or (),
            title=title,
            description=description,
            tags=[] if no_tags else tags or None,
            if_generation_match=expect,
        )
    show(session, edited)


async def cp(session: Session, file: File, path: Destination, force: Force = False) -> None:
    """Copy a file and its metadata to a path. The copy is private. Prints the key."""
    async with session.client() as client:
        source = await client.get(file)
        copied = await client.copy(
            source,
            AtPath(_place(source, await client.files.path(path))),
            metadata=source.user_metadata,
            if_generation_match=None if force else 0,
        )
        session.output.result(shown.name(copied.key), file_document(copied))


async def mv(session: Session, file: File, path: Destination, force: Force = False) -> None:
    """Move a file to a path, with its metadata and visibility. It gets a new id. Prints the key."""
    async with session.client() as client:
        source = await client.get(file)
        moved = await client.move(
            source, AtPath(_place(source, await client.files.path(path))), replace=force
        )
        session.output.result(shown.name(moved.key), file_document(moved))


def _place(source: StoredFile, path: str) -> str:
    folder = "" if path == "/" else path
    return folder + source.filename if folder.endswith("/") or not folder else folder
