"""Which servers that users name Strongroom connects to: read by whoever connects, and by whoever takes such
URLs for later.
"""

from __future__ import annotations

from servicekit.settings import CommaList, SettingsBase


class OutboundSettings(SettingsBase):
    """``import_ports``: that URLs may use. ``import_allow_hosts``: ``host:port`` that is exempt from the
    rules of ports and addresses.
    """

    import_ports: CommaList = ("80", "443", "8080", "8443")
    import_allow_hosts: CommaList = ()

    @property
    def outbound_ports(self) -> frozenset[int]:
        """``import_ports`` as numbers."""
        return frozenset(int(port) for port in self.import_ports)
