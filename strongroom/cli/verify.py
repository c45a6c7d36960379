"""``strongroom verify``: checks that every row has its object, and every object its row."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from strongroom.cli import shown
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session
from strongroom.client.async_client import AsyncClient
from strongroom.client.verification_values import Finding, Repair, Verification
from strongroom.errors import StrongroomError

POLL_SECONDS: Final = 0.5
LONGEST_POLL_SECONDS: Final = 10.0
NOT_FINISHED: Final = ExitCode.USAGE
"""2: the run has no result, for any reason. 1 would mean that something is wrong."""

_GOES_ON: Final = "the verification continues in the background; `strongroom verify --run last` shows it"
_MENDS_ON: Final = "what is repaired stays repaired; `strongroom verify --repair --run last` repairs the rest"
_OURS: Final = "attempt "
MENDED: Final = frozenset({"done", "outdated"})
"""Outcomes after which nothing remains to be done."""


class Closely(StrEnum):
    """How closely objects are checked."""

    LISTINGS = "listings"
    HEADS = "heads"
    BYTES = "bytes"


async def verify(
    session: Session,
    *,
    depth: Annotated[
        Closely,
        typer.Option(
            help="listings: keys, lengths, ETags; heads: each object's metadata, too;"
            " bytes: read everything back."
        ),
    ] = Closely.HEADS,
    run: Annotated[
        str, typer.Option("--run", metavar="ID", help="Show this run (or `last`) instead of starting one.")
    ] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start it and don't wait.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what it finds; with --run, what that run found.")
    ] = False,
) -> ExitCode:
    """Compare every row with its object, and every object with its row. Needs the admin role.

    Changes nothing unless --repair is given: then each finding is checked again, and repaired where that
    loses no byte. Prints each finding, then totals and the signed report. Exit code 0: all is well, or was
    repaired; 1: there are findings; 2: it could not finish, or refused to act.
    """
    if repair and no_wait:
        raise UsageProblem("--repair has to wait for the report: leave out --no-wait.")
    try:
        with session.told_if_interrupted(_MENDS_ON if repair else _GOES_ON):
            return await _verify(session, depth, run, wait=not no_wait, repair=repair)
    except StrongroomError as error:
        session.report(error)
        return NOT_FINISHED


async def _verify(session: Session, depth: Closely, run: str, *, wait: bool, repair: bool) -> ExitCode:
    async with session.client() as client:
        if run:
            found = await client.verifications.get("" if run == "last" else run)
        else:
            found, begun = await client.verifications.start(depth.value)
            if not begun:
                session.output.note(f"a run with depth {found.depth} was under way already; this shows it")
        if not wait:
            session.output.result(found.id, _figures(found))
            return ExitCode.OK
        found = await _ended(session, client, found)
        async with aclosing(client.verifications.findings(found.id)) as findings:
            async for finding in findings:
                session.output.result(_line(finding), json.loads(finding.line))
        is_right = await _repaired(session, client, found) if repair else found.is_clean
    session.output.result(_summary(found), _document(found))
    if found.state != "finished":
        return NOT_FINISHED
    return ExitCode.OK if is_right else ExitCode.FAILED


async def _repaired(session: Session, client: AsyncClient, run: Verification) -> bool:
    """Repair the findings of a run. Return whether everything is right now."""
    is_right = True
    async with aclosing(client.verifications.repair(run.id)) as repairs:
        async for repair in repairs:
            is_right &= repair.outcome in MENDED and repair.action != "mark"
            session.output.result(_repair_line(repair), _repair_document(repair))
    return is_right


def _repair_line(repair: Repair) -> str:
    finding = repair.finding
    where = shown.name(finding.key or finding.row or finding.owner_id)
    parts = (f"{repair.outcome:<9}", f"{repair.action:<14}", where, shown.line(repair.detail))
    return "  ".join(part for part in parts if part)


def _repair_document(repair: Repair) -> dict[str, Any]:
    finding = repair.finding
    fields = {"key": finding.key, "version_id": finding.version_id, "owner_id": finding.owner_id}
    fields |= {"blob_id": finding.blob_id, "row": finding.row, "detail": repair.detail}
    named = {name: value for name, value in fields.items() if value}
    head = {"repair": repair.action, "outcome": repair.outcome, "finding": finding.kind}
    return head | {"number": finding.number} | named


async def _ended(session: Session, client: AsyncClient, run: Verification) -> Verification:
    """Wait until the run has ended and return it."""
    pause, told = POLL_SECONDS, -1
    run = await client.verifications.get(run.id)
    while run.state == "running":
        if run.shards_done != told:
            told = run.shards_done
            session.output.note(f"{run.shards_done} of {shown.count(run.shards, 'part')} done")
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, LONGEST_POLL_SECONDS)
        run = await client.verifications.get(run.id)
    return run


def _line(finding: Finding) -> str:
    where = finding.key or finding.row or finding.owner_id
    parts = [
        f"{finding.kind:<18}",
        shown.name(where),
        f"version {finding.version_id}" if finding.version_id else "",
        f"upload {finding.upload_id}" if finding.upload_id else "",
        f"blob {finding.blob_id}" if finding.blob_id else "",
        f"row {shown.name(finding.row)}" if finding.row and finding.key else "",
        f"expected {shown.line(finding.expected)}" if finding.expected else "",
        f"found {shown.line(finding.found)}" if finding.found else "",
        f"repair: {_proposal(finding)}",
    ]
    return "  ".join(part for part in parts if part)


def _proposal(finding: Finding) -> str:
    """What to do. An object that an upload of ours has written may be a file, after a restore for example."""
    if finding.kind == "object_orphaned" and finding.found.startswith(_OURS):
        return (
            f"{finding.proposal}, unless `strongroom adopt list` shows that it can be kept: look there first"
        )
    return finding.proposal


def _summary(run: Verification) -> str:
    counts = run.counts
    kinds = ", ".join(f"{count} {kind}" for kind, count in run.findings.items())
    committed, stored = shown.size(counts["committed_bytes"]), shown.size(counts["object_bytes"])
    read_back = shown.size(counts["scrubbed_bytes"])
    lines = [
        f"run        {run.id} ({run.state}, depth {run.depth})",
        f"as of      database position {run.begin_position} to {run.end_position}",
        f"rows       {counts['committed_rows']} committed of {counts['rows']}, {committed}",
        f"objects    {counts['objects']}, {stored}; {shown.count(counts['twins'], 'twin')}",
        f"passed by  {shown.count(counts['passed_over'], 'entry', 'entries')} not Strongroom's",
        f"uploads    {counts['uploads']} open, {shown.count(counts['segments'], 'segment')}",
        f"files      {counts['files']} of {shown.count(counts['owners'], 'owner')}",
        f"scrubbed   {shown.count(counts['scrubbed_rows'], 'object')}, {read_back}",
        f"findings   {kinds or 'none'}",
        f"signature  {run.signature.hex()}",
        f"signed by  {run.public_key.hex()}",
    ]
    if run.failure:
        lines.insert(1, f"failure    {shown.line(run.failure)}")
    return "\n".join(lines)


def _figures(run: Verification) -> dict[str, Any]:
    return {"id": run.id, "state": run.state, "shards": run.shards, "shards_done": run.shards_done}


def _document(run: Verification) -> dict[str, Any]:
    """Return the report for ``--json``. ``report`` is the signed text, ``summary`` its parsed form."""
    return {
        "report": run.report.decode("ascii"),
        "signature": base64.b64encode(run.signature).decode("ascii"),
        "public_key": base64.b64encode(run.public_key).decode("ascii"),
        "summary": json.loads(run.report) if run.report else _figures(run),
    }
