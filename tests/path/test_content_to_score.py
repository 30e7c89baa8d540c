"""A piece goes from the API to ClickHouse, and its score comes back."""

import time

from tests.path.conftest import System, eventually

BODY = (
    "The central bank kept its rate at four per cent on Thursday. Markets had expected a cut.\n\n"
    "Two members voted for lower rates. The others wanted to see wages grow more slowly first.\n\n"
    "Bond yields rose by six basis points. The currency gained half a per cent against the dollar."
)


def test_a_new_piece_shows_its_score_within_seconds(system: System) -> None:
    with system.api() as api:
        piece = {"type": "market_update", "title": "Rates stay", "body": BODY, "platforms": ["web"]}
        created = api.post("/content", json=piece)
        began = time.monotonic()
        assert created.status_code == 201, created.text
        assert created.json()["quality_score"] is None
        path = f"/content/{created.json()['id']}"
        first = eventually(lambda: api.get(path).json()["quality_score"])
        assert 0 < first <= 10
        assert time.monotonic() - began < 10

        changed = api.put(path, json={"body": "Rates."})
        assert changed.status_code == 200, changed.text
        second = eventually(lambda: (score := api.get(path).json()["quality_score"]) != first and score)
        assert second < first
