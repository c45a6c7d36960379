"""Opens the source that a plan or an argument of the command line names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.migrate.layouts import Layout
from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.sources.bucket import Bucket
from strongroom.migrate.sources.directory import Directory
from strongroom.migrate.sources.manifest import Manifest
from strongroom.migrate.sources.postgres import Columns, Postgres
from strongroom.migrate.sources.source import Source

_POSTGRES = ("postgres://", "postgresql://")


@dataclass(frozen=True, slots=True)
class Where:
    """Options that describe a source in addition to its name. ``columns``: of a table or query."""

    table: str = ""
    query: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    endpoint_url: str = ""
    region: str = ""
    profile: str = ""


def opened(name: str, family: str, layout: Layout | None, where: Where) -> Source:
    """Open the source that ``name`` means: ``postgresql://…``, ``s3://…``, a file ``….csv``, or a folder.

    :raises PlanProblem: it can't be opened.
    """
    is_project = family == "project"
    if name.startswith(_POSTGRES) or where.table or where.query:
        if is_project:
            raise PlanProblem("projects are folders: a table has none")
        if bool(where.table) == bool(where.query):
            raise PlanProblem("a Postgres source is a --table or a --query: say one of them")
        return Postgres(name, columns_of(where.columns), table=where.table, query=where.query)
    if where.columns:
        raise PlanProblem("--column belongs to a Postgres source: postgresql://…, with --table or --query")
    depth = _depth(layout) if is_project else None
    if name.startswith("s3://"):
        return Bucket(
            name, endpoint_url=where.endpoint_url, region=where.region, profile=where.profile, depth=depth
        )
    if "://" in name:
        raise PlanProblem(
            f"{name} is not a source; name a folder, a list (.csv), postgresql://… or s3://bucket/prefix"
        )
    path = Path(name)
    if path.suffix.lower() == ".csv" and path.is_file():
        if is_project:
            raise PlanProblem("projects are folders: a list has none")
        return Manifest(path, path.parent)
    return Directory(path, depth)


def columns_of(given: Mapping[str, str]) -> Columns:
    """Return the columns by meaning (``id``, ``bytes``, ``owner`` …); other known names are details.

    :raises PlanProblem: a required column is missing, or a name is unknown.
    """
    known = {"id", "bytes", "owner", "family", "key", "name", "type", "stamp"}
    details = {"prompt", "settings", "title", "description", "tags"}
    if unknown := set(given) - known - details:
        allowed = ", ".join([*sorted(known), *sorted(details)])
        raise PlanProblem(f"--column knows no {min(unknown)!r}; it takes {allowed}")
    if missing := {"id", "bytes"} - set(given):
        raise PlanProblem(
            f"--column {min(missing)}=NAME is missing: a table needs --column id=NAME (what names a row) and"
            " --column bytes=NAME (its bytea)"
        )
    plain = {name: column for name, column in given.items() if name in known - {"id"}}
    return Columns(given["id"], **plain, details={name: given[name] for name in given if name in details})


def reopened(described: Mapping[str, Any], *, dsn: str = "", deletes_rows: bool = False) -> Source:
    """Open the source of a plan.

    ``dsn``: with the password, which no plan contains; else PGPASSWORD or ~/.pgpass is used.

    :raises PlanProblem: it can't be opened, or this release doesn't know its kind.
    """
    said, depth = {name: str(value or "") for name, value in described.items()}, described.get("depth")
    match described.get("kind"):
        case "directory":
            return Directory(Path(said["root"]), depth)
        case "manifest":
            return Manifest(None, Path(said["root"]))
        case "bucket":
            place = {name: said[name] for name in ("endpoint_url", "region", "profile")}
            return Bucket(said["url"], **place, depth=depth)
        case "postgres":
            columns = Columns(**described["columns"])
            where = {"table": said["table"], "query": said["query"]}
            return Postgres(dsn or said["dsn"], columns, **where, deletes_rows=deletes_rows)
    raise PlanProblem(
        f"this release knows no source of kind {described.get('kind')!r}; run it with a newer one"
    )


def _depth(layout: Layout | None) -> int:
    """Return how many folders down the projects are."""
    depth = layout.folder_depth() if layout is not None else 1
    if depth is None:
        raise PlanProblem(
            "--family project needs a --layout that ends in {slug}/{path}, such as {owner}/{slug}/{path}"
        )
    return depth
