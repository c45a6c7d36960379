"""Write ``deploy/kubernetes`` from the chart: ``python -m scripts.manifests`` (`make manifests`).

One file per template, without what only helm needs (hooks, management labels). Rules and the dashboard are
copied into the chart, which can't read files outside its folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scripts.deploy_tools import ROOT, helm

CHART: Final = ROOT / "deploy" / "helm" / "strongroom"
FOLDER: Final = ROOT / "deploy" / "kubernetes"
#: Files of the chart that are copies.
COPIES: Final[Mapping[Path, Path]] = {
    CHART / "files" / "rules.yml": ROOT / "deploy" / "prometheus" / "rules.yml",
    CHART / "files" / "strongroom.json": ROOT / "deploy" / "grafana" / "strongroom.json",
}
_SETTINGS: Final = ("checksumAnnotations=false", "monitoring.serviceMonitor.enabled=true")
_SOURCE: Final = re.compile(r"^---\n# Source: strongroom/templates/(\S+)\n", re.MULTILINE)
_OF_HELM: Final = re.compile(r"^ *(?:app\.kubernetes\.io/managed-by|helm\.sh/.*): .*\n", re.MULTILINE)
_HEADS: Final[Mapping[str, str]] = {
    "migrate.yaml": (
        "# A Job cannot be changed: delete it before each release (kubectl delete job strongroom-migrate),"
        " then apply.\n"
    ),
    "monitoring.yaml": (
        "# Apply this with kubectl apply -f where the Prometheus operator is installed; elsewhere the"
        " pods' annotations prometheus.io/*\n# have the same effect."
        " Rules: the groups of deploy/prometheus/rules.yml.\n"
    ),
}


def render(*arguments: str) -> str:
    """The output of ``helm template`` for the release strongroom in the namespace of that name."""
    command = [str(helm()), "template", "strongroom", str(CHART), "--namespace", "strongroom", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def manifests() -> dict[str, str]:
    """The text of each file, by name."""
    pieces = _SOURCE.split(render(*(f"--set={one}" for one in _SETTINGS)))
    found: dict[str, list[str]] = {}
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        found.setdefault(name, []).append(_plain(text))
    head = "# Made by `make manifests` from deploy/helm/strongroom.\n"
    return {name: head + _HEADS.get(name, "") + "---\n".join(texts) for name, texts in sorted(found.items())}


def _plain(text: str) -> str:
    text = _OF_HELM.sub("", text)
    return re.sub(r"^( *)annotations:\n(?!\1 )", "", text, flags=re.MULTILINE)


def main() -> int:
    """Write all of them."""
    for copy, original in COPIES.items():
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(original, copy)
    for name, text in manifests().items():
        (FOLDER / name).write_text(text)
        sys.stdout.write(f"deploy/kubernetes/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
