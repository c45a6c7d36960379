"""The latencies of one user while another one attacks: each attack in turn, after a quiet period."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.attacks import Target
from benchmarks.attacks.named import ATTACKS, Named
from benchmarks.payload import MIB
from benchmarks.ports import free_port
from benchmarks.report import Result
from benchmarks.targets import check
from benchmarks.victim import KINDS, SIZE, Felt, Victim
from benchmarks.workbench import Workbench

_UNREAD = 32 * MIB
_STOP_SECONDS = 60.0
_ROOT = Path(__file__).parent.parent.parent


@dataclass
class Outcome:
    """One attack: the other user's latencies without and with it, peaks in MiB, the attacker's answers."""

    quiet: Felt = field(default_factory=Felt)
    attacked: Felt = field(default_factory=Felt)
    peak: dict[str, float] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)

    def ratio(self, kind: str, share: float) -> float:
        """Attacked ÷ quiet, at a quantile."""
        return self.attacked.quantile(kind, share) / self.quiet.quantile(kind, share)


@contextmanager
def _attacking(name: str, target: Target, answers: Counter[str]) -> Iterator[None]:
    """Run the attack inside the block, at low priority: a real attacker uses another machine's CPU."""
    command = [
        "nice",
        "-n",
        "19",
        sys.executable,
        "-m",
        "benchmarks.attacks",
        name,
        json.dumps(asdict(target)),
    ]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            time.sleep(ATTACKS[name].settles)
            if process.poll() is not None:
                raise RuntimeError(f"the attack {name} ended by itself; what was felt means nothing")
            yield
            told, _ = process.communicate(timeout=_STOP_SECONDS)
            answers.update(json.loads(told))
        finally:
            process.kill()


def _one(name: str, bench: Workbench, victim: Victim, target: Target) -> Outcome:
    outcome = Outcome()
    pids = {service: bench.stack.pids[service] for service in ("gateway", "storage", "metadata")}
    seconds = bench.scale.loop_seconds
    for _ in range(min(bench.scale.rounds, 2)):
        outcome.quiet.add(victim.work(seconds))
        with processes.watched(pids) as usage, _attacking(name, target, outcome.answers):
            outcome.attacked.add(victim.work(seconds))
        for service, peak in usage.peak.items():
            outcome.peak[service] = max(peak, outcome.peak.get(service, 0.0))
    return outcome


def _times(outcome: Outcome, kind: str) -> str:
    p50, p99 = (1000 * outcome.attacked.quantile(kind, share) for share in (0.5, 0.99))
    return f"{p50:.0f} / {p99:.0f} ({outcome.ratio(kind, 0.5):.1f}, {outcome.ratio(kind, 0.99):.1f})"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what}: {count:,}" for what, count in sorted(counts.items())) or "none"


def _line(named: Named, outcome: Outcome) -> str:
    times = " | ".join(_times(outcome, kind) for kind in KINDS)
    peaks = " / ".join(f"{outcome.peak[name]:.0f}" for name in ("gateway", "storage", "metadata"))
    failed, told = _counted(outcome.attacked.failures), _counted(outcome.answers)
    return f"| {named.text} | {times} | {failed} | {peaks} | {told} |"


def _table(outcomes: Mapping[str, Outcome]) -> str:
    head = " | ".join(f"{kind} p50 / p99 ms (÷ quiet)" for kind in KINDS)
    lines = [
        f"| attack | {head} | failed | peak MiB gateway / storage / metadata | the attacker was told |",
        "|---|" + "---|" * (len(KINDS) + 3),
    ]
    lines += [_line(ATTACKS[name], outcome) for name, outcome in outcomes.items()]
    return "\n".join(lines)


def run(bench: Workbench) -> Result:
    """Run all attacks, or those named in the bench's scale."""
    port = free_port()
    with bench.sinking_stack({"STRONGROOM_IMPORT_ALLOW_HOSTS": f"127.0.0.1:{port}"}, limited=True):
        stack = bench.stack
        victim = Victim(stack.url, bench.token, bench.file_url(bench.upload_http(SIZE)))
        outcomes = {}
        for name in bench.scale.attacks or ATTACKS:
            user = f"attacker-{name}-{bench.user}"
            key = bench.upload_http(_UNREAD, stack.token(user))
            target = Target(
                stack.url, stack.storage_address, stack.metadata_address, stack.token(user), key, port
            )
            outcomes[name] = _one(name, bench, victim, target)
            bench.say(_line(ATTACKS[name], outcomes[name]))
    result = Result("fairness", "Latencies of one user while another attacks", "request")
    worst = {
        share: max(outcome.ratio(kind, share) for outcome in outcomes.values() for kind in KINDS)
        for share in (0.5, 0.99)
    }
    result.checks = [
        check("another user's p50 under attack ÷ quiet, worst", worst[0.5]),
        check("another user's p99 under attack ÷ quiet, worst", worst[0.99]),
        check("gateway peak memory under attack", max(one.peak["gateway"] for one in outcomes.values())),
        check(
            "storage_service peak memory under attack", max(one.peak["storage"] for one in outcomes.values())
        ),
        check(
            "another user's requests that failed under attack",
            sum(one.attacked.failures.total() for one in outcomes.values()),
        ),
    ]
    result.notes = [_table(outcomes)]
    return result
