import string
from unittest import mock

import nltk
from hypothesis import given
from hypothesis import strategies as st

from streams.score import LONGEST, plain, score

CLEAR = "Rates rose again in October. Bond prices fell, so new buyers get more income.\n\n" * 12
TANGLED = "Notwithstanding heterogeneous macroeconomic considerations, institutional recapitalisation " * 40
TEXTS = st.text(string.printable + "äöüß漢字é\u200b\x00", max_size=3000)


@given(TEXTS, TEXTS)
def test_any_text_gets_a_score_from_0_to_10_that_its_parts_add_up_to(title: str, body: str) -> None:
    scored = score(title, body)
    assert 0 <= scored.value <= 10
    assert scored.value == sum(scored.parts.values()) == sum(reversed(scored.parts.values()))
    assert all(part >= 0 for part in scored.parts.values())
    assert list(scored.parts) == ["readability", "length", "structure", "title"]


@given(TEXTS)
def test_the_same_text_always_gets_the_same_score(body: str) -> None:
    assert score("Title", body) == score("Title", body)


def test_a_clear_piece_scores_more_than_a_tangled_one_in_every_part_but_length() -> None:
    good, bad = score("What rising rates mean for bonds", CLEAR), score("BONDS", TANGLED)
    assert good.value > bad.value + 3
    assert good.parts["readability"] == 4
    assert bad.parts["readability"] == 0
    assert good.parts["structure"] > bad.parts["structure"]
    assert (good.parts["title"], bad.parts["title"]) == (1, 0.25)


def test_length_rises_to_150_words_and_falls_after_1500() -> None:
    of = {count: score("t", "word " * count).parts["length"] for count in (1, 75, 150, 1500, 3750, 6000)}
    assert of == {1: 0, 75: 1.5, 150: 3, 1500: 3, 3750: 1.5, 6000: 0}


def test_html_reads_as_its_text_and_paragraphs_stay_apart() -> None:
    assert plain("<p>One &amp; two</p><p>Three <b>four</b></p>").split("\n\n") == ["One & two", " Three  four"]
    assert plain("a < b and b > c") == "a < b and b > c"
    marked_up = "".join(f"<p>{part}</p>" for part in CLEAR.split("\n\n"))
    assert score("A title of words", marked_up) == score("A title of words", CLEAR)


def test_an_empty_body_scores_0() -> None:
    assert score("A fine title", " <p></p> ").value == 0


def test_a_very_long_body_is_judged_by_its_first_part() -> None:
    body = "word " * (LONGEST // 5)
    assert score("t", body) == score("t", body + TANGLED)


def test_nothing_is_downloaded() -> None:
    with mock.patch.object(nltk, "download", side_effect=AssertionError("it went to the network")):
        assert score("t", f"{CLEAR} never seen before").parts["readability"] > 0
