"""What varies from one run of the fault tests to the next: `make faults` runs them under many seeds."""

from __future__ import annotations

import os
import random
from typing import Final

#: 0 is what `make test` runs.
SEED: Final = int(os.environ.get("STRONGROOM_FAULTS_SEED") or 0)
#: How many rounds a campaign has, from that seed on.
ROUNDS: Final = int(os.environ.get("STRONGROOM_CAMPAIGN_ROUNDS") or 1)


def dice(*about: object) -> random.Random:
    """Random numbers that depend on the seed of this run and on what they are for, and on nothing else."""
    return random.Random("/".join(map(str, (SEED, *about))))
