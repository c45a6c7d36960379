"""Settings for connections to servers chosen by users: read by the connecting process, and by those that
store such URLs for later. Not in ``outbound``, which loads httpx.
"""

from __future__ import annotations

from servicekit.settings import CommaList, SettingsBase


class OutboundSettings(SettingsBase):
    """``import_ports``: ports that URLs may use. ``import_allow_hosts``: ``host:port`` exempt from the rules
    of ports and addresses.
    """

    import_ports: CommaList = ("80", "443", "8080", "8443")
    import_allow_hosts: CommaList = ()

    @property
    def outbound_ports(self) -> frozenset[int]:
        """``import_ports`` as numbers."""
        return frozenset(int(port) for port in self.import_ports)
