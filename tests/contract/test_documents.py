"""What every adapter of the document port promises; SQLite always, MongoDB where REVCART_TEST_MONGODB_URL names one."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests import mongodb

from revcart.kit import documents, errors

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["sqlite", "mongodb"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite-documents:///{tmp_path / 'documents.db'}"
    else:
        async with mongodb.database() as made:
            yield made


@pytest_asyncio.fixture
async def things(url: str) -> AsyncIterator[documents.Collection]:
    store = documents.Documents(url)
    collection = store.collection("things")
    collection.index(["kind", "at"])
    collection.index(["owner.email"], unique=True)
    collection.expire("endedAt", after=dt.timedelta(days=1))
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
    await things.put({"_id": "a", "n": 1, "gone": 1, "tags": ["x", "y"]})
    changed = await things.update(
        {"_id": "a"},
        {
            "$set": {"deep.new": True},
            "$unset": {"gone": ""},
            "$inc": {"n": 2, "fresh": 1},
            "$push": {"tags": {"deep": "z"}, "log": {"$each": [1, 2, 3]}},
            "$pull": {"none.there": 1},
            "$setOnInsert": {"never": 1},
        },
    )
    assert changed == {
        "_id": "a",
        "n": 3,
        "tags": ["x", "y", {"deep": "z"}],
        "deep": {"new": True},
        "fresh": 1,
        "log": [1, 2, 3],
    }
    assert await things.get("a") == changed
    assert await things.update({"_id": "a"}, {"$pull": {"tags": "x"}}) == {**changed, "tags": ["y", {"deep": "z"}]}


async def test_arrays_are_cut_and_searched_by_members(things: documents.Collection, url: str) -> None:
    if url.startswith("mongodb") and mongodb.is_ferretdb(url):
        pytest.skip("FerretDB 1.24 knows no $slice and no $pull by members; MongoDB does")
    await things.put({"_id": "a", "log": [1], "notes": [{"by": 1, "t": "p"}, {"by": 2, "t": "q"}]})
    changes: documents.Changes = {"$push": {"log": {"$each": [2, 3], "$slice": -2}}, "$pull": {"notes": {"by": 1}}}
    assert await things.update({"_id": "a"}, changes) == {"_id": "a", "log": [2, 3], "notes": [{"by": 2, "t": "q"}]}


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
        {"a": {"$gt": None}},
        {"a": {"$lte": True}},
        {"a": [1]},
        {"a": {"b": 1}},
        {"a": {"$in": [{"$gt": ""}]}},
        {"a": {"$not": {"$exists": True}}},
        {"a": {"$eq": {"$gt": ""}}},
        {"$or": []},
        {"$or": [{"$where": "1"}]},
        {"$and": [{"a": 1}]},
        {"$expr": {"$eq": [1, 1]}},
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
        {"$set": {"b": 1}, "$inc": {"b.c": 1}},
        {"$set": {"$where": 1}},
        {"$set": {"a..b": 1}},
        {"$push": {"text": 1}},
        {"$pull": {"text": 1}},
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


async def test_a_callers_words_stay_words(things: documents.Collection) -> None:
    words: dict[str, Any] = {
        "$where": "sleep(1000)", "a.b": {"$gt": ""}, "%24x": 1, "$": "%", "": "empty", "%": 2, "x$": "\0", "n\0": 1,
    }  # fmt: skip
    await things.put({"_id": "a", "said": words, "list": [words], **words})
    assert await things.get("a") == {"_id": "a", "said": words, "list": [words], **words}
    changed = await things.update({"_id": "a"}, {"$set": {"said": {"$inc": 1}}, "$push": {"list": {"$each.": [words]}}})
    assert changed == {"_id": "a", **words, "said": {"$inc": 1}, "list": [words, {"$each.": [words]}]}
    assert await things.get("a") == changed
    await things.put({"_id": "$ne", "kind": "$kind"})
    assert [item["_id"] for item in await things.find({"kind": "$kind"})] == ["$ne"]
    assert await things.find({"_id": '{"$ne": null}'}) == []


async def test_what_json_does_not_hold_is_refused(things: documents.Collection) -> None:
    for value in (float("nan"), float("inf"), b"bytes", dt.datetime(2026, 1, 1), {1, 2}, "\ud800"):
        with pytest.raises((ValueError, TypeError)):
            await things.put({"_id": "a", "value": value})
        with pytest.raises((ValueError, TypeError)):
            await things.update({"_id": "a"}, {"$set": {"value": value}}, upsert=True)
    for identity in (5, None, "", ["a"]):
        with pytest.raises(ValueError, match="_id"):
            await things.put({"_id": identity})
    assert await things.count() == 0


async def test_values_come_back_with_their_types(things: documents.Collection) -> None:
    values: list[Any] = [
        0,
        1,
        -1,
        2**31,
        2**53 - 1,
        -(2**53),
        0.5,
        1.0,
        1e300,
        True,
        False,
        None,
        "",
        "नमस्ते 🛒",
        "\0",
        {},
        [],
    ]
    await things.put({"_id": "a", **{f"v{n}": value for n, value in enumerate(values)}, "tuple": (1, 2)})
    found = await things.get("a")
    assert found is not None
    back = [found[f"v{n}"] for n in range(len(values))]
    assert back == values
    assert [type(value) for value in back] == [type(value) for value in values]
    assert found["tuple"] == [1, 2]
    changed = await things.update({"_id": "a"}, {"$inc": {"v3": 2**40, "v6": 1}})
    assert changed is not None
    assert (changed["v3"], type(changed["v3"]), changed["v6"]) == (2**31 + 2**40, int, 1.5)


async def test_filters_see_only_their_own_type(things: documents.Collection) -> None:
    await things.put({"_id": "5", "v": 1})
    for identity, value in (("t", True), ("s", "1"), ("f", 1.0), ("o", {"a": 1}), ("z", None)):
        await things.put({"_id": identity, "v": value})

    async def ids(filter: documents.Filter) -> str:
        return " ".join([item["_id"] for item in await things.find(filter)])

    assert await ids({"v": 1}) == "5 f"
    assert await ids({"v": True}) == "t"
    assert await ids({"v": {"$gt": 0}}) == "5 f"
    assert await ids({"v": {"$gte": ""}}) == "s"
    assert await ids({"v": '{"a":1}'}) == ""
    assert await ids({"v": {"$ne": 1}}) == "o s t z"
    assert await ids({"v": {"$ne": None}}) == "5 f o s t"
    assert await ids({"v": {"$in": [1, "1"]}}) == "5 f s"
    assert await ids({"_id": 5}) == ""
    assert await ids({"v.a": {"$gte": 1}}) == "o"
    assert await ids({"v": {}}) == "5 f o s t z"


async def test_nested_paths(things: documents.Collection) -> None:
    await things.put({"_id": "a", "x": {"y": {"z": 1}}})
    await things.put({"_id": "b", "x": {"y": None}})
    await things.put({"_id": "c", "x": "text"})

    async def ids(filter: documents.Filter, **options: Any) -> str:
        return " ".join([item["_id"] for item in await things.find(filter, **options)])

    assert await ids({"x.y.z": 1}) == "a"
    assert await ids({"x.y.z": None}) == "b c"
    assert await ids({"x.y": {"$exists": True}}) == "a b"
    assert await ids({"$or": [{"x.y.z": {"$gte": 1}}, {"x": "text"}], "_id": {"$ne": "a"}}) == "c"
    assert await ids({"$or": [{"_id": "a"}, {"$or": [{"_id": "b"}, {"_id": "nobody"}]}]}) == "a b"
    assert await ids({}, sort=[("x.y.z", True)]) == "a b c"
    made = await things.update({"_id": "a"}, {"$set": {"x.y.w": 2, "p.q.r": []}, "$unset": {"x.y.z": "", "no.no": ""}})
    assert made == {"_id": "a", "x": {"y": {"w": 2}}, "p": {"q": {"r": []}}}


async def test_what_lacks_a_field_sorts_first(things: documents.Collection) -> None:
    for identity, at in (("d", "b"), ("b", None), ("c", "a"), ("e", "É"), ("f", "Z"), ("g", 3)):
        await things.put({"_id": identity, "at": at})
    await things.put({"_id": "a"})

    async def ids(*sort: tuple[str, bool]) -> str:
        return " ".join([item["_id"] for item in await things.find({}, sort=sort)])

    assert await ids(("at", False)) == "a b g f c d e"
    assert await ids(("at", True)) == "e d c f g a b"
    assert await ids(("at", True), ("_id", True)) == "e d c f g b a"
    assert await ids(("none", False)) == await ids() == "a b c d e f g"
    assert (await things.update({}, {"$set": {"n": 1}}, sort=[("at", False)]) or {})["_id"] == "a"
    assert (await things.update({}, {"$set": {"n": 1}}, sort=[("at", True)]) or {})["_id"] == "e"


async def test_a_page_of_nothing_is_empty(things: documents.Collection) -> None:
    await things.put({"_id": "a"})
    assert await things.find({}, limit=0) == []
    assert await things.find({}, skip=1) == []
    assert await things.find({}, skip=1, limit=5) == []


async def test_no_change_is_no_change(things: documents.Collection) -> None:
    await things.put({"_id": "a", "n": 1})
    assert await things.update({"_id": "a"}, {}) == {"_id": "a", "n": 1}
    assert await things.update({"_id": "a"}, {"$set": {}, "$setOnInsert": {"n": 2}}) == {"_id": "a", "n": 1}
    assert await things.update({"_id": "a"}, {"$set": {"n": 1}}) == {"_id": "a", "n": 1}
    assert await things.update({"_id": "b", "n": {"$eq": 3}}, {}, upsert=True) == {"_id": "b", "n": 3}
    assert await things.get("b") == {"_id": "b", "n": 3}


async def test_an_upsert_takes_equalities_alone(things: documents.Collection) -> None:
    wanted: documents.Filter = {"kind": "x", "$or": [{"by": "me"}], "at": {"$in": [None]}, "n": {"$lt": 3}}
    made = await things.update(wanted, {"$setOnInsert": {"first": True}}, upsert=True)
    assert made is not None
    assert len(made.pop("_id")) == 24
    assert made == {"kind": "x", "first": True}
    await things.put({"_id": "a", "owner": {"email": "x"}})
    with pytest.raises(documents.Duplicate):
        await things.update({"_id": "b"}, {"$set": {"owner.email": "x"}}, upsert=True)
    assert await things.get("b") is None


async def test_many_upserts_of_one_id_make_one_document(things: documents.Collection) -> None:
    answers = await asyncio.gather(
        *(things.update({"_id": "a"}, {"$inc": {"n": 1}, "$setOnInsert": {"first": n}}, upsert=True) for n in range(40))
    )
    assert sorted((answer or {})["n"] for answer in answers) == list(range(1, 41))
    assert len({(answer or {})["first"] for answer in answers}) == 1
    assert await things.count() == 1


async def test_many_puts_of_one_id_make_one_document(things: documents.Collection) -> None:
    answers = await asyncio.gather(*(things.put({"_id": "a", "n": n}, if_absent=True) for n in range(20)))
    assert answers.count(True) == 1
    assert all(await asyncio.gather(*(things.put({"_id": "b", "n": n}) for n in range(20))))
    assert await things.count() == 2


async def test_a_queue_hands_each_document_to_one(things: documents.Collection) -> None:
    for n in range(30):
        await things.put({"_id": f"{n:02}", "state": "QUEUED", "at": n})

    async def work(name: int) -> list[str]:
        taken: list[str] = []
        lease = {"$set": {"state": "SENDING", "by": name}}
        while found := await things.update({"state": "QUEUED"}, lease, sort=[("at", False)]):
            taken.append(found["_id"])
        return taken

    taken = [identity for part in await asyncio.gather(*(work(n) for n in range(5))) for identity in part]
    assert sorted(taken) == [f"{n:02}" for n in range(30)]


async def test_one_of_a_conditional_delete_and_update_wins(things: documents.Collection) -> None:
    for n in range(15):
        await things.put({"_id": f"{n}", "token": "old"})
        deleted, changed = await asyncio.gather(
            things.delete({"_id": f"{n}", "token": "old"}),
            things.update({"_id": f"{n}", "token": "old"}, {"$set": {"token": "new"}}),
        )
        assert (deleted == 1) != (changed is not None)


async def test_large_documents(things: documents.Collection) -> None:
    text = "चाय और सब्ज़ी 🛒 " * 28_000  # a little over 1 MiB
    large = {"_id": "large", "text": text, "rows": [{"n": n, "t": "x" * 50} for n in range(2_000)]}
    assert len(text.encode()) > 1_048_576
    await things.put(large)
    assert await things.get("large") == large
    changed = await things.update({"_id": "large"}, {"$set": {"n": 1}, "$push": {"rows": 1}})
    assert changed == {**large, "n": 1, "rows": [*large["rows"], 1]}
    assert await things.find({"n": 1}) == [changed]


async def test_the_sweep_finds_what_expires(things: documents.Collection) -> None:
    """`expire` shows nowhere in a document, and a store that does nothing about it leaves all to the sweep."""
    document = {"_id": "a", "endedAt": "2999-01-01T00:00:00.000Z", "n": 1}
    await things.put(document)
    assert await things.get("a") == document
    assert await things.update({"_id": "a"}, {"$set": {"endedAt": None}}) == {**document, "endedAt": None}
    assert await things.update({"_id": "a"}, {"$unset": {"endedAt": ""}}) == {"_id": "a", "n": 1}
    later = {"endedAt": "2998-01-01T00:00:00.000Z"}
    assert await things.update({"_id": "b"}, {"$set": later}, upsert=True) == {"_id": "b", **later}
    assert await things.delete({"endedAt": {"$lt": "2999"}}) == 1


async def test_a_closed_store_is_unavailable(url: str) -> None:
    store = documents.Documents(url)
    collection = store.collection("things")
    with pytest.raises(errors.DependencyUnavailable):
        await collection.get("a")
    await store.open()
    await store.close()
    for call in (
        store.ping, collection.count, collection.find, lambda: collection.get("a"), lambda: collection.put({}),
        lambda: collection.update({}, {}), lambda: collection.delete({}),
    ):  # fmt: skip
        with pytest.raises(errors.DependencyUnavailable):
            await call()
    await store.open()
    assert await collection.put({"_id": "a"})
    await store.close()


async def test_reopening_keeps_documents_and_takes_new_indexes(url: str) -> None:
    for fields in (["kind"], ["kind", "at"]):
        store = documents.Documents(url)
        things = store.collection("things")
        things.index(fields)
        await store.open()
        await things.put({"_id": fields[-1], "kind": "x"})
        await store.close()
    await store.open()
    assert await things.count({"kind": "x"}) == 2
    await store.close()


async def test_declarations_come_before_open(url: str) -> None:
    store = documents.Documents(url)
    things = store.collection("things")
    await store.open()
    with pytest.raises(RuntimeError, match="before the document store is opened"):
        store.collection("others")
    with pytest.raises(RuntimeError, match="before the document store is opened"):
        things.index(["x"])
    with pytest.raises(RuntimeError, match="before the document store is opened"):
        things.expire("x", after=dt.timedelta(days=1))
    await store.close()


async def test_an_unknown_scheme_is_a_clear_sentence() -> None:
    with pytest.raises(ValueError, match="REVCART_DOCUMENTS_URL"):
        documents.Documents("cassandra://host")
