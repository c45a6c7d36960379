"""``strongroom project``: saves and restores trees of files as a whole."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.export import DEV_STDOUT, stdout_or
from strongroom.cli.output import plain
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.progress import bars_for
from strongroom.cli.retention_options import Hold, Keep, StorageClass, class_of, wish_of
from strongroom.cli.session import Session
from strongroom.cli.tally import Tally
from strongroom.client.project_trees import DEFAULT_IGNORE
from strongroom.client.project_values import Label, Project, ProjectVersion, SavedProject

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The project's slug.")]
Version = Annotated[int | None, typer.Option("--version", min=1, help="Default: the newest.")]
Expected = Annotated[
    int | None,
    typer.Option(
        "--expect", min=0, help="Only if the project is at this version; 0: only if there is none yet."
    ),
]
Message = Annotated[str, typer.Option("--message", "-m", help="What changed, and why.")]
VersionName = Annotated[str, typer.Option("--version-name", metavar="NAME", help="Name of the new version.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Tag of the new version; may be repeated.")]


async def save(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, or a ZIP.")],
    slug: Annotated[str | None, typer.Option(help="The project's slug; default: the folder's name.")] = None,
    *,
    name: Annotated[str, typer.Option(help="Display name; default: the slug.")] = "",
    expect: Expected = None,
    keep: Keep = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
    message: Message = "",
    version_name: VersionName = "",
    tag: Tags = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="PATTERN", help="As in .gitignore; may be repeated."),
    ] = None,
    ignore_from: Annotated[
        list[Path] | None, typer.Option("--ignore-from", metavar="FILE", help="Patterns, one per line.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Don't leave out {' '.join(DEFAULT_IGNORE)}.")
    ] = False,
) -> None:
    """Save a folder (or the content of a ZIP) as the next version. Unchanged files aren't sent."""
    named = slug or _slug(source)
    patterns = [*(() if everything else DEFAULT_IGNORE), *await _patterns(ignore_from or ()), *(ignore or ())]
    label = Label(version_name, message, tuple(tag or ()))
    async with session.client() as client:
        with bars_for(session.output) as bars, bars.transfer(named) as report:
            projects, is_zip = client.projects, await asyncio.to_thread(source.is_file)
            if is_zip:
                saved = await projects.save_archive(
                    source,
                    named,
                    name,
                    expected_version=expect,
                    retention=wish_of(keep, hold=hold),
                    storage_class=class_of(storage_class),
                    label=label,
                    on_progress=report,
                )
            else:
                saved = await projects.save(
                    source,
                    named,
                    name,
                    expected_version=expect,
                    retention=wish_of(keep, hold=hold),
                    storage_class=class_of(storage_class),
                    label=label,
                    ignore=patterns,
                    on_progress=report,
                )
    for path in saved.skipped:
        session.output.note(f"skipped, because projects can't contain links or devices: {path}")
    _show_save(session, saved)


async def patch(
    session: Session,
    slug: Slug,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="New or changed files, stored by their paths below --root."),
    ] = None,
    *,
    root: Annotated[
        Path,
        typer.Option("--root", metavar="DIR", help="The project's local folder; default: the current one."),
    ] = Path(),
    remove: Annotated[
        list[str] | None, typer.Option("--rm", metavar="PATH", help="Remove this file; may be repeated.")
    ] = None,
    name: Annotated[str, typer.Option(help="Display name; default: as before.")] = "",
    expect: Expected = None,
    keep: Keep = None,
    hold: Hold = None,
    storage_class: StorageClass = None,
    message: Message = "",
    version_name: VersionName = "",
    tag: Tags = None,
) -> None:
    """Save a version in which some files are changed or removed. The others stay, and aren't sent."""
    if not (files or remove or name):
        raise UsageProblem("nothing to change; give files, --rm PATH or --name")
    changed = await asyncio.to_thread(_below, root, files or [])
    async with session.client() as client:
        with bars_for(session.output) as bars, bars.transfer(slug) as report:
            saved = await client.projects.patch(
                slug,
                changed,
                remove or (),
                name=name,
                expected_version=expect,
                retention=wish_of(keep, hold=hold),
                storage_class=class_of(storage_class),
                label=Label(version_name, message, tuple(tag or ())),
                on_progress=report,
            )
    _show_save(session, saved)


