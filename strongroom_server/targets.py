"""The services of one process, and its share of the machine's resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from servicekit.net import join_address, split_address
from servicekit.settings import CommonSettings, SettingError, SettingsBase

#: In the order in which they start; they stop in reverse order.
TARGETS: Final = ("metadata", "storage", "gateway")
#: The package of each target.
MODULES: Final = {"metadata": "metadata_service", "storage": "storage_service", "gateway": "gateway"}
#: Settings that are divided between the processes of a machine, and the minimum for one process.
DIVIDED: Final = {
    "upload_memory_bytes": 32 << 20,
    "download_memory_bytes": 16 << 20,
    "archive_memory_bytes": 32 << 20,
    "export_manifest_bytes": 32 << 20,
    "database_pool_max": 2,
    "database_pool_min": 0,
    "max_connections": 64,
    "address_connections": 32,
    "import_parallel": 1,
    "max_concurrent_rpcs": 64,
}
#: The divided settings whose share must hold a largest file of a project, or two parts of an upload.
_HOLDS_A_FILE: Final = ("upload_memory_bytes", "archive_memory_bytes")

S = TypeVar("S", bound=SettingsBase)


@dataclass(frozen=True, slots=True)
class Share:
    """This process's share as one of ``workers`` processes. ``number``: from 1; 0: it is the only process."""

    workers: int = 1
    number: int = 0

    @property
    def shared(self) -> bool:
        """Whether other processes listen on the same ports."""
        return self.workers > 1

    def of(self, settings: S) -> S:
        """The settings with this process's share.

        Memory, connections and parallel work are divided; users' rates and caps are not (with
        STRONGROOM_REDIS_URL all processes count together).
        """
        if not self.shared:
            return settings
        fields = {name for name in DIVIDED if name in type(settings).model_fields}
        return settings.model_copy(update={name: self._part(settings, name) for name in fields})

    def metrics_address(self, settings: CommonSettings) -> str | None:
        """This process's address for metrics; None: it has none. Workers use consecutive ports.

        :raises SettingError: it is no address.
        """
        if settings.metrics_bind is None or self.number < 2:
            return settings.metrics_bind
        try:
            host, port = split_address(settings.metrics_bind)
        except ValueError as error:
            raise SettingError("STRONGROOM_METRICS_BIND", str(error)) from None
        return join_address(host, port + self.number - 1 if port else 0)

    def _part(self, settings: SettingsBase, name: str) -> int:
        whole: int = getattr(settings, name)
        least = DIVIDED[name]
        if name in _HOLDS_A_FILE:  # the settings' own rule for the whole
            file_bytes: int = getattr(settings, "max_project_file_bytes", 0)
            part_bytes: int = getattr(settings, "part_size_bytes", 0)
            least = max(least, file_bytes + (4 << 20), 2 * part_bytes)
        return max(whole // self.workers, min(least, whole))
