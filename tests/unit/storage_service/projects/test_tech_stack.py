from __future__ import annotations

import json
import time

import pytest

from storage_service.projects.tech_stack import (
    MAX_FETCHED_SOURCES,
    MAX_MANIFEST_BYTES,
    MAX_MANIFESTS,
    TechStack,
)


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
        ({"dist/index.html": ""}, True, False),
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


def test_only_so_much_of_manifests_is_read() -> None:
    stack = TechStack()
    padding = "x" * (MAX_MANIFEST_BYTES - 100)
    for name in ("react", "vue", "svelte", "next", "express"):
        stack.read("package.json", json.dumps({"dependencies": {name: "1"}, "padding": padding}).encode())
    assert stack.names == ["React", "Vue", "Svelte", "Next.js"]
    stack.read("package.json", b'{"dependencies": {"vite": "1"}}')
    assert "Vite" in stack.names


def test_a_scope_is_all_of_its_packages() -> None:
    assert stack_of({"package.json": '{"dependencies": {"@sveltejs/kit": "1"}}'}).names == [
        "Svelte",
        "Node.js",
    ]
    assert stack_of({"package.json": '{"dependencies": {"@sveltejsx/kit": "1"}}'}).names == ["Node.js"]


def test_a_byte_order_mark() -> None:
    assert "React" in stack_of({"package.json": '\ufeff{"dependencies": {"react": "1"}}'}).names


def test_a_key_of_many_parts_costs_nothing() -> None:
    began = time.process_time()
    for text in (
        "a." * 60_000 + "a = 1",
        "[" + '"". ' * 40_000 + "a]",
        "x = {" + "'a'\t." * 30_000 + "b = 1}",
        "\n".join(f"[{'a.' * 190}t{n}]\n{'a.' * 190}k = 1" for n in range(300)),
        f"[{'a.' * 190}t]\n" + "\n".join(f"k{n} = 1" for n in range(25_000)),
    ):
        assert stack_of({"pyproject.toml": text}).names == ["Python"]
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("files", "names", "back"),
    [
        ({"backend/main.py": "from fastapi import FastAPI\n..."}, ["FastAPI", "Python"], True),
        ({"main.py": "import os, flask as f\n"}, ["Flask", "Python"], True),
        ({"a/urls.py": "\tfrom django.urls import path"}, ["Django", "Python"], True),
        ({"app.py": '"""Docs."""\nfrom fastapi.responses import Response'}, ["FastAPI", "Python"], True),
        ({"app.py": "try:\n    import fastapi\nexcept ImportError: pass"}, ["FastAPI", "Python"], True),
        ({"src/App.js": "import React from 'react';\n..."}, ["React"], False),
        ({"src/main.js": 'import {\n  createApp,\n} from "vue"'}, ["Vue"], False),
        ({"index.js": "const app = require('express')()"}, ["Express"], True),
        ({"index.mjs": "const {default: e} = await import(\n'express')"}, ["Express"], True),
        ({"index.ts": "export * from 'express';import 'http://a//b'"}, ["TypeScript", "Express"], True),
        ({"src/m.js": "import { createRoot } from 'react-dom/client'"}, ["React"], False),
        ({"a.js": "import sveltekit from '@sveltejs/kit/vite'"}, ["Svelte"], False),
        ({"server/main.go": ""}, [], True),
        ({"api/hello.ts": "export default () => 1"}, ["TypeScript"], True),
        ({"site/backend/app.rb": ""}, [], True),
    ],
)
def test_what_sources_import(files: dict[str, str], names: list[str], back: bool) -> None:
    stack = stack_of(files)
    assert (stack.names, stack.has_backend) == (names, back)


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "# from fastapi import FastAPI"},
        {"a.py": '"""\nfrom fastapi import FastAPI\n"""'},
        {"a.py": "TEXT = '''\nimport flask\n'''"},
        {"a.py": "x = 'import flask'"},
        {"a.py": "from .flask import x\nfrom my.flask import y\nimport my.django\nimport flask_like"},
        {"a.py": "important = 1; fromage = 2"},
        {"a.py": '"""unterminated\nimport flask'},
        {"a.js": "// import e from 'express'"},
        {"a.js": "/*\nconst e = require('express')\n*/"},
        {"a.js": "const text = `\nimport e from 'express'`"},
        {"a.js": "const text = \"require('express')\""},
        {"a.js": "import e from './express'; import f from '../express'; import g from 'express-like'"},
        {"a.js": "my.require('express'); const from = 'express'; say('express')"},
        {"src/api/client.ts": "fetch('/api')"},
        {"server/README.md": "import express from 'express'"},
        {"backend.md": "from fastapi import FastAPI"},
        {"node_modules/a/index.js": "require('express')"},
        {"venv/lib/a.py": "import flask"},
        {"third_party/server/a.py": "import flask"},
        {"dist/server/a.js": "require('express')"},
        {"app.min.js": "require('express')"},
        {"types.d.ts": "import e from 'express'"},
    ],
)
def test_what_sources_only_mention(files: dict[str, str]) -> None:
    stack = stack_of(files)
    assert not {"FastAPI", "Flask", "Django", "Express"} & set(stack.names)
    assert not stack.has_backend


@pytest.mark.parametrize(
    "piece", ["'''", '"""', "'", "`", "/*", "\\", "import ", "from 'a", "import a,", "require("]
)
def test_sources_cost_little(piece: str) -> None:
    body = (piece * MAX_MANIFEST_BYTES)[:MAX_MANIFEST_BYTES].encode()
    began = time.thread_time()
    for name in ("a.py", "a.js"):
        stack = TechStack()
        assert stack.see(name)
        stack.read(name, body)
    assert time.thread_time() - began < 1


def test_unchanged_sources_are_fetched_where_programs_begin() -> None:
    stack = TechStack()
    assert stack.worth_fetching("package.json")
    assert not stack.worth_fetching("src/button.py")
    wanted = [stack.worth_fetching(f"{number}/main.py") for number in range(MAX_FETCHED_SOURCES + 5)]
    assert sum(wanted) == MAX_FETCHED_SOURCES
