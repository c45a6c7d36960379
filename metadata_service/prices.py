"""Prices of storage, from the settings (docs/costs.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from servicekit.settings import SettingError

STANDARD: Final = "STANDARD"
#: USD per GB (2^30 bytes) and month, AWS's list prices for us-east-1, for classes without a setting.
LISTED: Final[Mapping[str, float]] = MappingProxyType(
    {
        "STANDARD_IA": 0.0125,
        "ONEZONE_IA": 0.01,
        "GLACIER_IR": 0.004,
        "GLACIER": 0.0036,
        "DEEP_ARCHIVE": 0.00099,
        "REDUCED_REDUNDANCY": 0.024,
        "EXPRESS_ONEZONE": 0.11,
    }
)
_SETTING: Final = "STRONGROOM_PRICES"


@dataclass(frozen=True, slots=True)
class Prices:
    """USD. `classes`: per GB and month, by storage class; `writes`: per 1,000 writes. `default`: the class of
    objects whose upload named none.
    """

    classes: Mapping[str, float]
    writes: float
    default: str = STANDARD


def prices_of(text: str, standard: float) -> dict[str, float]:
    """Prices by class: the setting (such as `STANDARD_IA=0.0125,GLACIER=0.0036`) overrides the list.

    :param standard: the price of STANDARD, and of INTELLIGENT_TIERING until an object is moved.

    Raises SettingError.
    """
    prices = {STANDARD: standard, "INTELLIGENT_TIERING": standard, **LISTED}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        storage_class, equals, price = (piece.strip() for piece in part.partition("="))
        try:
            number = float(price)
        except ValueError:
            number = -1.0
        if not equals or storage_class not in prices or not 0 <= number < 1000:
            raise SettingError(
                _SETTING,
                f"has {part!r}; write CLASS=PRICE, USD per GB and month, of {', '.join(prices)}",
            )
        prices[storage_class] = number
    return prices
