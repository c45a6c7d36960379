"""Run the contract tests of the object store on each store, and write the table of docs/object-store.md.

``python -m scripts.store_table``: the embedded Swift and moto. ``python -m scripts.store_table NAME URL KEY
SECRET``: another S3 (Ceph, VersityGW …), as an additional column. The results are kept in
tests/contract/objectstore/results.json, from which the table is made.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).resolve().parent.parent
SUITE: Final = ROOT / "tests" / "contract" / "objectstore"
RESULTS: Final = SUITE / "results.json"
PAGE: Final = ROOT / "docs" / "object-store.md"
BEGIN: Final = "<!-- stores: begin, python -m scripts.store_table -->\n"
END: Final = "<!-- stores: end -->\n"
#: The topic of each test module.
TOPICS: Final = {
    "test_put": "whole objects are stored, under any name",
    "test_read": "they are read, whole and in part",
    "test_multipart": "uploads in parts",
    "test_copy": "copies inside of the store",
    "test_versions": "versions",
    "test_delete_and_list": "deletion and lists",
    "test_bucket_check": "whether the bucket answers",
    "test_signed_requests": "signed requests",
    "test_direct_forms": "forms of browsers",
}
#: ``{store: {module: {test: whether it passed}}}``
Results: TypeAlias = "dict[str, dict[str, dict[str, bool]]]"


def run(store: str, **env: str) -> dict[str, dict[str, bool]]:
    """Run the tests on one store. A parametrized test passes if all its cases pass."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            f"--ignore={SUITE}/test_table.py",
            str(SUITE),
        ]
        subprocess.run(
            command, cwd=ROOT, env=os.environ | {"STRONGROOM_CONTRACT_STORE": store, **env}, check=False
        )
        return told(report.read_text())


def told(report: str) -> dict[str, dict[str, bool]]:
    """The results in a pytest report (JUnit's XML), by module and test."""
    found: dict[str, dict[str, bool]] = {}
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314 - written by pytest just now
        tests = found.setdefault(case.attrib["classname"].rpartition(".")[2], {})
        name = case.attrib["name"].partition("[")[0]
        passed = case.find("failure") is None and case.find("error") is None
        tests[name] = tests.get(name, True) and passed
    return {module: dict(sorted(tests.items())) for module, tests in sorted(found.items())}


def table(results: Results) -> str:
    """A Markdown table: how many tests of each topic each store passes, and which it fails."""
    stores = list(results)
    lines = [f"| what | {' | '.join(stores)} |", "|---" * (len(stores) + 1) + "|"]
    for module, topic in TOPICS.items():
        cells = [_cell(results[store].get(module, {})) for store in stores]
        lines.append(f"| {topic} | {' | '.join(cells)} |")
    lines.append("")
    for store in stores:
        failed = [
            name.removeprefix("test_").replace("_", " ")
            for tests in results[store].values()
            for name, passed in tests.items()
            if not passed
        ]
        if failed:
            lines.append(f"- {store} does not pass: {'; '.join(failed)}.")
    return "\n".join(lines).rstrip() + "\n"


def _cell(tests: dict[str, bool]) -> str:
    return f"{sum(tests.values())} of {len(tests)}" if tests else "-"


def page(text: str, results: Results) -> str:
    """The page with the table of these results."""
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: BEGIN + table(results) + END, text, flags=re.DOTALL
    )


def main(arguments: list[str]) -> int:
    """Run, and write both files."""
    results: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments:
        name, url, key, secret = arguments
        env = {
            "STRONGROOM_CONTRACT_URL": url,
            "STRONGROOM_CONTRACT_KEY": key,
            "STRONGROOM_CONTRACT_SECRET": secret,
        }
        results[name] = run("other", **env)
    else:
        results |= {"embedded (Swift)": run("swift"), "moto": run("moto")}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(PAGE.read_text(), results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
