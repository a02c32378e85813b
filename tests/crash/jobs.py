#!/usr/bin/env python3
"""Jobs through crashes: while rows, updates and deletes come in, the server is killed with -9 (or loses what was not synced);
in the end every table equals SQLite's answer over the same rows, in the pull query and in the output topic, and every stream
holds each row exactly once, in order, for readers of committed records. Tables are also made from streams that jobs write.

    jobs.py kill|power [ROUNDS] [SEED]

Some rounds also lose the state folder, a part of a checkpoint file, or one bit of it. Environment: WEIR, BUILD."""
import json, math, os, random, shutil, sqlite3, subprocess, sys, time
from collections import Counter

from server import WEIR, Server

SETUP = """
CREATE STREAM sales (id INT KEY, product INT, amount INT, price DOUBLE) WITH (TOPIC='sales', PARTITIONS=4);
CREATE TABLE products (product INT PRIMARY KEY, category VARCHAR, rank INT) WITH (TOPIC='products', PARTITIONS=2);
CREATE TABLE shelves (product INT PRIMARY KEY, shelf VARCHAR) WITH (TOPIC='shelves', PARTITIONS=3);
CREATE TABLE by_product AS SELECT product, COUNT(*) AS n, SUM(amount) AS total, MIN(amount) AS low, MAX(amount) AS high,
  AVG(price) AS price FROM sales GROUP BY product;
CREATE TABLE odd AS SELECT product, COUNT(*) AS n FROM sales GROUP BY product HAVING COUNT(*) % 3 <> 0;
CREATE TABLE by_category AS SELECT category, COUNT(*) AS n, SUM(rank) AS ranks, MIN(rank) AS low, MAX(rank) AS high
  FROM products GROUP BY category;
CREATE TABLE placed AS SELECT p.product AS product, p.category AS category, s.shelf AS shelf FROM products p
  LEFT JOIN shelves s ON p.product = s.product;
CREATE STREAM big AS SELECT product, amount, price FROM sales WHERE amount >= 500;
CREATE STREAM named AS SELECT b.product AS product, b.amount AS amount FROM big b WHERE b.amount % 2 = 0;
CREATE TABLE chained AS SELECT product, COUNT(*) AS n, SUM(amount) AS total FROM named GROUP BY product;
"""
TABLES = {
    'by_product': ('product, n, total, low, high, price', """SELECT product, COUNT(*), SUM(amount), MIN(amount), MAX(amount),
        EXACT_AVG(price) FROM sales GROUP BY 1"""),
    'odd': ('product, n', 'SELECT product, COUNT(*) FROM sales GROUP BY 1 HAVING COUNT(*) % 3 <> 0'),
    'by_category': ('category, n, ranks, low, high', """SELECT category, COUNT(*), SUM(rank), MIN(rank), MAX(rank) FROM products
        GROUP BY 1"""),
    'placed': ('product, category, shelf', """SELECT p.product, p.category, s.shelf FROM products p LEFT JOIN shelves s
        ON p.product = s.product"""),
    'chained': ('product, n, total', """SELECT product, COUNT(*), SUM(amount) FROM sales WHERE amount >= 500 AND amount % 2 = 0
        GROUP BY 1"""),
}
STREAMS = {
    'big': (('PRODUCT', 'AMOUNT', 'PRICE'), 'SELECT product, amount, price FROM sales WHERE amount >= 500'),
    'named': (('PRODUCT', 'AMOUNT'), 'SELECT product, amount FROM sales WHERE amount >= 500 AND amount % 2 = 0'),
}
JOBS = len(TABLES) + len(STREAMS)


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
        """The checkpoints are a copy: their loss or damage must cost time only."""
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
        lines = ''.join(f'{k}\t{"" if v is None else json.dumps(v)}\n' for k, v in records)
        run = subprocess.run([WEIR, 'produce', topic, '--server', self.address, '-K', '\t', '-Z', '--quiet'], input=lines,
                             text=True, capture_output=True)
        if run.returncode != 0:
            sys.exit(f'produce: {run.stderr}')


