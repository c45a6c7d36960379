"""``strongroom sync``: makes a folder of paths equal to a local one; plans first, and acts if requested."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import google_crc32c
import typer

from strongroom.cli import shown
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.retention_options import DeleteAfter, Hold, Keep, StorageClass, class_of, wish_of
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally
from strongroom.cli.upload_items import apart, items_of
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.retention import RetentionWish
from strongroom.client.targets import AtPath
from strongroom.errors import StrongroomError

BLOCK = 1 << 20


class Step(StrEnum):
    """The step for one path."""

    ADD = "add"
    REPLACE = "replace"
    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Planned:
    """One line of a plan. ``local``: the file to store. ``remote``: the file stored now."""

    step: Step
    path: str
    local: Path | None
    remote: StoredFile | None


@dataclass(frozen=True, slots=True)
class Wishes:
    """Retention and storage class of new and replaced files."""

    retention: RetentionWish | None
    storage_class: str


async def sync(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The local folder.")],
    remote: Annotated[
        str, typer.Argument(metavar="PATH", help="The remote folder; created if missing. / is the root.")
    ],
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would happen (the default).")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Also move remote files that are not in DIR to the trash.")
    ] = False,
    keep: Keep = None,
    delete_after: DeleteAfter = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
) -> ExitCode:
    """Make a remote folder match a local one, by size and checksum. Deletes nothing without --delete."""
    if plan and apply:
        raise UsageProblem("--plan shows what would happen, --apply does it; give one of them")
    if not folder.is_dir():
        raise UsageProblem(f"{folder} is not a folder")
    wishes = Wishes(wish_of(keep, delete_after, hold), class_of(storage_class))
    tally = Tally(session)
    items = items_of([str(folder)], recursive=True, on_error=tally.failed, on_left_out=session.output.note)
    items = apart(items, lambda item: item.relative, tally.failed)
    here = {item.relative: item.path for item in items if item.path is not None}
    complete = tally.exit_code is ExitCode.OK
    async with session.client() as client:
        place = (await client.files.path(remote)).strip("/")
        planned = await _plan(client, f"{place}/" if place else "", here, tally)
        for one in planned:
            if one.step is Step.KEEP:
                continue
            if one.step is Step.DELETE and not (delete and complete):
                why = (
                    "stays without --delete" if complete else "stays, as not all of the folder could be read"
                )
                session.output.note(f"extra, {why}: {shown.name(one.path)}")
                continue
            if apply and not await _do(client, one, wishes, tally):
                continue
            document = {"step": one.step.value, "path": one.path, "done": apply}
            session.output.result(f"{one.step.value:<8}{shown.name(one.path)}", document)
    session.output.note(_summary(planned) + ("" if apply else "; nothing was done, add --apply"))
    return tally.exit_code


def _summary(planned: Sequence[Planned]) -> str:
    counts = Counter(one.step for one in planned)
    return (
        f"{counts[Step.ADD]} to add, {counts[Step.REPLACE]} to replace, {counts[Step.DELETE]} extra,"
        f" {counts[Step.KEEP]} equal"
    )


async def _plan(client: AsyncClient, prefix: str, here: dict[str, Path], tally: Tally) -> list[Planned]:
    """Return every path of both sides, in order. Files that can't be read are reported and left out."""
    whole = await client.files.key(prefix)
    there = {file.key.removeprefix(whole): file async for file in client.list(whole)}
    planned: list[Planned] = []
    for name in sorted(here.keys() | there.keys()):
        local, remote = here.get(name), there.get(name)
        if local is None:
            step = Step.DELETE
        elif remote is None:
            step = Step.ADD
        else:
            try:
                is_equal = await asyncio.to_thread(_is_equal, local, remote)
            except OSError as error:
                tally.failed(error, str(local))
                continue
            step = Step.KEEP if is_equal else Step.REPLACE
        planned.append(Planned(step, prefix + name, local, remote))
    return planned


async def _do(client: AsyncClient, one: Planned, wishes: Wishes, tally: Tally) -> bool:
    """Carry out one step, only on the generation that the plan has seen. Return whether it succeeded;
    failures are reported.
    """
    try:
        if one.local is not None:
            seen = 0 if one.remote is None else one.remote.generation
            await client.upload(
                one.local,
                AtPath(one.path),
                if_generation_match=seen,
                retention=wishes.retention,
                storage_class=wishes.storage_class,
            )
        elif one.remote is not None:
            await client.delete(one.remote, soft=True, if_generation_match=one.remote.generation)
    except (StrongroomError, OSError) as error:
        tally.failed(error, one.path)
        return False
    return True


def _is_equal(local: Path, remote: StoredFile) -> bool:
    """Compare the sizes, and then the CRC-32C."""
    if local.stat().st_size != remote.size:
        return False
    checksum = 0
    for block in _blocks(local):
        checksum = google_crc32c.extend(checksum, block)
    return checksum == remote.crc32c


def _blocks(local: Path) -> Iterator[bytes]:
    with local.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
