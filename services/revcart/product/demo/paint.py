"""Draws the picture of a demo product: flat, friendly, and the same bytes every time.

A motif is a list of shapes on a grid of 100 × 100; `motifs.py` holds them. No font is fetched: Pillow brings one.
"""

import io
from collections.abc import Sequence

from PIL import Image, ImageColor, ImageDraw, ImageFont

from revcart.product.demo import motifs

SIZE = 1080  # pixels; the largest width that the shop serves
_SMOOTH = 2  # drawn so many times larger, then reduced: Pillow's shapes have hard edges

# category: (top, bottom) of the background
_GROUNDS = {
    "fruits": ("#fff1e0", "#ffd9b8"),
    "vegetables": ("#eef7e4", "#cfe6b8"),
    "dairy": ("#eef5fd", "#cfe2f6"),
    "meat": ("#fdeeea", "#f4cfc4"),
    "beverages": ("#e8f6f6", "#bfe2e2"),
    "bakery": ("#fdf3e3", "#f0d9ae"),
    "snacks": ("#fff6dc", "#fbe09a"),
    "frozen": ("#eaf3ff", "#c4daf7"),
}
_OTHER_GROUND = ("#f3f3f3", "#dcdcdc")
_INK = "#3b3a36"

Colour = tuple[int, int, int]


def paint(*, motif: str, colour: str, category: str, name: str, label: str) -> bytes:
    """A PNG of 1080 × 1080: `motif` in `colour` (#rrggbb), the initials of `name`, and `label` below."""
    side = SIZE * _SMOOTH
    image = _ground(side, category)
    draw = ImageDraw.Draw(image)
    scale = side / 100
    draw.ellipse(_box((22, 79, 78, 86), scale), fill=_mixed(_rgb(_ground_of(category)[1]), (0, 0, 0), 0.12))
    for shape, points, tone in motifs.MOTIFS[motif]:
        _draw(draw, shape, points=points, fill=_tone(tone, _rgb(colour)), scale=scale)
    _badge(draw, initials=_initials(name), colour=_rgb(colour), scale=scale)
    _centred(draw, label, at=(50, 92), size=5, fill=_INK, scale=scale)
    out = io.BytesIO()
    image.reduce(_SMOOTH).save(out, format="PNG", compress_level=1)
    return out.getvalue()


def _ground(side: int, category: str) -> Image.Image:
    top, bottom = (_rgb(colour) for colour in _ground_of(category))
    column = Image.new("RGB", (1, 64))
    for row in range(64):
        column.putpixel((0, row), _mixed(top, bottom, row / 63))
    return column.resize((side, side), Image.Resampling.BILINEAR)


def _ground_of(category: str) -> tuple[str, str]:
    return _GROUNDS.get(category, _OTHER_GROUND)


def _draw(draw: ImageDraw.ImageDraw, shape: str, *, points: Sequence[int], fill: Colour, scale: float) -> None:
    match shape:
        case "ellipse":
            draw.ellipse(_box(points, scale), fill=fill)
        case "box":
            draw.rounded_rectangle(_box(points[:4], scale), radius=points[4] * scale, fill=fill)
        case "pie":
            draw.pieslice(_box(points[:4], scale), points[4], points[5], fill=fill)
        case "arc":
            draw.arc(_box(points[:4], scale), points[4], points[5], fill=fill, width=round(points[6] * scale))
        case "line":
            draw.line(_box(points[:-1], scale), fill=fill, width=round(points[-1] * scale), joint="curve")
        case "polygon":
            draw.polygon(_box(points, scale), fill=fill)
        case _:
            raise ValueError(f"no shape is called {shape}")


def _badge(draw: ImageDraw.ImageDraw, *, initials: str, colour: Colour, scale: float) -> None:
    draw.ellipse(_box((6, 6, 22, 22), scale), fill=_mixed(colour, (0, 0, 0), 0.25))
    _centred(draw, initials, at=(14, 14), size=7, fill="#ffffff", scale=scale)


def _centred(
    draw: ImageDraw.ImageDraw,
    text: str,
    *,
    at: tuple[int, int],
    size: int,
    fill: str,
    scale: float,
) -> None:
    font = ImageFont.load_default(size * scale)
    widest = 92 * scale
    if draw.textlength(text, font=font) > widest:
        font = ImageFont.load_default(size * scale * widest / draw.textlength(text, font=font))
    draw.text((at[0] * scale, at[1] * scale), text, font=font, fill=fill, anchor="mm")


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2]).upper()


def _box(points: Sequence[int], scale: float) -> list[float]:
    return [point * scale for point in points]


def _rgb(colour: str) -> Colour:
    red, green, blue, *_ = ImageColor.getrgb(colour)
    return red, green, blue


def _tone(tone: str, colour: Colour) -> Colour:
    match tone:
        case "body":
            return colour
        case "dark":
            return _mixed(colour, (0, 0, 0), 0.22)
        case "light":
            return _mixed(colour, (255, 255, 255), 0.38)
        case "pale":
            return _mixed(colour, (255, 255, 255), 0.78)
    return _rgb(motifs.FIXED[tone])


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other` in `one`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
