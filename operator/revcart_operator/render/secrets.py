"""Secret objects."""

import base64
from collections.abc import Mapping

from revcart_operator.render import names


def manifest(shop: names.Shop, part: str, values: Mapping[str, str]) -> names.Manifest:
    """`<platform>-<part>` with these values; as `data`, since `stringData` cannot be read back and compared."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return shop.manifest("v1", "Secret", part, type="Opaque", data=data)


def masked(manifest: names.Manifest) -> names.Manifest:
    """The same object to be shown: no value of a Secret."""
    if manifest["kind"] != "Secret":
        return manifest
    return {**manifest, "data": dict.fromkeys(manifest.get("data", {}), base64.b64encode(b"***").decode())}
