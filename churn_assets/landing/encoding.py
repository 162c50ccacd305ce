"""A text file's bytes as UTF-8 without a byte-order mark. The declared encoding decides; nothing is guessed.

Where the declaration is wrong, the refusal says which one would fit.
"""

from __future__ import annotations

import codecs

from churn_assets.landing.delivery import Delivery

UTF8 = ("utf-8", "utf-8-sig")
LOOKED_AT_BYTES = 4096


def utf8_bytes(delivery: Delivery, encoding: str) -> tuple[bytes, int]:
    """The text as UTF-8, and how many byte-order marks were removed. Raises RefusedFile if it is not in `encoding`."""
    data, codec = delivery.data, codecs.lookup(encoding).name
    try:
        if codec in UTF8:
            if (wide := wide_encoding(data)) is not None:
                raise delivery.refused(f'is not UTF-8 text but looks like {wide}; declare encoding = "{wide}"')
            if not data.isascii():
                data.decode("utf-8")
        else:
            data = data.decode(codec).encode("utf-8")
    except UnicodeError:
        if codec in UTF8:
            raise delivery.refused(
                'is not valid UTF-8; declare the encoding it is written in, such as encoding = "cp1252" or "latin-1"'
            ) from None
        raise delivery.refused(f"is not valid {codec} as its source declares; correct 'encoding'") from None
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :], 1
    return data, 0


def wide_encoding(data: bytes) -> str | None:
    """UTF-16 and UTF-32 by their mark, or by every second byte of Latin text being NUL (which is valid UTF-8)."""
    head = data[:LOOKED_AT_BYTES]
    nuls = head.count(0) / max(len(head), 1)
    if min(head[lane::4].count(0) for lane in range(4)) > len(head) / 40:
        return None  # of wide Latin text one byte in two or in four is hardly ever NUL; a block of zeros has them everywhere
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or nuls > 0.6:
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if nuls > 0.3:
        # Without a mark Python's utf-16 assumes the machine's byte order, so name the order that is there.
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    return None
