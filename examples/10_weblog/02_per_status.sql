-- Answers per status.
CREATE TABLE per_status AS SELECT status, COUNT(*) AS hits, COUNT(DISTINCT path) AS paths FROM hits GROUP BY status;
