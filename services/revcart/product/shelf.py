"""The catalogue in the cache. It only ever saves time: with the cache away everything is read from SQL, and counted.

`product:gen` is the catalogue's generation: lists carry it in their key, so one increment outdates them all. A product
read before a change is not stored after it, because the generation it was read under is checked at the same moment.
"""

import contextlib
import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import pydantic

from revcart.kit import cache, errors
from revcart.product import domain

PRODUCT_SECONDS, STOCK_SECONDS, ABSENT_SECONDS = 300, 5, 30
LIST_SECONDS, SUGGEST_SECONDS, CATEGORY_SECONDS = 60, 300, 3600
_GENERATION = "product:gen"
_PRODUCT = pydantic.TypeAdapter(domain.Product)

_GET_MANY = "return redis.call('MGET', unpack(KEYS))"
_KEEP = """
if (redis.call('GET', KEYS[1]) or '0') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'EX', ARGV[2]) end
return 1
"""


class Shelf:
    """Products, stock and lists, read through the cache."""

    def __init__(self, cache: cache.Cache) -> None:
        self._cache = cache

    async def products(
        self,
        ids: Iterable[int],
        load: Callable[[list[int]], Awaitable[Mapping[int, domain.Product]]],
    ) -> dict[int, domain.Product]:
        """The products that exist; those missing in the cache come from `load`."""
        wanted = list(dict.fromkeys(ids))
        generation, stored = await self._many(f"product:one:{number}" for number in wanted)
        found = {
            number: _PRODUCT.validate_json(value)
            for number, value in zip(wanted, stored, strict=True)
            if value is not None
        }
        missing = [number for number in wanted if number not in found]
        if not missing:
            return found
        loaded = await load(missing)
        values = {f"product:one:{number}": _PRODUCT.dump_json(product) for number, product in loaded.items()}
        await self._keep(values, generation=generation, seconds=PRODUCT_SECONDS)
        return {**found, **loaded}

    async def product(
        self,
        product_id: int,
        load: Callable[[list[int]], Awaitable[Mapping[int, domain.Product]]],
    ) -> domain.Product | None:
        """One product; that there is none is remembered too."""
        absent = f"product:absent:{product_id}"
        with _failing_open():
            if await self._cache.get(absent):
                return None
        generation = await self.generation()
        found = (await self.products([product_id], load)).get(product_id)
        if found is None:
            await self._keep({absent: b"1"}, generation=generation, seconds=ABSENT_SECONDS)
        return found

    async def available(
        self,
        ids: Iterable[int],
        load: Callable[[list[int]], Awaitable[Mapping[int, int]]],
    ) -> dict[int, int]:
        """Units that may be bought, at most 5 s old: for showing, never for deciding."""
        wanted = list(dict.fromkeys(ids))
        generation, stored = await self._many(f"product:stock:{number}" for number in wanted)
        found = {number: int(value) for number, value in zip(wanted, stored, strict=True) if value is not None}
        missing = [number for number in wanted if number not in found]
        if not missing:
            return found
        loaded = await load(missing)
        values = {f"product:stock:{number}": str(units).encode() for number, units in loaded.items()}
        await self._keep(values, generation=generation, seconds=STOCK_SECONDS)
        return {**found, **loaded}

    async def listed(
        self,
        kind: str,
        name: Any,
        *,
        seconds: int,
        load: Callable[[], Awaitable[Any]],
    ) -> tuple[Any, bool]:
        """What `load` gives for the list `name` (JSON-ready, its normal form), and whether it was in the cache."""
        generation = await self.generation()
        if generation is None:
            return await load(), False
        loaded = False

        async def loading() -> Any:
            nonlocal loaded
            loaded = True
            return await load()

        canonical = json.dumps(name, sort_keys=True, default=str)
        key = f"{kind}:{generation}:{hashlib.sha256(canonical.encode()).hexdigest()}"
        value = await self._cache.cached(key, ttl=seconds * random.uniform(0.9, 1.1), load=loading)
        return value, not loaded

    async def generation(self) -> str | None:
        """The catalogue's generation, None while the cache is away."""
        with _failing_open():
            return (await self._cache.get(_GENERATION) or b"0").decode()
        return None

    async def changed(self, *product_ids: int) -> None:
        """After the commit of a change to the catalogue: these products and all lists are read anew."""
        with _failing_open():
            await self._cache.incr(_GENERATION)
            await self._drop("product:one", "product:absent", "product:stock", ids=product_ids)

    async def moved(self, product_ids: Iterable[int]) -> None:
        """After the commit of a stock movement."""
        with _failing_open():
            await self._drop("product:stock", ids=product_ids)

    async def _drop(self, *kinds: str, ids: Iterable[int]) -> None:
        if keys := [f"{kind}:{number}" for number in ids for kind in kinds]:
            await self._cache.delete(*keys)

    async def _many(self, keys: Iterable[str]) -> tuple[str | None, list[bytes | None]]:
        names = list(keys)
        with _failing_open():
            generation, *stored = await self._cache.eval(_GET_MANY, keys=[_GENERATION, *names])
            return (generation or b"0").decode(), stored
        return None, [None] * len(names)

    async def _keep(self, values: Mapping[str, bytes], *, generation: str | None, seconds: int) -> None:
        if not values or generation is None:
            return
        with _failing_open():
            await self._cache.eval(
                _KEEP,
                keys=[_GENERATION, *values],
                args=[generation, round(seconds * random.uniform(0.9, 1.0)), *values.values()],
            )


def _failing_open() -> contextlib.AbstractContextManager[None]:
    """What the cache does not answer is read from SQL; the cache counts it."""
    return contextlib.suppress(errors.DependencyUnavailable)