async def restore(
    session: Session,
    slug: Slug,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Created if missing.")],
    *,
    version: Version = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
) -> None:
    """Write a version into a folder. Prints what was written; identical files are left alone."""
    async with session.client() as client:
        with bars_for(session.output) as bars, bars.transfer(slug) as report:
            done = await client.projects.restore(
                slug, directory, version, overwrite=force, on_progress=report
            )
    for path in done.written:
        session.output.result(shown.name(str(directory / path)), {"path": path, "version": done.version})
    files = shown.count(done.file_count, "file")
    session.output.note(f"version {done.version}: {len(done.written)} of {files} written")


async def archive(
    session: Session,
    slug: Slug,
    destination: Annotated[
        str,
        typer.Argument(metavar="ZIP", help="File or folder; - is standard output (a pipe). Default: here."),
    ] = "",
    *,
    version: Version = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing ZIP in the folder.")] = False,
) -> None:
    """Write a version as a ZIP. Prints where it was written."""
    place = stdout_or(destination)
    inside = place / f"{slug}.zip"
    if not force and await asyncio.to_thread(inside.exists):
        raise FileExistsError(
            errno.EEXIST, "is already there; add --force, or name the destination", str(inside)
        )
    async with session.client() as client:
        with bars_for(session.output) as bars, bars.transfer(slug) as report:
            path = await client.projects.archive(slug, place, version, on_progress=report)
    if path != DEV_STDOUT:
        session.output.result(shown.name(str(path)), {"path": str(path), "slug": slug})


async def list_(session: Session) -> None:
    """List projects, newest change first: version, files, bytes, last save, slug, name."""
    async with session.client() as client:
        async for project in client.projects.list():
            when = shown.time(project.updated_at)
            session.output.result(
                f"{project.version:>5}  {project.file_count:>6}  {shown.size(project.size):>10}  {when}"
                f"  {shown.name(project.slug)}  {shown.name(project.name)}",
                document(project),
            )


async def versions(session: Session, slug: Slug) -> None:
    """List a project's versions, newest first: version, time, files, bytes, changes, name, tags, message."""
    async with session.client() as client:
        async for version in client.projects.versions(slug):
            back = f"  (as {version.rolled_back_to})" if version.rolled_back_to else ""
            session.output.result(
                f"{version.version:>5}  {shown.time(version.created_at)}  {version.file_count:>6}"
                f"  {shown.size(version.size):>10}  {_changes(version)}{back}{_said(version)}",
                document(version),
            )


async def rollback(
    session: Session,
    slug: Slug,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to go back to.")],
    *,
    expect: Expected = None,
    message: Message = "",
    version_name: VersionName = "",
    tag: Tags = None,
) -> None:
    """Make a new version with the content of an old one."""
    async with session.client() as client:
        label = Label(version_name, message, tuple(tag or ()))
        saved = await client.projects.rollback(slug, version, expected_version=expect, label=label)
        _show_save(session, saved)


