"""``python -m tests.campaign --steps N --kills N --seed S``: a run of any length."""

from __future__ import annotations

import argparse
import random
import sys

from tests.campaign.campaign import campaign


def main() -> int:
    """Run one campaign; 1 where something happened that must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, which is printed")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    outcome = campaign(steps=args.steps, kills=args.kills, seed=seed)
    for one in outcome.violations[:30]:
        print(one)
    print(*outcome.shown, sep="\n\n")
    print(outcome.summary())
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
