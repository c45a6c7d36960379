"""The random seed of a run: `make faults` runs the fault tests with many seeds."""

from __future__ import annotations

import os
import random
from typing import Final

#: 0 is used by `make test`.
SEED: Final = int(os.environ.get("STRONGROOM_FAULTS_SEED") or 0)
#: Rounds of a campaign, beginning with that seed.
ROUNDS: Final = int(os.environ.get("STRONGROOM_CAMPAIGN_ROUNDS") or 1)


def dice(*about: object) -> random.Random:
    """Random numbers that depend only on the run's seed and on their purpose."""
    return random.Random("/".join(map(str, (SEED, *about))))
