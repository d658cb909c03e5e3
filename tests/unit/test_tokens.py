"""What a token must hold, and everything that makes a service refuse one."""

import asyncio
import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from revcart.kit import auth, clock, errors, http, keys, settings, testing, tokens

SETTINGS = testing.settings(settings.Settings, service="order")


class Jwks:
    """Stands in for the HTTP client: answers with a key set, or is away."""

    def __init__(self, *jwks: dict[str, Any]) -> None:
        self.jwks = list(jwks)
        self.away = False
        self.calls = 0

    async def call(self, callee: str, method: str, path: str) -> http.Answer:
        assert (callee, method, path) == ("auth", "GET", "/api/auth/jwks")
        self.calls += 1
        if self.away:
            raise errors.DependencyUnavailable("auth")
        return http.Answer(status=200, headers={}, body=json.dumps({"keys": self.jwks}).encode())


@pytest.fixture
def identity() -> testing.Identity:
    return testing.Identity(clock.Manual())


def verifier(identity: testing.Identity, source: keys.Keys | None = None) -> auth.Verifier:
    return auth.Verifier(settings=SETTINGS, keys=source or identity.keys, clock=identity.clock)


def jwks_keys(client: Jwks, identity: testing.Identity) -> auth.JwksKeys:
    return auth.JwksKeys(client, SETTINGS.jwt_jwks_url, clock=identity.clock)  # type: ignore[arg-type]


@pytest.mark.regression("R14")
async def test_r14_claims(identity: testing.Identity) -> None:
    token = identity.token(user_id=7, role="DELIVERY_AGENT", email="agent@example.com", sid="s-1")
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": "test"}
    assert set(claims) == {"sub", "userId", "email", "role", "sid", "iat", "exp", "iss", "aud", "jti"}
    assert (claims["sub"], claims["userId"], claims["email"]) == ("7", 7, "agent@example.com")
    assert (claims["role"], claims["sid"]) == ("DELIVERY_AGENT", "s-1")
    assert claims["exp"] - claims["iat"] == 86400

    source = Jwks(identity.key.public_jwk())
    user = await verifier(identity, jwks_keys(source, identity)).user(token)
    assert (user.id, user.email, user.role, user.sid) == (7, "agent@example.com", "DELIVERY_AGENT", "s-1")
    assert source.calls == 1


def forged(identity: testing.Identity, *, claims: dict[str, Any] | None = None, **header: Any) -> str:
    """A token signed with the right key whose claims or header were tampered with; None drops an entry."""
    good = jwt.decode(identity.token(user_id=7), options={"verify_signature": False})
    mixed = {name: value for name, value in {**good, **(claims or {})}.items() if value is not None}
    headers = {"typ": "at+jwt", "kid": "test", **header}
    return jwt.encode(mixed, identity.key.private, algorithm="RS256", headers=headers)


CLAIMS = ["sub", "userId", "email", "role", "sid", "iat", "exp", "iss", "aud", "jti"]


@pytest.mark.parametrize("name", CLAIMS)
async def test_every_claim_is_needed(identity: testing.Identity, name: str) -> None:
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(forged(identity, claims={name: None}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody"},
        {"aud": "revcart-services"},
        {"sub": "8"},
        {"userId": "7"},
        {"userId": True, "sub": "True"},
        {"userId": 0, "sub": "0"},
        {"userId": 2**53, "sub": str(2**53)},
        {"role": "ROOT"},
        {"role": ["ADMIN"]},
        {"email": 7},
        {"sid": ""},
        {"exp": "tomorrow"},
        {"exp": 2**52},
        {"iat": -1},
    ],
    ids=str,
)
async def test_claims_that_do_not_hold(identity: testing.Identity, claims: dict[str, Any]) -> None:
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(forged(identity, claims=claims))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "svc+jwt"},
        {"kid": "unknown"},
        {"kid": None},
        {"crit": ["exp"]},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "oct", "k": "AA"}},
    ],
    ids=str,
)
async def test_headers_that_are_refused(identity: testing.Identity, header: dict[str, Any]) -> None:
    encoded = forged(identity).split(".")
    mixed = {"alg": "RS256", "typ": "at+jwt", "kid": "test", **header}
    encoded[0] = base64.urlsafe_b64encode(json.dumps(mixed).encode()).rstrip(b"=").decode()
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(".".join(encoded))


async def test_algorithms_are_not_the_tokens_choice(identity: testing.Identity) -> None:
    claims = jwt.decode(identity.token(), options={"verify_signature": False})
    headers = {"typ": "at+jwt", "kid": "test"}
    public = identity.key.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    confused = jwt.encode(claims, "x" * 32, algorithm="HS256", headers=headers).rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(public, confused.encode(), "sha256")).rstrip(b"=").decode()
    for token in (
        jwt.encode(claims, "", algorithm="none", headers=headers),
        f"{confused}.{signature}",  # the public key taken for an HMAC secret
        jwt.encode(claims, identity.key.private, algorithm="PS256", headers=headers),
    ):
        with pytest.raises(errors.TokenInvalid):
            await verifier(identity).user(token)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "é.é.é", "a" * 5000, "e30.e30."])
