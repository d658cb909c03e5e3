"""Money is integer paise everywhere; this module alone converts, at the edge of the API.

No float is added, multiplied or compared: a JSON number becomes a Decimal through its shortest text form, and the
division on the way out is the last thing that happens to an amount.
"""

import decimal

PAISE_PER_RUPEE = 100
LIMIT_PAISE = 10_000_000 * PAISE_PER_RUPEE
BASIS_POINTS = 10_000


def from_rupees(amount: decimal.Decimal | int | float) -> int:
    """Paise of an amount in rupees.

    Raises ValueError: not a number, below 0, above 10 000 000.00, or with a third decimal (39.999).
    """
    if isinstance(amount, bool):
        raise ValueError("an amount is a number of rupees")
    exact = amount if isinstance(amount, decimal.Decimal) else decimal.Decimal(repr(amount))
    if not exact.is_finite():
        raise ValueError("an amount is a finite number of rupees")
    if not 0 <= exact <= LIMIT_PAISE // PAISE_PER_RUPEE:
        raise ValueError("an amount is between 0 and 10000000.00 rupees")
    paise = exact.scaleb(2)
    if paise != paise.to_integral_value():
        raise ValueError("an amount has at most two decimals")
    return int(paise)


def to_rupees(paise: int) -> int | float:
    """The JSON number of `paise`: whole rupees as an integer, else the nearest double (exact to two decimals)."""
    whole, rest = divmod(paise, PAISE_PER_RUPEE)
    return paise / PAISE_PER_RUPEE if rest else whole


def text(paise: int) -> str:
    """An amount for people: `₹1,234.50`."""
    sign = "-" if paise < 0 else ""
    whole, rest = divmod(abs(paise), PAISE_PER_RUPEE)
    return f"{sign}₹{whole:,}.{rest:02d}"


def percentage(paise: int, *, basis_points: int) -> int:
    """`basis_points` hundredths of a percent of `paise` (not negative), rounded half up to a whole paisa."""
    return (paise * basis_points + BASIS_POINTS // 2) // BASIS_POINTS
