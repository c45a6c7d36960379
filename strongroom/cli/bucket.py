"""``strongroom bucket``: prepares the bucket, where the service itself is installed.

Only storage_service knows how: this package holds neither S3 code nor credentials.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

SERVICE = "storage_service"


def init(
    no_policy: Annotated[bool, typer.Option("--no-policy", help="Don't print the IAM policy.")] = False,
) -> None:
    """Create the bucket of AWS_S3_BUCKET; set versioning, CORS, lifecycle, public-access block.

    Reads the same settings as storage_service, and STRONGROOM_CORS_ORIGINS. Prints the IAM policy that the
    service needs.
    """
    argv = [sys.executable, "-m", SERVICE, "bucket", "init", *(["--no-policy"] if no_policy else [])]
    if find_spec(SERVICE) is None:
        sys.stderr.write(
            "strongroom: this needs storage_service, which is not installed here.\n"
            "Run this in a checkout or in its image:\n"
            "  python -m storage_service bucket init\n"
        )
        raise typer.Exit(2)
    raise typer.Exit(subprocess.run(argv, check=False).returncode)
