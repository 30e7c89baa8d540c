-- One row a cleaner, named by the hash of its rules: another release of it may leave less, and then all is compared anew.
-- `reached` is the last piece that was compared. Only the owner reads and writes it.

CREATE TABLE cleanings (
    cleaner text PRIMARY KEY,
    reached uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    begun_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
