"""ThumbHash: a placeholder for a picture in about 25 bytes (https://evanw.github.io/thumbhash/, version of
2023).

It encodes the lowest frequencies of luminance, two colour differences and, where there is some, opacity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

LONGEST_SIDE: Final = 100


class _Channel(NamedTuple):
    constant: float
    varying: list[float]
    scale: float


def thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    """The hash of a picture of at most 100 by 100 pixels, four bytes each. Raises ValueError."""
    if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE and len(rgba) == 4 * width * height):
        raise ValueError(f"{width} x {height} pixels in {len(rgba)} bytes")
    light, yellow_blue, red_green, alpha = _channels(rgba)
    has_alpha = min(alpha) < 1
    limit = 5 if has_alpha else 7
    longest = max(width, height)
    light_x, light_y = max(1, round(limit * width / longest)), max(1, round(limit * height / longest))
    size = width, height
    light_dct = _transform(light, size, max(3, light_x), max(3, light_y))
    channels = [light_dct, _transform(yellow_blue, size, 3, 3), _transform(red_green, size, 3, 3)]
    is_landscape = width > height
    header = (
        round(63 * light_dct.constant)
        | round(31.5 + 31.5 * channels[1].constant) << 6
        | round(31.5 + 31.5 * channels[2].constant) << 12
        | round(31 * light_dct.scale) << 18
        | has_alpha << 23
    )
    second = (
        (light_y if is_landscape else light_x)
        | round(63 * channels[1].scale) << 3
        | round(63 * channels[2].scale) << 9
        | is_landscape << 15
    )
    hashed = bytearray(header.to_bytes(3, "little") + second.to_bytes(2, "little"))
    if has_alpha:
        alpha_dct = _transform(alpha, size, 5, 5)
        channels.append(alpha_dct)
        hashed.append(round(15 * alpha_dct.constant) | round(15 * alpha_dct.scale) << 4)
    nibbles = [round(15 * value) for channel in channels for value in channel.varying]
    hashed += bytes(low | high << 4 for low, high in _pairs(nibbles))
    return bytes(hashed)


def _channels(rgba: bytes) -> tuple[list[float], list[float], list[float], list[float]]:
    """Luminance, yellow to blue, red to green, opacity; transparent pixels get the mean colour."""
    alpha = [value / 255 for value in rgba[3::4]]
    total = sum(alpha)
    colours = []
    for offset in range(3):
        plane = rgba[offset::4]
        mean = sum(a * value for a, value in zip(alpha, plane, strict=True)) / (255 * total) if total else 0.0
        shown = [mean * (1 - a) + a * value / 255 for a, value in zip(alpha, plane, strict=True)]
        colours.append(shown)
    red, green, blue = colours
    light = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    return light, yellow_blue, red_green, alpha


def _transform(channel: Sequence[float], size: tuple[int, int], nx: int, ny: int) -> _Channel:
    """The discrete cosine transform's coefficients below the diagonal of ``nx`` by ``ny``, from 0 to 1."""
    width, height = size
    across = [[math.cos(math.pi / width * cx * (x + 0.5)) for x in range(width)] for cx in range(nx)]
    rows = [channel[at : at + width] for at in range(0, width * height, width)]
    by_row = [[sum(map(float.__mul__, row, wave)) for row in rows] for wave in across]
    constant, varying = 0.0, list[float]()
    for cy in range(ny):
        down = [math.cos(math.pi / height * cy * (y + 0.5)) for y in range(height)]
        cx = 0
        while cx * ny < nx * (ny - cy):
            value = sum(map(float.__mul__, by_row[cx], down)) / (width * height)
            if cx or cy:
                varying.append(value)
            else:
                constant = value
            cx += 1
    scale = max(map(abs, varying), default=0.0)
    if scale:
        varying = [0.5 + 0.5 / scale * value for value in varying]
    return _Channel(constant, varying, scale)


def _pairs(nibbles: list[int]) -> Iterator[tuple[int, int]]:
    padded = [*nibbles, 0]
    return zip(padded[0::2], padded[1::2], strict=False)
