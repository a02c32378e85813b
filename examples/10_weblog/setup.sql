-- Lines as the web server wrote them. One partition: their order is the server's.
CREATE STREAM log (line VARCHAR) WITH (TOPIC='log', PARTITIONS=1, KEY_FORMAT='NONE', VALUE_FORMAT='KAFKA');

-- Taken apart by regular expressions; what does not look like a request is left out.
CREATE STREAM hits WITH (TOPIC='hits', PARTITIONS=1, TIMESTAMP='at') AS
  SELECT REGEXP_EXTRACT('^(\S+) ', line, 1) AS address,
         PARSE_TIMESTAMP(REGEXP_EXTRACT('\[([^\]]+)\]', line, 1), 'dd/MMM/yyyy:HH:mm:ss Z') AS at,
         REGEXP_EXTRACT('\] "([A-Z]+) ', line, 1) AS method,
         REGEXP_EXTRACT('\] "[A-Z]+ ([^ "]+)', line, 1) AS path,
         CAST(REGEXP_EXTRACT('" (\d{3}) (\d+|-) "', line, 1) AS INT) AS status,
         CAST(NULLIF(REGEXP_EXTRACT('" (\d{3}) (\d+|-) "', line, 2), '-') AS BIGINT) AS bytes,
         REGEXP_EXTRACT('" \d{3} (?:\d+|-) "([^"]*)"', line, 1) AS referrer,
         REGEXP_EXTRACT('" \d{3} (?:\d+|-) "[^"]*" "([^"]*)', line, 1) AS agent
  FROM log WHERE REGEXP_LIKE(line, '^\S+ \S+ \S+ \[[^\]]+\] "[A-Z]+ [^ "]+[^"]*" \d{3} (\d+|-) "');
