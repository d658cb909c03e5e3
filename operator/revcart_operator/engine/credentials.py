"""The Secret `<platform>-credentials`: what lacks is made, what is there is never changed.

Stores know their passwords from the day they were made, so a Secret that is lost cannot simply be made anew: it comes
back from the operator's memory, or the platform says that it must be restored.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from revcart_operator.engine import cluster, drift, errors, kinds, plan
from revcart_operator.platform import spec
from revcart_operator.render import credentials, names
from revcart_operator.render import secrets as rendered


class Lost(Exception):
    """The Secret was there once, and stores know what it held."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the Secret {name} was deleted, which alone holds the passwords that the stores know: "
            "restore it from a backup"
        )


def make(name: str) -> str:
    """A new value. Passwords need no quoting in any URL, file or shell; keys are 32 bytes in base64url, as Fernet's."""
    if name == "razorpay-key-id":
        return f"rzp_test_{secrets.token_hex(7)}"
    if name.endswith("-password") or name.startswith("razorpay-"):
        return secrets.token_hex(24)
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def completed(known: Mapping[str, str]) -> dict[str, str]:
    """`known` and whatever lacks."""
    return {**{name: make(name) for name in credentials.NAMES if not known.get(name)}, **known}


def decoded(secret: cluster.Object) -> dict[str, str]:
    """The values of a Secret as text."""
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()}


async def peek(cluster: cluster.Cluster, *, shop: names.Shop, remembered: Mapping[str, str]) -> dict[str, str]:
    """What there is, completed in memory only: for a look at what would be done."""
    live = await cluster.get(kinds.SECRET, shop.namespace, shop.called(credentials.PART))
    return completed(decoded(live) if live else remembered)


async def ensure(
    cluster: cluster.Cluster, *, shop: names.Shop, keep: spec.Keep, remembered: Mapping[str, str], had: bool
) -> dict[str, str]:
    """The complete credentials, now in the cluster.

    `remembered`: what they were when this operator last saw them. `had`: the platform once had them. Raises Lost, and
    Conflict when somebody else was faster: two operators never both make a password.
    """
    name = shop.called(credentials.PART)
    live = await cluster.get(kinds.SECRET, shop.namespace, name)
    if live is None:
        if had and not remembered:
            raise Lost(name)
        # Without an owner: a field that is created cannot be taken back by an apply later, when it is to be kept.
        live = await cluster.create(_manifest(shop, completed(remembered), keep=spec.Keep.RETAIN))
    elif plan.leaving(live, uid=shop.uid):
        raise errors.Conflict(f"the Secret {name} is being deleted")
    values = completed(decoded(live))
    manifest = _manifest(shop, values, keep=keep)
    if drift.differences(manifest, live) or plan.owned(live, uid=shop.uid) != (keep is spec.Keep.DELETE):
        manifest["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        await cluster.apply(manifest)
    return values


def _manifest(shop: names.Shop, values: Mapping[str, str], *, keep: spec.Keep) -> dict[str, Any]:
    manifest = rendered.manifest(shop, credentials.PART, values)
    if keep is spec.Keep.RETAIN:
        del manifest["metadata"]["ownerReferences"]
    return manifest
