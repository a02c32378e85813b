#!/usr/bin/env python3
"""The crash oracle: jobs of every kind of operator, and chains of them, exactly once through crashes.

    jobs.py kill|power [ROUNDS] [SEED]

While rows, updates and deletes come in, the server dies: at a random moment, or at a named fault point of log, engine and
state (each of them, in turn). power: what no completed sync covers is lost as well. Some rounds also lose the state folder, a
part of one of its files, or one bit. After a restart, with another number of shards, and once the jobs have caught up:

- every table equals SQLite's answer over the rows that the input topics hold, in the pull query and in its topic;
- every row of an output stream is there once, and those of a key are in order;
- no table's topic tells a key the same value twice in a row, and counts never go back;
- each bad record (it cannot be decoded, or a cast in a key fails) is a dead letter of each job that reads it, once;
- no transaction is left open: every job reaches lag 0, though it reads committed records only.

A new world, with an empty folder, begins every WORLD rounds. Environment: WEIR, BUILD, ROOT."""
import collections, json, math, os, random, shutil, sqlite3, subprocess, sys, time

from server import WEIR, Server

WORLD = 25
SETUP = """
CREATE STREAM sales (product INT KEY, seq INT, amount INT, price DOUBLE, at BIGINT, code VARCHAR)
  WITH (TOPIC='sales', PARTITIONS=4, TIMESTAMP='at');
CREATE TABLE products (product INT PRIMARY KEY, category VARCHAR, rank INT) WITH (TOPIC='products', PARTITIONS=2);
CREATE TABLE shelves (product INT PRIMARY KEY, shelf VARCHAR) WITH (TOPIC='shelves', PARTITIONS=3);
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
"""
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
}
STREAMS = {'even': 'SELECT product, seq FROM sales WHERE amount % 2 = 0',
           'tens': 'SELECT product, seq FROM sales WHERE amount % 10 = 0', 'sorted': 'SELECT product, seq FROM sales'}
# Jobs that read sales: records that cannot be decoded are dead letters of each, for by_code also those whose code is no number.
READERS = ['even', 'sorted', 'by_product', 'by_digit', 'by_hour', 'odd', 'by_code']
INPUTS = {'sales': ('product', 'seq', 'amount', 'price', 'at', 'code'), 'products': ('product', 'category', 'rank'),
          'shelves': ('product', 'shelf')}
JOBS = len(TABLES) + len(STREAMS)


# Points that no job of these comes by: groups commit offsets for clients; an epoch is aborted after an I/O error only, which is
# the simulator's business.
ELSEWHERE = {'group.before_commit', 'group.after_commit', 'epoch.aborted'}


def fault_points():
    with open(os.path.join(os.environ['ROOT'], 'tests', 'crash', 'points.txt')) as f:
        return [line.strip() for line in f if line.strip() and line[0] != '#' and line.strip() not in ELSEWHERE]


def is_bad(record):
    return record['value'] is not None and record['value'].startswith('{bad')


class ExactAvg:
    """SQLite adds doubles as they come; Weir's sums are exact, rounded once, whatever the order."""

    def __init__(self):
        self.values = []

    def step(self, value):
        self.values.append(value)

    def finalize(self):
        return math.fsum(self.values) / len(self.values) if self.values else None