def step(server, db, rng, serial):
    sales = []
    for _ in range(rng.randrange(300)):
        row = dict(product=rng.randrange(40), amount=rng.randrange(-50, 1000), price=rng.randrange(1, 10 ** 6) / 100)
        db.execute('INSERT INTO sales VALUES (?,?,?)', (row['product'], row['amount'], row['price']))
        sales.append((serial + len(sales), row))
    server.feed('sales', sales)
    for table, columns in (('products', ('category', 'rank')), ('shelves', ('shelf',))):
        changes = []
        for _ in range(rng.randrange(30)):
            product = rng.randrange(30)
            db.execute(f'DELETE FROM {table} WHERE product = ?', (product,))
            value = None
            if rng.random() < 0.75:
                value = {c: rng.randrange(20) if c == 'rank' else rng.choice('abcdef') for c in columns}
                db.execute(f'INSERT INTO {table} VALUES ({",".join("?" * (1 + len(columns)))})', (product, *value.values()))
            changes.append((product, value))
        server.feed(table, changes)
    return serial + len(sales)


def caught_up(server):
    """Twice in a row: what a job has just committed may not have reached the next one of its chain."""
    calm = 0
    for _ in range(600):
        jobs = server.sql('SHOW JOBS;')
        failed = [j for j in jobs if j['state'] == 'failed']
        if failed:
            server.fail(f'a job failed: {failed}')
        calm = calm + 1 if len(jobs) == JOBS and all(j['state'] == 'running' and j['lag'] == 0 for j in jobs) else 0
        time.sleep(0.1 if calm else 0.05)
        if calm == 3:
            return
    sys.exit(f'the jobs did not catch up: {jobs}')


def compare(server, db):
    for table, (columns, query) in TABLES.items():
        wanted = sorted(db.execute(query).fetchall(), key=repr)
        names = [c.strip() for c in columns.split(',')]
        got = sorted([tuple(r[c] for c in names) for r in server.sql(f'SELECT {columns} FROM {table};')], key=repr)
        if got != wanted:
            sys.exit(f'{table}: here {[r for r in got if r not in wanted][:5]}, SQLite {[r for r in wanted if r not in got][:5]}')
        out = subprocess.run([WEIR, 'consume', table, '--server', server.address, '--until-end', '--json'], capture_output=True, text=True)
        last = {}
        for line in out.stdout.splitlines():
            r = json.loads(line)
            last[r['key']] = r['value']
        if len([v for v in last.values() if v is not None]) != len(wanted):
            sys.exit(f'{table}: its topic holds {len([v for v in last.values() if v is not None])} rows, SQLite {len(wanted)}')


def compare_streams(server, db):
    """Rows of a stream are few of a kind, so that one too many or too few shows as a count."""
    for stream, (columns, query) in STREAMS.items():
        out = subprocess.run([WEIR, 'consume', stream, '--server', server.address, '--until-end', '--json'], capture_output=True, text=True)
        got = []
        for line in out.stdout.splitlines():
            value = {k.upper(): v for k, v in json.loads(json.loads(line)['value']).items()}
            got.append(tuple(value.get(c) for c in columns))
        wanted = Counter(db.execute(query).fetchall())
        if Counter(got) != wanted:
            sys.exit(f'{stream}: too many {list((Counter(got) - wanted).items())[:5]}, missing {list((wanted - Counter(got)).items())[:5]}')


def main():
    kind = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 31)
    print(f'{kind}, {rounds} rounds; again with: tests/crash/jobs.py {kind} {rounds} {seed}', flush=True)
    rng = random.Random(seed)
    server = Jobs(kind == 'power', rng, **{'commit.interval.ms': 20, 'weir.checkpoint.bytes': 20000})
    server.start()
    db = sqlite3.connect(':memory:')
    db.create_aggregate('EXACT_AVG', 1, ExactAvg)
    db.executescript("""CREATE TABLE sales (product INT, amount INT, price REAL);
        CREATE TABLE products (product INT PRIMARY KEY, category TEXT, rank INT);
        CREATE TABLE shelves (product INT PRIMARY KEY, shelf TEXT);""")
    server.sql(SETUP.replace("WITH (", "WITH (KEY_FORMAT='JSON', "))
    serial = 0
    for i in range(rounds):
        serial = step(server, db, rng, serial)
        time.sleep(rng.choice([0, rng.uniform(0, 0.15)]))
        server.crash()
        if rng.random() < 0.3 and not server.power:
            server.damage_state()
        server.start()
        if i % 5 == 4:
            caught_up(server)
            compare(server, db)
            compare_streams(server, db)
    caught_up(server)
    compare(server, db)
    compare_streams(server, db)
    server.stop()
    print(f'{rounds} rounds: {len(TABLES)} tables and {len(STREAMS)} streams equal SQLite\'s')


if __name__ == '__main__':
    main()
