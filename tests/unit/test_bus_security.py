"""TLS and SASL settings: what they become, and what is refused, with no secret in any message."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from shared.bus.profile import BrokerProfile
from shared.errors import InvalidSettings
from shared.runtime import logs
from shared.settings import KafkaSettings, LogSettings
from tests.tls import Authority

pytestmark = pytest.mark.unit
SECRET = "correct horse battery staple"


def connection(**given: object) -> dict[str, object]:
    return BrokerProfile.of(KafkaSettings.load(**{"bootstrap_servers": "kafka:9093", **given})).connection


def test_plain_text_is_the_default() -> None:
    assert connection() == {"bootstrap_servers": ["kafka:9093"]}


def test_sasl_over_tls_with_a_password_in_a_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "password").write_text(f"{SECRET}\n")

    given = connection(
        security_protocol="SASL_SSL",
        ssl_ca_file=authority.certificate,
        sasl_username="parley",
        sasl_password_file=tmp_path / "password",
    )

    assert given == {
        "bootstrap_servers": ["kafka:9093"],
        "security_protocol": "SASL_SSL",
        "ssl_check_hostname": True,
        "ssl_cafile": str(tmp_path / "ca.crt"),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "parley",
        "sasl_plain_password": SECRET,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"security_protocol": "TLS"}, "SECURITY_PROTOCOL"),
        ({"security_protocol": "SSL", "bootstrap_servers": ""}, "embedded broker"),
        ({"security_protocol": "SSL", "ssl_ca_file": "/nowhere/ca.crt"}, "is no file"),
        ({"security_protocol": "SSL", "ssl_cert_file": __file__}, "SSL_KEY_FILE"),
        ({"security_protocol": "SASL_SSL", "sasl_password": SECRET}, "SASL_USERNAME"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "parley"}, "SASL_PASSWORD_FILE"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "p", "sasl_password_file": "/nowhere"}, "cannot be read"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI", "sasl_password": SECRET}, "SASL_MECHANISM"),
        ({"sasl_username": "parley", "sasl_password": SECRET}, "is not used"),
        ({"ssl_ca_file": __file__}, "is not used"),
        ({"sasl_password": SECRET}, "is not used"),
        ({"security_protocol": "SSL", "sasl_username": "parley"}, "SASL_PLAINTEXT or SASL_SSL"),
        ({"security_protocol": "SASL_PLAINTEXT", "ssl_ca_file": __file__}, "SSL or SASL_SSL"),
        ({"security_protocol": "SSL", "ssl_ca_file": __file__}, "no certificate in PEM"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "p", "sasl_password_file": "/dev/null"}, "is empty"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidSettings, match=said) as refused:
        connection(**given)

    assert SECRET not in str(refused.value)
    assert "PARLEY_KAFKA_" in str(refused.value)


def test_a_certificate_that_does_not_go_with_its_key_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, other = authority.pair("ours"), authority.pair("other")

    with pytest.raises(InvalidSettings, match="does not go with the key"):
        connection(security_protocol="SSL", ssl_cert_file=ours.certificate, ssl_key_file=other.key)


def test_the_clients_own_log_which_would_show_the_password_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(level="debug"))

    logging.getLogger("kafka.admin.client").debug("configuration: %s", SECRET)

    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err


def test_no_secret_is_shown_by_what_holds_it(tmp_path: Path) -> None:
    settings = KafkaSettings.load(
        bootstrap_servers="kafka:9093", security_protocol="SASL_SSL", sasl_username="parley", sasl_password=SECRET
    )

    assert SECRET not in repr(settings) + repr(BrokerProfile.of(settings))
