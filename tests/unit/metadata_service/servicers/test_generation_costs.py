"""The estimate in the statistics of generations counts as the costs do."""

from __future__ import annotations

from metadata_service.files.generations import Stats, Tally
from metadata_service.servicers.generation_service import _to_proto
from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE


def test_a_gb_is_what_the_price_is_for() -> None:
    stats = Stats({GENERATION_TYPE_TEXT_TO_IMAGE: Tally(3, 2 * 2**30)}, {})
    assert _to_proto(stats, 0.023).estimated_monthly_cost_usd == 2 * 0.023
