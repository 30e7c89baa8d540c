"""What looks like a secret is put out; what does not is left as it is, to the letter."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.secrets import LONGEST, without_secrets

KEY = "twk_" + "aB3_-" * 8 + "xyz"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"GET /x?key={KEY}&a=1", "GET /x?key=***&a=1"),
        (f'{{"{KEY}": 1}}', '{"***": 1}'),
        (f"{KEY}{KEY} b", "*** b"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: ***"),
        ('{"Proxy-Authorization": "Basic dXNlcjpwYXNz"}', '{"Proxy-Authorization": ***}'),
        ("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln b", "a *** b"),
        ("?token=abc&b=1", "?token=***&b=1"),
        ("session_cookie: abc; b=1", "session_cookie: ***; b=1"),
        ('{"password": "a \\"b\\" c", "d": 1}', '{"password": ***, "d": 1}'),
        ('{"new_password": ["abc"], "d": 1}', '{"new_password": [***], "d": 1}'),
        ("TALLYWIRE_POSTGRES_PASSWORD=abc", "TALLYWIRE_POSTGRES_PASSWORD=***"),
        ('{"api_key": 5, "key": 5}', '{"api_key": ***, "key": 5}'),
        ("a basic view of the token economy", "a basic view of the token economy"),
    ],
)
def test_secrets_are_known_by_their_shape_and_by_their_name(text: str, left: str) -> None:
    assert without_secrets(text) == left


@given(st.text(), st.sampled_from(["twk_", "twp_", "twr_", "tws_", "twi_"]), st.text())
def test_no_key_of_ours_is_left_wherever_it_stands(before: str, prefix: str, after: str) -> None:
    secret = prefix + "Zq7" * 14 + "x"
    assert secret not in without_secrets(before + secret + after)
    assert "Zq7Zq7" not in without_secrets(json.dumps({before: f"{after}{secret}"}))


@given(st.text(alphabet=st.characters(categories=["Lu", "Nd"], max_codepoint=127)))
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert without_secrets(f"view {text} web") == f"view {text} web"


@pytest.mark.parametrize("part", ["token", "passwd", "bearer ", '"token":"', "eyJ", "twk_", "key\\"])
def test_no_text_takes_long(part: str) -> None:
    text = (part * 700)[: 500 + LONGEST]
    began = time.process_time()
    for _ in range(20):
        without_secrets(text)
    assert time.process_time() - began < 0.5
