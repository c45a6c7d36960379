"""A request's path determines its layers."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import ASGIApp

from gateway.app import ByPath


@pytest.mark.parametrize(
    ("path", "root_path", "layer"),
    [
        ("/l/token/a.png", "", "links"),
        ("/l/", "", "links"),
        ("/l", "", "plain"),
        ("/files", "", "tus"),
        ("/files/", "", "tus"),
        ("/files/x/y", "", "tus"),
        ("/mounted/files/x", "/mounted", "tus"),
        ("/filesystem", "", "plain"),
        ("/files2/x", "", "plain"),
        ("/api/files/x", "", "plain"),
        ("//files/x", "", "plain"),
        ("/", "", "plain"),
        ("", "", "plain"),
    ],
)
async def test_paths_have_their_layers(path: str, root_path: str, layer: str) -> None:
    passed: list[str] = []

    def named(name: str) -> ASGIApp:
        async def app(*_: Any) -> None:
            passed.append(name)

        return app

    async def unused(*_: Any) -> Any: ...

    tus = named("tus")
    layers = ByPath({"/l/": named("links"), "/files": tus, "/files/": tus}, otherwise=named("plain"))
    await layers({"type": "http", "path": path, "root_path": root_path}, unused, unused)
    assert passed == [layer]
