"""`python -m metadata_service serve | migrate | reindex [INDEX|TABLE…]`."""

from __future__ import annotations

import argparse
import sys

import servicekit.lean_imports  # noqa: F401 - before what would load it
from metadata_service.config import MetadataSettings, MigrationSettings
from servicekit.serving.server import run, run_server
from servicekit.settings import SettingError, load_settings, stop


def serve() -> int:
    """Serve until stopped. Returns 0: drained; 1: the address is taken or the database not ready; 2: an
    invalid setting.
    """
    from metadata_service.bootstrap import Application  # noqa: PLC0415 - migrate needs none of it
    from metadata_service.startup import NotReady  # noqa: PLC0415

    settings = load_settings(MetadataSettings)

    async def main() -> int:
        application = Application(settings)
        return await run_server(settings, application.spec, application.lifespan())

    return run(main, NotReady)


def migrate() -> int:
    """Upgrade the schema. Returns 0: it is up to date; 1: it failed; 2: an invalid setting."""
    from metadata_service.db import migrate as migrations  # noqa: PLC0415 - Alembic is not needed to serve

    settings = load_settings(MigrationSettings)
    try:
        sys.stdout.write(f"{migrations.migrate(settings)}\n")
    except SettingError as error:
        stop(error)
    except migrations.MigrationFailed as error:
        sys.stderr.write(f"metadata_service migrate: {error}\n")
        return 1
    return 0


def reindex(only: list[str]) -> int:
    """Rebuild indexes. Returns 0: all are rebuilt; 1: it failed; 2: an invalid setting."""
    from metadata_service.db import migrate as migrations  # noqa: PLC0415 - as `migrate`
    from metadata_service.db.reindex import reindex as rebuilt  # noqa: PLC0415

    settings = load_settings(MigrationSettings)
    try:
        for line in rebuilt(settings, only):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except migrations.MigrationFailed as error:
        sys.stderr.write(f"metadata_service reindex: {error}\n")
        return 1
    return 0


def main() -> int:
    """Parse the command and run it."""
    parser = argparse.ArgumentParser(prog="python -m metadata_service", description=__doc__)
    parser.add_argument("command", choices=("serve", "migrate", "reindex"))
    parser.add_argument("only", nargs="*", metavar="INDEX|TABLE", help="of `reindex`: not all")
    chosen = parser.parse_args()
    if chosen.only and chosen.command != "reindex":
        parser.error("only `reindex` takes names")
    if chosen.command == "reindex":
        return reindex(chosen.only)
    return serve() if chosen.command == "serve" else migrate()


if __name__ == "__main__":
    raise SystemExit(main())
