"""Where Kafka is and how to speak to it, from one URL.

`kafka://[user:password@]host:port[,host2:port][?tls=true&ca=/path&sasl=SCRAM-SHA-512]`. User and password are
percent-encoded; a URL with a user and no `sasl` means SCRAM-SHA-512; `kit.tls` says all about TLS.
"""

import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Final

from revcart.kit import tls

SCHEME: Final = "kafka"
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_FORM: Final = "a Kafka URL is kafka://[user:password@]host:port[,host2:port][?tls=true&ca=/path&sasl=SCRAM-SHA-512]"
_PARAMETERS: Final = tls.KEYS | {"sasl"}


@dataclass(frozen=True, kw_only=True)
class Address:
    """`servers`: `host:port`, one or more; the password never shows."""

    servers: tuple[str, ...]
    encryption: tls.Tls | None = None
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """Arguments for any client of aiokafka. Raises OSError or ssl.SSLError when `ca` is no certificate file."""
        protocol = ("SASL_" if self.mechanism else "") + ("SSL" if self.encryption else "PLAINTEXT")
        options: dict[str, Any] = {"bootstrap_servers": list(self.servers), "security_protocol": protocol}
        if self.encryption:
            options["ssl_context"] = self.encryption.context()
        if self.mechanism:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options


def parse(url: str) -> Address:
    """Raises ValueError, which never quotes the URL."""
    scheme, _, rest = url.partition("://")
    if scheme != SCHEME:
        raise ValueError(_FORM)
    authority, _, query = rest.partition("?")
    credentials, _, hosts = authority.rstrip("/").rpartition("@")
    user, _, password = (urllib.parse.unquote(part) for part in credentials.partition(":"))
    given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    servers = tuple(_server(host) for host in hosts.split(","))
    mechanism = given.get("sasl", "SCRAM-SHA-512" if user else "").upper()
    if given.keys() - _PARAMETERS:
        raise ValueError(_FORM)
    try:
        encryption = tls.asked(given)
    except ValueError as error:
        raise ValueError(f"{_FORM}; {error}") from None
    if mechanism and (mechanism not in MECHANISMS or not user or not password):
        raise ValueError(f"{_FORM}; sasl is one of {', '.join(MECHANISMS)} and needs a user and a password")
    return Address(
        servers=servers,
        encryption=encryption,
        mechanism=mechanism,
        user=user,
        password=password,
    )


def _server(text: str) -> str:
    try:
        parts = urllib.parse.urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or 9092
    except ValueError:
        raise ValueError(_FORM) from None
    if not host or "/" in text:
        raise ValueError(_FORM)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
