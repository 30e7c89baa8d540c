"""Rich text: the body of a piece is HTML of an allow-list, and nothing else is stored or shown.

What is stored is what the sanitizer made, so the hash that is approved is of the text that readers get.
"""

import hashlib
import json
from importlib.metadata import version
from typing import Annotated, Any, Final

import nh3
from pydantic import AfterValidator

_TEXT: Final = frozenset(
    [
        "p",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "code",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "strong",
        "b",
        "em",
        "i",
        "u",
        "s",
        "sub",
        "sup",
        "small",
        "mark",
        "abbr",
        "cite",
        "q",
        "span",
        "div",
        "figure",
        "figcaption",
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "a",
        "img",
        "time",
    ]
)
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": set(),  # otherwise the sanitizer's own: lang and title
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "abbr": {"title"},
    "time": {"datetime"},
    "th": {"colspan", "rowspan", "scope"},
    "td": {"colspan", "rowspan"},
}
_RULES: Final[dict[str, Any]] = {
    "tags": set(_TEXT),
    "clean_content_tags": {"script", "style"},
    "attributes": _ATTRIBUTES,
    "url_schemes": {"http", "https", "mailto"},
    "link_rel": "noopener noreferrer",
    "strip_comments": True,
}
_cleaner: Final = nh3.Cleaner(**_RULES)
_named: Final = json.dumps([version("nh3"), _RULES], default=sorted, sort_keys=True)
CLEANER: Final = hashlib.sha256(_named.encode()).hexdigest()
"""Names the rules and the release that applies them: with another, what is stored is compared anew."""


MOST_REMEMBERED: Final = 50_000
_known_clean: Final[set[bytes]] = set()
"""SHA-256 of texts that the sanitizer, as it is in this process, has left as they were."""


def clean(html: str) -> str:
    """The allowed part of a rich text, well-formed; the same again for what it made itself.

    Text without `<` and `&` is nothing but text and comes back as it is, and so does what was found clean before.
    """
    if "<" not in html and "&" not in html and "\r" not in html:
        return html
    digest = hashlib.sha256(html.encode("utf-8", "surrogatepass")).digest()
    if digest in _known_clean:
        return html
    cleaned: str = _cleaner.clean(html)
    if cleaned == html:
        if len(_known_clean) >= MOST_REMEMBERED:
            _known_clean.clear()
        _known_clean.add(digest)
    return cleaned


RichText = Annotated[str, AfterValidator(clean)]
