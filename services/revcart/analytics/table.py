"""CSV of a report (RFC 4180, UTF-8 with BOM, header row), safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

MEDIA_TYPE = "text/csv"
_FORMULA = ("=", "+", "-", "@", "\t")


def render(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str]) -> bytes:
    """`rows` under `columns`. A text that a spreadsheet would run as a formula gets a leading `'`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
