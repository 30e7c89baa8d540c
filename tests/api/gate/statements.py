"""What somebody might try who can run any SQL as the role that serves requests; `$1` is the piece."""

FORGED = """
INSERT INTO approvals (organization_id, content_id, revision, sha256, approver_id, decision)
SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), {approver}, 'approved'
FROM content WHERE id = $1
"""
SQL = {
    "publish": "UPDATE content SET status = 'published' WHERE id = $1",
    "publish another text": "UPDATE content SET status = 'published', body = 'slipped' WHERE id = $1",
    "publish as imported": "UPDATE content SET status = 'published', origin = 'imported', source_ref = 'x' WHERE id=$1",
    "bring another in as published": """
        INSERT INTO content (id, organization_id, creator_id, type, title, status, origin, source_ref)
        SELECT uuidv7(), organization_id, creator_id, type, title, 'published', 'imported', 'smuggled'
        FROM content WHERE id = $1
    """,
    "import": "SELECT import_content('[]')",
    "make everybody an approver": "UPDATE users SET role = 'approver'",
    "bring the suspended back": "UPDATE users SET status = 'active'",
    "ask for less": "UPDATE approval_policies SET steps = '{approver}', expires_after = '1 year'",
    "approve": "UPDATE content SET status = 'approved', compliance_status = 'approved' WHERE id = $1",
    "edit": "UPDATE content SET body = body || '!' WHERE id = $1",
    "edit with a number": "UPDATE content SET body = 'slipped', revision = revision + 1 WHERE id = $1",
    "edit as a draft": "UPDATE content SET body = 'slipped', revision = revision + 1, status = 'draft' WHERE id = $1",
    "rewind": "UPDATE content SET body = 'first', revision = 1, status = 'draft' WHERE id = $1",
    "disown": "UPDATE content SET creator_id = (SELECT id FROM users WHERE role = 'viewer') WHERE id = $1",
    "forge an approval": FORGED.format(approver="(SELECT id FROM users WHERE role = 'approver')"),
    "approve by the author": FORGED.format(approver="creator_id"),
    "bring back what was voided": "UPDATE approvals SET voided_at = NULL WHERE content_id = $1",
    "date an approval": "UPDATE approvals SET created_at = now() WHERE content_id = $1",
    "give an approval to another": "UPDATE approvals SET approver_id = uuidv7() WHERE content_id = $1",
    "change a revision": "UPDATE content_revisions SET author_id = uuidv7() WHERE content_id = $1",
    "forge a revision": """
        INSERT INTO content_revisions
            (organization_id, content_id, revision, sha256, title, body, type, platforms, author_id)
        SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), title, body, type,
               platforms, (SELECT id FROM users WHERE role = 'viewer') FROM content WHERE id = $1
    """,
    "forget who wrote": "DELETE FROM content_revisions WHERE content_id = $1",
    "delete": "DELETE FROM content WHERE id = $1",
    "open the gate": "ALTER TABLE content DISABLE TRIGGER ALL",
}
