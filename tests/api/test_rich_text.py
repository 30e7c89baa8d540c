"""No script comes in with a piece, and none goes out; what is kept is what is approved."""

import html.parser
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.content.revisions import digest
from api.content.rich_text import _ATTRIBUTES, _TEXT, clean

PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<img src='javascript:alert(1)'>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="JaVaScRiPt&colon;alert(1)">x</a>',
    '<a href="java\tscript:alert(1)">x</a>',
    '<a href=" &#14; javascript:alert(1)">x</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    '<a href="vbscript:msgbox(1)">x</a>',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe src='https://evil.example'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='x.swf'></object><embed src='x.swf'>",
    "<form action='https://evil.example'><input name=p><button formaction=javascript:alert(1)>x</button></form>",
    "<body onload=alert(1)>",
    "<base href='https://evil.example/'>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<a href=https://ok.example onclick=alert(1) target=_blank>x</a>",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<template><script>alert(1)</script></template>",
    "<xss id=x tabindex=1 onfocus=alert(1)></xss>",
    "<<script>script>alert(1)<</script>/script>",
    "<p>\u2028<script\x0c>alert(1)</script\x0c></p>",
    "<a href='https://ok.example/?a=1&b=2\"onmouseover=alert(1)'>x</a>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'>",
    "<select><option><style></option></select><img src=x onerror=alert(1)></style>",
    "<p title='what is not listed for it' lang=en>x</p>",
]


class Seen(html.parser.HTMLParser):
    """Every tag and attribute that a parser other than the sanitizer's finds; what is not allowed is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = _ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set())
        if tag not in _TEXT:
            self.forbidden.append(tag)
        for name, value in attrs:
            if name not in allowed:
                self.forbidden.append(f"{tag} {name}")
            elif name in ("href", "src") and not re.match(r"(https?:|mailto:|[^:]*$)", value or ""):
                self.forbidden.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.forbidden.append(f"comment {data}")


def forbidden_in(text: str) -> list[str]:
    parser = Seen()
    parser.feed(text)
    parser.close()
    return parser.forbidden


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_is_not_allowed_does_not_survive(payload: str) -> None:
    assert forbidden_in(clean(f"<p>before</p>{payload}<p>after</p>")) == []


pieces = st.sampled_from([*PAYLOADS, "<p>", "</p>", "<b>", "&amp;", "&lt;", "<", ">", "'", '"', "<!--", "-->", "\r\n"])


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


@given(st.lists(pieces | words, max_size=6).map("".join))
def test_nothing_forbidden_survives_and_cleaning_again_changes_nothing(text: str) -> None:
    once = clean(text)
    assert forbidden_in(once) == []
    assert clean(once) == once


def test_what_an_editor_writes_stays() -> None:
    text = "<h2>Bonds</h2><p>Up <strong>2 %</strong>, says <em>R&amp;D</em>.</p><ul><li>one</li></ul>"
    assert clean(text) == text
    assert clean("plain text, two\nlines: 100 %") == "plain text, two\nlines: 100 %"
    link = '<a href="https://ok.example/a?b=1&amp;c=2" rel="noopener noreferrer">x</a>'
    assert clean(link) == link


async def test_a_body_is_cleaned_before_it_is_stored_and_hashed(client, team, superuser) -> None:
    body = {"type": "custom", "title": "<i>t</i>", "body": "<p onclick=x>hi<script>alert(1)</script></p>"}
    made = (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()
    assert (made["title"], made["body"]) == ("<i>t</i>", "<p>hi</p>")
    address = f"/api/v1/content/{made['id']}"
    changed = await client.put(address, json={"body": "<svg/onload=x>R&D"}, headers=team.editor.headers)
    assert changed.json()["body"] == "R&amp;D"
    row = await superuser.fetchrow("SELECT body FROM content WHERE id = $1", UUID(made["id"]))
    assert row["body"] == "R&amp;D"
    revision = (await client.get(f"{address}/revisions/2", headers=team.editor.headers)).json()
    assert (revision["body"], revision["sha256"]) == ("R&amp;D", digest("custom", "<i>t</i>", "R&amp;D", []))
    pieces = {"pieces": [{"source_ref": "x", "type": "custom", "title": "t", "body": "<b>b</b><script>x</script>"}]}
    (imported,) = (await client.post("/api/v1/content/bulk", json=pieces, headers=team.org_admin.headers)).json()
    shown = await client.get(f"/api/v1/content/{imported['id']}", headers=team.viewer.headers)
    assert shown.json()["body"] == "<b>b</b>"


async def test_what_came_in_past_the_door_does_not_go_out(client, team, superuser) -> None:
    body = {"type": "custom", "title": "t"}
    piece = (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"]
    slipped = "UPDATE content SET body = '<p>x<script>y</script></p>', revision = 2 WHERE id = $1"
    await superuser.execute(slipped, UUID(piece))
    shown = await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)
    listed = await client.get("/api/v1/content", headers=team.viewer.headers)
    assert [shown.json()["body"], listed.json()["items"][0]["body"]] == ["<p>x</p>", "<p>x</p>"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_was_seen_before_is_cleaned_like_the_first_time(payload) -> None:
    first = clean(payload)
    assert [clean(payload), clean(first), clean(first)] == [first] * 3
