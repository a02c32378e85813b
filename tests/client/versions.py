#!/usr/bin/env python3
"""Random lives of three tables: their queries are replaced in place or beside and promoted, saved and restored, paused and
resumed, while rows come and the server is killed. Each time all has been read, each table, as a query and as its
topic tells, is what SQLite makes of all rows with the query of that moment.

    versions.py [STEPS]      WEIR_SEED repeats one life"""
import json, os, random, signal, sqlite3, subprocess, sys, time
from seed import first_seed

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
SEED = first_seed()
print(f'WEIR_SEED={SEED}')
rnd = random.Random(SEED)
WEIR = os.environ['WEIR']
SUMS = ['SUM(v)', 'COUNT(*)', 'COUNT(v)', 'SUM(w)', 'SUM(v + w)', 'SUM(v) + SUM(w)', 'COUNT(*) * 2']


class Server:
    def start(self):
        self.process = subprocess.Popen([WEIR, 'server', '--data', 'data', '--listen', '127.0.0.1:0'],
                                        stdout=subprocess.PIPE, stderr=open('trace', 'a'), text=True)
        address = next(w[7:] for w in self.process.stdout.readline().split() if w.startswith('listen='))
        self.env = dict(os.environ, WEIR_SERVER=address)

    def stop(self, how):
        self.process.send_signal(how)
        self.process.wait()

    def run(self, *args, check=True):
        done = subprocess.run([WEIR, *args], env=self.env, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise SystemExit(f'{args}: {done.stderr}\n{open("trace").read()[-3000:]}')
        return done

    def sql(self, text, check=True):
        return self.run('sql', '-e', text, check=check)


server = Server()
server.start()
server.sql("CREATE STREAM s (k INT KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=3);"
           "CREATE TABLE p (k INT PRIMARY KEY, x INT) WITH (TOPIC='p', PARTITIONS=2);"
           "CREATE TABLE q (k INT PRIMARY KEY, y INT) WITH (TOPIC='q', PARTITIONS=2);")
db = sqlite3.connect(':memory:')
db.executescript('CREATE TABLE s (k, v, w); CREATE TABLE p (k PRIMARY KEY, x); CREATE TABLE q (k PRIMARY KEY, y); CREATE TABLE numbers (i);')
db.executemany('INSERT INTO numbers VALUES (?)', [(i,) for i in range(9)])


below = [] # what stands below HAVING often stays: then the groups are kept


def groups():
    if not below or rnd.random() < 0.4:
        below[:] = [rnd.choice(['', '', f'WHERE w > {rnd.randint(-5, 5)}']), rnd.choice(SUMS), rnd.choice(SUMS)]
    where, a, b = below
    having = rnd.choice(['', '', f'HAVING COUNT(*) > {rnd.randint(1, 6)}', f'HAVING SUM(v) > {rnd.randint(-20, 40)}'])
    return f'SELECT k, {a} AS a, {b} AS b FROM s {where} GROUP BY k {having}'


def joined():
    where = rnd.choice(['', f'WHERE p.x > {rnd.randint(-5, 5)}', f'WHERE p.x + 1 > {rnd.randint(-3, 5)}'])
    a, b = rnd.choice(['p.x', 'p.x + 1', 'q.y']), rnd.choice(['q.y', 'q.y - p.x'])
    return f'SELECT p.k AS k, {a} AS a, {b} AS b FROM p {rnd.choice(["JOIN", "LEFT JOIN"])} q ON p.k = q.k {where}'


def others():
    """Rows in order, rows that have or have not others, rows of two tables together, numbers of rows."""
    least = rnd.randint(-5, 5)
    return rnd.choice([
        'SELECT k, x AS a, SUM(x) OVER (ORDER BY k ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS b FROM p',
        f'SELECT k, x AS a, CAST(x AS BIGINT) AS b FROM p ORDER BY x DESC, k LIMIT {rnd.randint(2, 4)}',
        f'SELECT k, x AS a, CAST(k AS BIGINT) AS b FROM p WHERE {rnd.choice(["", "NOT"])} EXISTS '
        f'(SELECT 1 FROM q WHERE q.k = p.k AND q.y > {least})',
        f'SELECT k, MAX(x) AS a, COUNT(*) AS b FROM (SELECT k, x FROM p UNION ALL SELECT k, y AS x FROM q) u WHERE x > {least} GROUP BY k',
        f'SELECT i AS k, MAX(x) AS a, COUNT(*) AS b FROM (SELECT x, EXPLODE(GENERATE_SERIES(0, k)) AS i FROM p) e WHERE x > {least} '
        'GROUP BY i'])


def for_sqlite(text):
    return text.replace('(SELECT x, EXPLODE(GENERATE_SERIES(0, k)) AS i FROM p) e', '(SELECT x, i FROM p JOIN numbers ON i <= k) e')


make = {'g': groups, 'j': joined, 'o': others}
query = {name: make[name]() for name in make}
saved = {}


def create(name, text, how=''):
    return f'CREATE {how} TABLE {name} AS {text};'


def put():
    rows = [(rnd.randint(0, 8), rnd.randint(-9, 9), rnd.randint(-9, 9)) for _ in range(rnd.randint(1, 30))]
    server.sql('INSERT INTO s VALUES ' + ','.join(map(str, rows)) + ';')
    db.executemany('INSERT INTO s VALUES (?, ?, ?)', rows)
    for table in 'pq':
        rows = [(rnd.randint(0, 8), rnd.randint(-9, 9)) for _ in range(rnd.randint(1, 5))]
        server.sql(f'INSERT INTO {table} VALUES ' + ','.join(map(str, rows)) + ';')
        db.executemany(f'INSERT OR REPLACE INTO {table} VALUES (?, ?)', rows)


def topic_of(name):
    rows = [json.loads(line) for line in server.sql('SHOW TABLES;').stdout.splitlines()]
    return next(row['topic'] for row in rows if row['table'] == name)


def check():
    server.run('job', 'wait')
    for name in make:
        want = sorted(tuple(row) for row in db.execute(for_sqlite(query[name])))
        got = sorted((r['k'], r['a'], r['b'])
                     for r in map(json.loads, server.sql(f'SELECT k, a, b FROM {name};').stdout.splitlines()))
        assert str(got) == str(want), (name, query[name], got, want)
        topic = {}
        for line in server.run('consume', topic_of(name), '--until-end', '--json').stdout.splitlines():
            record = json.loads(line)
            topic[record['key']] = record['value']
        values = sorted((json.loads(v) for v in topic.values() if v is not None), key=str)
        values = sorted([(v['a'], v['b']) for v in values], key=str)
        assert values == sorted([(a, b) for _, a, b in want], key=str), (name, query[name], 'topic', values, want)


for name in make:
    server.sql(create(name, query[name]))
for step in range(STEPS):
    name, text = rnd.choice('gjo'), None
    put()
    act = rnd.choice(['replace', 'replace', 'replace', 'beside', 'savepoint', 'restore', 'pause', 'kill', 'stop'])
    if act == 'replace':
        text = make[name]()
        asked = subprocess.Popen([WEIR, 'sql', '-e', create(name, text, 'OR REPLACE')], env=server.env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if rnd.random() < 0.5:
            time.sleep(rnd.choice([0.01, 0.03, 0.06]))
            server.stop(signal.SIGKILL)
            server.start()
            asked.communicate()
            server.sql(create(name, text, 'OR REPLACE'))
        else:
            error = asked.communicate()[1]
            assert asked.returncode == 0, (text, error)
        query[name] = text
    elif act == 'beside':
        text = make[name]()
        before = query[name]
        server.sql(f"SET 'replace.mode' = 'beside'; {create(name, text, 'OR REPLACE')}")
        if rnd.random() < 0.5:
            server.stop(signal.SIGKILL)
            server.start()
        put()
        server.run('job', 'wait')
        there = '"%s_next"' % name in server.run('job', 'list').stdout
        if there and rnd.random() < 0.7:
            server.run('job', 'promote', name)
            query[name] = text
            saved.pop(name, None) # of a job that has ended
        elif there:
            server.run('job', 'discard', name)
    elif act == 'savepoint':
        label = f'{name}{step}'
        server.run('job', 'savepoint', name, '--as', label)
        saved[name] = (label, query[name])
    elif act == 'restore' and name in saved:
        label, text = saved[name]
        server.run('job', 'restore', name, '--from', label)
        query[name] = text
    elif act == 'pause':
        server.run('job', 'pause', name)
        put()
        server.run('job', 'resume', name)
    elif act in ('kill', 'stop'):
        server.stop(signal.SIGKILL if act == 'kill' else signal.SIGTERM)
        server.start()
    if rnd.random() < 0.6:
        check()
check()
server.stop(signal.SIGTERM)
print(f'{STEPS} steps')
