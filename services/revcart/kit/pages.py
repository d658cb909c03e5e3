"""Paged lists: `page`, `size`, `sort=field,asc|desc` in; one answer shape out (Spring Data's)."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query

from revcart.kit import errors, schemas

MAX_PAGE = 10_000
MAX_SIZE = 100
MAX_SORTS = 3

T = TypeVar("T")


class Page(schemas.Answer, Generic[T]):
    """One page of a list; past the end it is empty, not an error."""

    content: list[T]
    page: int
    size: int
    total_elements: int
    total_pages: int
    first: bool
    last: bool
    number: int
    number_of_elements: int
    empty: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class PageQuery:
    """Which page is wanted. `sort`: (field, descending) pairs; the store breaks ties by id."""

    page: int = 0
    size: int = 20
    sort: tuple[tuple[str, bool], ...] = ()

    @property
    def offset(self) -> int:
        return self.page * self.size

    @property
    def limit(self) -> int:
        return self.size


def of(*, content: Sequence[T], query: PageQuery, total: int) -> Page[T]:
    """The page `content`, of `total` elements in all."""
    pages = -(-total // query.size)
    return Page(
        content=list(content),
        page=query.page,
        size=query.size,
        total_elements=total,
        total_pages=pages,
        first=query.page == 0,
        last=query.page >= pages - 1,
        number=query.page,
        number_of_elements=len(content),
        empty=not content,
    )


def query(*fields: str, default: str) -> Callable[..., PageQuery]:
    """A FastAPI dependency reading a PageQuery; `fields` may be sorted by, `default` e.g. `createdAt,desc`.

    `sortBy` and `sortDir` are read as one `sort`. Raises InvalidRequest for an unknown field or direction.
    """

    def read(
        page: Annotated[int, Query(ge=0, le=MAX_PAGE)] = 0,
        size: Annotated[int, Query(ge=1, le=MAX_SIZE)] = 20,
        sort: Annotated[list[str] | None, Query(description=f"field,asc|desc; fields: {', '.join(fields)}")] = None,
        sort_by: Annotated[str | None, Query(alias="sortBy")] = None,
        sort_dir: Annotated[str | None, Query(alias="sortDir")] = None,
    ) -> PageQuery:
        wanted = sort or ([f"{sort_by},{sort_dir or 'asc'}"] if sort_by else [default])
        if len(wanted) > MAX_SORTS:
            raise invalid("sort", f"at most {MAX_SORTS} sorts")
        return PageQuery(page=page, size=size, sort=tuple(_parse(item, fields) for item in wanted))

    return read


def _parse(item: str, fields: Sequence[str]) -> tuple[str, bool]:
    field, _, direction = item.partition(",")
    if field not in fields:
        raise invalid("sort", f"sort by one of: {', '.join(fields)}")
    if direction.lower() not in {"", "asc", "desc"}:
        raise invalid("sort", "the direction is asc or desc")
    return field, direction.lower() == "desc"


def invalid(name: str, detail: str) -> errors.InvalidRequest:
    """The refusal of query parameter `name`."""
    return errors.InvalidRequest(f"{name}: {detail}.", items=[errors.Item(f"query:{name}", detail)])
