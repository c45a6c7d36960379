"""``strongroom share``: manages links that people without an account can open."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from strongroom.cli import shown
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import UsageProblem
from strongroom.cli.retention_options import DeleteAfter, Hold, Keep, StorageClass, class_of, wish_of
from strongroom.cli.session import Session
from strongroom.cli.shown import bytes_of, duration
from strongroom.client.shares import (
    DropBox,
    Share,
    Shared,
    SharedEvent,
    SharedFile,
    SharedPrefix,
    SharedProject,
)

ID = typer.Argument(metavar="SHARE", help="Its id, as shown by `share list`.")
EXPIRES = typer.Option("--expires", metavar="SPAN", help="1h30m, 7d …; never: until revoked.")
PASSWORD = typer.Option(
    "--password", envvar="STRONGROOM_SHARE_PASSWORD", metavar="TEXT", help="What guests have to enter."
)
USES = typer.Option("--uses", min=0, metavar="N", help="How often it may be opened; 0: no limit.")
TITLE = typer.Option("--title", metavar="TEXT", help="Shown to guests.")


async def create(
    session: Session,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Key or id of a file.")] = None,
    *,
    event: Annotated[str, typer.Option(metavar="ID", help="Your media of an event.")] = "",
    prefix: Annotated[str, typer.Option(metavar="PREFIX", help="Files whose keys begin with this.")] = "",
    project: Annotated[str, typer.Option(metavar="SLUG", help="A project.")] = "",
    version: Annotated[
        int, typer.Option(min=0, help="The project's version; 0: the newest at this moment.")
    ] = 0,
    title: Annotated[str, TITLE] = "",
    password: Annotated[str | None, PASSWORD] = None,
    expires: Annotated[str, EXPIRES] = "never",
    uses: Annotated[int, USES] = 0,
) -> None:
    """Share a file, an event's media, a prefix or a project. Prints the URL, this once."""
    named: list[Shared] = []
    if file:
        named.append(SharedFile(file))
    if event:
        named.append(SharedEvent(event))
    if prefix:
        named.append(SharedPrefix(prefix))
    if project:
        named.append(SharedProject(project, version))
    if len(named) != 1:
        raise UsageProblem("name one thing: a file, --event, --prefix or --project")
    if version and not project:
        raise UsageProblem("--version is of a --project; other shares show what is there")
    await _create(session, named[0], title=title, password=password, expires=expires, uses=uses)


async def drop(
    session: Session,
    *,
    path: Annotated[str, typer.Option(metavar="PATH", help="Files go below this path.")] = "",
    event: Annotated[str, typer.Option(metavar="ID", help="Files become media of this event.")] = "",
    folder: Annotated[str, typer.Option(metavar="NAME", help="uploads, documents or audio.")] = "",
    class_id: Annotated[
        str, typer.Option(metavar="ID", help="The class of recordings (--folder audio).")
    ] = "",
    max_files: Annotated[int, typer.Option(min=1, help="In all.")] = 100,
    max_bytes: Annotated[str, typer.Option(metavar="SIZE", help="Maximum size of all: 500M, 2G …")] = "1G",
    max_file_bytes: Annotated[str, typer.Option(metavar="SIZE", help="A file.")] = "",
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="image/png, image/* …; repeatable.")
    ] = None,
    keep: Keep = None,
    delete_after: DeleteAfter = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
    title: Annotated[str, TITLE] = "",
    password: Annotated[str | None, PASSWORD] = None,
    expires: Annotated[str, EXPIRES] = "never",
    uses: Annotated[int, USES] = 0,
) -> None:
    """Let people without an account send you files. Prints the URL, this once."""
    if sum(map(bool, (path, event, folder))) != 1:
        raise UsageProblem("choose where files go: --path, --event or --folder")
    if not bytes_of(max_bytes) or (max_file_bytes and not bytes_of(max_file_bytes)):
        raise UsageProblem("a drop of 0 bytes takes nothing; give a size such as 500M")
    box = DropBox(
        path=path,
        event_id=event,
        folder=folder,
        class_id=class_id,
        max_files=max_files,
        max_bytes=bytes_of(max_bytes),
        max_file_bytes=bytes_of(max_file_bytes) if max_file_bytes else 0,
        content_types=tuple(types or ()),
        retention=wish_of(keep, delete_after, hold),
        storage_class=class_of(storage_class),
    )
    await _create(session, box, title=title, password=password, expires=expires, uses=uses)


