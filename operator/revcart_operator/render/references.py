"""The Secrets that a platform refers to, and the sentence for one that is not there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pydantic

from revcart_operator.platform import spec, workload


class MissingSecret(Exception):
    """A Secret that the platform refers to, or one of its keys, is not there."""

    def __init__(self, *, path: str, name: str, key: str) -> None:
        super().__init__(f"{path} refers to the secret {name}, which has no key {key}")
        self.path = path
        self.name = name
        self.key = key


@dataclass(frozen=True, kw_only=True)
class References:
    """`values`: secret → key → value. `folder`: where services find the same as files, `<folder>/<secret>/<key>`."""

    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    folder: str = ""

    def secret(self, ref: workload.SecretRef, *, path: str) -> "Secret":
        """The Secret that `ref` names; `path`: where the platform says so."""
        return Secret(ref.name, values=self.values.get(ref.name, {}), path=path, folder=self.folder)


class Secret:
    """One Secret; a key that is not there is the user's mistake, with its place."""

    def __init__(self, name: str, *, values: Mapping[str, str], path: str, folder: str) -> None:
        self._name = name
        self._values = values
        self._path = path
        self._folder = folder

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> str:
        """Raises MissingSecret."""
        if key not in self._values:
            raise MissingSecret(path=self._path, name=self._name, key=key)
        return self._values[key]

    def get(self, key: str) -> str:
        """Empty when there is none."""
        return self._values.get(key, "")

    def file(self, key: str) -> str:
        """Where a service finds the key as a file. Raises MissingSecret."""
        assert self[key] is not None
        return f"{self._folder}/{self._name}/{key}"


def named(platform: spec.RevCartPlatform) -> tuple[str, ...]:
    """The names of the Secrets whose content a platform needs, sorted."""
    return tuple(sorted({ref.name for part in (platform.spec.services, platform.spec.stores) for ref in _refs(part)}))


def _refs(value: object) -> Iterator[workload.SecretRef]:
    if isinstance(value, workload.SecretRef):
        yield value
    elif isinstance(value, pydantic.BaseModel):
        for _, held in value:
            yield from _refs(held)
