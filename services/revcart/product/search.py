"""Which products a search finds, in which order, and how they divide: the rules, without a store. Pure.

An engine (`ProductSearch`) may narrow the catalogue by an index of its own; what it answers must agree with `find`
and `facets` on the same entries.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from revcart.product import words

# Where a word was found, best first; a query ranks by its worst word.
EXACT, PREFIX, NAME, BRAND, TAG, DESCRIPTION = range(6)
PRICE_STEPS_PAISE = (0, 5_000, 10_000, 20_000, 50_000)
MOST_VALUES = 20  # of the facets brands and tags

SORTS = ("popularity", "price", "name", "rating", "createdAt", "discountPercent", "relevance")
BEST_FIRST = ("relevance", False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text:
    """What of a product can be found by words. `places`: word -> the best place it stands in."""

    name: str
    places: Mapping[str, int]


def text_of(
    *,
    name: str,
    brand: str | None,
    category: Iterable[str],
    tags: Iterable[str],
    description: str,
) -> Text:
    """Read a product's texts. `category`: its slug and its name."""
    places: dict[str, int] = {}
    for place, parts in (
        (DESCRIPTION, [description]),
        (TAG, [*tags, *category]),
        (BRAND, [brand or ""]),
        (NAME, [name]),
    ):
        for part in parts:
            places.update((word, place) for word in words.tokens(part))
    return Text(name=" ".join(words.tokens(name)), places=places)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A product as the search sees it. `rating`: 0 without ratings; `sold`: units of the last 30 days."""

    id: int
    text: Text
    category: str
    brand: str | None
    tags: tuple[str, ...]
    price_paise: int
    discount_percent: int
    rating: float
    created_at: dt.datetime
    active: bool
    available: int
    sold: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters:
    """Each one narrows; values of one filter are alternatives. Prices in paise, both ends included."""

    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    min_price_paise: int | None = None
    max_price_paise: int | None = None
    in_stock: bool | None = None
    min_rating: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """What somebody looks for. `sort`: (field, descending) pairs over `SORTS`; none means best first."""

    q: str | None = None
    filters: Filters = Filters()
    sort: tuple[tuple[str, bool], ...] = ()
    include_inactive: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """All hits in order. `corrected_query`: what was searched in place of a mistyped query."""

    ids: tuple[int, ...]
    corrected_query: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facets:
    """Hits per value, each facet counted with all filters but its own. `prices`: per step, from below."""

    categories: tuple[tuple[str, int], ...]
    brands: tuple[tuple[str, int], ...]
    tags: tuple[tuple[str, int], ...]
    prices: tuple[int, ...]
    in_stock: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """A query that was read: its words, and what was corrected. The last word also stands for longer ones."""

    words: tuple[str, ...]
    corrected_query: str | None


def read(q: str, vocabulary: Mapping[str, int]) -> Terms:
    """The words of `q`; one that nothing has is replaced by the word of `vocabulary` that it most likely meant."""
    given = words.tokens(q)
    meant = list(given)
    for place, word in enumerate(given):
        is_last = place == len(given) - 1
        known = word in vocabulary or (is_last and any(other.startswith(word) for other in vocabulary))
        if not known and (better := words.correction(word, vocabulary)):
            meant[place] = better
    return Terms(words=tuple(meant), corrected_query=" ".join(meant) if tuple(meant) != given else None)


def rank(text: Text, terms: Terms) -> int | None:
    """How well `text` fits, 0 best; None when one of the words is nowhere in it."""
    if not terms.words:
        return None
    phrase = " ".join(terms.words)
    worst = EXACT
    for place, word in enumerate(terms.words):
        found = text.places.get(word)
        if found is None and place == len(terms.words) - 1:
            found = min((at for other, at in text.places.items() if other.startswith(word)), default=None)
        if found is None:
            return None
        worst = max(worst, found)
    if text.name == phrase:
        return EXACT
    return PREFIX if text.name.startswith(phrase) else worst


def find(entries: Sequence[Entry], query: Query, *, vocabulary: Mapping[str, int] | None = None) -> Found:
    """What `query` finds among `entries`. `vocabulary`: their words with the number of uses, counted if not given."""
    seen = [entry for entry in entries if entry.active or query.include_inactive]
    ranks, terms = _matching(seen, query, vocabulary)
    tests = _tests(query.filters)
    hits = [entry for entry in seen if entry.id in ranks and all(test(entry) for test in tests.values())]
    hits.sort(key=lambda entry: entry.id)
    for field, descending in reversed(query.sort or (BEST_FIRST,)):
        if field == "relevance":  # has one direction; without words it is popularity
            field, descending = (field, False) if terms else ("popularity", True)
        hits.sort(key=_key(field, ranks), reverse=descending)
    return Found(ids=tuple(entry.id for entry in hits), corrected_query=terms.corrected_query if terms else None)


def facets(entries: Sequence[Entry], query: Query, *, vocabulary: Mapping[str, int] | None = None) -> Facets:
    """How the hits of `query` divide."""
    seen = [entry for entry in entries if entry.active or query.include_inactive]
    ranks, _ = _matching(seen, query, vocabulary)
    tests = _tests(query.filters)
    categories: dict[str, int] = {}
    brands: dict[str, int] = {}
    tags: dict[str, int] = {}
    prices = [0] * len(PRICE_STEPS_PAISE)
    in_stock = 0
    for entry in seen:
        if entry.id not in ranks:
            continue
        failed = {name for name, test in tests.items() if not test(entry)}
        if failed <= {"category"}:
            categories[entry.category] = categories.get(entry.category, 0) + 1
        if failed <= {"brand"} and entry.brand:
            brands[entry.brand] = brands.get(entry.brand, 0) + 1
        if failed <= {"tag"}:
            for tag in entry.tags:
                tags[tag] = tags.get(tag, 0) + 1
        if failed <= {"price"}:
            prices[sum(entry.price_paise >= step for step in PRICE_STEPS_PAISE) - 1] += 1
        if failed <= {"stock"} and entry.available > 0:
            in_stock += 1
    return Facets(
        categories=_ordered(categories),
        brands=_ordered(brands)[:MOST_VALUES],
        tags=_ordered(tags)[:MOST_VALUES],
        prices=tuple(prices),
        in_stock=in_stock,
    )


def _ordered(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _matching(
    entries: Sequence[Entry],
    query: Query,
    vocabulary: Mapping[str, int] | None,
) -> tuple[dict[int, int], Terms | None]:
    if query.q is None:
        return {entry.id: EXACT for entry in entries}, None
    if vocabulary is None:
        vocabulary = words.counted(entry.text.places for entry in entries)
    terms = read(query.q, vocabulary)
    ranks = {entry.id: at for entry in entries if (at := rank(entry.text, terms)) is not None}
    return ranks, terms


def _tests(filters: Filters) -> dict[str, Callable[[Entry], bool]]:
    """The filters that are set, by the name of the facet that leaves each one out."""
    tests: dict[str, Callable[[Entry], bool]] = {}
    if filters.categories:
        tests["category"] = lambda entry: entry.category in filters.categories
    if filters.brands:
        brands = {words.fold(brand) for brand in filters.brands}
        tests["brand"] = lambda entry: entry.brand is not None and words.fold(entry.brand) in brands
    if filters.tags:
        wanted = {words.fold(tag) for tag in filters.tags}
        tests["tag"] = lambda entry: any(words.fold(tag) in wanted for tag in entry.tags)
    low, high = filters.min_price_paise, filters.max_price_paise
    if low is not None or high is not None:
        tests["price"] = lambda entry: (low or 0) <= entry.price_paise and (high is None or entry.price_paise <= high)
    if filters.in_stock is not None:
        tests["stock"] = lambda entry: (entry.available > 0) == filters.in_stock
    least = filters.min_rating
    if least is not None:
        tests["rating"] = lambda entry: entry.rating >= least
    return tests


def _key(field: str, ranks: Mapping[int, int]) -> Callable[[Entry], Any]:
    match field:
        case "relevance":
            return lambda entry: (ranks[entry.id], entry.available <= 0, -entry.sold)
        case "popularity":
            return lambda entry: entry.sold
        case "price":
            return lambda entry: entry.price_paise
        case "name":
            return lambda entry: entry.text.name
        case "rating":
            return lambda entry: entry.rating
        case "createdAt":
            return lambda entry: entry.created_at
        case "discountPercent":
            return lambda entry: entry.discount_percent
    raise ValueError(f"nothing is sorted by {field}")
