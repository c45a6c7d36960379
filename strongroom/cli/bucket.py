"""``strongroom bucket``: prepares the bucket, on machines with the server installed.

Only storage_service can do that: this package has neither S3 code nor credentials.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from strongroom.cli import programs

SERVICE = "storage_service"


def init(
    no_policy: Annotated[bool, typer.Option("--no-policy", help="Don't print the IAM policy.")] = False,
) -> None:
    """Create the bucket of AWS_S3_BUCKET; set versioning, CORS, lifecycle, public-access block.

    Reads the same settings as storage_service, and STRONGROOM_CORS_ORIGINS. Prints the IAM policy that the
    service needs.
    """
    argv = [sys.executable, "-m", SERVICE, "bucket", "init", *(["--no-policy"] if no_policy else [])]
    programs.demand("server", SERVICE)
    raise typer.Exit(subprocess.run(argv, env=programs.environment(), check=False).returncode)
