CREATE STREAM flights (origin VARCHAR KEY, dest VARCHAR, delay INT, distance DOUBLE, at TIMESTAMP, carrier VARCHAR)
  WITH (TOPIC = 'flights', PARTITIONS = 4, TIMESTAMP = 'at');
CREATE STREAM nokey (id INT, name VARCHAR, price DECIMAL(10, 2));
CREATE TABLE airports (iata VARCHAR PRIMARY KEY, name VARCHAR, state VARCHAR, lat DOUBLE);
CREATE TABLE more (iata VARCHAR PRIMARY KEY, runways INT);

EXPLAIN CREATE TABLE by_hour AS SELECT origin, COUNT(*) AS n, AVG(delay) AS avg_delay FROM flights
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 10 DAYS) GROUP BY origin;
EXPLAIN CREATE TABLE by_state AS SELECT a.state, COUNT(*) AS n FROM flights f JOIN airports a ON f.dest = a.iata GROUP BY a.state;
-- the key is there without being named, keeps its name, or takes the alias
EXPLAIN CREATE STREAM late AS SELECT delay FROM flights WHERE delay > 15;
EXPLAIN CREATE STREAM late AS SELECT delay, origin AS von FROM flights WHERE delay > 15;
EXPLAIN CREATE STREAM by_dest AS SELECT delay FROM flights PARTITION BY dest;
EXPLAIN CREATE STREAM by_upper AS SELECT UCASE(dest) AS d, delay FROM flights PARTITION BY d;
EXPLAIN CREATE TABLE two AS SELECT COUNT(*) AS n FROM flights GROUP BY origin, dest;
EXPLAIN CREATE TABLE j AS SELECT a.name, m.runways FROM airports a FULL JOIN more m ON a.iata = m.iata;
EXPLAIN CREATE TABLE j AS SELECT COALESCE(m.iata, a.iata) AS iata, a.name FROM airports a FULL JOIN more m ON a.iata = m.iata;
EXPLAIN CREATE TABLE j AS SELECT a.name, m.runways FROM airports a JOIN more m ON a.iata = m.iata WHERE m.runways > 2;
EXPLAIN CREATE STREAM e AS SELECT f.*, a.name FROM flights f LEFT JOIN airports a ON f.dest = a.iata;
EXPLAIN CREATE TABLE fk AS SELECT a.iata, m.runways FROM airports a JOIN more m ON a.name = m.iata;
CREATE TABLE pairs (p VARCHAR PRIMARY KEY, q VARCHAR PRIMARY KEY, v INT) WITH (KEY_FORMAT='JSON');
EXPLAIN CREATE STREAM twice AS SELECT f.delay, x.v FROM flights f JOIN pairs x ON f.dest = x.p AND f.dest = x.q;
EXPLAIN CREATE TABLE west AS SELECT * FROM airports WHERE lat < 40;
EXPLAIN CREATE STREAM p AS SELECT price * 2 AS p2 FROM nokey WHERE TRUE;
EXPLAIN CREATE TABLE hv AS SELECT dest, MIN(delay) AS d FROM flights GROUP BY dest HAVING COUNT(*) > 1;
CREATE TABLE by_hour AS SELECT origin, COUNT(*) AS n FROM flights WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY origin;
EXPLAIN by_hour;
EXPLAIN by_huor;
CREATE TABLE twins (r VARCHAR PRIMARY KEY, s VARCHAR PRIMARY KEY, w INT) WITH (KEY_FORMAT='JSON');
EXPLAIN CREATE TABLE both AS SELECT v, w FROM pairs FULL JOIN twins ON p = r AND q = s;