class Jobs(Server):
    def damage_state(self):
        """The state's files are a copy: their loss or damage must cost time only."""
        files = [os.path.join(d, f) for d, _, fs in os.walk(os.path.join(self.folder, 'state')) for f in fs]
        if not files:
            return
        what = self.rng.choice(['folder', 'cut', 'bit'])
        if what == 'folder':
            shutil.rmtree(os.path.join(self.folder, 'state'))
            return
        path = self.rng.choice(files)
        size = os.path.getsize(path)
        if not size:
            return
        with open(path, 'r+b') as f:
            at = self.rng.randrange(size)
            if what == 'cut':
                f.truncate(at)
            else:
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1 << self.rng.randrange(8)]))

    def sql(self, text):
        run = subprocess.run([WEIR, 'sql', '--server', self.address, '--mode', 'ndjson', '--quiet', '-e', text],
                             capture_output=True, text=True)
        if run.returncode != 0:
            self.fail(f'{text}\n{run.stderr}')
        return [json.loads(line) for line in run.stdout.splitlines()]

    def feed(self, topic, records):
        """The server may die meanwhile: what the topic holds then is what counts."""
        lines = ''.join(f'{k}\t{"" if v is None else v if isinstance(v, str) else json.dumps(v)}\n' for k, v in records)
        subprocess.run([WEIR, 'produce', topic, '--server', self.address, '-K', '\t', '-Z', '--quiet'], input=lines, text=True,
                       capture_output=True)

    def read(self, topics):
        """The records of each topic under read_committed, those of a partition in order."""
        runs = [subprocess.Popen([WEIR, 'consume', t, '--server', self.address, '--until-end', '--json'],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for t in topics]
        records = {}
        for topic, run in zip(topics, runs):
            out, err = run.communicate()
            if run.returncode != 0:
                self.fail(f'consume {topic}: {err}')
            records[topic] = [json.loads(line) for line in out.splitlines()]
        return records


class World:
    def __init__(self, power, rng):
        self.rng, self.serial, self.letters = rng, 0, 0
        self.server = Jobs(power, rng, **{'commit.interval.ms': 20, 'weir.checkpoint.bytes': 20000,
                                        'log.segment.bytes': 30000, 'log.cleaner.backoff.ms': 100,
                                        'weir.wal.append.max.bytes': rng.choice([1000, 65536]),
                                        # so little that a tail of 78 records is folded into the file before the rest
                                        'weir.state.memory.bytes': rng.choice([40000, 40000, 1 << 30])})
        shutil.rmtree(self.server.folder, ignore_errors=True)
        shutil.rmtree(self.server.shadow, ignore_errors=True)
        self.server.start()
        self.server.sql(SETUP.replace("WITH (TOPIC", "WITH (KEY_FORMAT='JSON', TOPIC"))

    def step(self):
        rng = self.rng
        sales = []
        for _ in range(rng.randrange(120)):
            self.serial += 1
            if rng.random() < 0.05:
                sales.append((rng.randrange(40), '{bad-%d' % self.serial))
                continue
            code = ('x%d' if rng.random() < 0.05 else '%d') % rng.randrange(20)
            sales.append((rng.randrange(40), dict(code=code, seq=self.serial, amount=rng.randrange(-50, 1000),
                                                  price=rng.randrange(1, 10 ** 6) / 100, at=rng.randrange(10 * 3600 * 1000))))
        self.server.feed('sales', sales)
        for table, columns in (('products', ('category', 'rank')), ('shelves', ('shelf',))):
            changes = []
            for _ in range(rng.randrange(25)):
                value = {c: rng.randrange(20) if c == 'rank' else rng.choice('abcdef') for c in columns}
                changes.append((rng.randrange(30), value if rng.random() < 0.75 else None))
            self.server.feed(table, changes)

    def caught_up(self):
        jobs = []
        for _ in range(1200):
            jobs = self.server.sql('SHOW JOBS;')
            failed = [j for j in jobs if j['state'] == 'failed']
            if failed:
                self.server.fail(f'a job failed: {failed}')
            if len(jobs) == JOBS and all(j['state'] == 'running' and j['lag'] == 0 for j in jobs):
                return
            time.sleep(0.02)
        self.server.fail(f'the jobs did not catch up: {jobs}')

    def settle(self):
        """Chains: a job may have caught up before the one it reads from wrote its last."""
        self.caught_up()
        self.caught_up()

    def oracle(self, records):
        db = sqlite3.connect(':memory:')
        db.create_aggregate('EXACT_AVG', 1, ExactAvg)
        db.executescript("""CREATE TABLE sales (product INT, seq INT, amount INT, price REAL, at INT, code TEXT);
            CREATE TABLE products (product INT PRIMARY KEY, category TEXT, rank INT);
            CREATE TABLE shelves (product INT PRIMARY KEY, shelf TEXT);""")
        for topic, columns in INPUTS.items():
            for r in records[topic]:
                key = int(r['key'])
                if is_bad(r):
                    continue
                if topic != 'sales':
                    db.execute(f'DELETE FROM {topic} WHERE product = ?', (key,))
                if r['value'] is not None:
                    row = {'product': key, **json.loads(r['value'])}
                    db.execute(f'INSERT INTO {topic} VALUES ({",".join("?" * len(columns))})', [row[c] for c in columns])
        return db

    def compare(self):
        server = self.server
        pulls = server.sql(''.join(f"SELECT '{t}' AS name, {columns} FROM {t};" for t, (columns, _, _) in TABLES.items()))
        records = server.read([*INPUTS, *TABLES, *STREAMS])
        db = self.oracle(records)
        for table, (columns, query, grows) in TABLES.items():
            names = [c.strip() for c in columns.split(',')]
            wanted = sorted(db.execute(query).fetchall(), key=repr)
            got = sorted([tuple(next(v for k, v in r.items() if k.lower() == c) for c in names) for r in pulls
                          if next(v for k, v in r.items() if k.lower() == 'name') == table], key=repr)
            if got != wanted:
                server.fail(f'{table}: here {[r for r in got if r not in wanted][:5]}, '
                            f'SQLite {[r for r in wanted if r not in got][:5]}')
            self.compare_topic(table, records[table], len(wanted), grows)
        self.compare_letters(records['sales'])
        for stream, query in STREAMS.items():
            self.compare_stream(stream, records[stream], db.execute(query).fetchall())

    def compare_letters(self, sales):
        """Each bad record is a dead letter of each job that reads it, once."""
        bad = [r['value'] for r in sales if is_bad(r)]
        codes = [r['value'] for r in sales if not is_bad(r) and json.loads(r['value'])['code'].startswith('x')]
        there = {r['topic'] for r in self.server.sql('SELECT topic FROM sys.topics;')}
        letters = self.server.read([f'{job}_dlq' for job in READERS if f'{job}_dlq' in there])
        for job in READERS:
            got = collections.Counter(r['value'] for r in letters.get(f'{job}_dlq', []))
            wanted = collections.Counter(bad + (codes if job == 'by_code' else []))
            self.letters += got.total()
            if got != wanted:
                self.server.fail(f'letters of {job}: lost {list(wanted - got)[:5]}, too many {list(got - wanted)[:5]}')

    def compare_topic(self, table, records, nrows, grows):
        last = {}
        for r in records:
            value = json.loads(r['value']) if r['value'] is not None else None
            before = last.get(r['key'])
            if r['key'] in last and value == before:  # but compaction may leave a tombstone alone
                self.server.fail(f'{table}: offset {r["offset"]} of partition {r["partition"]} tells {r["key"]} the same again')
            if grows and value is not None and before is not None and value['n'] <= before['n']:
                self.server.fail(f'{table}: {r["key"]} went from {before} to {value}')
            last[r['key']] = value
        rows = len([v for v in last.values() if v is not None])
        if rows != nrows:
            self.server.fail(f'{table}: its topic holds {rows} rows, SQLite {nrows}')

    def compare_stream(self, stream, records, wanted):
        got = [(int(r['key']), json.loads(r['value'])['seq']) for r in records]
        twice = [row for row, n in collections.Counter(got).items() if n > 1]
        lost, strange = set(wanted) - set(got), set(got) - set(wanted)
        if twice or lost or strange:
            self.server.fail(f'{stream}: twice {twice[:5]}, lost {list(lost)[:5]}, never sent {list(strange)[:5]}')
        last = {}
        for key, seq in got:
            if last.get(key, 0) >= seq:
                self.server.fail(f'{stream}: of {key}, {seq} comes behind {last[key]}')
            last[key] = seq


def main():
    kind = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(os.environ.get('WEIR_FIRST_SEED') or random.randrange(1 << 31))
    print(f'{kind}, {rounds} rounds; again with: tests/crash/jobs.py {kind} {rounds} {seed}', flush=True)
    rng = random.Random(seed)
    points = fault_points()
    died = collections.Counter()
    world, armed = None, 0
    for i in range(rounds):
        if i % WORLD == 0:
            if world:
                world.server.stop()
            world = World(kind == 'power', rng)
        server = world.server
        world.step()
        died[server.die(rng.choice([0, rng.uniform(0, 0.15)]), world.step)] += 1
        if rng.random() < 0.3 and not server.power:
            server.damage_state()
        if i % 3 == 2 or i % WORLD == WORLD - 1:
            server.start()
            world.settle()
            world.compare()
        else:
            point, armed = points[armed % len(points)], armed + 1
            if point == 'restart.folded' and not server.power:  # with nothing to go by, all of it is a tail
                shutil.rmtree(os.path.join(server.folder, 'state'), ignore_errors=True)
            while not server.start(f'{point}:{rng.choice([1, 2, rng.randrange(1, 20)])}'):
                died[point] += 1
    world.settle()
    world.compare()
    world.server.stop()
    for name, n in sorted(died.items()):
        print(f'{n:6} {name}')
    missed = [p for p in points if p not in died]
    print(f'{rounds} rounds: {len(TABLES)} tables and {len(STREAMS)} streams exactly once, {world.letters} dead letters compared in the last world' +
          (f'; not reached: {", ".join(missed)}' if missed else ''))
    if missed and rounds >= 8 * len(points):
        sys.exit('some fault points were never reached')


if __name__ == '__main__':
    main()
