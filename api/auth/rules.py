"""What each role may do, as one table."""

from enum import StrEnum
from typing import Final

from api.errors import Forbidden
from api.users.models import Role, User


class Permission(StrEnum):
    """Something that not everybody may do; reading one's own organization needs none."""

    CREATE_CONTENT = "create content"
    EDIT_OWN_CONTENT = "edit content of one's own"
    EDIT_ANY_CONTENT = "edit content of others"
    SUBMIT_CONTENT = "submit, publish, archive or restore content"
    APPROVE_CONTENT = "approve or reject content"
    ASSIGN_CONTENT = "assign content to people"
    COMMENT = "comment on content"
    MANAGE_POLICIES = "manage approval policies"
    READ_AUDIT = "read the audit trail"
    IMPORT_CONTENT = "import content"
    MANAGE_WRITE_KEYS = "manage write keys"
    READ_INTAKE = "read what came in and what was refused"
    MANAGE_USERS = "invite people, change their roles and status, help them to sign in again"
    RENAME_ORGANIZATION = "rename the organization"
    CROSS_ORGANIZATIONS = "list, create and enter other organizations"
    MANAGE_COMMANDS = "see, replay or discard commands"


EVERYBODY: Final = frozenset(Role)
ADMINS: Final = frozenset({Role.SUPER_ADMIN, Role.ORG_ADMIN})
EDITORS: Final = ADMINS | {Role.EDITOR}
APPROVERS: Final = ADMINS | {Role.APPROVER}

ROLES: Final = {
    Permission.CREATE_CONTENT: EDITORS,
    Permission.EDIT_OWN_CONTENT: EVERYBODY,
    Permission.EDIT_ANY_CONTENT: EDITORS,
    Permission.SUBMIT_CONTENT: EDITORS,
    Permission.APPROVE_CONTENT: APPROVERS,
    Permission.ASSIGN_CONTENT: EDITORS | APPROVERS,
    Permission.COMMENT: EDITORS | APPROVERS,
    Permission.MANAGE_POLICIES: ADMINS,
    Permission.READ_AUDIT: ADMINS,
    Permission.IMPORT_CONTENT: ADMINS,
    Permission.MANAGE_WRITE_KEYS: ADMINS,
    Permission.READ_INTAKE: ADMINS,
    Permission.MANAGE_USERS: ADMINS,
    Permission.RENAME_ORGANIZATION: ADMINS,
    Permission.CROSS_ORGANIZATIONS: frozenset({Role.SUPER_ADMIN}),
    Permission.MANAGE_COMMANDS: ADMINS,
}
VISITING: Final = frozenset(
    {
        Permission.MANAGE_POLICIES,
        Permission.READ_AUDIT,
        Permission.READ_INTAKE,
        Permission.MANAGE_WRITE_KEYS,
        Permission.MANAGE_COMMANDS,
        Permission.MANAGE_USERS,
        Permission.RENAME_ORGANIZATION,
    }
)
"""What a super_admin may do in another organization; who is no member writes and approves nothing there."""
RANKS: Final = {Role.VIEWER: 0, Role.APPROVER: 1, Role.EDITOR: 1, Role.ORG_ADMIN: 2, Role.SUPER_ADMIN: 3}


def scope_of(permission: Permission) -> str:
    """A permission as a scope of API keys: `create_content`."""
    return permission.name.lower()


def allowed(user: User, permission: Permission) -> bool:
    """Whether this user has this permission, asking in this way: by an API key, or in another organization."""
    return not refusal(user, permission)


def refusal(user: User, permission: Permission) -> str | None:
    """Why a user may not; None where the user may."""
    if user.role not in ROLES[permission]:
        return f"the role {user.role.value} may not {permission.value}"
    if user.visits_from is not None and permission not in VISITING:
        return f"in another organization, nobody may {permission.value}"
    if user.scopes is not None and scope_of(permission) not in user.scopes:
        return f"this API key does not have the scope {scope_of(permission)}"
    return None


def require(user: User, permission: Permission) -> None:
    """Raise Forbidden where the user does not have this permission."""
    if found := refusal(user, permission):
        raise Forbidden(found)


def outranks(user: User, role: Role) -> bool:
    """Whether a user may give, or take, a role: nobody does above their own."""
    return RANKS[user.role] >= RANKS[role]
