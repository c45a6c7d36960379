"""Settings for connections to servers chosen by users: read by the connecting process, and by those that
store such URLs for later. Not in ``outbound``, which loads httpx.
"""

from __future__ import annotations

from pydantic import field_validator

from servicekit.net import split_address
from servicekit.settings import CommaList, SettingsBase


class OutboundSettings(SettingsBase):
    """``import_ports``: ports that URLs may use. ``import_allow_hosts``: ``host:port`` exempt from the rules
    of ports and addresses.
    """

    import_ports: CommaList = ("80", "443", "8080", "8443")
    import_allow_hosts: CommaList = ()

    @field_validator("import_ports")
    @classmethod
    def _are_ports(cls, ports: tuple[str, ...]) -> tuple[str, ...]:
        for port in ports:
            if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
                raise ValueError(f"{port!r} is not a port from 1 to 65535")
        return ports

    @field_validator("import_allow_hosts")
    @classmethod
    def _are_addresses(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            try:
                split_address(host)
            except ValueError as error:
                raise ValueError(f"{host!r}: {error}") from None
        return hosts

    @property
    def outbound_ports(self) -> frozenset[int]:
        """``import_ports`` as numbers."""
        return frozenset(int(port) for port in self.import_ports)
