"""The gRPC commands in docs/projects.md work as written."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.integration.storage_service.projects.client import ProjectClient
from tests.stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "projects.md"


async def test_every_line_of_the_page(client: ProjectClient, tmp_path: Path) -> None:
    block = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]
    assert block.startswith("call()")
    script = tmp_path / "page.sh"
    script.write_text("set -euo pipefail\n" + block, "utf-8")
    tools = Path(sys.executable).parent
    services = client.services
    env = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TOKEN": services.token(client.owner),
        "STORAGE": services.address,
        "METADATA": services.metadata_address,
        "NO_PROXY": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        "bash", str(script), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    assert '"rolledBackTo": "1"' in output.decode()
    assert '"name": "My site"' in output.decode()
