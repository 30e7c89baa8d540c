-- How people come in, stay signed in, and are let go. A secret that is handed out carries its organization's id in front
-- of its 256 random bits (api/auth/secrets.py), so it is looked for inside that organization, and no function here needs
-- to look across. Only the SHA-256 of a secret is kept.

ALTER TABLE users ADD CONSTRAINT users_profile_size CHECK (octet_length(profile::text) <= 32768);
CREATE INDEX users_of_organization ON users (organization_id, created_at, id);

CREATE TABLE invitations (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    email text NOT NULL CHECK (email = lower(email) AND char_length(email) <= 254),
    role user_role NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX invitations_of_organization ON invitations (organization_id, created_at, id);

CREATE TABLE password_resets (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    made_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);
CREATE INDEX password_resets_of_user ON password_resets (user_id) WHERE used_at IS NULL;

-- A session is a family of refresh tokens: one of them is unused, and when a used one comes again, all of it ends.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    method text NOT NULL CHECK (method IN ('password', 'oidc')),
    user_agent text NOT NULL CHECK (char_length(user_agent) <= 200),
    address text NOT NULL CHECK (char_length(address) <= 64),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text,
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    organization_id uuid NOT NULL,
    session_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    FOREIGN KEY (organization_id, session_id) REFERENCES sessions (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX refresh_tokens_one_unused ON refresh_tokens (session_id) WHERE used_at IS NULL;
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

CREATE FUNCTION keep_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'a session that has ended stays so' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sessions_stay_ended BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION keep_ended();

-- `sealed_secret` is encrypted with a key that PostgreSQL never sees (TALLYWIRE_ENCRYPTION_KEYS).
CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    sealed_secret bytea NOT NULL,
    recovery_hashes bytea[] NOT NULL DEFAULT '{}',
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);
CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at, id);

CREATE TABLE identities (
    issuer text NOT NULL CHECK (char_length(issuer) <= 500),
    subject text NOT NULL CHECK (char_length(subject) <= 255),
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, issuer, subject),
    UNIQUE (issuer, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE second_factors ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON invitations USING (organization_id = current_organization());
CREATE POLICY own ON password_resets USING (organization_id = current_organization());
CREATE POLICY own ON sessions USING (organization_id = current_organization());
CREATE POLICY own ON refresh_tokens USING (organization_id = current_organization());
CREATE POLICY own ON second_factors USING (organization_id = current_organization());
CREATE POLICY own ON api_keys USING (organization_id = current_organization());
CREATE POLICY own ON identities USING (organization_id = current_organization());

-- What may be read back is never a password's hash; what may be changed is what the routes change, and no more.
GRANT INSERT (id, name, slug), UPDATE (name) ON organizations TO "tallywire_app";
GRANT INSERT (id, email, organization_id, role, profile, password_hash), UPDATE (role, status, profile, password_hash)
ON users TO "tallywire_app";
GRANT SELECT, INSERT (id, organization_id, email, role, token_hash, invited_by, expires_at),
      UPDATE (accepted_at, revoked_at) ON invitations TO "tallywire_app";
GRANT SELECT, INSERT (organization_id, user_id, token_hash, made_by, expires_at), UPDATE (used_at)
ON password_resets TO "tallywire_app";
GRANT SELECT, DELETE, INSERT (id, organization_id, user_id, method, user_agent, address, expires_at),
      UPDATE (last_used_at, ended_at, end_reason) ON sessions TO "tallywire_app";
GRANT SELECT, INSERT (token_hash, organization_id, session_id), UPDATE (used_at) ON refresh_tokens TO "tallywire_app";
GRANT SELECT, DELETE, INSERT (user_id, organization_id, sealed_secret),
      UPDATE (sealed_secret, recovery_hashes, last_step, confirmed_at, created_at) ON second_factors TO "tallywire_app";
GRANT SELECT, INSERT (id, organization_id, user_id, name, key_hash, scopes, expires_at),
      UPDATE (last_used_at, revoked_at) ON api_keys TO "tallywire_app";
GRANT SELECT, INSERT (issuer, subject, organization_id, user_id) ON identities TO "tallywire_app";

-- Only a super_admin learns which organizations there are: the actor must be one, active, in the transaction's own.
CREATE POLICY listing ON organizations FOR SELECT TO CURRENT_USER USING (current_setting('app.listing', true) = 'on');
CREATE FUNCTION organizations_for(actor uuid, skipped integer, most integer)
RETURNS TABLE (id uuid, name text, slug text, created_at timestamptz, total bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM users AS u WHERE u.id = actor AND u.role = 'super_admin' AND u.status = 'active'
                   AND u.organization_id = current_organization()) THEN
        RAISE EXCEPTION 'only a super_admin may list organizations' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('app.listing', 'on', true);
    RETURN QUERY SELECT o.id, o.name, o.slug, o.created_at, count(*) OVER () FROM organizations AS o
    ORDER BY o.id OFFSET skipped LIMIT most;
    PERFORM set_config('app.listing', '', true);
END $$;
REVOKE ALL ON FUNCTION organizations_for(uuid, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organizations_for(uuid, integer, integer) TO "tallywire_app";
