"""Errors that stop the stack, each with a message that says what to do."""

from __future__ import annotations


class DevstackError(Exception):
    """The stack cannot start or continue. The message is one paragraph for the terminal."""


class SettingError(DevstackError):
    """An environment variable has an invalid value; the message names the variable."""


class PortTakenError(DevstackError):
    """A port the stack needs belongs to another process."""


class StartFailedError(DevstackError):
    """A process died, or did not become healthy in time, during start-up."""


class AlreadyRunningError(DevstackError):
    """Another supervisor holds this data directory."""


class StopRequestedError(DevstackError):
    """Ctrl-C, SIGTERM or SIGHUP arrived while something was being waited for."""
