"""``strongroom edit``: changes the metadata of a file, but not its bytes."""

from __future__ import annotations

from typing import Annotated

import typer

from strongroom.cli.each import show
from strongroom.cli.problems import UsageProblem
from strongroom.cli.put import pairs_of
from strongroom.cli.session import Session
from strongroom.client.files import Visibility


async def edit(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Key or id.")],
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
