"""docs/deployment.md says of every secret how to replace it, and what ends with the old one."""

from __future__ import annotations

import re

from pydantic import SecretStr

from tests.unit.deploy.test_env_example import CLASSES, ROOT, names_of


def test_every_secret_has_its_row() -> None:
    secrets = {
        names_of(field, info)[0]
        for cls in CLASSES
        for field, info in cls.model_fields.items()
        if SecretStr.__name__ in repr(info.annotation)
    }
    page = (ROOT / "docs/deployment.md").read_text("utf-8").partition("## Replacing secrets and keys\n")[2]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    assert {name for row in rows for name in re.findall(r"`([A-Z_0-9]+)`", row)} == secrets
    assert len(secrets) > 8
