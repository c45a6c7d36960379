"""``python -m benchmarks.attacks NAME TARGET``: run one attack until standard input ends, then print its
answers as JSON. ``TARGET``: a ``Target`` as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from benchmarks.attacks import Attack, Run, Target
from benchmarks.attacks.named import ATTACKS


async def _until_told(run: Run, attack: Attack) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    running = asyncio.ensure_future(run(attack))
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> None:
    """Run the attack named on the command line."""
    name, target = sys.argv[1:]
    attack = Attack(Target(**json.loads(target)))
    asyncio.run(_until_told(ATTACKS[name].run, attack))
    print(json.dumps(attack.answers))


if __name__ == "__main__":
    main()
