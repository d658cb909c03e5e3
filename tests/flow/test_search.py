"""Finding products: filters, order, facets, corrections, and what the cache may and may not change."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flow import groceries


@pytest.fixture
async def shop() -> AsyncIterator[groceries.Groceries]:
    async with groceries.opened() as opened:
        yield opened


async def _search(shop: groceries.Groceries, **body: Any) -> dict[str, Any]:
    answer = await shop.client.post("/api/products/search", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def _all_pages(shop: groceries.Groceries, **body: Any) -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = []
    while True:
        answer = await _search(shop, **body, size=100, page=len(cards) // 100)
        cards += answer["content"]
        if answer["last"]:
            assert answer["totalElements"] == len(cards)
            return cards


def _names(answer: dict[str, Any]) -> set[str]:
    return {card["name"] for card in answer["content"]}


@pytest.mark.regression("R16")
async def test_r16_every_filter_filters() -> None:
    async with groceries.opened(demo_data=True) as shop:
        everything = await _all_pages(shop)
        milk = {card["id"] for card in await _all_pages(shop, q="milk")}
        assert 0 < len(milk) < len(everything)
        filters: list[tuple[dict[str, Any], Any]] = [
            ({"categories": ["dairy", "snacks"]}, lambda card: card["category"] in {"dairy", "snacks"}),
            ({"brands": ["amul", "Haldiram's"]}, lambda card: card["brand"] in {"Amul", "Haldiram's"}),
            ({"minPrice": 50, "maxPrice": 150}, lambda card: 50 <= card["price"] <= 150),
            ({"inStock": True}, lambda card: card["stock"] > 0),
            ({"minRating": 4.5}, lambda card: (card["rating"] or 0) >= 4.5),
            ({"tags": ["everyday"]}, lambda card: "everyday" in card["tags"]),
            ({"q": "milk"}, lambda card: card["id"] in milk),
        ]
        for chosen in itertools.chain(
            itertools.combinations(filters, 1), itertools.combinations(filters, 2), [tuple(filters)]
        ):
            body = {name: value for wanted, _ in chosen for name, value in wanted.items()}
            expected = {card["id"] for card in everything if all(fits(card) for _, fits in chosen)}
            assert {card["id"] for card in await _all_pages(shop, **body)} == expected, body
            if len(chosen) == 1:
                assert 0 < len(expected) < len(everything), body

            query = {"category": body.get("categories"), "brand": body.get("brands"), "tag": body.get("tags")}
            params = {name: value for name, value in {**body, **query}.items() if value is not None}
            listed = (await shop.client.get("/api/products", params={**params, "size": 100})).json()
            assert listed["totalElements"] == len(expected), params
            assert {card["id"] for card in listed["content"]} <= expected, params
            counted = await shop.client.get("/api/products/count", params=params)
            assert counted.json() == {"count": len(expected)}


async def test_a_typo_is_corrected_and_told(shop: groceries.Groceries) -> None:
    await shop.add("Amul Butter")
    answer = await _search(shop, q="amul buttr")
    assert _names(answer) == {"Amul Butter"}
    assert answer["correctedQuery"] == "amul butter"
    assert answer["suggestions"] == []


async def test_without_hits_popular_products_are_suggested(shop: groceries.Groceries) -> None:
    for number in range(10):
        await shop.add(f"Milk {number}")
    answer = await _search(shop, q="zzzzzz")
    assert answer["content"] == []
    assert len(answer["suggestions"]) == 8


@pytest.mark.parametrize("q", ["%", "_", "'", '"; DROP TABLE products; --', "amul*"])
async def test_operators_are_plain_text(shop: groceries.Groceries, q: str) -> None:
    await shop.add("Amul Butter")
    expected = {"Amul Butter"} if q == "amul*" else set()
    assert _names(await _search(shop, q=q)) == expected


async def test_facets_count_with_all_filters_but_their_own(shop: groceries.Groceries) -> None:
    await shop.add("Curd", brand="Amul", price=40, tags=["fresh"])
    await shop.add("Milk", brand="Nandini", price=60, stock=0)
    await shop.add("Cola", brand="Amul", price=600, category="beverages")
    facets = (await _search(shop, categories=["dairy"], brands=["Amul"]))["facets"]
    assert facets["categories"] == [
        {"value": "beverages", "label": "Beverages", "count": 1},
        {"value": "dairy", "label": "Dairy & Eggs", "count": 1},
    ]
    assert facets["brands"] == [
        {"value": "Amul", "label": "Amul", "count": 1},
        {"value": "Nandini", "label": "Nandini", "count": 1},
    ]
    assert facets["price"][0] == {"from": 0, "to": 50, "count": 1}
    assert facets["price"][-1] == {"from": 500, "to": None, "count": 0}
    assert facets["inStock"] == 1


async def test_a_change_shows_at_once_though_lists_are_cached(shop: groceries.Groceries) -> None:
    made = await shop.add("Amul Butter")
    assert _names(await _search(shop, q="butter")) == {"Amul Butter"}
    body = {"sku": made["sku"], "name": "Amul Ghee", "category": "dairy", "price": 60}
    path = f"/api/products/{made['id']}"
    answer = await shop.client.put(path, json=body, headers={**shop.admin, "If-Match": f'"{made["version"]}"'})
    assert answer.status_code == 200, answer.text
    assert _names(await _search(shop, q="butter")) == set()
    assert _names(await _search(shop, q="ghee")) == {"Amul Ghee"}
    assert (await shop.client.get(path)).json()["price"] == 60
    await shop.client.patch(f"{path}/status", json={"active": False}, headers=shop.admin)
    assert _names(await _search(shop, q="ghee")) == set()
    assert (await shop.client.get(path)).status_code == 404
    assert (await shop.client.get(path, params={"includeInactive": True}, headers=shop.admin)).status_code == 200


async def test_searches_are_told_to_analytics(shop: groceries.Groceries) -> None:
    await shop.add("Amul Butter")
    headers = {"X-Cart-Session": "gs_" + "a" * 32}
    for _ in range(2):
        answer = await shop.client.post(
            "/api/products/search", json={"q": " Butter ", "brands": ["Amul"]}, headers=headers
        )
        assert answer.status_code == 200
    first, second = await shop.recorder.wait("product.searched", count=2)
    assert first.data["query"] == "Butter"
    assert (first.data["results"], first.data["filters"], first.data["sort"]) == (0, {"brands": ["Amul"]}, None)
    assert first.data["sessionId"] == headers["X-Cart-Session"]
    assert (first.data["cached"], second.data["cached"]) == (False, True)


async def test_links_and_lists_answer_304_to_who_has_them(shop: groceries.Groceries) -> None:
    made = await shop.add("Amul Butter")
    paths = ["/api/products", "/api/products/search?q=butter", f"/api/products/{made['id']}", "/api/categories"]
    for path in paths:
        answer = await shop.client.get(path)
        assert answer.headers["cache-control"] == "public, max-age=60"
        again = await shop.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_product_whose_stock_moved_is_no_longer_the_one_that_was_read(shop: groceries.Groceries) -> None:
    made = await shop.add("Amul Butter")
    path = f"/api/products/{made['id']}"
    before = await shop.client.get(path)
    assert (await shop.reserve((made["id"], 3))).status_code == 201
    after = await shop.client.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.json()["stock"] == 7


async def test_suggestions_name_shelves_and_products(shop: groceries.Groceries) -> None:
    made = await shop.add("Dairy Milk Silk", brand="Cadbury", category="snacks")
    await shop.add("Classic Curd", brand="Mother Dairy")
    answer = (await shop.client.get("/api/products/suggest", params={"q": "dai"})).json()
    assert {"type": "CATEGORY", "text": "Dairy & Eggs", "id": None, "slug": "dairy", "imageUrl": None} in answer
    assert {"type": "BRAND", "text": "Mother Dairy", "id": None, "slug": None, "imageUrl": None} in answer
    product = {"type": "PRODUCT", "text": "Dairy Milk Silk", "id": made["id"], "slug": None, "imageUrl": None}
    assert product in answer


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/api/products?minPrice=10&maxPrice=5", "query:minPrice"),
        ("/api/products?minPrice=1.999", "query:minPrice"),
        ("/api/products?size=101", "query:size"),
        ("/api/products?sort=weight", "query:sort"),
        ("/api/products/suggest?q=a", "query:q"),
        ("/api/products/search", "query:q"),
    ],
)
async def test_what_cannot_be_read_is_named(shop: groceries.Groceries, path: str, pointer: str) -> None:
    answer = await shop.client.get(path)
    assert answer.status_code == 400
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]


async def test_an_unknown_category_has_no_page(shop: groceries.Groceries) -> None:
    assert (await shop.client.get("/api/products/category/dairy")).json()["totalElements"] == 0
    assert (await shop.client.get("/api/products/category/furniture")).status_code == 404


async def test_only_administrators_see_inactive_products(shop: groceries.Groceries) -> None:
    await shop.add("Old Milk", active=False)
    params = {"includeInactive": "true"}
    assert (await shop.client.get("/api/products", params=params)).status_code == 401
    customer = shop.identity.headers(user_id=2)
    assert (await shop.client.get("/api/products", params=params, headers=customer)).status_code == 403
    answer = await shop.client.get("/api/products", params=params, headers=shop.admin)
    assert answer.json()["totalElements"] == 1
    assert answer.headers["cache-control"] == "no-store"
    assert (await shop.client.get("/api/products")).json()["totalElements"] == 0
