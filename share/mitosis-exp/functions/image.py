# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A picture is decoded, made small, turned, sharpened and encoded again, by Pillow.

The picture is drawn here: rings and slopes of colour.

Event: width (320), thumbnail (96).
"""
import hashlib
import io

NEEDS = {"PIL": "python3-pil"}

from PIL import Image, ImageChops, ImageFilter, ImageOps   # noqa: E402


def make_input(event):
    """Of gradients, so that it takes no loop over pixels."""
    width = event.get("width", 320)
    size = (width, width * 3 // 4)
    slope = Image.linear_gradient("L").resize(size)
    rings = Image.radial_gradient("L").resize(size).point([number * 5 & 255 for number in range(256)])
    picture = Image.merge("RGB", (rings, slope, ImageChops.difference(rings, slope.rotate(180))))
    return encoded(picture, "PNG")


def encoded(picture, kind):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def handler(event):
    picture = Image.open(io.BytesIO(event["input"]))
    side = event.get("thumbnail", 96)
    picture.thumbnail((side, side))
    picture = ImageOps.mirror(picture.rotate(90, expand=True)).filter(ImageFilter.SHARPEN)
    result = encoded(picture, "PNG")
    return {"size": list(picture.size), "bytes": len(result),
            "sha256": hashlib.sha256(picture.tobytes()).hexdigest()}
