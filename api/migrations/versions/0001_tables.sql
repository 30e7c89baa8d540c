-- Everything in seed order: who, then what, then what travels on. Ids are UUIDv7 and so in the order of time.

CREATE TYPE user_role AS ENUM ('super_admin', 'org_admin', 'editor', 'approver', 'viewer');
CREATE TYPE user_status AS ENUM ('active', 'inactive', 'suspended');
CREATE TYPE content_type AS ENUM ('market_update', 'education', 'news_analysis', 'custom');
CREATE TYPE content_status AS ENUM ('draft', 'pending_approval', 'approved', 'published', 'archived');
CREATE TYPE compliance_status AS ENUM ('pending', 'approved', 'flagged', 'rejected');

CREATE TABLE organizations (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND char_length(email) <= 254),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    role user_role NOT NULL,
    profile jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(profile) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_login timestamptz,
    status user_status NOT NULL DEFAULT 'active',
    password_hash text NOT NULL,
    UNIQUE (organization_id, id)
);

CREATE TABLE content (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations (id),
    creator_id uuid NOT NULL,
    type content_type NOT NULL,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    body text NOT NULL DEFAULT '',
    platforms text[] NOT NULL DEFAULT '{}',
    status content_status NOT NULL DEFAULT 'draft',
    quality_score double precision CHECK (quality_score BETWEEN 0 AND 10),
    compliance_status compliance_status NOT NULL DEFAULT 'pending',
    scheduled_at timestamptz,
    published_at timestamptz,
    engagement_stats jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(engagement_stats) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
    scored_revision integer,
    score_parts jsonb,
    engagement_version bigint NOT NULL DEFAULT 0,
    origin text NOT NULL DEFAULT 'authored' CHECK (origin IN ('authored', 'imported')),
    source_ref text CHECK (char_length(source_ref) BETWEEN 1 AND 500),
    UNIQUE (organization_id, source_ref),
    FOREIGN KEY (organization_id, creator_id) REFERENCES users (organization_id, id),
    CHECK ((origin = 'imported') = (source_ref IS NOT NULL))
);
CREATE INDEX content_newest ON content (organization_id, created_at DESC, id DESC);
CREATE INDEX content_newest_by_status ON content (organization_id, status, created_at DESC, id DESC);
CREATE INDEX content_by_platform ON content USING gin (platforms);

CREATE TABLE write_keys (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    rights text[] NOT NULL CHECK (cardinality(rights) > 0 AND rights <@ '{events,history}'),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX write_keys_of_organization ON write_keys (organization_id, created_at);

CREATE TABLE outbox (
    id bigserial PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE,
    organization_id uuid NOT NULL REFERENCES organizations (id),
    exchange text NOT NULL,
    routing_key text NOT NULL,
    key text NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;

CREATE FUNCTION tell_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_written AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION tell_relay();

CREATE TABLE processed_commands (
    command_id uuid PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX processed_commands_by_age ON processed_commands (applied_at);
