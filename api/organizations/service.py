"""Organizations: find, rename, create, list."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.db import confine
from api.errors import Conflict, Invalid, NotFound
from api.invitations import service as invitations
from api.organizations.schemas import OrganizationCreateRequest, OrganizationListQuery
from api.organizations.slug import slug_of
from api.users.models import Role, User
from wire.ids import new_id

_FIND = text("SELECT * FROM organizations WHERE id = :id")
_RENAME = text("UPDATE organizations SET name = :name WHERE id = :id RETURNING *")
_CREATE = text("INSERT INTO organizations (id, name, slug) VALUES (:id, :name, :slug) RETURNING *")
_LIST = text("SELECT * FROM organizations_for(:actor, :skipped, :limit)")
Organization = Row[tuple[object, ...]]


async def find(session: AsyncSession, caller: User, organization_id: UUID) -> Organization:
    """The caller's organization. Raises NotFound for any other id."""
    found = None
    if organization_id == caller.organization_id:
        found = (await session.execute(_FIND, {"id": organization_id})).one_or_none()
    if found is None:
        raise NotFound("there is no organization with this id")
    return found


async def rename(session: AsyncSession, caller: User, organization_id: UUID, name: str) -> Organization:
    """Give the caller's organization another name. Raises NotFound for any other id."""
    before = await find(session, caller, organization_id)
    row = (await session.execute(_RENAME, {"id": organization_id, "name": name})).one()
    await audit.append(session, caller, "organization.renamed", organization_id, {"from": before.name, "to": name})
    return row


async def create(
    session: AsyncSession, caller: User, request: OrganizationCreateRequest
) -> tuple[Organization, UUID, str]:
    """A new organization, the id of its administrator's invitation, and its token. Raises Conflict, Invalid.

    The transaction enters the new organization and comes back, so that each trail has its entry.
    """
    home, new = caller.organization_id, new_id()
    try:
        slug = request.slug or slug_of(request.name)
    except ValueError as error:
        raise Invalid("give a slug: the name has no letters or digits to make one of") from error
    await confine(session, new)
    try:
        row = (await session.execute(_CREATE, {"id": new, "name": request.name, "slug": slug})).one()
    except IntegrityError as error:
        raise Conflict("there is an organization with this slug already") from error
    told = {"name": request.name, "slug": slug}
    await audit.append(session, caller, "organization.created", new, told, organization_id=new)
    invitation, token = await invitations.write(session, caller, new, request.admin_email, Role.ORG_ADMIN)
    await confine(session, home)
    await audit.append(session, caller, "organization.created", new, told)
    return row, invitation.id, token


async def page(session: AsyncSession, caller: User, query: OrganizationListQuery) -> list[Organization]:
    """One page of all organizations, the oldest first; each row has their `total`."""
    values = {"actor": caller.id, "skipped": (query.page - 1) * query.limit, "limit": query.limit}
    return list(await session.execute(_LIST, values))
