"""Prints the `.env` of docker-compose.yml, with random secrets: `python3 deploy/make_env.py > .env`."""

from __future__ import annotations

import secrets
import sys

SECRETS = (
    "POSTGRES_PASSWORD",
    "STRONGROOM_OWNER_PASSWORD",
    "STRONGROOM_APP_PASSWORD",
    "STRONGROOM_JWT_SECRET",
    "STRONGROOM_INTERNAL_SECRET",
    "STRONGROOM_LINK_SECRET",
    "STRONGROOM_GATEWAY_SECRET",
    "AWS_SECRET_ACCESS_KEY",
)


def env_file() -> str:
    """The file's text. The passwords are used in URLs, so they consist of letters and digits."""
    lines = ["AWS_ACCESS_KEY_ID=strongroom", *(f"{name}={secrets.token_hex(24)}" for name in SECRETS)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(env_file())
