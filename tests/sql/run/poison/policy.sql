-- Policies: stop, and the ways on from there; skip; a topic of one's own choice.
CREATE STREAM raw (line VARCHAR) WITH (TOPIC='in', PARTITIONS=1, VALUE_FORMAT='KAFKA');
INSERT INTO raw VALUES ('{"V":1}'), ('bad'), ('{"V":2}');
CREATE STREAM s (v INT) WITH (TOPIC='in');
SET 'errors.deadletterqueue.topic.name' = 'graveyard';
SET 'errors.tolerance' = 'skip';
CREATE STREAM skips AS SELECT v FROM s;
\wait
SELECT * FROM skips;
SHOW ERRORS skips;
SET 'errors.tolerance' = 'dead-letter';
CREATE STREAM letters AS SELECT v FROM s;
\wait
CREATE STREAM dead (line VARCHAR) WITH (TOPIC='graveyard', VALUE_FORMAT='KAFKA');
SELECT * FROM dead;
SET 'errors.tolerance' = 'stop';
CREATE STREAM stops AS SELECT v FROM s;
\wait
SHOW ERRORS stops;
RESUME stops WITH (SKIP = 'in/0/1');
\wait
SELECT * FROM stops;
SELECT * FROM dead;
INSERT INTO raw VALUES ('worse');
\wait
RESUME stops WITH (ERRORS_TOLERANCE = 'dead-letter');
\wait
SELECT * FROM dead;
-- What is refused.
RESUME stops WITH (ERRORS_TOLERANCE = 'perhaps');
RESUME stops WITH (SKIP = 'in/0');
RESUME stops WITH (SKP = 'in/0/1');
SET 'errors.tolerance' = 'never';
SET 'errors.deadletterqueue.topic.name' = 'no way';
SET 'errors.deadletterqueue.topic.name' = 'skips';
CREATE STREAM mixed AS SELECT v FROM s;
SET 'errors.deadletterqueue.topic.name' = 'mixed';
CREATE STREAM mixed AS SELECT v FROM s;
SET 'errors.deadletterqueue.topic.name' = 'in';
CREATE STREAM mixed AS SELECT v FROM s;
