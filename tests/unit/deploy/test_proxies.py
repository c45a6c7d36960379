"""The examples in docs/deploy and deploy/systemd, read by the programs for which they are."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from strongroom.setting_names import NAMES

ROOT: Final = Path(__file__).resolve().parents[3]
PAGES: Final = ROOT / "docs" / "deploy"
UNITS: Final = ROOT / "deploy" / "systemd"
PATH: Final = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def block_of(page: str, language: str = "") -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_haproxy_takes_its_block(tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(block_of("haproxy.md"))
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(config)], capture_output=True, text=True, check=False, env=PATH
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_envoys_block_names_the_ports_and_ends_no_stream() -> None:
    resources: dict[str, Any] = yaml.safe_load(block_of("envoy.md", "yaml"))["static_resources"]
    ports = {
        one["name"]: one["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"][
            "socket_address"
        ]["port_value"]
        for one in resources["clusters"]
    }
    assert ports == {"gateway": 8080, "storage": 50051, "metadata": 50052}
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert [one["route"]["timeout"] for one in routes] == ["0s"] * 3


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/strongroom/bin/strongroom", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=PATH)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "strongroom" in line]) == (0, [])


@pytest.mark.parametrize("part", ["gateway", "storage", "metadata"])
def test_a_unit_is_started_again_however_often_it_ends(part: str) -> None:
    """After five starts within ten seconds systemd gives up (DefaultStartLimitBurst); RestartSec is one."""
    lines = (UNITS / f"strongroom-{part}.service").read_text().splitlines()
    unit, service = lines.index("[Unit]"), lines.index("[Service]")
    assert "StartLimitIntervalSec=0" in lines[unit:service]
    assert "Restart=always" in lines[service:]


@pytest.mark.parametrize("part", ["gateway", "storage", "metadata"])
def test_a_unit_gives_the_drain_its_time(part: str) -> None:
    unit = (UNITS / f"strongroom-{part}.service").read_text()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) >= 5 + 20
    assert f"serve --target {part}\n" in unit


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_pages_name_settings_that_exist(page: str) -> None:
    named = set(re.findall(r"\bSTRONGROOM_[A-Z0-9_]*[A-Z0-9]\b", (PAGES / page).read_text()))
    assert sorted(named - NAMES) == []
