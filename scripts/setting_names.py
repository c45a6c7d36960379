"""Write ``strongroom/setting_names.py`` from the settings classes; run it after adding a setting."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from pydantic import AliasChoices

from gateway.config import GatewaySettings
from metadata_service.config import MetadataSettings, MigrationSettings
from servicekit.settings import SettingsBase
from storage_service.config import StorageSettings

TARGET: Final = Path(__file__).resolve().parent.parent / "strongroom" / "setting_names.py"
CLASSES: Final[tuple[type[SettingsBase], ...]] = (
    StorageSettings,
    MetadataSettings,
    MigrationSettings,
    GatewaySettings,
)
#: Read by `make up`, the command, docker compose or the fault tests.
OTHERS: Final = frozenset(
    {
        *(f"STRONGROOM_{name}_PORT" for name in ("HTTP", "STORAGE", "METADATA", "S3")),
        *(f"STRONGROOM_{name}_PASSWORD" for name in ("OWNER", "APP")),
        *(f"STRONGROOM_METRICS_BIND_{name}" for name in ("GATEWAY", "STORAGE", "METADATA")),
        *(f"STRONGROOM_FAILPOINTS{name}" for name in ("", "_GATEWAY", "_STORAGE", "_METADATA", "_MIGRATE")),
        *(f"STRONGROOM_{name}" for name in ("DATA_DIR", "ENV_FILE", "FORM", "UNKNOWN_SETTINGS", "WORKERS")),
        *(f"STRONGROOM_{name}" for name in ("TOKEN", "USER", "GATEWAY_URL", "SPOOL", "SPOOL_MAX_BYTES")),
    }
)
_TEXT: Final = '''"""The name of every setting of Strongroom, so that misspelt ones can be told of.

Written by ``python -m scripts.setting_names`` from the settings classes of the services. Beside those stands
what only `make up`, the command, docker compose and the tests of faults read.
"""

from __future__ import annotations

from typing import Final

NAMES: Final[frozenset[str]] = frozenset(
    {
%s    }
)
'''


def of_classes() -> set[str]:
    """Every variable with our prefix that a settings class reads."""
    found: set[str] = set()
    for cls in CLASSES:
        for field, info in cls.model_fields.items():
            alias = info.validation_alias
            choices = alias.choices if isinstance(alias, AliasChoices) else [f"STRONGROOM_{field}".upper()]
            found |= {str(choice) for choice in choices}
    return {name for name in found if name.startswith(("STRONGROOM_", "S3_", "AWS_"))}


def text() -> str:
    """The content of the file."""
    return _TEXT % "".join(f'        "{name}",\n' for name in sorted(of_classes() | OTHERS))


if __name__ == "__main__":
    TARGET.write_text(text(), "utf-8")
    sys.stdout.write(f"{TARGET.name}\n")
