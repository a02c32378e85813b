"""What the jobs of jobs.py compute: their statements, and the same for SQLite.

Inputs: sales (a stream), products and shelves (tables): rows of any time. visits and buys (streams) and rates (a table whose
versions count) go with event time: no row is more than DISORDER ms behind others of its partition, and no two of a stream
have the same time. Rows of users from TICKS on only move time: no job's result shows them."""

DISORDER, TICKS = 5000, 1000
SETUP = f"""
CREATE STREAM sales (product INT KEY, seq INT, amount INT, price DOUBLE, at BIGINT, code VARCHAR)
  WITH (TOPIC='sales', PARTITIONS=4, TIMESTAMP='at');
CREATE TABLE products (product INT PRIMARY KEY, category VARCHAR, rank INT) WITH (TOPIC='products', PARTITIONS=2);
CREATE TABLE shelves (product INT PRIMARY KEY, shelf VARCHAR) WITH (TOPIC='shelves', PARTITIONS=3);
CREATE STREAM visits (user INT KEY, seq INT, page INT, n INT) WITH (TOPIC='visits', PARTITIONS=3, WATERMARK_DELAY_MS={DISORDER});
CREATE STREAM buys (user INT KEY, seq INT, item INT) WITH (TOPIC='buys', PARTITIONS=2, WATERMARK_DELAY_MS={DISORDER});
CREATE TABLE rates (item INT PRIMARY KEY, rate INT) WITH (TOPIC='rates');

CREATE STREAM even AS SELECT product, seq, amount * 2 AS twice FROM sales WHERE amount % 2 = 0;
CREATE STREAM sorted WITH (PARTITIONS=3) AS SELECT s.product AS product, s.seq AS seq, p.category AS category
  FROM sales s LEFT JOIN products p ON s.product = p.product;
CREATE STREAM tens AS SELECT product, seq, twice FROM even WHERE twice % 10 = 0;
CREATE TABLE by_product AS SELECT product, COUNT(*) AS n, SUM(amount) AS total, MIN(amount) AS low, MAX(amount) AS high,
  AVG(price) AS price FROM sales GROUP BY product;
CREATE TABLE by_digit AS SELECT amount % 7 AS digit, COUNT(*) AS n, SUM(amount) AS total FROM sales GROUP BY amount % 7;
CREATE TABLE by_hour AS SELECT product, COUNT(*) AS n, SUM(amount) AS total FROM sales
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 10000 DAYS) GROUP BY product;
CREATE TABLE odd AS SELECT product, COUNT(*) AS n FROM sales GROUP BY product HAVING COUNT(*) % 3 <> 0;
CREATE TABLE by_category AS SELECT category, COUNT(*) AS n, SUM(rank) AS ranks, MIN(rank) AS low, MAX(rank) AS high
  FROM products GROUP BY category;
CREATE TABLE placed AS SELECT p.product AS product, p.category AS category, s.shelf AS shelf FROM products p
  LEFT JOIN shelves s ON p.product = s.product;
CREATE TABLE evens AS SELECT product, COUNT(*) AS n, SUM(twice) AS total FROM even GROUP BY product;
CREATE TABLE by_code AS SELECT CAST(code AS INT) AS code, COUNT(*) AS n FROM sales GROUP BY CAST(code AS INT);
CREATE TABLE sizes AS SELECT n AS size, COUNT(*) AS products FROM by_product GROUP BY n;

CREATE TABLE stocked AS SELECT product, category FROM products p WHERE EXISTS (SELECT 1 FROM shelves s WHERE s.product = p.product);
CREATE TABLE homeless AS SELECT product, category FROM products p
  WHERE NOT EXISTS (SELECT 1 FROM shelves s WHERE s.product = p.product AND s.shelf > p.category);
CREATE TABLE either AS SELECT p.rank AS rank, s.shelf AS shelf FROM products p FULL JOIN shelves s ON p.product = s.product;
CREATE TABLE names AS SELECT name, COUNT(*) AS n FROM (SELECT category AS name FROM products
  UNION ALL SELECT shelf AS name FROM shelves) x GROUP BY name;
CREATE TABLE only_products AS SELECT product FROM products EXCEPT SELECT product FROM shelves;
CREATE TABLE leaders AS SELECT category, product, rank FROM (SELECT category, product, rank,
  RANK() OVER (PARTITION BY category ORDER BY rank DESC) AS place FROM products) WHERE place <= 2;
CREATE TABLE five AS SELECT product, rank FROM products ORDER BY rank DESC, product LIMIT 5;
CREATE TABLE running AS SELECT product, category, SUM(rank) OVER (PARTITION BY category ORDER BY product
  ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS total FROM products;
CREATE TABLE rolled AS SELECT category, rank % 2 AS half, COUNT(*) AS n, MAX(rank) AS high FROM products
  GROUP BY ROLLUP(category, rank % 2);
CREATE TABLE exploded AS SELECT step, COUNT(*) AS n, SUM(product) AS total
  FROM (SELECT product, EXPLODE(GENERATE_SERIES(0, rank % 4)) AS step FROM products) x GROUP BY step;

CREATE STREAM near AS SELECT v.user AS user, v.seq AS seq, b.seq AS other FROM visits v
  JOIN buys b WITHIN 1 SECOND GRACE PERIOD 0 SECONDS ON v.user = b.user WHERE v.user < {TICKS};
CREATE STREAM alone AS SELECT v.user AS user, v.seq AS seq, b.seq AS other FROM visits v LEFT JOIN buys b
  WITHIN (0 SECONDS, 1 SECOND) GRACE PERIOD 0 SECONDS ON v.user = b.user AND v.page <> b.item WHERE v.user < {TICKS};
CREATE STREAM priced AS SELECT b.item AS item, b.user AS user, b.seq AS seq, r.rate AS rate FROM buys b
  LEFT JOIN rates FOR SYSTEM_TIME AS OF b.ROWTIME AS r ON b.item = r.item WHERE b.user < {TICKS};
CREATE STREAM met AS SELECT v.user AS user, v.seq AS seq, b.seq AS other FROM visits v JOIN buys b ON v.user = b.user
  AND v.page = b.item AND v.n = b.seq % 20 WHERE v.user < {TICKS};
CREATE STREAM firsts AS SELECT user, page, seq FROM (SELECT user, page, seq,
  ROW_NUMBER() OVER (PARTITION BY user, page ORDER BY ROWTIME) AS place FROM visits WHERE user < {TICKS}) WHERE place = 1;
CREATE STREAM united AS SELECT user, seq, page AS thing FROM visits WHERE user < {TICKS}
  UNION ALL SELECT user, seq, item AS thing FROM buys WHERE user < {TICKS};
CREATE STREAM steps AS SELECT user, seq, EXPLODE(GENERATE_SERIES(0, page)) AS step FROM visits WHERE user < {TICKS};
CREATE TABLE bought AS SELECT user, seq, page FROM visits v WHERE user < {TICKS}
  AND EXISTS (SELECT 1 FROM buys b WHERE b.user = v.user AND b.item = v.page AND b.seq > v.seq);
CREATE TABLE hops AS SELECT page, COUNT(*) AS n, SUM(n) AS total FROM visits
  WINDOW HOPPING (SIZE 20 SECONDS, ADVANCE BY 5 SECONDS, GRACE PERIOD 1 HOUR) WHERE user < {TICKS} GROUP BY page;
CREATE TABLE growing AS SELECT page, COUNT(*) AS n, MAX(n) AS high FROM visits
  WINDOW CUMULATE (SIZE 20 SECONDS, STEP 5 SECONDS, GRACE PERIOD 1 HOUR) WHERE user < {TICKS} GROUP BY page;
CREATE TABLE closed AS SELECT page, COUNT(*) AS n, SUM(n) AS total FROM visits
  WINDOW TUMBLING (SIZE 10 SECONDS) WHERE user < {TICKS} GROUP BY page EMIT FINAL;
CREATE TABLE sittings AS SELECT user, COUNT(*) AS n, SUM(n) AS total FROM visits
  WINDOW SESSION (2 SECONDS, GRACE PERIOD 1 MINUTE) WHERE user < {TICKS} GROUP BY user;
CREATE TABLE ended AS SELECT user, COUNT(*) AS n, MIN(n) AS low FROM visits
  WINDOW SESSION (2 SECONDS) WHERE user < {TICKS} GROUP BY user EMIT FINAL;
CREATE TABLE longest AS SELECT user, MAX(n) AS longest, COUNT(*) AS sittings FROM sittings GROUP BY user;
CREATE TABLE newest AS SELECT user, page, seq, n FROM (SELECT user, page, seq, n,
  ROW_NUMBER() OVER (PARTITION BY user, page ORDER BY ROWTIME DESC) AS place FROM visits WHERE user < {TICKS}) WHERE place = 1;
CREATE TABLE best AS SELECT page, place, user, seq, n FROM (SELECT page, user, seq, n,
  ROW_NUMBER() OVER (PARTITION BY page ORDER BY n DESC, seq) AS place FROM visits WHERE user < {TICKS}) WHERE place <= 3;
CREATE TABLE follows AS SELECT user, seq, LAG(seq) OVER (PARTITION BY user ORDER BY ROWTIME) AS before FROM visits WHERE user < {TICKS};
CREATE TABLE cubed AS SELECT page, n % 3 AS third, COUNT(*) AS n, SUM(n) AS total FROM visits WHERE user < {TICKS}
  GROUP BY CUBE(page, n % 3);
CREATE TABLE pages AS SELECT user, COUNT(DISTINCT page) AS pages, MEDIAN(n) AS middle FROM visits WHERE user < {TICKS} GROUP BY user;
"""
SESSIONS = """WITH a AS (SELECT *, ts - LAG(ts) OVER (PARTITION BY user ORDER BY ts) <= 2000 AS near FROM visits),
  s AS (SELECT *, SUM(NOT COALESCE(near, 0)) OVER (PARTITION BY user ORDER BY ts) AS session FROM a) """
