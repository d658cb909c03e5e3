"""Pictures of products: what is uploaded is decoded once, within bounds, and kept as WebP in three widths.

Re-encoding drops whatever a file carried beside its pixels (place, camera, comments).
"""

import asyncio
import io

from PIL import Image, ImageOps

from revcart.kit import errors
from revcart.product import domain, flow

MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 20_000_000
MAX_SIDE = 16_000  # WebP ends at 16,383
_FORMATS = ("JPEG", "PNG", "WEBP")
_QUALITY = 82


async def add_picture(*, product_id: int, data: bytes, alt: str, ports: flow.Ports) -> flow.Shown:
    """Raises NotFound, PictureLimit (409), PictureUnreadable (422), TooLarge (413)."""
    if len(data) > MAX_BYTES:
        raise errors.TooLarge(f"A picture may have {MAX_BYTES} bytes at most.")
    sizes = await asyncio.to_thread(encode, data)
    async with ports.store.transaction() as tx:
        product = await tx.products.get(product_id, lock=True)
        if product is None:
            raise errors.NotFound
        if len(product.pictures) >= domain.MOST_PICTURES:
            raise domain.PictureLimit
        await tx.pictures.add(product_id, alt=alt, position=len(product.pictures), sizes=sizes)
        await tx.products.touch(product_id, now=ports.clock.now())
    return await _changed(product_id, ports=ports)


async def remove_picture(*, product_id: int, picture_id: int, ports: flow.Ports) -> None:
    """Raises NotFound."""
    async with ports.store.transaction() as tx:
        product = await tx.products.get(product_id, lock=True)
        if product is None or picture_id not in {picture.id for picture in product.pictures}:
            raise errors.NotFound
        await tx.pictures.remove(picture_id)
        await tx.products.touch(product_id, now=ports.clock.now())
    await ports.shelf.changed(product_id)


async def arrange_pictures(*, product_id: int, picture_ids: list[int], ports: flow.Ports) -> flow.Shown:
    """Put the pictures in this order. Raises NotFound, PicturesDiffer (409)."""
    async with ports.store.transaction() as tx:
        product = await tx.products.get(product_id, lock=True)
        if product is None:
            raise errors.NotFound
        if sorted(picture_ids) != sorted(picture.id for picture in product.pictures):
            raise domain.PicturesDiffer
        await tx.pictures.arrange(picture_ids)
        await tx.products.touch(product_id, now=ports.clock.now())
    return await _changed(product_id, ports=ports)


async def get_picture(*, product_id: int, picture_id: int, width: int, ports: flow.Ports) -> bytes:
    """The WebP of this width. Raises NotFound."""
    async with ports.store.read() as tx:
        data = await tx.pictures.bytes_of(product_id=product_id, picture_id=picture_id, width=width)
    if data is None:
        raise errors.NotFound
    return data


async def _changed(product_id: int, *, ports: flow.Ports) -> flow.Shown:
    await ports.shelf.changed(product_id)
    return await flow.get_product(product_id=product_id, include_inactive=True, ports=ports)


def encode(data: bytes) -> dict[int, bytes]:
    """Width -> WebP. Raises PictureUnreadable, also for more than 20 megapixels, which is seen before decoding."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS or max(opened.size) > MAX_SIDE:
                raise domain.PictureUnreadable(
                    f"A picture may have {MAX_PIXELS} pixels and {MAX_SIDE} on a side at most."
                )
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            picture = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except domain.PictureUnreadable:
        raise
    except Exception as error:  # a decoder fails in many ways on bytes that are no picture
        raise domain.PictureUnreadable("Send a JPEG, PNG or WebP picture.") from error
    return {width: _webp(picture, width) for width in domain.PICTURE_WIDTHS}


def _webp(picture: Image.Image, width: int) -> bytes:
    copy = picture
    if picture.width > width:
        copy = picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    copy.save(out, format="WEBP", quality=_QUALITY, method=2)
    return out.getvalue()
