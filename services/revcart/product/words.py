"""How a search reads text: folding, tokens, and the words that a mistyped one may have meant. Pure.

Everything that is no letter or digit separates words, so `%`, `_`, quotes and operators have no meaning in a query.
"""

import unicodedata
from collections.abc import Iterable, Mapping

ONE_TYPO_FROM = 4  # letters
TWO_TYPOS_FROM = 8
# The accents of Latin, Greek and Cyrillic. Other scripts' marks are part of their words (the vowels of Devanagari).
_ACCENTS = range(0x0300, 0x0370)


def fold(text: str) -> str:
    """`text` without case and accents: `Jalapeño` and `JALAPENO` fold alike."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(part for part in parts if ord(part) not in _ACCENTS))


def tokens(text: str) -> tuple[str, ...]:
    """The words of `text`, folded, in their order. An apostrophe joins (`Lay's` is `lays`)."""
    joined = fold(text).replace("'", "").replace("’", "")
    return tuple("".join(part if _is_letter(part) else " " for part in joined).split())


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def distance(one: str, other: str, *, most: int) -> int:
    """Typos between two words (insert, drop, replace, swap neighbours); `most + 1` stands for anything above `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        present = [row]
        for column, counterpart in enumerate(other, start=1):
            cost = min(last[column] + 1, present[-1] + 1, last[column - 1] + (letter != counterpart))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == counterpart:
                cost = min(cost, before[column - 2] + 1)
            present.append(cost)
        if min(present) > most:
            return most + 1
        before, last = last, present
    return min(last[-1], most + 1)


def correction(token: str, vocabulary: Mapping[str, int]) -> str | None:
    """The word that `token` most likely meant: the nearest, then the most used, then the first by alphabet."""
    most = 0 if len(token) < ONE_TYPO_FROM else 1 if len(token) < TWO_TYPOS_FROM else 2
    best: tuple[int, int, str] | None = None
    for word, uses in vocabulary.items() if most else ():
        apart = distance(token, word, most=most)
        if apart <= most and (best is None or (apart, -uses, word) < best):
            best = (apart, -uses, word)
    return best[2] if best else None


def counted(texts: Iterable[Iterable[str]]) -> dict[str, int]:
    """In how many of the texts each word is."""
    uses: dict[str, int] = {}
    for words in texts:
        for word in words:
            uses[word] = uses.get(word, 0) + 1
    return uses
