#!/usr/bin/env python3
"""Questions about real recorded data, asked as jobs: each table that a job keeps equals SQLite's answer over the same rows.

    real_data.py [FOLDER ...]      (folders of examples/; default: all that have data; a seed from WEIR_SEED)
    real_data.py 07_retail 05      (only the questions whose number begins so)

A folder holds setup.sql (streams and tables), and of each question NN_name.sql (a comment that asks it; the statement that makes
the relation `name`) and NN_name.sqlite.sql (the same in SQLite's words; the names of its columns are the ones read from Weir).
The jobs run before there is data. It comes as Kafka records over several partitions, mixed where the file's order does not
matter; after a half of it the server is killed with -9 and started again. Numbers agree exactly, or where one has a point
to 9 digits. Environment: WEIR, or BUILD; TEST_DATA: the folder that holds flights/, retail/, nab/ and weblog/."""
import csv, json, os, random, re, shutil, sqlite3, sys, tempfile, time
from datetime import datetime, timezone
from decimal import Decimal

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
os.environ.setdefault('WEIR', os.path.join(os.environ.get('BUILD', os.path.join(ROOT, 'build')), 'weir'))
from weir import Mismatch, Server
DATA = os.environ.get('TEST_DATA') or os.path.join(ROOT, '..', 'shared', 'data')
EXAMPLES = os.path.join(ROOT, 'examples')


def produce(server, topic, records):
    """records: [(key or None, value)], both text"""
    lines = ''.join(f'{v}\n' if k is None else f'{k}\t{v}\n' for k, v in records)
    run = server.run('produce', topic, '--quiet', '-K', '\t', input=lines, text=True)
    if run.returncode != 0:
        raise Mismatch(f'produce: {run.stderr}')


# ---- The data: each function gives SQLite its tables and returns {topic: [(key, value)]}.

def path_of(name):
    return os.path.join(DATA, name)


def table(db, name, columns, rows):
    db.execute(f'CREATE TABLE {name} ({", ".join(columns)})')
    db.executemany(f'INSERT INTO {name} VALUES ({",".join("?" * len(columns))})', rows)
    return [dict(zip(columns, r)) for r in rows]


def keyed(rows, key):
    return [(r[key], json.dumps({c: v for c, v in r.items() if c != key})) for r in rows]


def mixed(rng, records):
    rng.shuffle(records)
    return records


def retail(db, rng):
    with open(path_of('retail/online-retail-2010-12.csv'), encoding='utf-8') as f:
        rows = [(r['InvoiceNo'], r['StockCode'], r['Description'], int(r['Quantity']), r['InvoiceDate'].replace(' ', 'T'),
                 float(r['UnitPrice']), int(float(r['CustomerID'])) if r['CustomerID'] else None, r['Country'])
                for r in csv.DictReader(f)]
    columns = ('invoice', 'stock', 'description', 'quantity', 'at', 'price', 'customer', 'country')
    return {'lines': mixed(rng, keyed(table(db, 'lines', columns, rows), 'invoice'))}


def flights(db, rng):
    with open(path_of('flights/flights-2001-01-01_15.csv')) as f:
        rows = [(r['dep_time'], int(r['delay']), int(r['distance']), r['origin'], r['destination']) for r in csv.DictReader(f)]
    with open(path_of('flights/airports.csv')) as f:
        airports = [(r['iata'], r['name'], r['city'], r['state']) for r in csv.DictReader(f)]
    airports = table(db, 'airports', ('iata', 'name', 'city', 'state'), airports)
    rows = table(db, 'flights', ('dep_time', 'delay', 'distance', 'origin', 'destination'), rows)
    return {'airports': keyed(airports, 'iata'), 'flights': mixed(rng, keyed(rows, 'origin'))}


def series(db, rng):
    topics = {}
    for name, file, number in (('taxi', 'nyc_taxi', int), ('temperature', 'machine_temperature_system_failure', float),
                               ('apple', 'Twitter_volume_AAPL', int), ('google', 'Twitter_volume_GOOG', int)):
        with open(path_of(f'nab/{file}.csv')) as f:
            rows = [(r['timestamp'].replace(' ', 'T'), number(r['value'])) for r in csv.DictReader(f)]
        topics[name] = mixed(rng, [(None, json.dumps(r)) for r in table(db, name, ('at', 'value'), rows)])
    return topics


