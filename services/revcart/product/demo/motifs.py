"""The shapes that `paint` knows: motif -> (shape, points on a grid of 100 × 100, tone), drawn in this order.

Tones `body`, `dark`, `light`, `pale` come from the product's own colour, the others are fixed.
"""

from collections.abc import Mapping, Sequence

Shape = tuple[str, Sequence[int], str]

FIXED: Mapping[str, str] = {
    "leaf": "#5f9e3f",
    "deep": "#3f7330",
    "stem": "#7a5a38",
    "white": "#ffffff",
    "bone": "#f5ead6",
    "ink": "#3b3a36",
    "crust": "#c8843f",
    "wafer": "#d9a35c",
    "seed": "#4a3528",
}


def _berries(rows: Sequence[tuple[int, Sequence[int]]]) -> list[Shape]:
    shapes: list[Shape] = []
    for top, lefts in rows:
        for left in lefts:
            shapes.append(("ellipse", (left, top, left + 17, top + 17), "body"))
            shapes.append(("ellipse", (left + 4, top + 4, left + 8, top + 8), "light"))
    return shapes


MOTIFS: Mapping[str, Sequence[Shape]] = {
    "round": (
        ("line", (50, 34, 53, 20, 2), "stem"),
        ("ellipse", (24, 30, 76, 82), "body"),
        ("pie", (53, 16, 73, 32, 150, 360), "leaf"),
        ("ellipse", (33, 40, 45, 54), "light"),
    ),
    "oval": (
        ("ellipse", (20, 36, 80, 80), "body"),
        ("ellipse", (29, 43, 50, 54), "light"),
        ("pie", (44, 24, 66, 42, 140, 340), "leaf"),
    ),
    "citrus": (
        ("ellipse", (24, 30, 76, 82), "body"),
        ("ellipse", (28, 34, 72, 78), "pale"),
        *[("pie", (30, 36, 70, 76, start + 3, start + 42), "light") for start in range(0, 360, 45)],
    ),
    "banana": (
        ("arc", (12, -8, 88, 74, 22, 158, 17), "body"),
        ("arc", (16, -8, 84, 64, 30, 150, 2), "light"),
        ("box", (79, 45, 87, 53, 1), "stem"),
        ("box", (13, 45, 21, 53, 1), "stem"),
    ),
    "bunch": (
        ("line", (50, 34, 50, 18, 2), "stem"),
        ("pie", (50, 14, 74, 34, 160, 350), "leaf"),
        *_berries(((30, (24, 41, 58)), (44, (32, 50)), (56, (27, 42, 57)), (66, (42,)))),
    ),
    "wedge": (
        ("pie", (12, -6, 88, 82, 20, 160), "leaf"),
        ("pie", (16, -6, 84, 77, 22, 158), "pale"),
        ("pie", (18, -6, 82, 73, 24, 156), "body"),
        *[("ellipse", (x, y, x + 3, y + 5), "seed") for x, y in ((38, 52), (48, 60), (58, 52), (48, 48))],
    ),
    "pineapple": (
        *[("polygon", (50, 42, tip, 12, tip + 8, 16), "leaf") for tip in (30, 40, 46, 54, 62)],
        ("ellipse", (31, 36, 69, 83), "body"),
        *[("line", (34, y, 66, y + 14, 1), "dark") for y in (42, 52, 62)],
        *[("line", (66, y, 34, y + 14, 1), "dark") for y in (42, 52, 62)],
    ),
    "leafy": (
        *[("line", (50, 82, x, 40, 3), "deep") for x in (30, 42, 58, 70)],
        ("ellipse", (18, 22, 46, 60), "body"),
        ("ellipse", (54, 22, 82, 60), "body"),
        ("ellipse", (34, 16, 66, 58), "light"),
        ("line", (50, 24, 50, 82, 1), "deep"),
    ),
    "root": (
        *[("line", (50, 34, x, 14, 3), "leaf") for x in (38, 46, 54, 62)],
        ("polygon", (32, 36, 68, 36, 54, 82, 48, 82), "body"),
        ("ellipse", (32, 28, 68, 46), "body"),
        *[("line", (x, y, x + 12, y, 1), "dark") for x, y in ((36, 46), (48, 54), (44, 63))],
    ),
    "bulb": (
        ("polygon", (44, 40, 50, 14, 56, 40), "light"),
        ("ellipse", (26, 34, 74, 80), "body"),
        ("arc", (36, 34, 64, 80, 90, 270, 1), "light"),
        ("arc", (36, 34, 64, 80, 270, 90, 1), "light"),
        *[("line", (x, 79, x - 1, 84, 1), "stem") for x in (46, 50, 54)],
    ),
    "pepper": (
        ("line", (50, 32, 56, 18, 4), "deep"),
        ("ellipse", (24, 30, 56, 80), "body"),
        ("ellipse", (44, 30, 76, 80), "body"),
        ("ellipse", (36, 28, 64, 82), "light"),
    ),
    "floret": (
        ("box", (43, 54, 57, 82, 4), "light"),
        ("pie", (16, 34, 84, 84, 20, 160), "leaf"),
        *[("ellipse", (x, y, x + 24, y + 24), "body") for x, y in ((22, 36), (38, 26), (54, 36), (34, 44), (46, 44))],
        ("ellipse", (42, 32, 52, 40), "light"),
    ),
    "pod": (
        ("line", (24, 70, 40, 60, 60, 46, 76, 32, 11), "body"),
        ("line", (24, 70, 40, 60, 60, 46, 76, 32, 2), "light"),
        ("line", (22, 52, 40, 43, 58, 30, 4), "dark"),
        ("line", (42, 80, 60, 68, 78, 54, 8), "dark"),
        ("line", (76, 32, 83, 25, 3), "deep"),
    ),
    "bottle": (
        ("box", (43, 12, 57, 20, 2), "dark"),
        ("box", (44, 18, 56, 36, 3), "light"),
        ("box", (34, 30, 66, 83, 9), "body"),
        ("box", (34, 48, 66, 66, 0), "white"),
        ("box", (38, 34, 42, 46, 2), "light"),
    ),
    "carton": (
        ("polygon", (32, 32, 50, 16, 68, 32), "light"),
        ("box", (45, 12, 55, 20, 1), "dark"),
        ("box", (32, 31, 68, 83, 2), "body"),
        ("box", (32, 48, 68, 68, 0), "white"),
        ("ellipse", (42, 50, 58, 66), "light"),
    ),
    "can": (
        ("box", (32, 26, 68, 83, 5), "body"),
        ("ellipse", (32, 20, 68, 32), "pale"),
        ("box", (32, 44, 68, 66, 0), "white"),
        ("ellipse", (41, 47, 59, 63), "body"),
    ),
    "jar": (
        ("box", (33, 18, 67, 28, 3), "dark"),
        ("box", (29, 27, 71, 83, 8), "body"),
        ("box", (29, 44, 71, 68, 0), "white"),
        ("box", (34, 32, 38, 41, 2), "light"),
        ("line", (40, 56, 60, 56, 2), "body"),
    ),
    "pouch": (
        ("polygon", (28, 24, 72, 24, 76, 83, 24, 83), "body"),
        ("box", (28, 18, 72, 26, 1), "dark"),
        ("ellipse", (34, 40, 66, 70), "white"),
        ("ellipse", (41, 47, 59, 63), "light"),
    ),
    "box": (
        ("polygon", (26, 30, 34, 20, 82, 20, 74, 30), "light"),
        ("polygon", (74, 30, 82, 20, 82, 74, 74, 83), "dark"),
        ("box", (26, 30, 74, 83, 0), "body"),
        ("box", (34, 44, 66, 66, 2), "white"),
        ("line", (40, 55, 60, 55, 2), "body"),
    ),
    "cup": (
        ("polygon", (28, 38, 72, 38, 66, 83, 34, 83), "body"),
        ("ellipse", (26, 30, 74, 44), "pale"),
        ("polygon", (30, 52, 70, 52, 68, 68, 32, 68), "white"),
        ("ellipse", (44, 54, 56, 66), "light"),
    ),
    "cheese": (
        ("polygon", (18, 62, 74, 30, 82, 62), "light"),
        ("box", (18, 60, 82, 82, 1), "body"),
        *[("ellipse", (x, y, x + 9, y + 9), "dark") for x, y in ((26, 66), (46, 70), (64, 64), (58, 46))],
    ),
    "block": (
        ("polygon", (20, 52, 34, 40, 82, 40, 70, 52), "light"),
        ("polygon", (70, 52, 82, 40, 82, 68, 70, 80), "dark"),
        ("box", (20, 52, 70, 80, 1), "body"),
        ("line", (36, 54, 36, 78, 1), "light"),
        ("line", (52, 54, 52, 78, 1), "light"),
    ),
    "egg": (
        ("ellipse", (18, 42, 48, 82), "dark"),
        ("ellipse", (52, 42, 82, 82), "dark"),
        ("ellipse", (33, 30, 67, 82), "body"),
        ("ellipse", (41, 38, 50, 52), "light"),
    ),
    "fish": (
        ("polygon", (66, 54, 88, 36, 88, 74), "dark"),
        ("ellipse", (14, 36, 74, 74), "body"),
        ("pie", (34, 22, 60, 50, 180, 360), "dark"),
        ("ellipse", (22, 48, 28, 54), "white"),
        ("arc", (24, 40, 44, 70, 290, 70, 1), "dark"),
    ),
    "prawn": (
        ("arc", (22, 26, 76, 80, 60, 330, 15), "body"),
        *[("arc", (22, 26, 76, 80, start, start + 3, 15), "light") for start in (90, 130, 170, 210, 250)],
        ("polygon", (60, 78, 78, 72, 74, 86), "dark"),
        ("line", (70, 40, 86, 24, 1), "dark"),
        ("line", (72, 42, 90, 34, 1), "dark"),
    ),
    "drumstick": (
        ("line", (56, 58, 76, 78, 7), "bone"),
        ("ellipse", (70, 76, 80, 85), "bone"),
        ("ellipse", (76, 70, 86, 80), "bone"),
        ("ellipse", (20, 24, 64, 66), "body"),
        ("ellipse", (28, 31, 42, 42), "light"),
    ),
    "steak": (
        ("ellipse", (18, 32, 82, 80), "pale"),
        ("ellipse", (22, 36, 78, 76), "body"),
        ("ellipse", (54, 46, 68, 58), "bone"),
        ("line", (30, 52, 46, 48, 2), "light"),
        ("line", (32, 64, 52, 66, 2), "light"),
    ),
    "loaf": (
        ("box", (16, 42, 84, 82, 4), "crust"),
        ("ellipse", (14, 28, 86, 60), "crust"),
        ("box", (21, 46, 79, 78, 3), "body"),
        *[("line", (x, 34, x + 6, 46, 2), "light") for x in (30, 46, 62)],
    ),
    "bun": (
        ("pie", (18, 26, 82, 90, 180, 360), "body"),
        ("box", (18, 58, 82, 66, 2), "light"),
        ("box", (18, 66, 82, 80, 7), "dark"),
        *[("ellipse", (x, y, x + 4, y + 2), "pale") for x, y in ((36, 40), (48, 34), (60, 42), (46, 46))],
    ),
    "cake": (
        ("polygon", (34, 52, 66, 52, 62, 83, 38, 83), "dark"),
        ("polygon", (28, 52, 72, 52, 66, 83, 34, 83), "dark"),
        ("ellipse", (22, 30, 78, 60), "body"),
        ("ellipse", (34, 24, 66, 46), "light"),
        ("ellipse", (46, 18, 56, 28), "crust"),
    ),
    "cookie": (
        ("ellipse", (22, 30, 78, 82), "body"),
        ("ellipse", (27, 35, 73, 77), "light"),
        *[("ellipse", (x, y, x + 6, y + 6), "dark") for x, y in ((36, 44), (54, 42), (46, 56), (34, 62), (60, 60))],
    ),
    "bar": (
        ("box", (22, 30, 78, 82, 3), "dark"),
        *[("box", (x, y, x + 15, y + 13, 2), "body") for x in (25, 43, 60) for y in (34, 50, 66)],
    ),
    "bowl": (
        *[("ellipse", (x, y, x + 18, y + 18), "body") for x, y in ((26, 34), (42, 28), (58, 34), (34, 42), (50, 42))],
        ("pie", (18, 22, 82, 84, 0, 180), "white"),
        ("box", (16, 50, 84, 56, 2), "dark"),
    ),
    "cone": (
        ("polygon", (34, 48, 66, 48, 50, 85), "wafer"),
        ("line", (40, 50, 54, 74, 1), "crust"),
        ("line", (60, 50, 46, 74, 1), "crust"),
        ("ellipse", (30, 22, 70, 56), "body"),
        ("ellipse", (37, 27, 48, 37), "light"),
    ),
    "tub": (
        ("polygon", (26, 44, 74, 44, 68, 83, 32, 83), "white"),
        ("polygon", (28, 54, 72, 54, 70, 68, 30, 68), "dark"),
        ("ellipse", (28, 22, 58, 50), "body"),
        ("ellipse", (46, 24, 72, 50), "light"),
        ("box", (24, 40, 76, 48, 3), "dark"),
    ),
}
