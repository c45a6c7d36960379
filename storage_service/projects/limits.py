"""Limits on a project's size. Each refusal names the rule and the limit."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.errors import ProjectLimitExceeded, SizeLimitExceeded

FAMILY = "project files"
_ENTRY_OVERHEAD = 2304
"""Bytes that a ZIP entry may take beside its content: two headers, two names, extra fields."""


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """Settings STRONGROOM_MAX_PROJECT_FILE_BYTES, …_PROJECT_BYTES, …_PROJECT_FILES."""

    max_file_bytes: int
    max_bytes: int
    max_files: int

    @property
    def max_archive_bytes(self) -> int:
        """The largest ZIP body: uncompressed, with the largest number of entries."""
        return self.max_bytes + _ENTRY_OVERHEAD * self.max_files

    def check_file(self, size: int) -> None:
        """Raises SizeLimitExceeded {limit, family}."""
        if size > self.max_file_bytes:
            raise SizeLimitExceeded(
                f"the file is larger than the limit of {self.max_file_bytes} bytes for {FAMILY}",
                metadata={"limit": str(self.max_file_bytes), "family": FAMILY},
            )

    def check(self, *, files: int, largest: int, total: int) -> None:
        """Raises ProjectLimitExceeded {limit, rule}, SizeLimitExceeded {limit, family}."""
        if files > self.max_files:
            raise ProjectLimitExceeded(
                f"the project has more than {self.max_files} files",
                metadata={"limit": str(self.max_files), "rule": "max_files"},
            )
        self.check_file(largest)
        if total > self.max_bytes:
            raise ProjectLimitExceeded(
                f"the project is larger than {self.max_bytes} bytes",
                metadata={"limit": str(self.max_bytes), "rule": "max_bytes"},
            )
