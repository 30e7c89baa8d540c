"""What each role may do, as one table."""

from enum import StrEnum
from typing import Final

from api.errors import Forbidden
from api.users.models import Role, User


class Permission(StrEnum):
    """Something that not everybody may do; reading one's own organization needs none."""

    CREATE_CONTENT = "create content"
    EDIT_ANY_CONTENT = "edit content of others"
    SUBMIT_CONTENT = "submit, publish, archive or restore content"
    APPROVE_CONTENT = "approve or reject content"
    MANAGE_POLICIES = "manage approval policies"
    READ_AUDIT = "read the audit trail"
    IMPORT_CONTENT = "import content"
    MANAGE_WRITE_KEYS = "manage write keys"
    READ_INTAKE = "read what came in and what was refused"


ADMINS: Final = frozenset({Role.SUPER_ADMIN, Role.ORG_ADMIN})
EDITORS: Final = ADMINS | {Role.EDITOR}
APPROVERS: Final = ADMINS | {Role.APPROVER}

ROLES: Final = {
    Permission.CREATE_CONTENT: EDITORS,
    Permission.EDIT_ANY_CONTENT: EDITORS,
    Permission.SUBMIT_CONTENT: EDITORS,
    Permission.APPROVE_CONTENT: APPROVERS,
    Permission.MANAGE_POLICIES: ADMINS,
    Permission.READ_AUDIT: ADMINS,
    Permission.IMPORT_CONTENT: ADMINS,
    Permission.MANAGE_WRITE_KEYS: ADMINS,
    Permission.READ_INTAKE: ADMINS,
}


def allowed(user: User, permission: Permission) -> bool:
    """Whether this user's role has this permission."""
    return user.role in ROLES[permission]


def require(user: User, permission: Permission) -> None:
    """Raise Forbidden where the user's role does not have this permission."""
    if not allowed(user, permission):
        raise Forbidden(f"the role {user.role.value} may not {permission.value}")
