""".env.example lists every setting of the three services with its default, and no unused one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config import GatewaySettings
from metadata_service.config import MetadataSettings
from servicekit.settings import SettingsBase
from storage_service.config import StorageSettings

ROOT = Path(__file__).resolve().parents[3]
CLASSES: tuple[type[SettingsBase], ...] = (StorageSettings, MetadataSettings, GatewaySettings)
#: Read by devstack, docker compose or the failpoints, not by a settings class.
OTHERS = {
    "POSTGRES_PASSWORD",
    "STRONGROOM_ENV_FILE",
    "STRONGROOM_GATEWAY_URL",
    "STRONGROOM_TOKEN",
    "STRONGROOM_UNKNOWN_SETTINGS",
    "STRONGROOM_SPOOL",
    "STRONGROOM_SPOOL_MAX_BYTES",
    "STRONGROOM_USER",
    "STRONGROOM_APP_PASSWORD",
    "STRONGROOM_DATA_DIR",
    "STRONGROOM_FAILPOINTS",
    "STRONGROOM_FORM",
    "STRONGROOM_WORKERS",
    "STRONGROOM_HTTP_PORT",
    "STRONGROOM_METADATA_PORT",
    "STRONGROOM_OWNER_PASSWORD",
    "STRONGROOM_S3_PORT",
    "STRONGROOM_S3_TRANSITIONS",
    "STRONGROOM_STORAGE_PORT",
}


def names_of(field: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    return (
        [str(choice) for choice in alias.choices]
        if isinstance(alias, AliasChoices)
        else [f"STRONGROOM_{field}".upper()]
    )


def fields() -> Iterator[tuple[str, list[str], object]]:
    for cls in CLASSES:
        for field, info in cls.model_fields.items():
            first, *aliases = names_of(field, info)
            yield first, aliases, info.default


def shown(default: object) -> str:
    """A default as one would write it into the environment."""
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(int(default)) if isinstance(default, float) and default.is_integer() else str(default)


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs: list[list[str]] = [
        line.removeprefix("#").split("=", 1) for line in lines if re.match(r"#?[A-Z][A-Z0-9_]*=", line)
    ]
    assert len({name for name, _ in pairs}) == len(pairs), "a setting is listed twice"
    return dict(pairs)


def test_every_setting_is_listed_and_every_listed_one_exists(listed: dict[str, str]) -> None:
    known = {name for name, _, _ in fields()} | OTHERS
    assert (known - set(listed), set(listed) - known) == (set(), set())


def test_the_values_are_the_defaults(listed: dict[str, str]) -> None:
    wrong = {
        name: (listed[name], shown(default))
        for name, _, default in fields()
        if listed[name] != shown(default)
    }
    assert wrong == {}


def test_aliases_of_today_are_mentioned() -> None:
    text = (ROOT / ".env.example").read_text()
    aliases = {alias for _, others, _ in fields() for alias in others if not alias.startswith("STRONGROOM_")}
    assert [alias for alias in sorted(aliases) if not re.search(rf"\b{alias}\b", text)] == []


def test_only_what_compose_demands_is_uncommented() -> None:
    demanded = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert {line.split("=")[0] for line in lines if line and not line.startswith("#")} == demanded


def test_every_setting_is_explained() -> None:
    """A comment explains the settings below it, up to the next comment or blank line."""
    unexplained, said = [], False
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("# ") and not line.startswith("# ---"):
            said = True
        elif not line or line.startswith("# ---"):
            said = False
        elif not said:
            unexplained.append(line.split("=")[0])
    assert unexplained == []
