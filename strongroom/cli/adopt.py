"""``strongroom adopt``: after a restore of the database, handles objects that no row names."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final

import typer

from strongroom.cli import shown
from strongroom.cli.confirmation import Yes, confirm
from strongroom.cli.output import rfc3339
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session
from strongroom.client.async_client import AsyncClient
from strongroom.client.restore_values import ObjectName, Stray, StrayResult

KEPT: Final = frozenset({"stored_later", "unfinished", "hidden"})
"""Kinds meant by ``keep --all``: objects that were not deleted or replaced later."""
DROPPED: Final = frozenset({"stored_later", "removed_later"})
"""Kinds meant by ``drop --all``. The others are left to the cleaner, or are files."""

Wanted = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids as `adopt list` prints them, or keys.")
]
All = Annotated[bool, typer.Option("--all", help="Everything that `adopt list` prints, instead of ids.")]

Meant = Callable[[Stray], bool]
Decide = Callable[[AsyncClient, Sequence[ObjectName]], AsyncGenerator[StrayResult]]


async def list_(session: Session) -> None:
    """List objects that no committed row names: kind, id, time, size, owner, what it is.

    stored_later: stored after the restored moment. removed_later: stored after it, and then deleted or
    replaced. unfinished: its upload was under way at that moment. hidden: a file that was deleted after that
    moment and has come back.
    """
    found = known = 0
    async with session.client() as client, aclosing(client.restores.strays()) as pages:
        async for strays, rows in pages:
            found, known = found + len(strays), known + rows
            for stray in strays:
                session.output.result(_line(stray), _document(stray))
    session.output.note(_told(found, known))


async def keep(session: Session, ids: Wanted = None, *, all_: All = False) -> ExitCode:
    """Turn stray objects into files of their owners. May be repeated.

    With --all: those that were neither deleted nor replaced later. An object that exceeds its owner's quota,
    or whose place has newer content, is refused; the others go on. An object of a project makes what the
    bucket shows of the project its next version.
    """
    _refuse_unnamed(ids, all_=all_)
    passes = _keeping() if all_ else (_named(frozenset(ids or ())),)
    return await _decide(session, ids or (), passes, lambda client, names: client.restores.keep(names))


async def rebuild(session: Session) -> ExitCode:
    """Rebuild a lost database from everything that is current in the bucket. Needs the admin role.

    Run `strongroom migrate` on an empty database first. May be repeated, and continues where it was killed.
    What the bucket can't tell is listed at the end, and in docs/backup.md.
    """
    code = await _decide(session, (), _keeping(), lambda client, names: client.restores.keep(names))
    session.output.note(
        "the bucket can't tell: quotas, revoked links, shares, soft deletions (they are files again), later"
        " names, visibility and metadata, old versions of projects, answers to requests, events"
    )
    return code


async def drop(
    session: Session,
    ids: Wanted = None,
    *,
    all_: All = False,
    even_most: Annotated[
        bool, typer.Option("--even-most", help="Even if more objects would go than the database knows.")
    ] = False,
    yes: Yes = False,
) -> ExitCode:
    """Move stray objects to quarantine. May be repeated. Objects that a row names by now stay.

    `strongroom verify quarantine` lists them; `strongroom verify restore` brings them back until they expire.
    """
    _refuse_unnamed(ids, all_=all_)
    passes = (_of_kinds(DROPPED),) if all_ else (_named(frozenset(ids or ())),)
    confirm("Dropped objects go to quarantine; when it expires, they are gone for good. Continue?", yes=yes)
    if all_ and not even_most:
        await _refuse_most(session)
    return await _decide(session, ids or (), passes, lambda client, names: client.restores.drop(names))


async def _refuse_most(session: Session) -> None:
    """Refuse to drop more objects than the database knows, as an empty or foreign database would.

    :raises UsageProblem: more objects would be dropped than kept.
    """
    strays = known = 0
    async with session.client() as client, aclosing(client.restores.strays()) as pages:
        async for page, rows in pages:
            strays += sum(stray.kind in DROPPED for stray in page)
            known += rows
    if strays > known:
        raise UsageProblem(
            f"{shown.count(strays, 'object')} would go, but the database knows only {known}: is this the"
            " bucket's database? If it is, add --even-most"
        )


async def _decide(session: Session, ids: Sequence[str], passes: Sequence[Meant], decide: Decide) -> ExitCode:
    """Carry out the decision for the selected objects, pass by pass. The exit code says whether any was
    refused.
    """
    with session.told_if_interrupted("what is done stays done; run the same command again to continue"):
        return await _each(session, ids, passes, decide)


async def _each(session: Session, ids: Sequence[str], passes: Sequence[Meant], decide: Decide) -> ExitCode:
    refused = False
    done = 0
    missing = set(ids)
    async with session.client() as client:
        for is_meant in passes:
            async with aclosing(client.restores.strays()) as pages:
                async for strays, _ in pages:
                    chosen = [stray for stray in strays if is_meant(stray)]
                    missing -= {text for stray in chosen for text in (stray.id, stray.name[0])}
                    names = [stray.name for stray in sorted(chosen, key=lambda stray: stray.stored_at)]
                    async with aclosing(decide(client, names)) as results:
                        async for result in results:
                            refused |= result.outcome == "refused"
                            done += 1
                            session.output.result(_outcome(result), _result_document(result))
    for text in sorted(missing):
        session.output.note(
            f"there is no stray object {shown.name(text)}: `strongroom adopt list` prints ids and keys"
        )
    if not done and not ids:
        session.output.note("nothing was done: the bucket has no object that this is for")
    return ExitCode.FAILED if refused or missing else ExitCode.OK


def _refuse_unnamed(ids: Sequence[str] | None, *, all_: bool) -> None:
    """Check the arguments before anything is asked or done."""
    if bool(ids) == all_:
        raise UsageProblem("name ids or keys (`strongroom adopt list` prints them), or use --all; not both")


def _named(texts: frozenset[str]) -> Meant:
    return lambda stray: stray.id in texts or stray.name[0] in texts


def _of_kinds(kinds: frozenset[str]) -> Meant:
    return lambda stray: stray.kind in kinds


def _keeping() -> tuple[Meant, Meant]:
    """Return the passes of ``keep --all``: each project once, before anything deleted later becomes visible
    again.

    A project's keys say which files it has.
    """
    projects: set[tuple[str, str]] = set()

    def is_project(stray: Stray) -> bool:
        name = (stray.owner_id, stray.project)
        if not stray.project or stray.kind != "stored_later" or name in projects:
            return False
        projects.add(name)
        return True

    return is_project, lambda stray: stray.kind in KEPT and (not stray.project or stray.kind == "hidden")


def _told(strays: int, known: int) -> str:
    """Return the last line of a list, with a warning if more objects are stray than known: another bucket's
    database.
    """
    if not strays:
        rows = shown.count(known, "committed row")
        return f"nothing is astray: the database knows whose each object is ({rows})"
    if strays > known:
        return f"{strays} astray, and the database knows only {known}: is it this bucket's, and restored?"
    return f"{strays} astray, beside {known} that the database knows"


def _line(stray: Stray) -> str:
    what = f"project {shown.name(stray.project)}" if stray.project else stray.family or "-"
    parts = [
        f"{stray.kind:<13}",
        stray.id,
        shown.time(stray.stored_at),
        shown.size(stray.size_bytes),
        shown.name(stray.owner_id),
        what,
        shown.name(stray.filename or stray.name[0]),
        f"without {', '.join(stray.left_out)}" if stray.left_out else "",
    ]
    return "  ".join(part for part in parts if part)


def _document(stray: Stray) -> dict[str, Any]:
    key, version_id = stray.name
    return {
        "kind": stray.kind,
        "id": stray.id,
        "key": key,
        "version_id": version_id,
        "size_bytes": stray.size_bytes,
        "owner_id": stray.owner_id,
        "family": stray.family,
        "filename": stray.filename,
        "project": stray.project,
        "stored_at": rfc3339(stray.stored_at),
        "left_out": list(stray.left_out),
    }


def _outcome(result: StrayResult) -> str:
    told = f"  {shown.line(result.message)}" if result.message else ""
    made = f"  file {result.file_id}" if result.file_id else ""
    return f"{result.outcome:<8}  {shown.name(result.name[0])}{made}{told}"


def _result_document(result: StrayResult) -> dict[str, Any]:
    key, version_id = result.name
    return {
        "outcome": result.outcome,
        "key": key,
        "version_id": version_id,
        "file_id": result.file_id,
        "reason": result.reason,
        "message": result.message,
    }
