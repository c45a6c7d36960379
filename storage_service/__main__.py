"""``python -m storage_service serve`` and ``python -m storage_service bucket init``."""

from __future__ import annotations

import argparse
import sys

import servicekit.lean_imports  # noqa: F401 - before what would load it
from servicekit.serving.server import run, run_server
from servicekit.settings import load_settings
from storage_service import bucket_cli
from storage_service.config import StorageSettings
from storage_service.process import Process


def main() -> int:
    """Parse the command line and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="storage_service", description="Streams files into and out of S3.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve gRPC until SIGTERM")
    bucket_cli.add_commands(commands.add_parser("bucket", help="prepare the bucket"))
    chosen = parser.parse_args()
    if chosen.command == "bucket":
        return bucket_cli.run(chosen)
    settings = load_settings(StorageSettings)
    process = Process(settings)
    return run(lambda: run_server(settings, process.spec(), process.lifespan()))


if __name__ == "__main__":
    sys.exit(main())
