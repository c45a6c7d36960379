"""The pages of docs/ about a family: their commands work as written, top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import Final

import pytest

from tests.e2e import samples
from tests.integration.importing.origin import Origin, answer
from tests.stack import CHECKOUT, RunningStack

FAMILIES: Final = ("files", "generations", "event-media")
TUTORIALS: Final = tuple(f"tutorials/{page}" for page in (*FAMILIES, "projects"))
PAGES: Final = (*FAMILIES, "links", "shares", "coming-from-supabase", *TUTORIALS)
_BLOCK: Final = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_lines_of_a_page_run(stack: RunningStack, origin: Origin, tmp_path: Path, page: str) -> None:
    blocks = _BLOCK.findall((CHECKOUT / "docs" / f"{page}.md").read_text())
    assert len(blocks) >= 3
    (tmp_path / "cat.png").write_bytes(samples.png())
    env = os.environ | {
        "URL": stack.url,
        "TOKEN": stack.token(f"reader-{uuid.uuid4()}"),
        "SOURCE": origin.script(f"docs-{page.replace('/', '-')}", answer(samples.png())),
        "no_proxy": "*",
    }
    script = "set -eu -o pipefail\n" + "\n".join(blocks)
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