async def list_(
    session: Session,
    active: Annotated[bool, typer.Option("--active", help="Only those that can still be opened.")] = False,
) -> None:
    """List shares, newest first: id, state, uses, end, what they open, title."""
    async with session.client() as client, aclosing(client.shares.list(active_only=active)) as shares:
        async for share in shares:
            session.output.result(_line(share), _document(share))


async def update(
    session: Session,
    share: Annotated[str, ID],
    *,
    title: Annotated[str | None, TITLE] = None,
    password: Annotated[str | None, PASSWORD] = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Remove the password.")] = False,
    expires: Annotated[str | None, EXPIRES] = None,
    uses: Annotated[int | None, USES] = None,
) -> None:
    """Change a share's title, password, end or number of uses."""
    if password is not None and no_password:
        raise UsageProblem("choose --password or --no-password")
    if password == "":
        raise UsageProblem("the password is empty; --no-password removes it")
    if {title, password, expires, uses} == {None} and not no_password:
        raise UsageProblem("nothing to change; give --title, --password, --expires or --uses")
    async with session.client() as client:
        changed = await client.shares.update(
            share,
            title=title,
            password="" if no_password else password,
            expires_in=None if expires is None else _span(expires),
            max_uses=uses,
        )
    session.output.result(_line(changed), _document(changed))


async def revoke(session: Session, share: Annotated[str, ID]) -> None:
    """Revoke a share, at once and for good."""
    async with session.client() as client:
        revoked = await client.shares.revoke(share)
    session.output.result(_line(revoked), _document(revoked))


async def _create(
    session: Session, shared: Shared, *, title: str, password: str | None, expires: str, uses: int
) -> None:
    if password == "":
        raise UsageProblem("the password is empty; leave --password out if guests need none")
    async with session.client() as client:
        made = await client.shares.create(
            shared, title=title, password=password, expires_in=_span(expires), max_uses=uses
        )
    session.output.result(made.url, _document(made) | {"url": made.url})
    session.output.note(f"share {made.id}; this URL can't be shown again")


def _span(text: str) -> timedelta | int:
    return 0 if text == "never" else duration(text)


def _line(share: Share) -> str:
    limit = f"/{share.max_uses}" if share.max_uses else ""
    parts = [
        share.id,
        f"{share.state:<8}",
        f"{share.uses}{limit}".rjust(6),
        shown.time(share.expires_at).rjust(16),
        _what(share),
        shown.line(share.title),
    ]
    return "  ".join(part for part in parts if part)


def _what(share: Share) -> str:
    match share.shared:
        case SharedFile(file):
            return f"file {shown.name(str(file))}"
        case SharedEvent(event):
            return f"event {event}"
        case SharedPrefix(prefix):
            return f"prefix {shown.name(prefix)}"
        case SharedProject(slug, version):
            return f"project {slug} v{version}"
    box = share.shared
    where = shown.name(box.path) if box.path else box.event_id or box.folder
    return f"drop {where} ({shown.count(share.dropped_files, 'file')}, {shown.size(share.dropped_bytes)})"


def _document(share: Share) -> dict[str, Any]:
    """Return every field except the URL; the shared thing is keyed by its kind."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(share):
        if field.name in {"shared", "url"}:
            continue
        value = getattr(share, field.name)
        found[field.name] = rfc3339(value) if isinstance(value, datetime) else value
    kind = type(share.shared).__name__.removeprefix("Shared").removesuffix("Box").lower()
    return found | {"scope": kind, kind: dataclasses.asdict(share.shared)}
