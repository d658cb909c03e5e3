"""Money is exact: integer paise inside, two decimals at the edge."""

import ast
import decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcart.kit import money, pricing

ROOT = Path(__file__).parents[2]
RULES = pricing.Rules()
PAISE = st.integers(min_value=0, max_value=money.LIMIT_PAISE)
DISCOUNTS = st.one_of(
    st.none(),
    st.builds(
        pricing.Discount,
        type=st.just("PERCENTAGE"),
        value=st.integers(1, 10_000),
        maximum_paise=st.none() | st.integers(0, 1_000_000),
    ),
    st.builds(pricing.Discount, type=st.just("FIXED"), value=st.integers(1, 5_000_000)),
)
LINES = st.lists(
    st.builds(pricing.Line, unit_price_paise=st.integers(1, 10_000_000), quantity=st.integers(1, 20)),
    max_size=50,
)


@pytest.mark.regression("R27")
@given(lines=LINES, discount=DISCOUNTS)
def test_r27_money_is_exact(lines: list[pricing.Line], discount: pricing.Discount | None) -> None:
    quote = pricing.price(lines=lines, discount=discount, rules=RULES)
    assert all(type(amount) is int for amount in vars(quote).values())
    assert quote.subtotal_paise == sum(line.unit_price_paise * line.quantity for line in lines)
    assert 0 <= quote.discount_paise <= quote.subtotal_paise
    taxed = quote.subtotal_paise - quote.discount_paise
    exact = decimal.Decimal(taxed) * 18 / 100
    assert quote.tax_paise == int(exact.to_integral_value(decimal.ROUND_HALF_UP))
    assert quote.total_paise == taxed + quote.tax_paise + quote.delivery_fee_paise
    for module in ("money", "pricing"):
        assert not float_literals(ROOT / "services/revcart/kit" / f"{module}.py")


def float_literals(path: Path) -> list[float]:
    return [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]


@given(PAISE)
def test_paise_survive_the_edge(paise: int) -> None:
    assert money.from_rupees(money.to_rupees(paise)) == paise


@pytest.mark.parametrize(("rupees", "paise"), [(39.9, 3990), (39.95, 3995), (0.1, 10), (1, 100), (10_000_000, 10**9)])
def test_rupees_become_paise(rupees: float, paise: int) -> None:
    assert money.from_rupees(rupees) == paise


@pytest.mark.parametrize("wrong", [39.999, -0.01, 10_000_000.01, float("nan"), float("inf"), True])
def test_what_is_no_amount_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="amount"):
        money.from_rupees(wrong)


@pytest.mark.parametrize(
    ("subtotal", "discount", "tax", "fee", "total"),
    [(18000, 1800, 2916, 3000, 22116), (19900, 0, 3582, 3000, 26482), (19901, 0, 3582, 0, 23483)],
)
def test_the_examples_of_the_contract(subtotal: int, discount: int, tax: int, fee: int, total: int) -> None:
    coupon = pricing.Discount(type="PERCENTAGE", value=1000) if discount else None
    quote = pricing.price(lines=[pricing.Line(unit_price_paise=subtotal, quantity=1)], discount=coupon, rules=RULES)
    assert (quote.discount_paise, quote.tax_paise, quote.delivery_fee_paise, quote.total_paise) == (
        discount,
        tax,
        fee,
        total,
    )


def test_an_empty_basket_costs_nothing() -> None:
    assert pricing.price(lines=[], rules=RULES).total_paise == 0
