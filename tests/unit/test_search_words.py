"""How the search reads what people type."""

import pytest

from revcart.product import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Amul Butter", ("amul", "butter")),
        ("  JALAPEÑO  crème ", ("jalapeno", "creme")),
        ("Lay's Lay’s lays", ("lays", "lays", "lays")),
        ("100% juice_mix", ("100", "juice", "mix")),
        ("50%_'\"*()~-+", ("50",)),
        ("आम पन्ना", ("आम", "पन्ना")),
        ("%", ()),
        ("", ()),
    ],
)
def test_tokens(text: str, expected: tuple[str, ...]) -> None:
    assert words.tokens(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("milk", "milk", 0),
        ("mlik", "milk", 1),
        ("mik", "milk", 1),
        ("millk", "milk", 1),
        ("malk", "milk", 1),
        ("stawbery", "strawberry", 2),
        ("butter", "ghee", 3),
        ("", "ab", 2),
    ],
)
def test_distance_counts_typos_up_to_a_limit(one: str, other: str, apart: int) -> None:
    assert words.distance(one, other, most=2) == apart
    assert words.distance(other, one, most=2) == apart


def test_short_words_are_not_corrected() -> None:
    assert words.correction("egs", {"eggs": 3}) is None
    assert words.correction("egss", {"eggs": 3}) == "eggs"


def test_two_typos_need_eight_letters() -> None:
    vocabulary = {"strawberry": 1, "tomato": 1}
    assert words.correction("stawbery", vocabulary) == "strawberry"
    assert words.correction("tmaoot", vocabulary) is None


def test_the_nearest_then_the_most_used_word_is_meant() -> None:
    assert words.correction("bread", {"breed": 9, "bread": 1}) == "bread"
    assert words.correction("breab", {"bread": 4, "break": 2}) == "bread"
    assert words.correction("breab", {"bread": 2, "break": 2}) == "bread"
