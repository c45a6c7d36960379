"""``python -m benchmarks.scale``: measures the same operations with ten thousand rows and with ten million,
on an embedded Postgres of its own, and writes the table and the plans into docs/scale.md. Ten million rows
take about half an hour and 30 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from pydantic import SecretStr

from benchmarks.scale.fill import fill
from benchmarks.scale.measuring import Measured, make_rows_to_copy, measured, sizes
from benchmarks.scale.plans import explain_all
from devstack import infra, roles
from metadata_service.config import MigrationSettings
from metadata_service.db.migrate import migrate

FEW: Final = 10_000
MANY: Final = 10_000_000
#: An operation may take this many times as long with many rows as with few.
MOST_GROWTH: Final = 1.3
_PAGE: Final = Path(__file__).parents[2] / "docs" / "scale.md"
_MARK: Final = "<!-- scale: {}, python -m benchmarks.scale -->"


@dataclass(frozen=True)
class Filled:
    """Results with this many rows; bytes of tables and indexes."""

    count: int
    operations: dict[str, Measured]
    tables: int
    indexes: int


def database_of(servers: infra.Infra, count: int) -> Filled:
    """Create the database, fill it, measure, drop it."""
    name = f"scale_{count}"
    superuser, owner, app = (
        urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        for dsn in (servers.postgres_superuser_dsn, servers.owner_dsn, servers.app_dsn)
    )
    with psycopg.connect(servers.postgres_superuser_dsn, autocommit=True) as connection:
        roles.ensure_database(connection, name, roles.OWNER)
        migrate(MigrationSettings(database_url=SecretStr(app), migration_database_url=SecretStr(owner)))
        asyncio.run(make_rows_to_copy(app))
        fill(superuser, count)
        explain_all(superuser, name)
        try:
            return Filled(count, asyncio.run(measured(app, count)), *sizes(superuser))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def shown(few: Filled, many: Filled) -> str:
    """The table, and the plans in the larger database."""
    small, large = f"{few.count:,}", f"{many.count:,}"
    columns = f"pages at {small} | at {large} | of them read | ms at {small} | at {large} | ms ÷ ms"
    lines = [
        f"At {large}: tables {many.tables / 1e9:.1f} GB, indexes {many.indexes / 1e9:.1f} GB.",
        "",
        f"| operation | statements | {columns} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in few.operations.items():
        other = many.operations[name]
        growth = other.milliseconds / one.milliseconds
        lines.append(
            f"| {name} | {other.statements} | {one.pages:.0f} | {other.pages:.0f} | {other.read:.0f} "
            f"| {one.milliseconds:.2f} | {other.milliseconds:.2f} | {growth:.2f} |"
        )
    for name, other in many.operations.items():
        lines += ["", f"### {name}", "", "```text"]
        for statement in other.last:
            words = " ".join(statement.query.split())
            lines.append(textwrap.shorten(words, 100, placeholder=" …"))
            lines += [f"    {line}" for line in statement.lines()]
        lines.append("```")
    return "\n".join(lines)


def main() -> int:
    """Measure and write. Returns 1 if an operation has grown by more than MOST_GROWTH, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=MANY)
    parser.add_argument("--into", type=Path, default=_PAGE, help="a page with the marks of docs/scale.md")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-scale-") as folder,
        infra.start(Path(folder)) as servers,
    ):
        few, many = database_of(servers, FEW), database_of(servers, chosen.rows)
    begin, end = _MARK.format("begin"), _MARK.format("end")
    before, _, rest = chosen.into.read_text().partition(begin)
    table = shown(few, many)
    chosen.into.write_text(f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}")
    grown = [
        name
        for name, one in few.operations.items()
        if many.operations[name].milliseconds > MOST_GROWTH * one.milliseconds
    ]
    sys.stdout.write("".join(f"grows: {name}\n" for name in grown))
    return int(bool(grown))


if __name__ == "__main__":
    sys.exit(main())