# Table: its columns, SQLite's answer, and whether its column n can only grow.
TABLES = {
    'by_product': ('product, n, total, low, high, price', """SELECT product, COUNT(*), SUM(amount), MIN(amount), MAX(amount),
        EXACT_AVG(price) FROM sales GROUP BY 1""", True),
    'by_digit': ('digit, n, total', 'SELECT amount % 7, COUNT(*), SUM(amount) FROM sales GROUP BY 1', True),
    'by_hour': ('product, windowstart, n, total', """SELECT product, at / 3600000 * 3600000, COUNT(*), SUM(amount) FROM sales
        GROUP BY 1, 2""", True),
    'odd': ('product, n', 'SELECT product, COUNT(*) FROM sales GROUP BY 1 HAVING COUNT(*) % 3 <> 0', False),
    'by_category': ('category, n, ranks, low, high', """SELECT category, COUNT(*), SUM(rank), MIN(rank), MAX(rank) FROM products
        GROUP BY 1""", False),
    'placed': ('product, category, shelf', """SELECT p.product, p.category, s.shelf FROM products p LEFT JOIN shelves s
        ON p.product = s.product""", False),
    'evens': ('product, n, total', 'SELECT product, COUNT(*), SUM(amount * 2) FROM sales WHERE amount % 2 = 0 GROUP BY 1', True),
    'by_code': ('code, n', "SELECT CAST(code AS INT), COUNT(*) FROM sales WHERE code NOT LIKE 'x%' GROUP BY 1", True),
    'sizes': ('size, products', 'SELECT n, COUNT(*) FROM (SELECT COUNT(*) AS n FROM sales GROUP BY product) GROUP BY 1', False),

    'stocked': ('product, category', 'SELECT product, category FROM products JOIN shelves USING (product)', False),
    'homeless': ('product, category', """SELECT product, category FROM products p WHERE NOT EXISTS (SELECT 1 FROM shelves s
        WHERE s.product = p.product AND s.shelf > p.category)""", False),
    'either': ('product, rank, shelf', """SELECT COALESCE(p.product, s.product), rank, shelf FROM products p FULL JOIN shelves s
        ON p.product = s.product""", False),
    'names': ('name, n', """SELECT name, COUNT(*) FROM (SELECT category AS name FROM products UNION ALL SELECT shelf FROM shelves)
        GROUP BY 1""", False),
    'only_products': ('product', 'SELECT product FROM products EXCEPT SELECT product FROM shelves', False),
    'leaders': ('category, product, rank', """SELECT category, product, rank FROM (SELECT *,
        RANK() OVER (PARTITION BY category ORDER BY rank DESC) AS place FROM products) WHERE place <= 2""", False),
    'five': ('product, rank', 'SELECT product, rank FROM products ORDER BY rank DESC, product LIMIT 5', False),
    'running': ('product, category, total', """SELECT product, category, SUM(rank) OVER (PARTITION BY category ORDER BY product
        ROWS 2 PRECEDING) FROM products""", False),
    'rolled': ('category, half, n, high', """SELECT category, rank % 2, COUNT(*), MAX(rank) FROM products GROUP BY 1, 2
        UNION ALL SELECT category, NULL, COUNT(*), MAX(rank) FROM products GROUP BY 1
        UNION ALL SELECT NULL, NULL, COUNT(*), MAX(rank) FROM products HAVING COUNT(*) > 0""", False),
    'exploded': ('step, n, total', """SELECT column1, COUNT(*), SUM(product) FROM products JOIN (VALUES (0), (1), (2), (3))
        ON column1 <= rank % 4 GROUP BY 1""", False),

    'bought': ('user, seq, page', """SELECT user, seq, page FROM visits v WHERE EXISTS (SELECT 1 FROM buys b WHERE b.user = v.user
        AND b.item = v.page AND b.seq > v.seq)""", False),
    'hops': ('page, windowstart, n, total', """SELECT page, ts / 5000 * 5000 - column1 AS start, COUNT(*), SUM(n) FROM visits
        JOIN (VALUES (0), (5000), (10000), (15000)) GROUP BY 1, 2""", True),
    'growing': ('page, windowstart, windowend, n, high', """SELECT page, ts / 20000 * 20000 AS start,
        ts / 20000 * 20000 + column1 AS end, COUNT(*), MAX(n) FROM visits JOIN (VALUES (5000), (10000), (15000), (20000))
        ON ts % 20000 < column1 GROUP BY 1, 2, 3""", True),
    'closed': ('page, windowstart, n, total', 'SELECT page, ts / 10000 * 10000 AS start, COUNT(*), SUM(n) FROM visits GROUP BY 1, 2', True),
    'sittings': ('user, windowstart, windowend, n, total', SESSIONS + """SELECT user, MIN(ts), MAX(ts), COUNT(*), SUM(n) FROM s
        GROUP BY user, session""", False),
    'ended': ('user, windowstart, windowend, n, low', SESSIONS + """SELECT user, MIN(ts), MAX(ts), COUNT(*), MIN(n) FROM s
        GROUP BY user, session""", False),
    'longest': ('user, longest, sittings', SESSIONS + """SELECT user, MAX(n), COUNT(*) FROM (SELECT user, COUNT(*) AS n FROM s
        GROUP BY user, session) GROUP BY 1""", False),
    'newest': ('user, page, seq, n', """SELECT user, page, seq, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user, page
        ORDER BY ts DESC) AS place FROM visits) WHERE place = 1""", False),
    'best': ('page, place, user, seq, n', """SELECT page, place, user, seq, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY page
        ORDER BY n DESC, seq) AS place FROM visits) WHERE place <= 3""", False),
    'follows': ('user, seq, before', 'SELECT user, seq, LAG(seq) OVER (PARTITION BY user ORDER BY ts) FROM visits', False),
    'cubed': ('page, third, n, total', """SELECT page, n % 3, COUNT(*), SUM(n) FROM visits GROUP BY 1, 2
        UNION ALL SELECT page, NULL, COUNT(*), SUM(n) FROM visits GROUP BY 1
        UNION ALL SELECT NULL, n % 3, COUNT(*), SUM(n) FROM visits GROUP BY 2
        UNION ALL SELECT NULL, NULL, COUNT(*), SUM(n) FROM visits HAVING COUNT(*) > 0""", True),
    'pages': ('user, pages, middle', 'SELECT user, COUNT(DISTINCT page), MEDIAN(n) FROM visits GROUP BY 1', False),
}
# Stream: its columns, the first one the key's, SQLite's rows, and the column by which rows of a key are in order.
STREAMS = {
    'even': ('product, seq', 'SELECT product, seq FROM sales WHERE amount % 2 = 0', 'seq'),
    'tens': ('product, seq', 'SELECT product, seq FROM sales WHERE amount % 10 = 0', 'seq'),
    'sorted': ('product, seq', 'SELECT product, seq FROM sales', 'seq'),
    'near': ('user, seq, other', """SELECT v.user, v.seq, b.seq FROM visits v JOIN buys b ON v.user = b.user
        AND b.ts BETWEEN v.ts - 1000 AND v.ts + 1000""", None),
    'alone': ('user, seq, other', """SELECT v.user, v.seq, b.seq FROM visits v LEFT JOIN buys b ON v.user = b.user
        AND v.page <> b.item AND b.ts BETWEEN v.ts AND v.ts + 1000""", None),
    'priced': ('item, user, seq, rate', """SELECT item, user, seq, (SELECT rate FROM rates r WHERE r.item = b.item AND r.ts <= b.ts
        ORDER BY r.ts DESC, place DESC LIMIT 1) FROM buys b""", None),
    'met': ('user, seq, other', """SELECT v.user, v.seq, b.seq FROM visits v JOIN buys b ON v.user = b.user AND v.page = b.item
        AND v.n = b.seq % 20""", None),
    'firsts': ('user, page, seq', """SELECT user, page, seq FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user, page ORDER BY ts)
        AS place FROM visits) WHERE place = 1""", None),
    'united': ('user, seq, thing', 'SELECT user, seq, page FROM visits UNION ALL SELECT user, seq, item FROM buys', None),
    'steps': ('user, seq, step', """SELECT user, seq, column1 FROM visits JOIN (VALUES (0), (1), (2), (3), (4), (5))
        ON column1 <= page""", None),
}
# Jobs that read sales: records that cannot be decoded are dead letters of each, for by_code also those whose code is no number.
READERS = ['even', 'sorted', 'by_product', 'by_digit', 'by_hour', 'odd', 'by_code']
JOBS = len(TABLES) + len(STREAMS)

INPUTS = """
CREATE TABLE sales (product INT, seq INT, amount INT, price REAL, at INT, code TEXT);
CREATE TABLE products (product INT PRIMARY KEY, category TEXT, rank INT);
CREATE TABLE shelves (product INT PRIMARY KEY, shelf TEXT);
CREATE TABLE visits (user INT, seq INT, page INT, n INT, ts INT);
CREATE TABLE buys (user INT, seq INT, item INT, ts INT);
CREATE TABLE rates (item INT, rate INT, ts INT, place INT);
CREATE INDEX visits_by ON visits(user, ts);
CREATE INDEX buys_by ON buys(user, ts);
CREATE INDEX rates_by ON rates(item, ts);
"""
TOPICS = ['sales', 'products', 'shelves', 'visits', 'buys', 'rates']
