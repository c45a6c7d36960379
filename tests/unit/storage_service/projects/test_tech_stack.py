from __future__ import annotations

import json
import time

import pytest

from storage_service.projects.tech_stack import MAX_MANIFEST_BYTES, MAX_MANIFESTS, TechStack


def stack_of(files: dict[str, str]) -> TechStack:
    stack = TechStack()
    for path, text in files.items():
        if stack.see(path):
            stack.read(path, text.encode())
    return stack


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"package.json": '{"dependencies": {"react": "^19"}}'}, ["React", "Node.js"]),
        (
            {"package.json": '{"devDependencies": {"vite": "7", "typescript": "5"}}'},
            ["Vite", "TypeScript", "Node.js"],
        ),
        ({"package.json": '{"dependencies": {"@sveltejs/kit": "2"}}'}, ["Svelte", "Node.js"]),
        (
            {"web/package.json": '{"dependencies": {"next": "15", "express": "5"}}'},
            ["Next.js", "Express", "Node.js"],
        ),
        ({"package.json": '{"devDependencies": {"@tailwindcss/vite": "4"}}'}, ["TailwindCSS", "Node.js"]),
        ({"src/App.vue": ""}, ["Vue"]),
        ({"src/App.tsx": ""}, ["React", "TypeScript"]),
        ({"requirements.txt": "fastapi>=0.120\n# flask\n-r other.txt\n"}, ["FastAPI", "Python"]),
        ({"requirements-dev.txt": "Django ; python_version > '3'"}, ["Django", "Python"]),
        ({"pyproject.toml": '[project]\ndependencies = ["Flask[async]>=3"]'}, ["Flask", "Python"]),
        ({"pyproject.toml": '[project.optional-dependencies]\nweb = ["fastapi"]'}, ["FastAPI", "Python"]),
        (
            {"pyproject.toml": '[dependency-groups]\ndev = ["django", {include-group = "x"}]'},
            ["Django", "Python"],
        ),
        ({"pyproject.toml": '[tool.poetry.dependencies]\nflask = "*"'}, ["Flask", "Python"]),
        ({"Pipfile": '[packages]\nfastapi = "*"'}, ["FastAPI", "Python"]),
        ({"main.py": ""}, ["Python"]),
        ({"Dockerfile": "", "docker-compose.yml": ""}, ["Docker"]),
        ({"deploy/compose.yaml": ""}, ["Docker"]),
        ({"README.md": ""}, []),
        ({"node_modules/react/package.json": '{"dependencies": {"react": "1"}}'}, []),
        ({"venv/lib/site.py": ""}, []),
    ],
)
def test_what_is_found(files: dict[str, str], names: list[str]) -> None:
    assert stack_of(files).names == names


@pytest.mark.parametrize(
    ("files", "front", "back"),
    [
        ({"index.html": ""}, True, False),
        ({"public/index.html": ""}, True, False),
        ({"about.html": ""}, False, False),
        ({"package.json": '{"dependencies": {"vue": "3"}}'}, True, False),
        ({"package.json": '{"dependencies": {"express": "5"}}'}, False, True),
        ({"requirements.txt": "django", "index.html": ""}, True, True),
        ({"main.py": ""}, False, False),
    ],
)
def test_front_and_back(files: dict[str, str], front: bool, back: bool) -> None:
    stack = stack_of(files)
    assert (stack.has_frontend, stack.has_backend) == (front, back)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"react"',
        "[" * 100_000,
        '{"dependencies": ["react"]}',
        '{"dependencies": 1}',
        "\ufeff{}",
    ],
)
def test_manifests_that_say_nothing(text: str) -> None:
    assert stack_of({"package.json": text}).names == ["Node.js"]
    assert stack_of({"pyproject.toml": text}).names == ["Python"]


def test_bytes_that_are_no_text() -> None:
    stack = TechStack()
    assert stack.see("package.json")
    stack.read("package.json", b"\xff\xfe")
    assert stack.names == ["Node.js"]


def test_too_large_manifests_are_passed_over() -> None:
    text = json.dumps({"dependencies": {"react": "1"}, "padding": "x" * MAX_MANIFEST_BYTES})
    assert stack_of({"package.json": text}).names == ["Node.js"]


def test_only_so_many_manifests_are_read() -> None:
    stack = TechStack()
    assert sum(stack.see(f"packages/{number}/package.json") for number in range(80)) == MAX_MANIFESTS


def test_a_byte_order_mark() -> None:
    assert "React" in stack_of({"package.json": '\ufeff{"dependencies": {"react": "1"}}'}).names


def test_a_key_of_many_parts_costs_nothing() -> None:
    began = time.process_time()
    for text in (
        "a." * 60_000 + "a = 1",
        "[" + '"". ' * 40_000 + "a]",
        "x = {" + "'a'\t." * 30_000 + "b = 1}",
    ):
        assert stack_of({"pyproject.toml": text}).names == ["Python"]
    assert time.process_time() - began < 1
