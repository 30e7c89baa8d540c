"""An organization's name in addresses."""

import re


def slug_of(name: str) -> str:
    """`ACME Funds Ltd.` -> `acme-funds-ltd`. Raises ValueError where nothing is left."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    if not slug:
        raise ValueError(f"the name {name!r} has no letters or digits in it")
    return slug
