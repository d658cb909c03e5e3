"""Turns a template and its variables into a title and a text, and an e-mail also into HTML.

A file `templates/<key>.<locale>.<channel>.j2` is a title line, an empty line and the text; a short message has no
title. A `hi` file may hold the title alone, then the English text follows it; without one all is English.
HTML is made from the text by one layout, so that both always say the same. An unknown variable is an error.
"""

import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2

from revcart.kit import clock, money
from revcart.notification import domain

FOLDER: Final = Path(__file__).parent / "templates"
_LAYOUT: Final = "layout.html.j2"


@dataclasses.dataclass(frozen=True)
class Rendered:
    title: str
    text: str
    html: str | None = None


@dataclasses.dataclass(frozen=True)
class _Parts:
    title: jinja2.Template | None
    text: jinja2.Template | None


class Renderer:
    """All templates, compiled at start. `timezone`: of the times shown; `storefront_url`: before the links' paths."""

    def __init__(self, *, timezone: str, storefront_url: str) -> None:
        self._zone = zoneinfo.ZoneInfo(timezone)
        self._storefront_url = storefront_url.rstrip("/")
        self._plain = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701 - text, not HTML
        self._plain.filters |= {"rupees": money.text, "clock": self._clock, "day": self._day}
        html = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True)
        self._layout = html.from_string((FOLDER / _LAYOUT).read_text(encoding="utf-8"))
        self._files = {path.name: self._compile(path) for path in sorted(FOLDER.glob("*.j2")) if path.name != _LAYOUT}
        for template in domain.TEMPLATES.values():
            assert self.channels(template), f"no file for the template {template.key}"

    def channels(self, template: domain.Template) -> tuple[domain.Channel, ...]:
        """The channels for which there is an English text."""
        return tuple(channel for channel in domain.CHANNELS if _name(template, "en", channel) in self._files)

    def render(
        self,
        template: domain.Template,
        *,
        channel: domain.Channel,
        locale: str,
        context: Mapping[str, Any],
    ) -> Rendered:
        """Raises jinja2.UndefinedError when `context` lacks a variable that is used."""
        english = self._files[_name(template, "en", channel)]
        local = self._files.get(_name(template, locale, channel), english)
        context = {"storefront_url": self._storefront_url, **context}
        text_of = local.text or english.text
        assert text_of is not None, "an English file has a text"
        text = text_of.render(context).strip()
        if channel == "SMS":
            return Rendered("", domain.sms_cut(re.sub(r"\s+", " ", text)))
        assert local.title is not None, "only a short message has no title"
        title = re.sub(r"\s+", " ", local.title.render(context)).strip()
        if channel == "WEBSOCKET":
            return Rendered(title, re.sub(r"\s+", " ", text))
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text)]
        html = self._layout.render(title=title, paragraphs=paragraphs, locale=locale, shop=self._storefront_url)
        return Rendered(title, text, html)

    def _compile(self, path: Path) -> _Parts:
        source = path.read_text(encoding="utf-8")
        if path.name.endswith(".sms.j2"):
            return _Parts(None, self._plain.from_string(source))
        title, _, text = source.partition("\n\n")
        return _Parts(self._plain.from_string(title), self._plain.from_string(text) if text.strip() else None)

    def _clock(self, instant: str | dt.datetime) -> str:
        return self._local(instant).strftime("%H:%M")

    def _day(self, instant: str | dt.datetime) -> str:
        return self._local(instant).strftime("%d %b %Y, %H:%M")

    def _local(self, instant: str | dt.datetime) -> dt.datetime:
        parsed = clock.from_text(instant) if isinstance(instant, str) else instant
        return parsed.astimezone(self._zone)


def _name(template: domain.Template, locale: str, channel: domain.Channel) -> str:
    return f"{template.key}.{locale}.{channel.lower()}.j2"
