"""What every adapter of the document port promises. SQLite runs always; MongoDB joins the list with its adapter."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from revcart.kit import documents, errors

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def things(tmp_path: Path) -> AsyncIterator[documents.Collection]:
    store = documents.Documents(f"sqlite-documents:///{tmp_path / 'documents.db'}")
    collection = store.collection("things")
    collection.index(["kind", "at"])
    collection.index(["owner.email"], unique=True)
    await store.open()
    yield collection
    await store.close()


async def test_put_replaces_and_get_gives_back(things: documents.Collection) -> None:
    document = {"_id": "a", "kind": "x", "deep": {"list": [1, {"two": 2.5}], "none": None}, "naïve": "Ünïcode"}
    assert await things.put(document)
    assert await things.get("a") == document
    assert await things.put({"_id": "a", "kind": "y"})
    assert await things.get("a") == {"_id": "a", "kind": "y"}
    assert await things.get("unknown") is None


async def test_put_if_absent_keeps_the_first(things: documents.Collection) -> None:
    assert await things.put({"_id": "a", "n": 1}, if_absent=True)
    assert not await things.put({"_id": "a", "n": 2}, if_absent=True)
    assert await things.get("a") == {"_id": "a", "n": 1}


async def test_an_id_is_made(things: documents.Collection) -> None:
    await things.put({"kind": "x"})
    [made] = await things.find()
    assert len(made["_id"]) == 24
    assert int(made["_id"], 16) > 0


async def test_filters(things: documents.Collection) -> None:
    for n in range(6):
        await things.put({"_id": f"n{n}", "n": n, "half": {"of": n / 2}, "even": n % 2 == 0})
    await things.put({"_id": "text", "n": "3", "even": None})
    await things.put({"_id": "empty"})

    async def ids(filter: documents.Filter) -> str:
        return " ".join([item["_id"] for item in await things.find(filter)])

    assert await ids({"n": 3}) == "n3"
    assert await ids({"n": "3"}) == "text"
    assert await ids({"n": {"$gt": 3}}) == "n4 n5"
    assert await ids({"n": {"$gte": 1, "$lt": 3}}) == "n1 n2"
    assert await ids({"n": {"$lte": "3"}}) == "text"
    assert await ids({"half.of": 2.5}) == "n5"
    assert await ids({"n": {"$in": [1, 5, "3", None]}}) == "empty n1 n5 text"
    assert await ids({"n": {"$in": []}}) == ""
    assert await ids({"even": True}) == "n0 n2 n4"
    assert await ids({"even": None}) == "empty text"
    assert await ids({"even": {"$ne": False}}) == "empty n0 n2 n4 text"
    assert await ids({"even": {"$exists": True}, "n": {"$ne": 0}}) == "n1 n2 n3 n4 n5 text"
    assert await ids({"even": {"$exists": False}}) == "empty"
    assert await ids({"$or": [{"n": 1}, {"half.of": {"$gt": 2}}]}) == "n1 n5"
    assert await ids({"even": True, "$or": [{"n": 2}, {"n": 3}]}) == "n2"
    assert await ids({"_id": {"$in": ["n1", "text"]}}) == "n1 text"
    assert await things.count({"n": {"$gt": 2}}) == 3
    assert await things.count() == 8


async def test_sort_skip_limit(things: documents.Collection) -> None:
    for n, kind in enumerate("bab"):
        await things.put({"_id": f"{n}", "kind": kind, "at": n})

    async def ids(**options: object) -> list[str]:
        return [item["_id"] for item in await things.find({}, **options)]  # type: ignore[arg-type]

    assert await ids(sort=[("kind", False), ("at", True)]) == ["1", "2", "0"]
    assert await ids(sort=[("kind", True)]) == ["0", "2", "1"]
    assert await ids(sort=[("at", False)], skip=1, limit=1) == ["1"]


async def test_update_operators(things: documents.Collection) -> None:
    await things.put(
        {"_id": "a", "n": 1, "gone": 1, "tags": ["x", "y"], "notes": [{"by": 1, "t": "p"}, {"by": 2, "t": "q"}]}
    )
    changed = await things.update(
        {"_id": "a"},
        {
            "$set": {"deep.new": True},
            "$unset": {"gone": ""},
            "$inc": {"n": 2, "fresh": 1},
            "$push": {"tags": "z", "log": {"$each": [1, 2, 3], "$slice": -2}},
            "$pull": {"notes": {"by": 1}},
            "$setOnInsert": {"never": 1},
        },
    )
    assert changed == {
        "_id": "a",
        "n": 3,
        "tags": ["x", "y", "z"],
        "notes": [{"by": 2, "t": "q"}],
        "deep": {"new": True},
        "fresh": 1,
        "log": [2, 3],
    }
    assert await things.get("a") == changed


async def test_update_is_conditional(things: documents.Collection) -> None:
    await things.put({"_id": "a", "statusAt": "2026-01-02", "status": "NEW"})
    late = {"$set": {"status": "OLD", "statusAt": "2026-01-01"}}
    assert await things.update({"_id": "a", "statusAt": {"$lt": "2026-01-01"}}, late) is None
    assert await things.update({"_id": "a", "statusAt": {"$lt": "2026-01-01"}}, late, upsert=True) is None
    assert (await things.get("a") or {})["status"] == "NEW"


async def test_upsert_makes_the_document_from_the_filter(things: documents.Collection) -> None:
    made = await things.update(
        {"_id": "a", "owner.id": 7, "n": {"$exists": False}},
        {"$set": {"n": 1}, "$setOnInsert": {"first": True}},
        upsert=True,
    )
    assert made == {"_id": "a", "owner": {"id": 7}, "n": 1, "first": True}
    again = await things.update({"_id": "a"}, {"$inc": {"n": 1}, "$setOnInsert": {"first": False}}, upsert=True)
    assert again == {"_id": "a", "owner": {"id": 7}, "n": 2, "first": True}


async def test_update_takes_the_first_by_sort(things: documents.Collection) -> None:
    for identity, at in (("a", 3), ("b", 1), ("c", 2)):
        await things.put({"_id": identity, "at": at})
    taken = []
    for _ in range(3):
        document = await things.update({"by": None}, {"$set": {"by": "me"}}, sort=[("at", False)])
        taken.append((document or {}).get("_id"))
    assert taken == ["b", "c", "a"]


async def test_unique_index(things: documents.Collection) -> None:
    await things.put({"_id": "a", "owner": {"email": "x"}})
    await things.put({"_id": "c"})
    await things.put({"_id": "d", "owner": {}})
    with pytest.raises(documents.Duplicate):
        await things.put({"_id": "b", "owner": {"email": "x"}})
    assert not await things.put({"_id": "b", "owner": {"email": "x"}}, if_absent=True)
    with pytest.raises(documents.Duplicate):
        await things.update({"_id": "c"}, {"$set": {"owner.email": "x"}})
    assert await things.get("c") == {"_id": "c"}
    assert await things.put({"_id": "a", "owner": {"email": "x"}, "n": 1})


async def test_one_of_many_at_once_wins(things: documents.Collection) -> None:
    await things.put({"_id": "lease", "leasedBy": None, "n": 0})
    attempts = [
        things.update({"_id": "lease", "leasedBy": None}, {"$set": {"leasedBy": n}, "$inc": {"n": 1}})
        for n in range(50)
    ]
    won = [answer for answer in await asyncio.gather(*attempts) if answer is not None]
    assert len(won) == 1
    counted = await asyncio.gather(*(things.update({"_id": "lease"}, {"$inc": {"n": 1}}) for _ in range(50)))
    assert max((document or {})["n"] for document in counted) == 51


async def test_a_refused_write_leaves_those_beside_it_alone(things: documents.Collection) -> None:
    await things.put({"_id": "taken", "owner": {"email": "x"}, "text": "t"})
    answers = await asyncio.gather(
        things.put({"_id": "a"}),
        things.put({"_id": "b", "owner": {"email": "x"}}),
        things.update({"_id": "taken"}, {"$set": {"n": 1}, "$inc": {"text": 1}}),
        things.update({"_id": "a"}, {"$inc": {"n": 1}}, upsert=True),
        things.delete({"_id": "nothing"}),
        return_exceptions=True,
    )
    assert answers[0] is True
    assert isinstance(answers[1], documents.Duplicate)
    assert isinstance(answers[2], ValueError)
    assert answers[3] == {"_id": "a", "n": 1}
    assert answers[4] == 0
    assert [item["_id"] for item in await things.find()] == ["a", "taken"]
    assert await things.get("taken") == {"_id": "taken", "owner": {"email": "x"}, "text": "t"}


async def test_a_cancelled_write_happens_whole_or_not_at_all(things: documents.Collection) -> None:
    tasks = [asyncio.create_task(things.put({"_id": f"{n:03}", "n": n})) for n in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    kept = {item["_id"] for item in await things.find()}
    assert kept >= {f"{n:03}" for n, answer in enumerate(answers) if answer is True}
    assert await things.put({"_id": "afterwards"})


async def test_delete(things: documents.Collection) -> None:
    for n in range(5):
        await things.put({"_id": f"{n}", "n": n})
    assert await things.delete({"n": {"$lt": 3}}) == 3
    assert await things.delete({"n": {"$lt": 3}}) == 0
    assert await things.count() == 2


@pytest.mark.parametrize(
    "filter",
    [
        {"a'b": 1},
        {'a"b': 1},
        {"a b": 1},
        {"$where": "1"},
        {"a": {"$regex": "x"}},
        {"": 1},
        {"a": {"$gt": [1]}},
        {"$or": []},
    ],
)
async def test_what_is_no_filter_is_refused(things: documents.Collection, filter: documents.Filter) -> None:
    with pytest.raises(ValueError, match=r"."):
        await things.find(filter)


@pytest.mark.parametrize(
    "changes",
    [
        {"$rename": {"a": "b"}},
        {"a": {"b": 1}},
        {"$set": {"_id": "other"}},
        {"$inc": {"text": 1}},
        {"$set": {"text.x": 1}},
    ],
)
async def test_what_is_no_change_is_refused_and_changes_nothing(
    things: documents.Collection, changes: documents.Changes
) -> None:
    await things.put({"_id": "a", "text": "t"})
    with pytest.raises(ValueError, match=r"."):
        await things.update({"_id": "a"}, {"$set": {"n": 1}, **changes})
    assert await things.get("a") == {"_id": "a", "text": "t"}


async def test_values_are_bound_not_spliced(things: documents.Collection) -> None:
    hostile = "x'); DROP TABLE things; --"
    await things.put({"_id": hostile, "kind": hostile})
    assert [item["_id"] for item in await things.find({"kind": hostile})] == [hostile]
    assert await things.delete({"_id": hostile}) == 1


async def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    store = documents.Documents(f"sqlite-documents:///{tmp_path / 'x.db'}")
    collection = store.collection("things")
    with pytest.raises(errors.DependencyUnavailable):
        await collection.get("a")
    await store.open()
    await store.close()
    with pytest.raises(errors.DependencyUnavailable):
        await store.ping()


async def test_an_unknown_scheme_is_a_clear_sentence() -> None:
    with pytest.raises(ValueError, match="REVCART_DOCUMENTS_URL"):
        documents.Documents("cassandra://host")
