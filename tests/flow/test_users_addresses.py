"""A person's addresses: at most ten, exactly one default, nobody else's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.flow import people

PLACE = {
    "line1": "14 Church Street",
    "city": "Bengaluru",
    "state": "Karnataka",
    "postalCode": "560001",
    "phone": "9876543210",
    "lat": 12.9748,
    "lng": 77.6051,
}


async def add(shop: people.People, session: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = await shop.user.post("/api/users/address", json={**PLACE, **fields}, headers=people.bearer(session))
    assert answer.status_code == 201, answer.text
    address: dict[str, Any] = answer.json()
    return address


async def listed(shop: people.People, session: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await shop.user.get("/api/users/addresses", headers=people.bearer(session))).json()
    return found


async def test_the_first_is_default_and_the_profile_fills_in(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup(phone="+919876500000")
        assert await listed(shop, asha) == []
        first = await add(shop, asha, phone=None, label="WORK", instructions="Ring\ntwice")
        assert first == {
            **PLACE,
            "id": first["id"],
            "label": "WORK",
            "name": "Asha Rao",
            "phone": "+919876500000",
            "line2": None,
            "landmark": None,
            "country": "IN",
            "instructions": "Ring\ntwice",
            "isDefault": True,
        }
        second = await add(shop, asha, isDefault=True)
        assert second["isDefault"] is False
        assert [address["id"] for address in await listed(shop, asha)] == [first["id"], second["id"]]


async def test_the_originals_names_are_taken(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        place = {name: value for name, value in PLACE.items() if name not in {"line1", "postalCode"}}
        body = {**place, "street": "8 Vittal Mallya Road", "zipCode": "560001"}
        answer = await shop.user.post("/api/users/address", json=body, headers=people.bearer(asha))
        assert (answer.json()["line1"], answer.json()["postalCode"]) == ("8 Vittal Mallya Road", "560001")


async def test_exactly_one_default(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        ids = [(await add(shop, asha))["id"] for _ in range(3)]
        headers = people.bearer(asha)
        answer = await shop.user.put(f"/api/users/address/{ids[1]}/default", headers=headers)
        assert (answer.status_code, answer.json()["isDefault"]) == (200, True)
        assert [address["id"] for address in await listed(shop, asha) if address["isDefault"]] == [ids[1]]
        assert (await shop.user.delete(f"/api/users/address/{ids[1]}", headers=headers)).status_code == 204
        assert [address["id"] for address in await listed(shop, asha) if address["isDefault"]] == [ids[2]]
        assert (await shop.user.delete(f"/api/users/address/{ids[1]}", headers=headers)).status_code == 404
        changed = await shop.user.put(f"/api/users/address/{ids[2]}", json={**PLACE, "city": "Mysuru"}, headers=headers)
        assert (changed.json()["city"], changed.json()["isDefault"]) == ("Mysuru", True)


async def test_ten_at_most_also_at_once(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        answers = await asyncio.gather(
            *(shop.user.post("/api/users/address", json=PLACE, headers=people.bearer(asha)) for _ in range(15))
        )
        refused = [answer for answer in answers if answer.status_code == 409]
        assert len(refused) == 5
        assert {answer.json()["code"] for answer in refused} == {"address.limit"}
        assert sum(address["isDefault"] for address in await listed(shop, asha)) == 1


async def test_somebody_elses_is_like_none(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha, farah = await shop.signup(), await shop.signup("farah@example.org")
        address = await add(shop, asha)
        for method, suffix, body in (
            ("GET", "", None),
            ("PUT", "", PLACE),
            ("DELETE", "", None),
            ("PUT", "/default", None),
        ):
            answers = [
                await shop.user.request(
                    method, f"/api/users/address/{number}{suffix}", json=body, headers=people.bearer(farah)
                )
                for number in (address["id"], 4711)
            ]
            varying = {"instance", "requestId"}
            foreign, unknown = (
                {name: value for name, value in answer.json().items() if name not in varying} for answer in answers
            )
            assert foreign == unknown
            assert answers[0].status_code == 404
        assert await listed(shop, asha) == [address]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"postalCode": "056001"}, "#/postalCode"),
        ({"postalCode": 560001}, "#/postalCode"),
        ({"country": "US"}, "#/country"),
        ({"line1": ""}, "#/line1"),
        ({"line1": "x" * 121}, "#/line1"),
        ({"city": "x" * 61}, "#/city"),
        ({"lat": 91}, "#/lat"),
        ({"lat": "12.9"}, "#/lat"),
        ({"label": "home"}, "#/label"),
        ({"instructions": "x" * 201}, "#/instructions"),
        ({"phone": "12"}, "#/phone"),
        ({"phone": None}, "#/phone"),
    ],
    ids=str,
)
async def test_what_is_refused(tmp_path: Path, change: dict[str, Any], pointer: str) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        answer = await shop.user.post("/api/users/address", json={**PLACE, **change}, headers=people.bearer(asha))
        assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
        assert await listed(shop, asha) == []


async def test_order_reads_an_address_of_that_user_only(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        address = await add(shop, asha)
        headers = shop.identity.service_headers("order", callee="user")
        path = f"/internal/users/{asha['id']}/addresses/{address['id']}"
        assert (await shop.user.get(path, headers=headers)).json() == address
        path = f"/internal/users/{asha['id'] + 1}/addresses/{address['id']}"
        assert (await shop.user.get(path, headers=headers)).status_code == 404
        headers = shop.identity.service_headers("cart", callee="user")
        assert (await shop.user.get(path, headers=headers)).status_code == 403
