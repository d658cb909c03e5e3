"""The port `ProductSearch` and the engine that the embedded shop uses: the catalogue's words in memory, over SQL.

Each search reads one small row per product (version, stock, units sold) and only the texts whose version changed, so
what it answers is what SQL holds at that moment. An engine on MySQL FULLTEXT would narrow the candidates by the
index and leave ranks and facets to the same rules (`search`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from revcart.product import domain, search, store, words

_AT_ONCE = 500  # texts read by one statement


class ProductSearch(Protocol):
    """Finds products by the rules of `search`."""

    async def find(self, query: search.Query) -> search.Found: ...

    async def facets(self, query: search.Query) -> search.Facets: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Read:
    """A product as it was read at a version."""

    version: tuple[int, int]
    product: domain.Product
    text: search.Text


class Memory:
    """The engine over `store`."""

    def __init__(self, store: store.Store) -> None:
        self._store = store
        self._read: dict[int, _Read] = {}
        self._vocabulary: Mapping[str, int] = {}

    async def find(self, query: search.Query) -> search.Found:
        entries = await self._entries()
        return search.find(entries, query, vocabulary=self._vocabulary_for(query))

    async def facets(self, query: search.Query) -> search.Facets:
        entries = await self._entries()
        return search.facets(entries, query, vocabulary=self._vocabulary_for(query))

    def _vocabulary_for(self, query: search.Query) -> Mapping[str, int] | None:
        return None if query.include_inactive else self._vocabulary

    async def _entries(self) -> list[search.Entry]:
        async with self._store.read() as tx:
            signs = await tx.products.signs()
            known = self._read
            outdated = [sign for sign in signs if sign.id not in known or known[sign.id].version != sign.version]
            if outdated or len(known) != len(signs):
                self._learn(signs, await self._texts(tx, outdated))
        return [_entry(self._read[sign.id], sign) for sign in signs]

    async def _texts(self, tx: store.Transaction, outdated: Sequence[store.Sign]) -> dict[int, _Read]:
        if not outdated:
            return {}
        names = {category.slug: category.name for category in await tx.categories.all()}
        read: dict[int, _Read] = {}
        for start in range(0, len(outdated), _AT_ONCE):
            part = {sign.id: sign for sign in outdated[start : start + _AT_ONCE]}
            for number, product in (await tx.products.many(part)).items():
                text = search.text_of(
                    name=product.name,
                    brand=product.brand,
                    category=[product.category, names[product.category]],
                    tags=product.tags,
                    description=product.description,
                )
                read[number] = _Read(version=part[number].version, product=product, text=text)
        return read

    def _learn(self, signs: Sequence[store.Sign], read: Mapping[int, _Read]) -> None:
        present = {sign.id for sign in signs}
        self._read = {number: known for number, known in (self._read | dict(read)).items() if number in present}
        self._vocabulary = words.counted(known.text.places for known in self._read.values() if known.product.active)


def _entry(read: _Read, sign: store.Sign) -> search.Entry:
    product = read.product
    return search.Entry(
        id=product.id,
        text=read.text,
        category=product.category,
        brand=product.brand,
        tags=product.tags,
        price_paise=product.price_paise,
        discount_percent=product.discount_percent,
        rating=product.rating or 0,
        created_at=product.created_at,
        active=sign.active,
        available=sign.available,
        sold=sign.sold,
    )
