"""Cost of stored objects, by storage class and family."""

from __future__ import annotations

import pytest

from metadata_service.attempts.reservation import Reserver
from metadata_service.prices import Prices, prices_of
from metadata_service.usage.costs import Costs
from servicekit.archive_classes import transitions_of
from servicekit.settings import SettingError
from strongroom.errors import InvalidField
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import SINGLE, World, path_spec, plain_spec

GB = 2**30
RULES = transitions_of("files=30:STANDARD_IA,files=180:GLACIER,path=60:STANDARD_IA")


def costs(world: World, **more: object) -> Costs:
    prices = Prices(prices_of("GLACIER=0.5", 1.0), 5.0, **more)  # type: ignore[arg-type]
    return Costs(world.database, prices, RULES)


async def stored(world: World, owner: str, spec: UploadSpec, *, days: int = 0, size: int = GB) -> None:
    reserver = Reserver(world.database, world.timing, world.limits, classes=("STANDARD_IA", "DEEP_ARCHIVE"))
    blob = (await reserver.reserve(owner, ReserveRequest(spec=spec, kind=SINGLE))).blob
    await world.commit(blob, size)
    world.logins.change(
        "UPDATE blobs SET created_at = now() - make_interval(days => %s) WHERE id = %s", days, blob.id
    )


async def test_the_class_is_what_was_named_or_what_its_age_makes_of_it(world: World, owner: str) -> None:
    await stored(world, owner, plain_spec())
    await stored(world, owner, plain_spec(), days=31)
    await stored(world, owner, plain_spec(), days=181)
    await stored(world, owner, plain_spec(), days=181, size=100_000)  # too small to be moved
    await stored(world, owner, plain_spec(storage_class="STANDARD_IA"))
    await stored(world, owner, plain_spec(storage_class="DEEP_ARCHIVE"), days=181)  # never back
    await stored(world, owner, path_spec(), days=31)
    found = await costs(world).of(owner)
    known = {
        (line.storage_class, line.family): (line.object_count, line.written_count) for line in found.lines
    }
    assert known == {
        ("STANDARD", "file"): (2, 1),
        ("STANDARD", "path"): (1, 0),
        ("STANDARD_IA", "file"): (2, 1),
        ("GLACIER", "file"): (1, 0),
        ("DEEP_ARCHIVE", "file"): (1, 0),
    }
    whole = 2 * 1.0 + 2 * 0.0125 + 0.5 + 0.00099
    assert found.storage_usd_per_month == pytest.approx(whole, abs=1e-3)
    assert found.write_usd_per_month == pytest.approx(2 / 1000 * 5.0)
    other = await costs(world, default="GLACIER_IR").of(owner)
    assert ("GLACIER_IR", "path") in {(line.storage_class, line.family) for line in other.lines}


async def test_what_waits_for_its_removal_is_billed_and_others_are_not_mine(world: World, owner: str) -> None:
    file = await world.upload(owner, size=7)
    await world.delete(owner, file)
    await world.upload(f"{owner}-2", size=9)
    found = await costs(world).of(owner)
    assert [(line.object_count, line.size_bytes) for line in found.lines] == [(1, 7)]
    everybody = await costs(world).of(None)
    assert sum(line.size_bytes for line in everybody.lines) >= 16
    assert not (await costs(world).of(f"{owner}-3")).lines


@pytest.mark.parametrize(
    ("classes", "said"), [((), "leave storage_class out"), (("GLACIER",), "one of: GLACIER")]
)
async def test_classes_that_may_not_be_named(
    world: World, owner: str, classes: tuple[str, ...], said: str
) -> None:
    reserver = Reserver(world.database, world.timing, world.limits, classes=classes)
    request = ReserveRequest(spec=plain_spec(storage_class="STANDARD_IA"), kind=SINGLE)
    with pytest.raises(InvalidField, match=said) as refused:
        await reserver.reserve(owner, request)
    assert refused.value.metadata["field"] == "storage_class"


@pytest.mark.parametrize(
    "text",
    ["GLACIER", "GLACIER=", "GLACIER=x", "GLACIER=-1", "GLACIER=nan", "GLACIERS=1", "=1", "GLACIER=1e9"],
)
def test_prices_that_are_none(text: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_PRICES"):
        prices_of(text, 0.023)
