"""Requests made of the OpenAPI document, fitting and not: none ends in a 5xx, each answer is one that it promises."""

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode

MOST = 250
STREAMS = "/api/v1/audit/export"


def requests_of(document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A request to any route, one in two as its schema wants it."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [
        schema[path][method.upper()]
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/api/v1/")
    ]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return st.one_of([operation.as_strategy(mode) for operation in operations for mode in modes])


def sendable(case: Any) -> dict[str, Any]:
    """A case as the arguments of an HTTP client."""
    made = case.as_transport_kwargs(base_url="http://api")
    wanted = {name: made[name] for name in ("method", "url", "params", "json") if name in made}
    if isinstance(body := made.get("data"), (bytes, str)):
        wanted["content"] = body
    elif body:
        wanted["data"] = body
    kept = {"content-type"} if "data" not in wanted else set()
    wanted["headers"] = {name: value for name, value in made["headers"].items() if name.lower() in kept}
    return wanted


async def test_no_request_ends_in_an_error_of_ours_and_each_answer_was_promised(client, app, team) -> None:
    loop = asyncio.get_running_loop()
    document = app.openapi()
    seen: dict[int, int] = {}

    @examples(max_examples=MOST, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=requests_of(document))
    def ask(case: Any) -> None:
        wanted = sendable(case)
        wanted["headers"] |= team.org_admin.headers
        answer = asyncio.run_coroutine_threadsafe(client.request(**wanted), loop).result(30)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (wanted, answer.text)
        promised = case.operation.definition.raw["responses"]
        assert str(answer.status_code) in promised or answer.status_code in (404, 405), (wanted, answer.text)

    await asyncio.to_thread(ask)
    assert sum(many for status, many in seen.items() if status < 300) > MOST / 20, seen
    assert seen.get(401, 0) < MOST / 5, seen
