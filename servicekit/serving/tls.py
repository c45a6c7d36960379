"""TLS and mTLS by settings, for servers and clients."""

from __future__ import annotations

import grpc

from servicekit.serving.certificates import read_authorities, read_pair
from servicekit.settings import CommonSettings


def server_credentials(settings: CommonSettings) -> grpc.ServerCredentials | None:
    """Credentials of servers; None: plaintext. With ``tls_client_ca``, clients must present a certificate of
    it.

    :raises SettingError: a file can't be read or used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    pair = read_pair(settings.tls_cert, settings.tls_key, ("tls_cert", "tls_key"))
    client_ca = read_authorities(settings.tls_client_ca, "tls_client_ca") if settings.tls_client_ca else None
    return grpc.ssl_server_credentials(
        [pair], root_certificates=client_ca, require_client_auth=client_ca is not None
    )


def channel_credentials(settings: CommonSettings) -> grpc.ChannelCredentials | None:
    """Credentials for calls to other services; None (plaintext) without CA and client certificate.

    :raises SettingError: a file can't be read or used.
    """
    if settings.tls_ca is None and settings.tls_client_cert is None:
        return None
    ca = read_authorities(settings.tls_ca, "tls_ca") if settings.tls_ca else None
    if settings.tls_client_cert is None or settings.tls_client_key is None:
        return grpc.ssl_channel_credentials(root_certificates=ca)
    key, chain = read_pair(
        settings.tls_client_cert, settings.tls_client_key, ("tls_client_cert", "tls_client_key")
    )
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=chain)
