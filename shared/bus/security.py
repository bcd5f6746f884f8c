"""How clients prove who they are to the broker, and that it is the broker: TLS and SASL, as kafka-python wants it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.errors import InvalidSettings
from shared.settings import KafkaSettings

_TLS = ("SSL", "SASL_SSL")
_SASL = ("SASL_PLAINTEXT", "SASL_SSL")


def security_of(settings: KafkaSettings) -> Mapping[str, object]:
    """Keyword arguments of every kafka-python client beside the broker's addresses; empty for plain text.

    Raises InvalidSettings for what does not go together, and for files that are not there. No message holds a secret.
    """
    protocol = settings.security_protocol
    if protocol == "PLAINTEXT":
        _refuse_unused(settings)
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
    return given


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
        return settings.sasl_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"cannot be read ({type(error).__name__}); name a file that holds the password alone"
        raise _refused("sasl_password_file", str(settings.sasl_password_file), remedy) from error


def _refuse_unused(settings: KafkaSettings) -> None:
    """A certificate or user that would silently not be used is a mistake."""
    for field in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file", "sasl_username", "sasl_password_file"):
        if getattr(settings, field):
            remedy = "is not used without kafka.security_protocol; set it to SSL, SASL_SSL or SASL_PLAINTEXT"
            raise _refused(field, str(getattr(settings, field)), remedy)


def _refused(field: str, value: str, remedy: str) -> InvalidSettings:
    return InvalidSettings(f"PARLEY_KAFKA_{field.upper()} (or {field} under [kafka])", value, remedy)
