-- They take rows again.
ALTER TABLE engagement_minutes DROP CONSTRAINT IF EXISTS held
