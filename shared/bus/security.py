"""How clients prove who they are to the broker, and that it is the broker: TLS and SASL, as kafka-python wants it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from shared.errors import InvalidSettings
from shared.settings import KafkaSettings

_TLS = ("SSL", "SASL_SSL")
_SASL = ("SASL_PLAINTEXT", "SASL_SSL")


def security_of(settings: KafkaSettings) -> Mapping[str, object]:
    """Keyword arguments of every kafka-python client beside the broker's addresses; empty for plain text.

    Raises InvalidSettings for what does not go together, and for files that are not there. No message holds a secret.
    """
    protocol = settings.security_protocol
    _refuse_unused(settings)
    if protocol == "PLAINTEXT":
        return {}
    if not settings.bootstrap_servers:
        raise _refused("security_protocol", protocol, "needs kafka.bootstrap_servers; the embedded broker speaks plain")
    given: dict[str, object] = {"security_protocol": protocol}
    if protocol in _TLS:
        given |= _tls(settings)
    if protocol in _SASL:
        given |= _sasl(settings)
    return given


def _tls(settings: KafkaSettings) -> Mapping[str, object]:
    given: dict[str, object] = {"ssl_check_hostname": settings.ssl_check_hostname}
    files = {"ssl_cafile": "ssl_ca_file", "ssl_certfile": "ssl_cert_file", "ssl_keyfile": "ssl_key_file"}
    for argument, field in files.items():
        file: Path | None = getattr(settings, field)
        if file is None:
            continue
        if not file.is_file():
            raise _refused(field, str(file), "is no file; name one in PEM")
        given[argument] = str(file)
    if (settings.ssl_cert_file is None) != (settings.ssl_key_file is None):
        missing = "ssl_key_file" if settings.ssl_key_file is None else "ssl_cert_file"
        raise _refused(missing, "", "is missing; a client certificate and its key go together")
    _try(settings)
    return given


def _try(settings: KafkaSettings) -> None:
    """Load the files as a client will, so that what is wrong with one is told by its name."""
    context = ssl.create_default_context()
    if settings.ssl_ca_file is not None:
        try:
            context.load_verify_locations(settings.ssl_ca_file)
        except (ssl.SSLError, OSError) as error:
            raise _refused(
                "ssl_ca_file", str(settings.ssl_ca_file), f"holds no certificate in PEM ({error})"
            ) from error
    if settings.ssl_cert_file is not None and settings.ssl_key_file is not None:
        try:
            context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file, password="")
        except (ssl.SSLError, OSError) as error:
            remedy = f"does not go with the key {settings.ssl_key_file}, or is no PEM without a password ({error})"
            raise _refused("ssl_cert_file", str(settings.ssl_cert_file), remedy) from error


def _sasl(settings: KafkaSettings) -> Mapping[str, object]:
    if not settings.sasl_username:
        raise _refused("sasl_username", "", "is missing; SASL needs a user")
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": _password(settings),
    }


def _password(settings: KafkaSettings) -> str:
    if settings.sasl_password_file is None:
        if not settings.sasl_password.get_secret_value():
            raise _refused("sasl_password_file", "", "is missing, and sasl_password too; SASL needs one of them")
        return settings.sasl_password.get_secret_value()
    try:
        password = settings.sasl_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"cannot be read ({type(error).__name__}); name a file that holds the password alone"
        raise _refused("sasl_password_file", str(settings.sasl_password_file), remedy) from error
    if not password:
        raise _refused("sasl_password_file", str(settings.sasl_password_file), "is empty; it holds the password alone")
    return password


def _refuse_unused(settings: KafkaSettings) -> None:
    """A certificate or user that would silently not be used is a mistake."""
    parts = {
        "ssl_ca_file": _TLS, "ssl_cert_file": _TLS, "ssl_key_file": _TLS,
        "sasl_username": _SASL, "sasl_password": _SASL, "sasl_password_file": _SASL,
    }  # fmt: skip
    for field, protocols in parts.items():
        value = getattr(settings, field)
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        if given and settings.security_protocol not in protocols:
            remedy = f"is not used with kafka.security_protocol {settings.security_protocol}; it goes with "
            shown = "" if isinstance(value, SecretStr) else str(value)
            raise _refused(field, shown, remedy + " or ".join(protocols))


def _refused(field: str, value: str, remedy: str) -> InvalidSettings:
    return InvalidSettings(f"PARLEY_KAFKA_{field.upper()} (or {field} under [kafka])", value, remedy)
