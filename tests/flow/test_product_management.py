"""What administrators do to products, categories and pictures, and who may not."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image

from tests.flow import groceries

PRODUCT = {"sku": "ABC-1", "name": "Milk", "category": "dairy", "price": 26}


@pytest.fixture
async def shop() -> AsyncIterator[groceries.Groceries]:
    async with groceries.opened() as opened:
        yield opened


def _picture(size: tuple[int, int] = (1200, 800), kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#c8382e").save(out, format=kind, **options)
    return out.getvalue()


async def _upload(shop: groceries.Groceries, product_id: int, data: bytes, alt: str = "front") -> Any:
    return await shop.client.post(
        f"/api/products/{product_id}/images",
        files={"file": ("a.png", data, "image/png")},
        data={"alt": alt},
        headers=shop.admin,
    )


async def test_a_product_is_made_once_per_key(shop: groceries.Groceries) -> None:
    headers = {**shop.admin, "Idempotency-Key": '"key-000001"'}
    body = {**PRODUCT, "stock": 7, "price": 26.5, "originalPrice": 30, "packSize": 500, "unit": "ML", "rating": 5}
    answers = [await shop.client.post("/api/products", json=body, headers=headers) for _ in range(2)]
    first, second = answers
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    made = first.json()
    assert first.headers["location"] == f"/api/products/{made['id']}"
    assert (made["price"], made["discountPercent"], made["unitPrice"]) == (26.5, 11, {"amount": 53, "per": "L"})
    assert (made["stock"], made["rating"], made["version"]) == (7, None, 1)
    assert (await shop.client.get(f"/api/products/{made['id']}")).json() == made
    other = await shop.client.post("/api/products", json={**body, "price": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key-reused")
    again = await shop.client.post("/api/products", json=body, headers=shop.admin)
    assert (again.status_code, again.json()["code"]) == (409, "product.sku-taken")


@pytest.mark.parametrize(
    ("change", "status", "where"),
    [
        ({"price": 0}, 400, "#/price"),
        ({"price": 1.999}, 400, "#/price"),
        ({"price": "26"}, 400, "#/price"),
        ({"originalPrice": 20}, 400, "#/originalPrice"),
        ({"sku": "A"}, 400, "#/sku"),
        ({"name": "a\u0000b"}, 400, "#/name"),
        ({"category": "Dairy"}, 400, "#/category"),
        ({"category": "furniture"}, 422, "#/category"),
        ({"unit": "POUND"}, 400, "#/unit"),
        ({"maxPerOrder": 21}, 400, "#/maxPerOrder"),
        ({"imageUrl": "http://example.org/a.png"}, 400, "#/imageUrl"),
        ({"tags": ["x"] * 21}, 400, "#/tags"),
    ],
)
async def test_a_product_that_cannot_be_is_refused(
    shop: groceries.Groceries, change: dict[str, Any], status: int, where: str
) -> None:
    answer = await shop.client.post("/api/products", json={**PRODUCT, **change}, headers=shop.admin)
    assert answer.status_code == status
    assert [item["pointer"] for item in answer.json()["errors"]] == [where]
    assert (await shop.client.get("/api/products/count")).json() == {"count": 0}


async def test_a_change_needs_the_version_that_was_read(shop: groceries.Groceries) -> None:
    path = f"/api/products/{(await shop.add('Milk', sku='ABC-1'))['id']}"
    await shop.add("Curd", sku="ABC-2")
    tag = (await shop.client.get(path)).headers["etag"]
    for headers, status, code in (
        ({}, 428, "precondition.missing"),
        ({"If-Match": "*"}, 428, "precondition.missing"),
        ({"If-Match": '"2"'}, 412, "precondition.failed"),
        ({"If-Match": '"x"'}, 412, "precondition.failed"),
    ):
        for answer in (
            await shop.client.put(path, json=PRODUCT, headers={**shop.admin, **headers}),
            await shop.client.delete(path, headers={**shop.admin, **headers}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (status, code)
    answer = await shop.client.put(path, json={**PRODUCT, "price": 30}, headers={**shop.admin, "If-Match": tag})
    assert (answer.status_code, answer.json()["price"], answer.json()["version"]) == (200, 30, 2)
    taken = {**PRODUCT, "sku": "ABC-2"}
    new_tag = {**shop.admin, "If-Match": answer.headers["etag"]}
    answer = await shop.client.put(path, json=taken, headers=new_tag)
    assert (answer.status_code, answer.json()["code"]) == (409, "product.sku-taken")
    assert (await shop.client.delete(path, headers=new_tag)).status_code == 204
    assert (await shop.client.get(path)).status_code == 404
    params = {"includeInactive": "true"}
    assert (await shop.client.get(path, params=params, headers=shop.admin)).json()["active"] is False
    missing = await shop.client.put("/api/products/999", json=PRODUCT, headers={**shop.admin, "If-Match": '"1"'})
    assert missing.status_code == 404


async def test_two_administrators_do_not_overwrite_each_other(shop: groceries.Groceries) -> None:
    path = f"/api/products/{(await shop.add('Milk', sku='ABC-1'))['id']}"
    headers = {**shop.admin, "If-Match": '"1"'}
    answers = await asyncio.gather(
        *(shop.client.put(path, json={**PRODUCT, "price": price}, headers=headers) for price in (10, 20, 30))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


async def test_only_administrators_change_the_catalogue(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk"))["id"]
    calls = [
        ("POST", "/api/products"),
        ("PUT", f"/api/products/{number}"),
        ("DELETE", f"/api/products/{number}"),
        ("PATCH", f"/api/products/{number}/status"),
        ("GET", f"/api/products/{number}/stock/ledger"),
        ("GET", "/api/products/low-stock"),
        ("PUT", f"/api/products/{number}/images/order"),
        ("POST", "/api/categories"),
        ("DELETE", "/api/categories/dairy"),
    ]
    for method, path in calls:
        for headers, status in (({}, 401), (shop.identity.headers(user_id=3), 403), (shop.order, 401)):
            sent = {**headers, "content-type": "application/json"}
            answer = await shop.client.request(method, path, content=b"{nonsense", headers=sent)
            assert answer.status_code == status, (method, path)


async def test_status_may_be_said_in_body_or_query(shop: groceries.Groceries) -> None:
    path = f"/api/products/{(await shop.add('Milk'))['id']}/status"
    assert (await shop.client.patch(path, params={"active": "false"}, headers=shop.admin)).json()["active"] is False
    assert (await shop.client.patch(path, json={"active": True}, headers=shop.admin)).json()["active"] is True
    assert (await shop.client.patch(path, headers=shop.admin)).status_code == 400


async def test_many_products_are_written_all_or_none(shop: groceries.Groceries) -> None:
    await shop.add("Milk", sku="OLD-1", price=26, tags=["fresh"])
    rows = [
        {"sku": "OLD-1", "price": 30},
        {"sku": "NEW-1", "name": "Curd", "category": "dairy", "price": 40, "stock": 3},
    ]

    async def send(**body: Any) -> dict[str, Any]:
        answer = await shop.client.post("/api/products/bulk", json=body, headers=shop.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    wrong = [*rows, {"sku": "NEW-2", "name": "X", "category": "furniture", "price": "5"}, {"sku": "OLD-1", "stock": 1}]
    faults = (await send(products=wrong))["errors"]
    assert {(fault["index"], fault["field"]) for fault in faults} == {(2, "name"), (2, "price"), (3, "sku")}
    assert (await shop.client.get("/api/products/count")).json() == {"count": 1}
    for mode, index in (("CREATE", 0), ("UPDATE", 1)):
        assert [fault["index"] for fault in (await send(mode=mode, products=rows))["errors"]] == [index]
    expected = {"created": 1, "updated": 1, "unchanged": 0, "errors": []}
    assert await send(dryRun=True, products=rows) == expected
    assert (await shop.client.get("/api/products/count")).json() == {"count": 1}
    assert await send(products=rows) == expected
    cards = (await shop.client.get("/api/products?sort=price,asc")).json()["content"]
    assert [(card["sku"], card["price"], card["stock"], card["tags"]) for card in cards] == [
        ("OLD-1", 30, 10, ["fresh"]),
        ("NEW-1", 40, 3, []),
    ]
    assert await send(products=[rows[0]]) == {"created": 0, "updated": 0, "unchanged": 1, "errors": []}
    unknown = (await send(products=[{"sku": "NEW-3", "name": "Chair", "category": "chairs", "price": 5}]))["errors"]
    assert unknown == [{"index": 0, "field": "category", "detail": "there is no such category"}]


async def test_categories_are_made_changed_and_removed(shop: groceries.Groceries) -> None:
    slugs = [category["slug"] for category in (await shop.client.get("/api/categories")).json()]
    assert slugs == ["fruits", "vegetables", "dairy", "meat", "beverages", "bakery", "snacks", "frozen"]
    body = {"slug": "pet-food", "name": "Pet food", "position": 9}
    made = await shop.client.post("/api/categories", json=body, headers=shop.admin)
    assert (made.status_code, made.headers["location"]) == (201, "/api/categories/pet-food")
    again = await shop.client.post("/api/categories", json=body, headers=shop.admin)
    assert (again.status_code, again.json()["code"]) == (409, "category.slug-taken")
    headers = {**shop.admin, "If-Match": made.headers["etag"]}
    changed = await shop.client.put("/api/categories/pet-food", json={"name": "Pets", "slug": "x"}, headers=headers)
    assert (changed.json()["name"], changed.json()["slug"]) == ("Pets", "pet-food")
    stale = await shop.client.delete("/api/categories/pet-food", headers=headers)
    assert stale.status_code == 412
    headers = {**shop.admin, "If-Match": changed.headers["etag"]}
    await shop.add("Bone", category="pet-food")
    full = await shop.client.delete("/api/categories/pet-food", headers=headers)
    assert (full.status_code, full.json()["code"]) == (409, "category.not-empty")
    assert (await shop.client.get("/api/categories/pet-food")).json()["productCount"] == 1
    empty = {**shop.admin, "If-Match": (await shop.client.get("/api/categories/meat")).headers["etag"]}
    assert (await shop.client.delete("/api/categories/meat", headers=empty)).status_code == 204
    assert (await shop.client.get("/api/categories/meat")).status_code == 404


async def test_pictures_are_kept_in_three_widths_without_their_metadata(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk"))["id"]
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    answer = await _upload(shop, number, _picture(kind="JPEG", exif=exif))
    assert answer.status_code == 201, answer.text
    for width, url in answer.json()["urls"].items():
        got = await shop.client.get(url)
        assert (got.status_code, got.headers["content-type"]) == (200, "image/webp")
        assert got.headers["cache-control"] == "public, max-age=31536000, immutable"
        with Image.open(io.BytesIO(got.content)) as picture:
            assert (picture.width, dict(picture.getexif())) == (int(width), {})
    product = (await shop.client.get(f"/api/products/{number}")).json()
    assert product["imageUrl"] == answer.json()["urls"]["480"]
    assert (await shop.client.get(f"/api/products/{number}/images/999/160.webp")).status_code == 404
    assert (await shop.client.get(f"/api/products/{number}/images/1/161.webp")).status_code in {400, 404}


async def test_pictures_are_ordered_limited_and_removed(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk"))["id"]
    ids = [(await _upload(shop, number, _picture((20, 20)))).json()["id"] for _ in range(8)]
    ninth = await _upload(shop, number, _picture((20, 20)))
    assert (ninth.status_code, ninth.json()["code"]) == (409, "image.limit")
    path = f"/api/products/{number}/images"
    arranged = await shop.client.put(f"{path}/order", json=ids[::-1], headers=shop.admin)
    assert [picture["id"] for picture in arranged.json()] == ids[::-1]
    assert (await shop.client.put(f"{path}/order", json=ids[:7], headers=shop.admin)).status_code == 409
    assert (await shop.client.delete(f"{path}/{ids[-1]}", headers=shop.admin)).status_code == 204
    assert (await shop.client.get(f"{path}/{ids[-1]}/160.webp")).status_code == 404
    new = (await _upload(shop, number, _picture((20, 20)))).json()["id"]
    assert new not in ids
    images = (await shop.client.get(f"/api/products/{number}")).json()["images"]
    assert [picture["id"] for picture in images] == [*ids[-2::-1], new]


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GIF89a no picture", 422, "image.unreadable"),
        (_picture((5000, 4001), optimize=False), 422, "image.unreadable"),
        (b"x" * (5 * 1024 * 1024 + 1), 413, "request.too-large"),
    ],
)
async def test_what_is_no_picture_is_refused(shop: groceries.Groceries, data: bytes, status: int, code: str) -> None:
    number = (await shop.add("Milk"))["id"]
    answer = await _upload(shop, number, data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await shop.client.get(f"/api/products/{number}")).json()["images"] == []


async def test_the_shop_works_without_its_cache() -> None:
    async with groceries.opened(cache_is_away=True) as shop:
        made = await shop.add("Amul Butter", price=58)
        for path in ("/api/products", "/api/products/search?q=butter", f"/api/products/{made['id']}"):
            answer = await shop.client.get(path)
            assert answer.status_code == 200, answer.text
        assert (await shop.client.get("/api/products/suggest?q=but")).json()[0]["id"] == made["id"]
        hold = await shop.reserve((made["id"], 4))
        assert hold.status_code == 201
        assert await shop.stock(made["id"]) == 6
