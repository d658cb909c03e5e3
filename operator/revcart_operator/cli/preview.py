"""The Kubernetes objects of a platform as they would be, without a cluster: what only a Secret holds is `***`."""

from collections import defaultdict

from revcart_operator.platform import spec
from revcart_operator.render import credentials, manifests, names, references, secrets

_HIDDEN = "***"
_UID = "00000000-0000-0000-0000-000000000000"


def objects(platform: spec.RevCartPlatform) -> list[names.Manifest]:
    """In the order in which the operator applies them. Raises patches.DoesNotApply.

    Names and annotations that are hashes of secrets differ from those of a cluster.
    """
    namespace = platform.metadata.namespace or "default"
    known: dict[str, dict[str, str]] = defaultdict(dict)
    while True:  # the render says what it looks for; it is different each time
        facts = manifests.Facts(
            namespace=namespace,
            uid=_UID,
            credentials=dict.fromkeys(credentials.NAMES, _HIDDEN),
            referred=references.References(values=known),
        )
        try:
            steps = manifests.steps(platform, facts=facts)
        except references.MissingSecret as missing:
            known[missing.name][missing.key] = _placeholder(missing)
            continue
        return [secrets.masked(manifest) for step in steps for manifest in step.objects]


def _placeholder(missing: references.MissingSecret) -> str:
    return f"{missing.key}.{missing.name}.invalid" if missing.key in ("host", "bootstrap-servers") else _HIDDEN
