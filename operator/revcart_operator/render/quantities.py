"""Kubernetes quantities as the API server writes them back: `0.5` is `500m`, `1024Mi` is `1Gi`.

What is rendered in another spelling would differ from what is in the cluster for ever.
"""

import re
from fractions import Fraction

_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_DECIMAL = {"T": 10**12, "G": 10**9, "M": 10**6, "k": 10**3, "": 1}
_BINARY = {"Ti": 2**40, "Gi": 2**30, "Mi": 2**20, "Ki": 2**10, "": 1}


def canonical(text: str) -> str:
    """The largest unit of the same family in which the number is whole; below a thousandth it is rounded up."""
    number = amount(text)
    if number.denominator != 1:
        thousandths = -(-number.numerator * 1000 // number.denominator)
        return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
    family = _BINARY if text.endswith("i") and number >= 1024 else _DECIMAL
    unit, size = next(
        (unit, size) for unit, size in family.items() if (number.numerator % size == 0 and number >= size) or size == 1
    )
    return f"{number.numerator // size}{unit}"


def amount(text: str) -> Fraction:
    """Bytes, or cores. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no quantity")
    number, unit = Fraction(found[1]), found[2] or ""
    return number / 1000 if unit == "m" else number * {**_DECIMAL, **_BINARY}[unit]
