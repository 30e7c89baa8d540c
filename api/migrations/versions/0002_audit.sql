-- The audit trail: each organization's entries are a chain. `entry` is the JSON that was hashed, to the letter; it points
-- at nothing by a foreign key, so that it outlives what it speaks of. The head holds the newest hash, so that an entry
-- removed from the end is missed too, and its row lock makes an organization's entries one after another.

CREATE TABLE audit_heads (
    organization_id uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    hash text NOT NULL
);
CREATE TABLE audit_entries (
    organization_id uuid NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    hash text NOT NULL,
    entry text NOT NULL,
    PRIMARY KEY (organization_id, sequence)
);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- The only way to write an entry: nobody but the owner may touch the tables, and this runs as the owner.
CREATE FUNCTION append_audit(organization uuid, actor uuid, action text, subject uuid, details jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head audit_heads;
    entry text;
BEGIN
    IF organization IS DISTINCT FROM current_organization() THEN
        RAISE EXCEPTION 'an entry is of the organization of the transaction' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_heads VALUES (organization, 0, '') ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT head FROM audit_heads WHERE organization_id = organization FOR UPDATE;
    entry := jsonb_build_object(
        'sequence', head.sequence + 1, 'previous_hash', head.hash, 'organization_id', organization,
        'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'actor_id', actor, 'action', action, 'subject_id', subject,
        'details', details)::text;
    UPDATE audit_heads
    SET sequence = head.sequence + 1, hash = encode(sha256(convert_to(entry, 'UTF8')), 'hex')
    WHERE organization_id = organization RETURNING * INTO head;
    INSERT INTO audit_entries VALUES (organization, head.sequence, head.hash, entry);
END $$;
REVOKE ALL ON FUNCTION append_audit(uuid, uuid, text, uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_audit(uuid, uuid, text, uuid, jsonb) TO "tallywire_app";

ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON audit_heads USING (organization_id = current_organization());
CREATE POLICY own ON audit_entries USING (organization_id = current_organization());
CREATE POLICY relay_reads ON audit_heads FOR SELECT TO "tallywire_relay" USING (true);
CREATE POLICY relay_reads ON audit_entries FOR SELECT TO "tallywire_relay" USING (true);
GRANT SELECT ON audit_entries TO "tallywire_app";
GRANT SELECT ON audit_heads, audit_entries TO "tallywire_relay";