async def label(
    session: Session,
    slug: Slug,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version to edit.")],
    *,
    name: Annotated[str | None, typer.Option(help="New name; empty: none.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="New message; empty: none.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Its new tags; may be repeated.")] = None,
    untag: Annotated[bool, typer.Option("--no-tags", help="Remove all tags.")] = False,
) -> None:
    """Change a version's name, message or tags."""
    if name is None and message is None and not tag and not untag:
        raise UsageProblem("nothing to change; give --name, --message, --tag or --no-tags")
    if tag and untag:
        raise UsageProblem("--tag and --no-tags don't go together")
    tags = (tag or ()) if tag or untag else None
    async with session.client() as client:
        changed = await client.projects.label(slug, version, name=name, message=message, tags=tags)
    session.output.result(f"{changed.version:>5}{_said(changed)}", document(changed))


async def delete(
    session: Session,
    slugs: Annotated[list[str], typer.Argument(metavar="SLUG", help="Slugs of projects.")],
    *,
    expect: Annotated[
        int | None, typer.Option("--expect", min=1, help="Only if the project is at this version.")
    ] = None,
) -> ExitCode:
    """Delete projects with all their versions. Prints the slug of each."""
    tally = Tally(session)
    async with session.client() as client:
        for slug in slugs:
            try:
                project = await client.projects.delete(slug, expected_version=expect)
            except errors.StrongroomError as error:
                tally.failed(error, slug)
            else:
                session.output.result(shown.name(project.slug), document(project))
    return tally.exit_code


async def keep_versions(
    session: Session,
    slug: Slug,
    last: Annotated[
        int | None, typer.Argument(metavar="[LAST]", min=0, help="Keep this many of the newest; 0: all.")
    ] = None,
    *,
    daily: Annotated[
        int,
        typer.Option(
            "--daily", min=0, metavar="DAYS", help="Also keep the last one of each day, for this many days."
        ),
    ] = 0,
    default: Annotated[bool, typer.Option("--default", help="Go back to the service's rule.")] = False,
) -> None:
    """Set which old versions to keep besides those with a name or tag; without LAST, show the rule."""
    if default and last is not None:
        raise UsageProblem("LAST and --default don't go together")
    async with session.client() as client:
        if last is None and not default:
            rule = await client.projects.version_rule(slug)
        else:
            rule = await client.projects.keep_versions(slug, last, daily_days=daily)
    whose = "its own rule" if rule.own else "the service's rule"
    daily_too = f", the last of each day for {shown.count(rule.daily_days, 'day')}" if rule.daily_days else ""
    kept = f"the last {rule.keep_last}{daily_too}" if rule.keep_last else "all"
    session.output.result(f"{shown.name(slug)}  {kept}  ({whose})", dataclasses.asdict(rule))


def document(value: Project | ProjectVersion) -> dict[str, Any]:
    """Return the value for ``--json``: every field, times as RFC 3339."""
    return {name: plain(item) for name, item in dataclasses.asdict(value).items()}


def _said(version: ProjectVersion) -> str:
    parts = [version.name, *(f"#{tag}" for tag in version.tags), version.message.partition("\n")[0]]
    return "".join(f"  {shown.name(part)}" for part in parts if part)


def _changes(version: ProjectVersion) -> str:
    return f"+{version.added} ~{version.changed} -{version.removed}"


def _show_save(session: Session, saved: SavedProject) -> None:
    version = saved.version
    changes = f"{_changes(version)}, {shown.count(version.file_count, 'file')}"
    session.output.result(
        f"{shown.name(saved.project.slug)} {version.version}",
        {"project": document(saved.project), "version": document(version), "sent": saved.sent},
    )
    session.output.note(
        f"version {version.version}: {changes}, {shown.size(version.size)}; {saved.sent} sent"
    )


async def _patterns(files: Sequence[Path]) -> list[str]:
    found: list[str] = []
    for path in files:
        found += (await asyncio.to_thread(path.read_text, encoding="utf-8")).splitlines()
    return found


def _below(root: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Return local files by their paths in the project. Raises ValueError if one is not below ``root``."""
    base = root.resolve()
    changed = {}
    for file in files:
        inside = file.parent.resolve() / file.name
        if not inside.is_relative_to(base):
            raise ValueError(f"{file} is not below {base}; name the project's folder with --root")
        changed[inside.relative_to(base).as_posix()] = file
    return changed


def _slug(source: Path) -> str:
    """Return a slug made from a folder's name; the service validates it."""
    name = source.resolve().name.removesuffix(".zip").lower()
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in name)
