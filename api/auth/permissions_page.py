"""docs/permissions.md, made of the tables in `rules.py`."""

from api.auth.rules import RANKS, ROLES, VISITING, Permission, scope_of
from api.users.models import Role

HEAD = """# Roles and permissions

Made by `python -m api permissions > docs/permissions.md` from the table that the code asks (`api/auth/rules.py`).

Everybody who is signed in may read what their organization has, and change their own profile, password, second factor,
sessions and API keys. The rest:

"""
TAIL = """
- **Scope** is the permission's name for [API keys](signing-in.md#api-keys). A key has a permission where it has the
  scope *and* its owner's role has the permission now.
- **Visiting** is what a super_admin may do in another organization, named in the header `X-Tallywire-Organization`.
  Both organizations' audit trails tell of every request that is made so. Who is no member writes and approves nothing
  there.
- Nobody gives a role above their own, nor changes somebody whose role is above it:
  {ranks}.
- The last active org_admin of an organization can neither be demoted nor suspended.
"""


def page() -> str:
    """The page, word by word."""
    head = ["permission", *(role.value for role in Role), "visiting", "scope"]
    lines = [head, ["---"] * len(head), *(_line(permission) for permission in Permission)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    ranks: dict[int, list[str]] = {}
    for role, rank in RANKS.items():
        ranks.setdefault(rank, []).append(role.value)
    order = " < ".join(" = ".join(names) for _, names in sorted(ranks.items()))
    return HEAD + table + TAIL.format(ranks=order)


def _line(permission: Permission) -> list[str]:
    roles = ["yes" if role in ROLES[permission] else "" for role in Role]
    return [permission.value, *roles, "yes" if permission in VISITING else "", f"`{scope_of(permission)}`"]
