"""What a store's URL says of TLS, alike for all: `?tls=true&verify=ca|none&ca=/path/of/authority.pem`.

Without `verify` the certificate must be valid and name the host; `ca` leaves the name out, `none` looks at nothing.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KEYS: Final = frozenset({"tls", "verify", "ca"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """`ca`: file of the authorities to trust; None: those of the system."""

    valid: bool
    names_host: bool
    ca: str | None

    def context(self) -> ssl.SSLContext:
        """Raises OSError when the file of `ca` is not to be read."""
        try:
            made = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            error.filename = self.ca  # which the module ssl leaves out
            raise
        made.check_hostname = self.names_host
        if not self.valid:
            made.verify_mode = ssl.CERT_NONE
        return made


def asked(query: Mapping[str, str]) -> Tls | None:
    """None where the query of a URL asks for no TLS. Raises ValueError."""
    wanted, verify = query.get("tls", "false"), query.get("verify", "full")
    if wanted not in ("true", "false") or verify not in ("full", "ca", "none"):
        raise ValueError("of TLS a URL says tls=true or false and verify=full, ca or none")
    if wanted == "false":
        return None
    return Tls(valid=verify != "none", names_host=verify == "full", ca=query.get("ca"))
