"""People as administrators see them."""

from pathlib import Path

from tests.flow import people


async def test_listing_filters_and_pages(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        boss = await shop.admin()
        headers = people.bearer(boss)
        for number in range(5):
            await shop.signup(f"asha{number}@example.org", name=f"Asha {number}", phone=f"+9190000000{number}0")
        vikram = await shop.signup("vikram@example.org", name="Vikram 100%")
        place = {"line1": "1 MG Road", "city": "Mysuru", "state": "Karnataka", "postalCode": "570001"}
        await shop.user.post("/api/users/address", json={**place, "phone": "9876543210"}, headers=people.bearer(vikram))

        async def ids(**params: object) -> list[int]:
            answer = await shop.user.get("/api/users", params=params, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text
            return [user["id"] for user in answer.json()["content"]]

        page = (await shop.user.get("/api/users?size=3&sort=id,asc", headers=headers)).json()
        assert (page["totalElements"], page["totalPages"], len(page["content"])) == (7, 3, 3)
        assert page["content"][0]["id"] == boss["id"]
        assert len(await ids(q="asha")) == 5
        assert len(await ids(q="ASHA3@")) == 1
        assert len(await ids(q="+9190000000")) == 5
        assert len(await ids(q="+919000000030")) == 1
        assert await ids(q="%") == []
        assert await ids(role="ADMIN") == [boss["id"]]
        assert await ids(ids=[vikram["id"], 4711]) == [vikram["id"]]
        assert await ids(status="BLOCKED") == []
        listed = (await shop.user.get("/api/users?q=vikram", headers=headers)).json()["content"]
        assert listed[0]["defaultCity"] == "Mysuru"
        assert (await shop.user.get("/api/users/count", headers=headers)).json() == {"count": 7}
        assert (await shop.user.get("/api/users/count?role=CUSTOMER", headers=headers)).json() == {"count": 6}
        assert (await shop.user.get("/api/users?sort=password", headers=headers)).status_code == 400
        assert (await shop.user.get("/api/users?role=ROOT", headers=headers)).status_code == 400


async def test_customers_see_themselves_only(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        boss, asha, farah = await shop.admin(), await shop.signup(), await shop.signup("farah@example.org")
        own = await shop.user.get(f"/api/users/{asha['id']}", headers=people.bearer(asha))
        assert (own.status_code, own.json()["addresses"]) == (200, [])
        foreign = await shop.user.get(f"/api/users/{farah['id']}", headers=people.bearer(asha))
        assert (foreign.status_code, foreign.json()["code"]) == (404, "resource.not-found")
        assert (await shop.user.get(f"/api/users/{farah['id']}", headers=people.bearer(boss))).status_code == 200
        assert (await shop.user.get("/api/users/4711", headers=people.bearer(boss))).status_code == 404
        for path in ("/api/users", "/api/users/count"):
            assert (await shop.user.get(path, headers=people.bearer(asha))).status_code == 403
            assert (await shop.user.get(path)).status_code == 401


async def test_an_invitation_sets_the_password(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        headers = people.bearer(await shop.admin())
        body = {"name": "Ravi Kumar", "email": "ravi@example.org", "role": "DELIVERY_AGENT", "phone": "9876543210"}
        answer = await shop.user.post("/api/users", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["role"], answer.json()["emailVerified"]) == ("DELIVERY_AGENT", False)
        again = await shop.user.post("/api/users", json=body, headers=headers)
        assert (again.status_code, again.json()["code"]) == (409, "account.email-taken")
        assert (await shop.login("ravi@example.org")).status_code == 401
        token = await shop.reset_token("ravi@example.org")
        reset = {"token": token, "newPassword": people.PASSWORD}
        assert (await shop.auth.post("/api/auth/reset-password", json=reset)).status_code == 204
        session = (await shop.login("ravi@example.org")).json()
        assert (session["role"], session["emailVerified"]) == ("DELIVERY_AGENT", True)
        registered = await shop.recorder.wait("user.registered", count=2)
        assert registered[-1].data["via"] == "ADMIN"
