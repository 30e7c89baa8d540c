"""The OpenAPI document says what the routes do."""

import re
from typing import Any

import pytest
from jsonschema_rs import validator_for

from api.app import create_app
from wire.settings import Settings

SEED = {
    ("post", "/api/v1/content"): {"201", "400", "422", "429"},
    ("get", "/api/v1/content"): {"200", "400"},
    ("put", "/api/v1/content/{id}"): {"200", "400", "403", "404"},
}
PUBLIC = {
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/.well-known/jwks.json"),
    ("post", "/api/v1/auth/token"),
    ("post", "/api/v1/auth/refresh"),
    ("post", "/api/v1/auth/oidc/start"),
    ("post", "/api/v1/auth/oidc/finish"),
    ("post", "/api/v1/auth/password-reset"),
    ("post", "/api/v1/invitations/accept"),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_answers_of_the_seed_are_there(document) -> None:
    for route, answers in SEED.items():
        assert answers <= operations(document)[route]["responses"].keys()
    assert "422" not in operations(document)["put", "/api/v1/content/{id}"]["responses"]
    assert "422" not in operations(document)["get", "/api/v1/content"]["responses"]


def test_every_error_is_a_problem_and_every_closed_route_names_its_token(document) -> None:
    for route, operation in operations(document).items():
        assert {"500", "503"} <= operation["responses"].keys()
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
        if route in PUBLIC:
            assert "security" not in operation
        else:
            assert operation["security"] == [{"token": []}]
            assert "401" in operation["responses"]
        assert ("413" in operation["responses"]) == ("requestBody" in operation)
    scheme = document["components"]["securitySchemes"]["token"]
    assert scheme["flows"]["password"]["tokenUrl"] == "/api/v1/auth/token"


def test_every_operation_has_a_summary_and_a_description(document) -> None:
    for operation in operations(document).values():
        assert operation["summary"]
        assert operation["description"]


def test_no_reference_leads_nowhere(document) -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return found.union(*(references(value) for value in node.values()))
        return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()

    assert {ref.removeprefix("#/components/schemas/") for ref in references(document)} <= document["components"][
        "schemas"
    ].keys()
    assert "HTTPValidationError" not in str(document)


def test_every_example_is_valid_by_its_own_schema(document) -> None:
    schemas = document["components"]["schemas"]
    with_example = {name: schema for name, schema in schemas.items() if "example" in schema}
    assert len(with_example) >= 6
    for name, schema in with_example.items():
        whole = {**schema, "components": document["components"]}
        assert validator_for(whole).is_valid(schema["example"]), name


async def test_answers_fit_the_schemas_that_the_document_promises(document, client, team) -> None:
    def check(answer: Any, method: str, path: str) -> None:
        promised = operations(document)[method, path]["responses"][str(answer.status_code)]["content"]
        schema = promised[answer.headers["content-type"].split(";")[0]]["schema"]
        errors = list(validator_for({**schema, "components": document["components"]}).iter_errors(answer.json()))
        assert errors == []

    headers = team.org_admin.headers
    body = {"type": "custom", "title": "t"}
    created = await client.post("/api/v1/content", json=body, headers=headers)
    check(created, "post", "/api/v1/content")
    address = f"/api/v1/content/{created.json()['id']}"
    check(await client.get(address, headers=headers), "get", "/api/v1/content/{id}")
    check(await client.get(f"{address}/stats", headers=headers), "get", "/api/v1/content/{id}/stats")
    check(await client.put(address, json={"title": "u"}, headers=headers), "put", "/api/v1/content/{id}")
    check(await client.put(address, json={}, headers=headers), "put", "/api/v1/content/{id}")
    check(await client.get("/api/v1/content", headers=headers), "get", "/api/v1/content")
    check(await client.get("/api/v1/content?limit=0", headers=headers), "get", "/api/v1/content")
    check(await client.get("/api/v1/me", headers=headers), "get", "/api/v1/me")
    check(await client.get("/api/v1/me"), "get", "/api/v1/me")


async def test_the_document_is_served(client, document) -> None:
    assert (await client.get("/api/v1/openapi.json")).json() == document


async def test_the_reference_shows_every_route_and_shape_and_loads_nothing(app, client) -> None:
    answer = await client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    document = app.openapi()
    for path, methods in document["paths"].items():
        assert all(f"<h3>{method.upper()} {path}</h3>" in answer.text for method in methods)
    linked = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert linked <= set(re.findall(r'id="([^"]+)"', answer.text)) == set(document["components"]["schemas"])
    assert not re.search(r"<script|<link|src=|https?://", answer.text)
    assert (await client.get(app.openapi_url)).status_code == 200
