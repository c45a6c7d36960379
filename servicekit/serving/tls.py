"""TLS and mTLS by settings, for servers and clients.

Certificates and keys are checked before anybody connects, with errors that name the setting: TLS would report
them to callers, or as an error of the port.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog

from servicekit.settings import CommonSettings, SettingError, env_name

log = structlog.get_logger(__name__)


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


def read_pair(certificate: Path, key: Path, fields: tuple[str, str]) -> tuple[bytes, bytes]:
    """Certificate chain and key as PEM, from the settings ``fields``. A certificate that is not valid today
    is only logged, because callers decide whom they trust.

    :raises SettingError: a file can't be read, is invalid, or the two don't belong together.
    """
    secret, chain = _read(key, fields[1]), _read(certificate, fields[0])
    if b"-----BEGIN CERTIFICATE" not in chain:
        raise SettingError(env_name(fields[0]), f"{certificate} contains no certificate in PEM")
    if b"PRIVATE KEY-----" not in secret:
        raise SettingError(env_name(fields[1]), f"{key} contains no private key in PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise _unusable(error, certificate, key, fields) from None
    except ValueError:  # raised by our password callback
        raise SettingError(env_name(fields[1]), f"{key} is encrypted; give it without a passphrase") from None
    _tell_dates(certificate, chain, fields[0])
    return secret, chain


def read_authorities(path: Path, field: str) -> bytes:
    """Certificates of authorities as PEM.

    :raises SettingError: the file can't be read, or contains none.
    """
    pem = _read(path, field)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise SettingError(env_name(field), f"{path} contains no certificate in PEM") from None
    _tell_dates(path, pem, field)
    return pem


def _read(path: Path, field: str) -> bytes:
    """The bytes of the file named by the setting ``field``.

    :raises SettingError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(env_name(field), f"{path} can't be read ({error.strerror})") from None


def _no_password() -> str:
    raise ValueError("no passphrase is known")


def _unusable(error: ssl.SSLError, certificate: Path, key: Path, fields: tuple[str, str]) -> SettingError:
    if error.reason == "KEY_VALUES_MISMATCH":
        return SettingError(env_name(fields[1]), f"{key} is not the key of {certificate}")
    said = (error.reason or "unknown").replace("_", " ").lower()
    names = f"{certificate} and {key}"
    return SettingError(env_name(fields[0]), f"{names} can't be used ({said}); issue a new certificate")


def _tell_dates(path: Path, pem: bytes, field: str) -> None:
    from cryptography import x509  # noqa: PLC0415 - megabytes, needed only with TLS

    try:
        first = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        return  # OpenSSL accepts what this parser does not
    now, begin, end = datetime.now(UTC), first.not_valid_before_utc, first.not_valid_after_utc
    if now >= end:
        advice = "renew it, and restart the service"
        log.error(
            "certificate_expired", setting=env_name(field), path=str(path), ended=str(end), advice=advice
        )
    elif now < begin:
        advice = "set this machine's clock, or issue a new certificate"
        log.error(
            "certificate_not_yet", setting=env_name(field), path=str(path), begins=str(begin), advice=advice
        )
