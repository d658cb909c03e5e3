"""The demo catalogue: what a newcomer finds, pictures included, and that it is laid out once."""

import collections
import io
from pathlib import Path

from PIL import Image

from revcart.product import demo
from revcart.product.demo import motifs, paint
from tests import databases
from tests.flow import groceries


async def test_the_demo_shop_is_full_and_gets_its_pictures(tmp_path: Path) -> None:
    url = databases.url("product", tmp_path)
    async with groceries.opened(demo_data=True, database_url=url) as shop:
        answer = (await shop.client.get("/api/products?size=100")).json()
        assert answer["totalElements"] >= 128
        assert {card["category"] for card in answer["content"]} == {slug for slug, _ in demo.CATEGORIES}
        stocks = [card["stock"] for card in answer["content"]]
        assert stocks != sorted(stocks)
        assert (await shop.client.get("/api/products/low-stock", headers=shop.admin)).json()["totalElements"] >= 3
        await shop.check_ledger(1)

        async def is_painted() -> bool:
            return (await shop.client.get("/api/products/1")).json()["imageUrl"] is not None

        await groceries.until(is_painted)
        url_of_picture = (await shop.client.get("/api/products/1")).json()["imageUrl"]
        with Image.open(io.BytesIO((await shop.client.get(url_of_picture)).content)) as picture:
            assert picture.size == (480, 480)
        total = answer["totalElements"]
    async with groceries.opened(demo_data=True, database_url=url) as shop:
        assert (await shop.client.get("/api/products/count")).json() == {"count": total}


async def test_without_demo_data_only_the_categories_are_there() -> None:
    async with groceries.opened() as shop:
        assert (await shop.client.get("/api/products/count")).json() == {"count": 0}
        assert len((await shop.client.get("/api/categories")).json()) == 8


def test_the_catalogue_is_believable() -> None:
    products = list(demo.catalogue())
    assert len(products) >= 128
    assert len({product.sku for product in products}) == len(products)
    per_category = collections.Counter(product.category for product in products)
    assert set(per_category) == {slug for slug, _ in demo.CATEGORIES}
    assert min(per_category.values()) >= 16
    for product in products:
        assert product.motif in motifs.MOTIFS, product.sku
        assert product.original_price_paise is None or product.original_price_paise > product.price_paise, product.sku
        assert product.description, product.sku
    assert any(product.stock == 0 for product in products)


def test_a_picture_is_the_same_every_time() -> None:
    first = paint.paint(motif="round", colour="#c8382e", category="fruits", name="Red Apples", label="Apples")
    assert first == paint.paint(motif="round", colour="#c8382e", category="fruits", name="Red Apples", label="Apples")
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.size == (1080, 1080)