HIT = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) ([^ "]+)[^"]*" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)')


def log_lines():
    with open(path_of('weblog/apache_logs'), encoding='utf-8') as f:
        return f.read().splitlines()


def moment(text):
    return datetime.strptime(text, '%d/%b/%Y:%H:%M:%S %z').astimezone(timezone.utc)


def weblog(db, rng):
    """A log is read in its order: a server writes it so, and how far it is out of order is what is measured."""
    lines = log_lines()
    hits = [m.groups() for m in map(HIT.match, lines) if m]
    table(db, 'hits', ('address', 'at', 'method', 'path', 'status', 'bytes', 'referrer', 'agent'),
          [(h[0], moment(h[1]).strftime('%Y-%m-%dT%H:%M:%S'), h[2], h[3], int(h[4]), None if h[5] == '-' else int(h[5]), h[6], h[7])
           for h in hits])
    late(db, [int(moment(h[1]).timestamp()) for h in hits])
    return {'log': [(None, line) for line in lines]}


def late(db, times):
    """What engine/README.md calls late, counted by hand: the row's window (of a second) and what it waits are over."""
    counts = {}
    for bound in (5, 10, 30, 60):
        latest, counts[bound] = 0, 0
        for t in times:
            latest = max(latest, t)
            counts[bound] += t + 1 + bound <= latest
    table(db, 'late', ('bound', 'kept', 'late'), [(b, len(times) - n, n) for b, n in counts.items()])


SETS = {'07_retail': retail, '08_flights': flights, '09_taxi': series, '10_weblog': weblog}
NEEDS = {'07_retail': 'retail/online-retail-2010-12.csv', '08_flights': 'flights/airports.csv', '09_taxi': 'nab/nyc_taxi.csv',
         '10_weblog': 'weblog/apache_logs'}


# ---- Comparing

def plain(value):
    return value.removesuffix('.000') if isinstance(value, str) and re.fullmatch(r'\d{4}-\d\d-\d\dT[\d:]{8}\.000', value) else value


def near(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and abs(a - b) <= 1e-9 * max(1, abs(a), abs(b))
    return a == b


def sorted_rows(rows):
    """By what has no point first: those are equal on both sides, so equal rows stand at the same place."""
    def order(row):
        exact = [(v is None, isinstance(v, str), v if v is not None else 0) for v in row if not isinstance(v, (float, Decimal))]
        return exact, [round(v, 6) for v in row if isinstance(v, (float, Decimal))]
    return sorted((tuple(map(plain, r)) for r in rows), key=order)


def difference(got, wanted):
    """None, or what differs."""
    floats = {i for r in got + wanted for i, v in enumerate(r) if isinstance(v, (float, Decimal))}
    as_float = lambda r: tuple(float(v) if i in floats and v is not None else v for i, v in enumerate(r))
    got, wanted = sorted_rows(map(as_float, got)), sorted_rows(map(as_float, wanted))
    wrong = [(g, w) for g, w in zip(got, wanted) if not all(map(near, g, w))]
    if not wrong and len(got) == len(wanted):
        return None
    return f'{len(got)} rows, SQLite {len(wanted)}; Weir then SQLite: ' + '\n  '.join(map(str, wrong[:3] or (got + wanted)[-1:]))


class Question:
    def __init__(self, folder, file):
        self.file, self.name = file, re.match(r'\d+_(\w+)\.sql$', file)[1]
        self.text = open(os.path.join(folder, file)).read()
        self.asks = re.match(r'-- (.*)', self.text)[1]
        self.oracle = open(os.path.join(folder, file.removesuffix('.sql') + '.sqlite.sql')).read()

    def statement(self):
        return '\n'.join(line for line in self.text.splitlines() if not line.startswith('--')).strip()

    def check(self, server, db):
        cursor = db.execute(self.oracle)
        columns = [d[0] for d in cursor.description]
        wanted = cursor.fetchall()
        deadline = time.time() + 20
        while True:
            wrong = difference(list(map(tuple, server.sql(f'SELECT {", ".join(columns)} FROM {self.name};')[1])), wanted)
            if not wrong:
                return len(wanted)
            if time.time() > deadline:
                raise Mismatch(f'{self.name}: {wrong}')
            time.sleep(0.3)


def late_told(server, db):
    """The late rows that the engine tells of are those counted by hand. New jobs: what is told begins with a server's start."""
    wanted = dict(db.execute('SELECT bound, late FROM late'))
    window = 'WINDOW TUMBLING (SIZE 1 SECOND, RETENTION 30 DAYS, GRACE PERIOD'
    for n in wanted:
        server.sql(f"""CREATE TABLE grace_{n} AS SELECT method, COUNT(*) AS hits FROM hits {window} {n} SECONDS) GROUP BY method;
            CREATE STREAM behind_{n} (method VARCHAR, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '{n}' SECOND)
              WITH (TOPIC='hits', VALUE_FORMAT='JSON');
            CREATE TABLE watermark_{n} AS SELECT method, COUNT(*) AS hits FROM behind_{n} {window} 0 SECONDS) GROUP BY method;""")
    server.settle(300)
    told = dict(server.sql('SELECT job, late FROM sys.jobs;')[1])
    for what in ('grace', 'watermark'):
        own = {n: told[f'{what}_{n}'] for n in wanted}
        if own != wanted:
            raise Mismatch(f'late rows by {what}: sys.jobs tells {own}, by hand {wanted}')
        print(f'  late rows by {what}, as sys.jobs tells and as counted by hand: ' +
              ', '.join(f'{n} s {late}' for n, late in own.items()), flush=True)


def questions_of(folder, only):
    return [Question(folder, f) for f in sorted(os.listdir(folder)) if re.match(r'\d+_\w+\.sql$', f) and f.startswith(only)]


def feed(server, topics, part):
    for topic, records in topics.items():
        half = len(records) // 2 if topic != 'airports' else len(records) # a table that streams look up stands first
        produce(server, topic, records[:half] if part == 0 else records[half:])


def run(name, only, folder):
    db = sqlite3.connect(':memory:')
    topics = SETS[name](db, random.Random(int(os.environ.get('WEIR_SEED', '1'))))
    server, failures = Server(os.path.join(folder, name), shards=2), 0
    try:
        server.sql(open(os.path.join(EXAMPLES, name, 'setup.sql')).read())
        if 'airports' in topics:
            produce(server, 'airports', topics['airports'])
            topics['airports'] = []
        asked = []
        for q in questions_of(os.path.join(EXAMPLES, name), only):
            try:
                if q.statement():
                    server.sql(q.statement())
                asked.append(q)
            except Mismatch as e:
                failures += 1
                print(f'{name}/{q.file}: {e}', flush=True)
        feed(server, topics, 0)
        time.sleep(0.3) # some of it is committed, some is not
        server.kill()
        server.start()
        feed(server, topics, 1)
        server.settle(300)
        print(f'{name}: {sum(map(len, topics.values()))} records, killed after half of them')
        for q in asked:
            try:
                print(f'  {q.check(server, db):6} rows equal  {q.file[:-4]:20} {q.asks}', flush=True)
            except Mismatch as e:
                failures += 1
                print(f'  WRONG  {q.file}: {e}', flush=True)
        if name == '10_weblog':
            late_told(server, db)
        server.stop()
    finally:
        server.kill()
    return failures


def main():
    wanted = [a for a in sys.argv[1:] if a in SETS] or list(SETS)
    only = tuple(a for a in sys.argv[1:] if a not in SETS) or ''
    missing = [n for n in wanted if not os.path.exists(path_of(NEEDS[n]))]
    for name in missing:
        print(f'{name}: {os.path.normpath(path_of(NEEDS[name]))} is not there; examples/{name}/README.md says where to get it. Not checked:')
        for q in questions_of(os.path.join(EXAMPLES, name), only):
            print(f'  {q.file[:-4]:20} {q.asks}')
    folder, failures = tempfile.mkdtemp(prefix='weir-real-'), 0
    try:
        for name in [n for n in wanted if n not in missing]:
            failures += run(name, only, folder)
    finally:
        shutil.rmtree(folder)
    sys.exit(1 if failures else 77 if missing else 0)


if __name__ == '__main__':
    main()
