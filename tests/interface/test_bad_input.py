"""What is wrong with a request is said in the documented way, through the gateway, and changes nothing."""

import uuid
from typing import Any

import httpx2
import pytest
from tests.shop import ADDRESS, Person, Shop

FIELDS = {"type", "title", "status", "detail", "instance", "message", "code", "errors", "requestId"}


def problem(answer: httpx2.Response, status: int, code: str, *pointers: str) -> dict[str, Any]:
    """The body of a problem answer after RFC 9457, which must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= FIELDS
    assert (body["code"], body["status"], body["type"]) == (code, status, f"urn:revcart:problem:{code}")
    assert body["requestId"] == answer.headers["x-request-id"]
    assert {fault["pointer"] for fault in body["errors"]} >= set(pointers), body["errors"]
    return body


async def cart_of(person: Person) -> Any:
    return (await person.get("/api/cart"))["lines"]


async def test_a_body_of_five_megabytes_is_refused_unread(shop: Shop) -> None:
    async with shop.demo("CUSTOMER") as customer:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        whole = await customer.http.post("/api/orders", content=b"x" * 5_000_000, headers=headers)
        problem(whole, 413, "request.too-large")

        async def chunks() -> Any:
            for _ in range(5_000):
                yield b"x" * 1_000

        chunked = await customer.http.post("/api/orders", content=chunks(), headers=headers)
        problem(chunked, 413, "request.too-large")


@pytest.mark.parametrize(
    "token", ["garbage", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "Ünïcode".encode().decode("latin-1")]
)
async def test_a_broken_token_is_refused(shop: Shop, token: str) -> None:
    async with shop.person() as stranger:
        answer = await stranger.http.get("/api/orders/user", headers={"Authorization": f"Bearer {token}".encode()})
        problem(answer, 401, "auth.token-invalid")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_no_token_at_all_is_another_refusal(shop: Shop) -> None:
    async with shop.person() as stranger:
        problem(await stranger.http.get("/api/orders/user"), 401, "auth.token-missing")


async def test_a_foreign_order_does_not_exist(shop: Shop) -> None:
    async with shop.demo("CUSTOMER") as owner, shop.person() as stranger:
        await stranger.sign_up()
        await owner.call("DELETE", "/api/cart/clear")
        await owner.add_to_cart((await owner.get("/api/products", inStock=True))["content"][0]["id"])
        order = await owner.place_order("COD")
        problem(await stranger.http.get(f"/api/orders/{order['id']}"), 404, "resource.not-found")


@pytest.mark.parametrize("quantity", [-1, 0, 21, 1.5, "2", True, 10**30])
async def test_a_quantity_that_is_none_is_refused_and_changes_nothing(shop: Shop, quantity: Any) -> None:
    async with shop.demo("CUSTOMER") as customer:
        before = await cart_of(customer)
        product = (await customer.get("/api/products", inStock=True))["content"][0]["id"]
        answer = await customer.http.post("/api/cart/add", json={"productId": product, "quantity": quantity})
        problem(answer, 400, "request.invalid", "#/quantity")
        assert await cart_of(customer) == before


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b'"text"', b"\xff\xfe", b'{"productId": NaN}', b"[" * 5_000, b'{"productId": "\\ud800"}']
)
async def test_a_body_that_is_no_request_is_refused(shop: Shop, body: bytes) -> None:
    async with shop.demo("CUSTOMER") as customer:
        answer = await customer.http.post("/api/cart/add", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] in {"request.malformed", "request.invalid"}


async def test_another_media_type_is_refused(shop: Shop) -> None:
    async with shop.demo("CUSTOMER") as customer:
        answer = await customer.http.post("/api/cart/add", data={"productId": "1"})
        problem(answer, 415, "request.media-type")


async def test_an_order_needs_its_key_and_its_fields(shop: Shop) -> None:
    async with shop.demo("CUSTOMER") as customer:
        body = {"paymentMethod": "COD", "address": ADDRESS}
        problem(await customer.http.post("/api/orders", json=body), 400, "idempotency.key-missing")
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        wrong = {"paymentMethod": "GOLD", "address": {**ADDRESS, "postalCode": "0"}}
        answer = await customer.http.post("/api/orders", json=wrong, headers=headers)
        problem(answer, 400, "request.invalid", "#/paymentMethod", "#/address/postalCode")


async def test_a_path_in_no_table_and_a_method_that_is_not_served(shop: Shop) -> None:
    async with shop.demo("CUSTOMER") as customer:
        problem(await customer.http.get("/api/nothing"), 404, "resource.not-found")
        problem(await customer.http.get("/internal/orders/1"), 404, "resource.not-found")
        answer = await customer.http.request("PATCH", "/api/cart")
        problem(answer, 405, "request.method-not-allowed")
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("query", ["size=0", "size=101", "page=-1", "sort=password,asc", "sort=price,up", "minPrice=x"])
async def test_a_list_that_cannot_be_is_refused(shop: Shop, query: str) -> None:
    async with shop.person() as stranger:
        answer = await stranger.http.get(f"/api/products?{query}")
        problem(answer, 400, "request.invalid", f"query:{query.partition('=')[0]}")


async def test_injection_is_just_text(shop: Shop) -> None:
    async with shop.person() as stranger:
        for text in (
            "' OR 1=1 --",
            '"; DROP TABLE products; --',
            "%",
            "_",
            "milk* NEAR(",
            "${jndi:ldap://x}",
            "{{7*7}}",
        ):
            found = await stranger.call("POST", "/api/products/search", json={"q": text}, status=200)
            assert found["totalElements"] < 128, text  # nothing matches everything
