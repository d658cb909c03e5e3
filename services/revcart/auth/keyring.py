"""The keys that sign user tokens: NEXT (published, not yet used), ACTIVE (signs), RETIRED (still verifies), gone.

The private part is encrypted in the database. NEXT is published for ten minutes before it signs, so that every service
has seen it by then; a RETIRED key stays published until the last token it signed has expired.
"""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, cast

import jwt
from cryptography import fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from revcart.auth import keystore, store
from revcart.kit import clock as clocks
from revcart.kit import errors, ids, keys, tokens

PUBLISHED_FIRST: Final = dt.timedelta(minutes=10)
RELOAD: Final = dt.timedelta(seconds=60)  # how long another replica's rotation may go unnoticed
UNKNOWN_AGAIN: Final = dt.timedelta(seconds=30)
KEY_BITS: Final = 2048
_LONG_AGO: Final = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Loaded:
    at: dt.datetime
    signer: tokens.SigningKey
    public: dict[str, jwt.PyJWK]
    entries: list[Mapping[str, Any]]  # the same as published


class Keyring:
    """Signs, publishes and verifies for this service; also the `keys.Keys` of auth's own verifier.

    `encryption_key`: a Fernet key. `rotation`: age at which a key is replaced. `token_life`: of what it signs.
    """

    def __init__(
        self,
        *,
        store: store.Store,
        clock: clocks.Clock,
        encryption_key: str,
        rotation: dt.timedelta,
        token_life: dt.timedelta,
    ) -> None:
        self._store, self._clock = store, clock
        self._fernet = fernet.Fernet(encryption_key)
        self._rotation, self._token_life = rotation, token_life
        self._loaded: _Loaded | None = None
        self._loading = asyncio.Lock()

    async def prepare(self) -> None:
        """Make the first key, when there is none."""
        async with self._store.read() as view:
            stored = await view.keys.all()
        if _in_state(stored, "ACTIVE") is None:
            await self._add("ACTIVE")
        await self._fresh(RELOAD)  # from here on the database may be away, and tokens are verified nevertheless

    async def rotate(self, *, now_due: bool = False) -> None:
        """Take the next step of a rotation, if one is due; `now_due` begins one whatever the age of the key."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            stored = await tx.keys.all(lock=True)
            active, following = _in_state(stored, "ACTIVE"), _in_state(stored, "NEXT")
            if following is not None and now - following.created_at >= PUBLISHED_FIRST:
                await tx.keys.promote(successor=following.kid, predecessor=active.kid if active else None)
            # A replica that has not yet seen the change signs a little longer; hence the margin.
            await tx.keys.delete_retired(before=now - self._token_life - 2 * RELOAD)
        self._outdated()
        too_old = active is not None and now - (active.activated_at or active.created_at) >= self._rotation
        if following is None and (too_old or now_due):
            await self._add("NEXT")

    async def signer(self) -> tokens.SigningKey:
        """The key that signs now."""
        return (await self._fresh(RELOAD)).signer

    async def get(self, kid: str) -> jwt.PyJWK | None:
        loaded = await self._fresh(RELOAD)
        if kid not in loaded.public:
            loaded = await self._fresh(UNKNOWN_AGAIN)
        return loaded.public.get(kid)

    async def published(self) -> list[Mapping[str, Any]]:
        """The entries of the key set (RFC 7517)."""
        return (await self._fresh(RELOAD)).entries

    async def _fresh(self, age: dt.timedelta) -> _Loaded:
        async with self._loading:
            now = self._clock.now()
            if self._loaded is None or now - self._loaded.at >= age:
                try:
                    self._loaded = await self._load(self._loaded)
                except errors.DependencyUnavailable:
                    if self._loaded is None:
                        raise
                    self._loaded = dataclasses.replace(self._loaded, at=now)  # asked again after `age`, not at once
            return self._loaded

    def _outdated(self) -> None:
        if self._loaded is not None:
            self._loaded = dataclasses.replace(self._loaded, at=_LONG_AGO)

    async def _load(self, before: _Loaded | None) -> _Loaded:
        async with self._store.read() as view:
            stored = await view.keys.all()
        active = _in_state(stored, "ACTIVE")
        assert active is not None, "prepare() has made a key, and a rotation never leaves none"
        if before is not None and before.signer.kid == active.kid:
            signer = before.signer  # decrypting and checking an RSA key is slow
        else:
            signer = tokens.SigningKey(kid=active.kid, private=self._decrypted(active.private_encrypted))
        entries = [key.public_jwk for key in stored]
        return _Loaded(at=self._clock.now(), signer=signer, public=keys.parse(entries), entries=entries)

    async def _add(self, state: keystore.State) -> None:
        private = await asyncio.to_thread(rsa.generate_private_key, public_exponent=65537, key_size=KEY_BITS)
        made = tokens.SigningKey(kid=ids.uuid7(), private=private)
        now = self._clock.now()
        async with self._store.transaction() as tx:
            await tx.keys.add(
                keystore.StoredKey(
                    kid=made.kid,
                    public_jwk=made.public_jwk(),
                    private_encrypted=self._encrypted(private),
                    state=state,
                    created_at=now,
                    activated_at=now if state == "ACTIVE" else None,
                )
            )
        self._outdated()

    def _encrypted(self, private: rsa.RSAPrivateKey) -> bytes:
        clear = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._fernet.encrypt(clear)

    def _decrypted(self, encrypted: bytes) -> rsa.RSAPrivateKey:
        clear = self._fernet.decrypt(encrypted)
        return cast(rsa.RSAPrivateKey, serialization.load_der_private_key(clear, password=None))


def _in_state(stored: list[keystore.StoredKey], state: keystore.State) -> keystore.StoredKey | None:
    return next((key for key in stored if key.state == state), None)
