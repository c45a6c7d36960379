"""``python -m storage_service serve``."""

from __future__ import annotations

import argparse
import sys

from servicekit.server import run, run_server
from servicekit.settings import load_settings
from storage_service.bootstrap import Process
from storage_service.config import StorageSettings


def main() -> int:
    """Parse the command line and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="storage_service", description="Streams files into and out of S3.")
    parser.add_subparsers(dest="command", required=True).add_parser("serve", help="serve gRPC until SIGTERM")
    parser.parse_args()
    settings = load_settings(StorageSettings)
    process = Process(settings)
    return run(lambda: run_server(settings, process.spec(), process.lifespan()))


if __name__ == "__main__":
    sys.exit(main())
