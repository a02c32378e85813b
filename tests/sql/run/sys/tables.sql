-- What the server knows of itself, as tables.
SHOW TABLES FROM sys;
DESCRIBE sys.stores;
CREATE STREAM clicks (who VARCHAR KEY, page VARCHAR, ms INT) WITH (kafka_topic = 'clicks', value_format = 'JSON', partitions = 1);
CREATE STREAM bad (who VARCHAR KEY, page INT) WITH (kafka_topic = 'clicks', value_format = 'JSON');
CREATE TABLE per_page AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page EMIT CHANGES;
CREATE STREAM slow AS SELECT who, page, 1000 / (ms - 100) AS share FROM clicks WHERE ms > 50 EMIT CHANGES;
CREATE STREAM worse AS SELECT who, page + 1 AS p FROM bad EMIT CHANGES;
INSERT INTO clicks (who, page, ms) VALUES ('ann', '/', 10), ('bob', '/buy', 100), ('eve', '/', 150);
\wait
SELECT state, lag, rows_in, rows_out, relation, tasks, version FROM sys.jobs ORDER BY relation;
SELECT topic, partition, s.committed, end_offset, s.lag, j.relation FROM sys.sources s JOIN sys.jobs j ON s.job = j.job ORDER BY relation;
SELECT j.relation, fragment, task, waits_for FROM sys.tasks t JOIN sys.jobs j ON j.job = t.job ORDER BY relation, fragment, task;
SELECT operator, kind, o.rows_in, o.rows_out FROM sys.operators o JOIN sys.jobs j ON o.job = j.job WHERE j.relation = 'per_page' ORDER BY operator;
SELECT kind, COUNT(*) AS n FROM sys.operators GROUP BY kind HAVING COUNT(*) > 1 ORDER BY kind;
SELECT fragment, holds, rows, cold_rows FROM sys.stores ORDER BY holds;
SELECT topic, partitions, internal, compacted, records FROM sys.topics WHERE topic IN ('clicks', 'worse') ORDER BY topic;
SELECT t.topic, SUM(p.high_watermark - p.start_offset) AS records FROM sys.topics t JOIN sys.partitions p ON t.topic = p.topic WHERE t.topic = 'clicks' GROUP BY t.topic;
SELECT class, topic, partition, offset, e.errors, text FROM sys.errors e JOIN sys.jobs j ON e.job = j.job ORDER BY relation;
SELECT COUNT(*) AS jobs, SUM(rows_in) AS rows FROM sys.jobs;
SELECT j.relation, COUNT(*) AS n FROM sys.jobs j LEFT JOIN sys.errors e ON e.job = j.job GROUP BY j.relation ORDER BY relation LIMIT 2;
EXPLAIN SELECT state FROM sys.jobs WHERE lag > 0;
-- What cannot be asked.
SELECT * FROM sys.jobs EMIT CHANGES;
CREATE TABLE mine AS SELECT state, COUNT(*) AS n FROM sys.jobs GROUP BY state EMIT CHANGES;
SELECT * FROM sys.job;
SELECT * FROM system.jobs;
SELECT stat FROM sys.jobs;
SELECT rowtime FROM sys.jobs;
SELECT * FROM clicks c JOIN sys.topics t ON c.page = t.topic;
SHOW TABLES FROM sis;
SHOW STREAMS FROM sys;
INSERT INTO sys.jobs (job) VALUES ('x');
