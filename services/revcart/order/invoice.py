"""The tax invoice of an order: its numbers, and the page that shows them. Prices are before GST, which is half CGST and
half SGST for a sale within the state; the delivery fee carries none."""

import dataclasses
import datetime as dt
import zoneinfo

import jinja2

from revcart.kit import money
from revcart.order import domain, refusals


@dataclasses.dataclass(frozen=True)
class Seller:
    name: str
    gstin: str


@dataclasses.dataclass(frozen=True)
class Line:
    """Amounts in paise."""

    product_name: str
    quantity: int
    price: int
    line_total: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invoice:
    """Amounts in paise; `cgst` + `sgst` is the order's tax to the paisa."""

    number: str
    date: dt.date
    order_number: str
    seller: Seller
    buyer_name: str
    buyer_address: str
    lines: list[Line]
    subtotal: int
    discount: int
    taxable: int
    cgst: int
    sgst: int
    delivery_fee: int
    total: int
    refunded: int
    payment_method: domain.PaymentMethod
    paid: bool


def of(order: domain.Order, *, seller: Seller, timezone: str) -> Invoice:
    """The invoice of a confirmed order. Raises InvoiceNotReady (409)."""
    if order.invoice_number is None or order.confirmed_at is None:
        raise refusals.InvoiceNotReady
    cgst = order.tax_paise // 2
    return Invoice(
        number=order.invoice_number,
        date=order.confirmed_at.astimezone(zoneinfo.ZoneInfo(timezone)).date(),
        order_number=order.order_number,
        seller=seller,
        buyer_name=order.customer_name,
        buyer_address=order.address.one_line,
        lines=[Line(item.product_name, item.quantity, item.price_paise, item.line_paise) for item in order.items],
        subtotal=order.subtotal_paise,
        discount=order.discount_paise,
        taxable=order.subtotal_paise - order.discount_paise,
        cgst=cgst,
        sgst=order.tax_paise - cgst,
        delivery_fee=order.delivery_fee_paise,
        total=order.total_paise,
        refunded=order.refunded_paise,
        payment_method=order.payment_method,
        paid=order.paid,
    )


def page(invoice: Invoice) -> str:
    """The invoice as HTML, fit to be printed."""
    return _PAGE.render(invoice=invoice, text=money.text)


_PAGE = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Invoice {{ invoice.number }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 44rem; padding: 0 1rem; color: #1b1b1b }
table { border-collapse: collapse; width: 100%; margin: 1.5rem 0 }
caption { text-align: left; font-weight: 600 }
th, td { padding: .35rem .5rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
tfoot tr:last-child { font-weight: 700 }
</style>
</head>
<body>
<h1>Tax invoice {{ invoice.number }}</h1>
<p>{{ invoice.seller.name }}{% if invoice.seller.gstin %}<br>GSTIN {{ invoice.seller.gstin }}{% endif %}</p>
<p>Billed to {{ invoice.buyer_name }}<br>{{ invoice.buyer_address }}</p>
<p>Date {{ invoice.date.isoformat() }}, order {{ invoice.order_number }},
{{ "cash on delivery" if invoice.payment_method == "COD" else "paid online" }}</p>
<table>
<caption>Goods</caption>
<thead>
<tr><th scope="col">Product</th><th scope="col">Quantity</th><th scope="col">Price</th><th scope="col">Amount</th></tr>
</thead>
<tbody>
{% for line in invoice.lines %}
<tr><td>{{ line.product_name }}</td><td>{{ line.quantity }}</td><td>{{ text(line.price) }}</td>
<td>{{ text(line.line_total) }}</td></tr>
{% endfor %}
</tbody>
<tfoot>
<tr><td colspan="3">Subtotal</td><td>{{ text(invoice.subtotal) }}</td></tr>
{% if invoice.discount %}
<tr><td colspan="3">Discount</td><td>−{{ text(invoice.discount) }}</td></tr>
{% endif %}
<tr><td colspan="3">CGST</td><td>{{ text(invoice.cgst) }}</td></tr>
<tr><td colspan="3">SGST</td><td>{{ text(invoice.sgst) }}</td></tr>
<tr><td colspan="3">Delivery</td><td>{{ text(invoice.delivery_fee) }}</td></tr>
{% if invoice.refunded %}
<tr><td colspan="3">Refunded</td><td>{{ text(invoice.refunded) }}</td></tr>
{% endif %}
<tr><td colspan="3">Total</td><td>{{ text(invoice.total) }}</td></tr>
</tfoot>
</table>
</body>
</html>
""")
