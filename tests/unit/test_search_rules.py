"""What a search finds, in which order, and how its hits divide."""

import datetime as dt

import pytest

from revcart.product import search

NOW = dt.datetime(2026, 1, 31, 9, tzinfo=dt.UTC)


def entry(
    number: int,
    name: str,
    *,
    brand: str | None = None,
    category: str = "dairy",
    tags: tuple[str, ...] = (),
    description: str = "",
    price: int = 5_000,
    available: int = 10,
    sold: int = 0,
    rating: float = 0,
    active: bool = True,
) -> search.Entry:
    return search.Entry(
        id=number,
        text=search.text_of(name=name, brand=brand, category=[category], tags=tags, description=description),
        category=category,
        brand=brand,
        tags=tags,
        price_paise=price,
        discount_percent=0,
        rating=rating,
        created_at=NOW + dt.timedelta(days=number),
        active=active,
        available=available,
        sold=sold,
    )


def found(entries: list[search.Entry], q: str | None = None, **fields: object) -> list[int]:
    filters = search.Filters(**fields)  # type: ignore[arg-type]
    return list(search.find(entries, search.Query(q=q, filters=filters)).ids)


def test_order_is_exact_prefix_word_brand_tag_description() -> None:
    entries = [
        entry(1, "Paneer", description="goes with butter", sold=99),
        entry(2, "Spread", tags=("butter",), sold=98),
        entry(3, "Spread", brand="Butter", sold=97),
        entry(4, "Peanut Butter", sold=96),
        entry(5, "Butter Croissant", sold=95),
        entry(6, "Butter"),
    ]
    assert found(entries, "BUTTER") == [6, 5, 4, 3, 2, 1]


def test_equal_ranks_put_stock_before_popularity_before_id() -> None:
    entries = [
        entry(4, "Red Milk", available=0, sold=50),
        entry(3, "Green Milk", sold=5),
        entry(2, "Blue Milk", sold=9),
        entry(1, "Pink Milk", sold=5),
    ]
    assert found(entries, "milk") == [2, 1, 3, 4]


def test_every_word_must_match_and_the_last_one_may_be_begun() -> None:
    entries = [entry(1, "Amul Butter"), entry(2, "Amul Milk"), entry(3, "Butter Cookies")]
    assert found(entries, "amul but") == [1]
    assert found(entries, "amu butter") == []
    assert found(entries, "butter amul") == [1]


def test_a_typo_is_corrected_only_where_the_word_has_no_hit() -> None:
    entries = [entry(1, "Butter"), entry(2, "Batter Mix")]
    answer = search.find(entries, search.Query(q="buttr"))
    assert (answer.ids, answer.corrected_query) == ((1,), "butter")
    answer = search.find(entries, search.Query(q="batter"))
    assert (answer.ids, answer.corrected_query) == ((2,), None)


@pytest.mark.parametrize("q", ["%", "_", "'", '"', "*", "' OR 1=1 --", "milk AND NOT butter"])
def test_operators_are_plain_text(q: str) -> None:
    assert found([entry(1, "Milk"), entry(2, "Butter")], q) == []


def test_inactive_products_are_found_by_those_who_ask_for_them() -> None:
    entries = [entry(1, "Milk", active=False)]
    assert search.find(entries, search.Query(q="milk")).ids == ()
    assert search.find(entries, search.Query(q="milk", include_inactive=True)).ids == (1,)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ((("price", False),), (2, 1, 3)),
        ((("price", True),), (1, 3, 2)),
        ((("price", True), ("name", False)), (3, 1, 2)),
        ((("name", False),), (3, 2, 1)),
        ((("rating", True),), (2, 1, 3)),
        ((("createdAt", True),), (3, 2, 1)),
    ],
)
def test_sorts_combine_and_ties_go_by_id(sort: tuple[tuple[str, bool], ...], expected: tuple[int, ...]) -> None:
    entries = [
        entry(1, "Curd", price=300),
        entry(2, "Butter", price=100, rating=4.5),
        entry(3, "Apple", price=300),
    ]
    assert search.find(entries, search.Query(sort=sort)).ids == expected


def test_each_facet_leaves_its_own_filter_out() -> None:
    entries = [
        entry(1, "Curd", brand="Amul", category="dairy", tags=("fresh",), price=4_999),
        entry(2, "Milk", brand="Nandini", category="dairy", price=5_000, available=0),
        entry(3, "Cola", brand="Amul", category="beverages", price=60_000),
        entry(4, "Lassi", brand="Amul", category="beverages", price=2_000, tags=("fresh",)),
    ]
    query = search.Query(filters=search.Filters(categories=("dairy",), brands=("amul",)))
    facets = search.facets(entries, query)
    assert facets.categories == (("beverages", 2), ("dairy", 1))
    assert facets.brands == (("Amul", 1), ("Nandini", 1))
    assert facets.tags == (("fresh", 1),)
    assert facets.prices == (1, 0, 0, 0, 0)
    assert facets.in_stock == 1
    assert search.facets(entries, search.Query()).prices == (2, 1, 0, 0, 1)
    assert search.facets(entries, search.Query()).in_stock == 3


def test_facets_name_at_most_twenty_brands() -> None:
    entries = [entry(number, "Milk", brand=f"Brand {number:02}") for number in range(1, 31)]
    assert len(search.facets(entries, search.Query()).brands) == 20
