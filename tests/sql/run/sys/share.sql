-- A job's share of the CPU: of the session when it is made, changed when it is resumed, kept by its next version.
CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='in', PARTITIONS=1);
INSERT INTO s VALUES ('a', 1), ('b', 2), ('a', 3);
CREATE TABLE plain AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;
SET 'job.cpu.share' = '30';
CREATE TABLE great AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;
UNSET 'job.cpu.share';
\wait
SELECT relation, cpu_share, memory_share_bytes FROM sys.jobs ORDER BY relation;
RESUME plain WITH (JOB_CPU_SHARE = 1);
RESUME great WITH (JOB_CPU_SHARE = '100', ERRORS_TOLERANCE = 'skip');
\wait
SELECT relation, cpu_share FROM sys.jobs ORDER BY relation;
CREATE OR REPLACE TABLE great AS SELECT k, COUNT(*) AS n, SUM(v) AS sum FROM s GROUP BY k;
PAUSE plain;
SELECT relation, cpu_share FROM sys.jobs ORDER BY relation;
-- What is refused.
SET 'job.cpu.share' = '0';
SET 'job.cpu.share' = '101';
SET 'job.cpu.share' = 'much';
RESUME great WITH (JOB_CPU_SHARE = 0);
RESUME great WITH (JOB_CPU_SHARE = 101);
RESUME great WITH (JOB_CPU_SHARE = 'much');
RESUME great WITH (CPU = 3);
