-- Whose client certificate a token must be shown with.
ALTER TABLE tokens ADD COLUMN workload TEXT;
