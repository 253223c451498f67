"""`make soak`: two hundred rounds of each fault, and `benchmarks/results/faults.md`. ADMIT_ROUNDS asks for fewer,
ADMIT_FAULT for those alone that have this in their name."""

import json
import secrets
import sys
from typing import Any

import pytest

from tests.plugins.environment import given
from tests.system.faults import summary
from tests.system.faults.conftest import Urls
from tests.system.faults.lanes import ALL
from tests.system.faults.soak import Soak, lanes_of

pytestmark = [pytest.mark.anyio, pytest.mark.soak]


async def test_two_hundred_rounds_of_each_fault_and_not_one_wrong_answer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = int(given("ADMIT_SEED") or secrets.randbits(32))
    print(f"ADMIT_SEED={seed}")
    log = tmp_path_factory.mktemp("soak") / "faults.log"

    def say(line: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, file=sys.__stderr__, flush=True)

    def keep(told: dict[str, Any]) -> None:
        summary.RESULTS.parent.mkdir(parents=True, exist_ok=True)
        summary.RESULTS.write_text(summary.table(told), "utf-8")
        log.with_suffix(".json").write_text(json.dumps(told, indent=1), "utf-8")

    most = given("ADMIT_ROUNDS")
    lanes = lanes_of([one for one in ALL if given("ADMIT_FAULT") in one.name], int(most) if most else None)
    urls = Urls(request, tmp_path_factory)
    for database in {lane.database for lane in lanes}:
        urls(database)  # the first of each takes seconds: nothing else runs yet
    soak = Soak(urls, seed, say, keep)
    await soak.run(lanes)
    broken = soak.summary()["broken"]
    complaints = [line for row in soak.rows.values() for line in row.tally.complaints]
    assert not any(broken.values()), f"{broken}: {complaints[:10]}"
