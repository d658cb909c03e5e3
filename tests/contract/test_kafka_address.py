"""What a Kafka URL may say, and that its password stays where it is."""

import pytest

from revcart.kit import kafka_address


def test_several_servers_with_and_without_ports() -> None:
    address = kafka_address.parse("kafka://a:9093,b,[::1]:9094")
    assert address.options() == {
        "bootstrap_servers": ["a:9093", "b:9092", "[::1]:9094"],
        "security_protocol": "PLAINTEXT",
    }


def test_tls_and_credentials() -> None:
    address = kafka_address.parse("kafka://shop:p%40ss%3Aword@a:9093?tls=true&sasl=scram-sha-256")
    options = address.options()
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("shop", "p@ss:word")
    assert options["ssl_context"].check_hostname
    assert "p@ss" not in repr(address)


def test_a_certificate_may_go_unverified() -> None:
    options = kafka_address.parse("kafka://a?tls=true&verify=none").options()
    assert not options["ssl_context"].check_hostname


def test_credentials_alone_mean_scram() -> None:
    options = kafka_address.parse("kafka://shop:word@a").options()
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")


@pytest.mark.parametrize(
    "url",
    [
        "kafka://",
        "kafka://,",
        "kafka://a:port",
        "kafka://a:99999",
        "kafka://a/topic",
        "kafka://a?tls=yes",
        "kafka://a?acks=0",
        "kafka://a?sasl=plain",
        "kafka://shop@a",
        "kafka://shop:hidden@a?sasl=gssapi",
        "redis://shop:hidden@a",
    ],
)
def test_what_cannot_be_understood_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="kafka://") as refusal:
        kafka_address.parse(url)
    assert "hidden" not in str(refusal.value)