async def test_rubbish(identity: testing.Identity, token: str) -> None:
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(token)
    with pytest.raises(errors.TokenInvalid):
        verifier(identity).caller(token)


async def test_tokens_over_4_kib_are_refused(identity: testing.Identity) -> None:
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(identity.token(email="a" * 4000 + "@example.com"))


async def test_another_key_of_the_same_name(identity: testing.Identity) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = testing.Identity(identity.clock, key=tokens.SigningKey(kid="test", private=private))
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(other.token())


async def test_time_with_its_leeway() -> None:
    time = clock.Manual()
    identity = testing.Identity(time)
    token = identity.token(seconds=60)
    time.advance(89)
    await verifier(identity).user(token)
    time.advance(2)
    with pytest.raises(errors.TokenExpired):
        await verifier(identity).user(token)
    ahead = testing.Identity(clock.Manual(time.now()))
    ahead.clock.advance(40)  # type: ignore[attr-defined]
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(ahead.token())


def test_service_token(identity: testing.Identity) -> None:
    actor = tokens.ActingFor(id=7, role="ADMIN")
    caller = verifier(identity).caller(identity.service_token("user", "order", actor))
    assert caller == auth.Caller(service="user", acting_for=actor)
    with pytest.raises(errors.TokenInvalid):
        verifier(identity).caller(identity.service_token("user", "payment"))
    with pytest.raises(errors.TokenInvalid):
        verifier(identity).caller(identity.token())


async def test_a_service_token_opens_no_api(identity: testing.Identity) -> None:
    with pytest.raises(errors.TokenInvalid):
        await verifier(identity).user(identity.service_token("user", "order"))


def test_service_token_lives_a_minute() -> None:
    time = clock.Manual()
    identity = testing.Identity(time)
    token = identity.service_token("user", "order")
    time.advance(89)
    verifier(identity).caller(token)
    time.advance(2)
    with pytest.raises(errors.TokenExpired):
        verifier(identity).caller(token)


def test_the_first_secret_signs_and_all_verify() -> None:
    old, new = "old-secret-of-32-characters-or-more!", "new-secret-of-32-characters-or-more!"
    token = tokens.ServiceTokens([old]).mint("user", "order")
    assert tokens.ServiceTokens([new, old]).verify(token, "order").service == "user"
    with pytest.raises(errors.TokenInvalid):
        tokens.ServiceTokens([new]).verify(token, "order")
    rotated = tokens.ServiceTokens([new, old]).mint("user", "order")
    assert tokens.ServiceTokens([new]).verify(rotated, "order").service == "user"


async def test_an_unknown_key_is_asked_for_at_most_every_30_seconds() -> None:
    time = clock.Manual()
    identity = testing.Identity(time)
    client = Jwks(identity.key.public_jwk())
    source = jwks_keys(client, identity)
    assert await source.get("test") is not None
    for _ in range(50):
        assert await source.get("another") is None
    assert client.calls == 1
    time.advance(30)
    client.jwks.append({**identity.key.public_jwk(), "kid": "another"})
    assert await source.get("another") is not None
    assert client.calls == 2


async def test_keys_stay_good_while_auth_is_away() -> None:
    time = clock.Manual()
    identity = testing.Identity(time)
    client = Jwks(identity.key.public_jwk())
    source = jwks_keys(client, identity)
    await source.get("test")
    client.away = True
    time.advance(3600)
    assert await source.get("test") is not None


async def test_without_any_key_the_answer_is_503_and_it_is_tried_again(identity: testing.Identity) -> None:
    client = Jwks(identity.key.public_jwk())
    client.away = True
    source = jwks_keys(client, identity)
    with pytest.raises(errors.DependencyUnavailable):
        await source.get("test")
    client.away = False
    assert await source.get("test") is not None


async def test_a_withdrawn_key_is_forgotten() -> None:
    time = clock.Manual()
    identity = testing.Identity(time)
    client = Jwks(identity.key.public_jwk())
    source = jwks_keys(client, identity)
    await source.get("test")
    client.jwks.clear()
    time.advance(300)
    assert await source.get("test") is None


async def test_only_the_jwks_of_a_service_is_taken() -> None:
    with pytest.raises(ValueError, match="service://"):
        auth.JwksKeys(Jwks(), "https://example.com/jwks")  # type: ignore[arg-type]


async def test_keys_are_learned_as_soon_as_auth_is_there(
    identity: testing.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LEARN_AGAIN_SECONDS", 0.01)
    client = Jwks(identity.key.public_jwk())
    client.away = True
    source = jwks_keys(client, identity)
    learning = asyncio.create_task(source.learn())
    await asyncio.sleep(0.05)
    assert not learning.done()
    client.away = False
    await asyncio.wait_for(learning, 2)
    client.away = True  # and nobody has sent a token so far
    assert await source.get("test") is not None
