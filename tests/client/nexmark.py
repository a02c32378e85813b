#!/usr/bin/env python3
"""Nexmark's queries as jobs equal a batch evaluation over the same events.

`weir datagen` makes the events; examples/06_nexmark holds the queries; this program reads the same lines and answers each query
by itself (plain Python for one stream, SQLite where rows meet). All windows are closed by one last record per partition.
Usage: nexmark.py [kill] [EVENTS [PER_SECOND [SEED [QUERY...]]]]   (environment: WEIR, ROOT; kill: the server is killed with -9
on the way of each query). Rows that tie where a query does not say which comes first are compared by what it does say."""
import collections, decimal, glob, json, os, re, sqlite3, subprocess, sys, time
from seed import first_seed
from weir import WEIR, Mismatch, Server

ROOT = os.environ['ROOT']
FOLDER = next(iter(glob.glob(os.path.join(ROOT, 'examples', '*_nexmark'))))
KILL = 'kill' in sys.argv
if KILL:
    sys.argv.remove('kill')
EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
PER_SECOND = int(sys.argv[2]) if len(sys.argv) > 2 else max(EVENTS // 50, 1)
SEED = first_seed(sys.argv[3] if len(sys.argv) > 3 else None)
ONLY = sys.argv[4:]
PARTITIONS = 4
BASE_MS = 1436918400000


def attempt(server, text):
    """None, or why not."""
    try:
        server.sql(text)
    except Mismatch as e:
        return str(e)


# ---- what should come out

def when(ms):
    seconds = time.gmtime(ms // 1000)
    return time.strftime('%Y-%m-%dT%H:%M:%S', seconds) + f'.{ms % 1000:03d}'


def ms_of(text):
    return int(time.mktime(time.strptime(text[:19], '%Y-%m-%d %H:%M:%S')) - time.timezone) * 1000 + int(text[20:23])


class Bid:
    def __init__(self, e, at):
        self.auction, self.bidder, self.price, self.channel, self.url, self.time, self.extra = e.values()
        self.at, self.time = at, self.time.replace(' ', 'T')


def load(lines):
    db = sqlite3.connect(':memory:')
    db.execute('CREATE TABLE person (id INT, name, emailAddress, creditCard, city, state, dateTime, extra, at INT)')
    db.execute('CREATE TABLE auction (id INT, itemName, description, initialBid INT, reserve INT, dateTime, expires, seller INT,'
               ' category INT, extra, at INT)')
    db.execute('CREATE TABLE bid (auction INT, bidder INT, price INT, channel, url, dateTime, extra, at INT)')
    bids, rows = [], {'person': [], 'auction': [], 'bid': []}
    for line in lines:
        record = json.loads(line)
        for kind, part in list(record['value'].items())[1:]:
            if part is None:
                continue
            values = [v.replace(' ', 'T') if k in ('dateTime', 'expires') else v for k, v in part.items()]
            rows[kind].append(values + [record['timestamp']])
            if kind == 'bid':
                bids.append(Bid(part, record['timestamp']))
    for kind, all_rows in rows.items():
        db.executemany(f'INSERT INTO {kind} VALUES ({",".join("?" * len(all_rows[0]))})', all_rows)
    db.execute('CREATE INDEX by_seller ON auction (seller)')
    db.execute('CREATE INDEX by_id ON auction (id)')
    db.execute('CREATE INDEX by_person ON person (id)')
    db.execute('CREATE INDEX by_auction ON bid (auction)')
    db.execute('CREATE INDEX by_price ON bid (price)')
    db.execute('ANALYZE')
    return db, bids


def rate(b):
    return decimal.Decimal(b.price) * decimal.Decimal('0.908')


def q14(b):
    hour = int(b.time[11:13])
    kind = 'dayTime' if 8 <= hour <= 18 else 'nightTime' if hour <= 6 or hour >= 20 else 'otherTime'
    return b.auction, b.bidder, rate(b), kind, b.time, b.extra, b.extra.count('c')


def channel_id(b):
    known = {'apple': '0', 'google': '1', 'facebook': '2', 'baidu': '3'}.get(b.channel.lower())
    found = re.search('(&|^)channel_id=([^&]*)', b.url)
    return known or (found and found.group(2))


STATELESS = {
    'q0': lambda b: (b.auction, b.bidder, b.price, b.time, b.extra),
    'q1': lambda b: (b.auction, b.bidder, rate(b), b.time, b.extra),
    'q2': lambda b: (b.auction, b.price) if b.auction % 123 == 0 else None,
    'q10': lambda b: (b.auction, b.bidder, b.price, b.time, b.extra, b.time[:10], b.time[11:16]),
    'q13': lambda b: (b.auction, b.bidder, b.price, b.time, str(b.auction % 10000)),
    'q14': lambda b: q14(b) if 1000000 < rate(b) < 50000000 else None,
    'q21': lambda b: (b.auction, b.bidder, b.price, b.channel, channel_id(b)) if channel_id(b) is not None else None,
    'q22': lambda b: (b.auction, b.bidder, b.price, b.channel) + tuple(b.url.split('/')[3:6]),
}

HOPS = 'SELECT 0 AS h UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4'
COUNTED = f'(SELECT auction, COUNT(*) AS num, at / 2000 * 2000 - 2000 * h AS start FROM bid, ({HOPS}) GROUP BY auction, start)'
WINNERS = ('SELECT a.*, b.auction, b.bidder, b.price, b.dateTime AS bid_time, b.extra AS bid_extra, ROW_NUMBER() OVER '
           '(PARTITION BY a.id ORDER BY b.price DESC, b.dateTime) AS place FROM auction a, bid b WHERE a.id = b.auction AND '
           'b.dateTime BETWEEN a.dateTime AND a.expires')
MEASURES = 'COUNT(*)' + ''.join(f', COUNT(*) FILTER (WHERE {r})' for r in (
    'price < 10000', 'price >= 10000 AND price < 1000000', 'price >= 1000000')) + ''.join(
    f', COUNT(DISTINCT {who})' + ''.join(f', COUNT(DISTINCT {who}) FILTER (WHERE {r})' for r in (
        'price < 10000', 'price >= 10000 AND price < 1000000', 'price >= 1000000')) for who in ('bidder', 'auction'))
BATCH = {
    'q3': "SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id WHERE a.category = 10 AND "
          "p.state IN ('OR', 'ID', 'CA')",
    'q4': 'SELECT category, AVG(final) FROM (SELECT a.id, a.category, MAX(b.price) AS final FROM auction a, bid b WHERE '
          'a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires GROUP BY a.id, a.category) GROUP BY category',
    'q5': f'WITH c AS MATERIALIZED {COUNTED} SELECT auction, num, start FROM c JOIN (SELECT start AS s, '
          'MAX(num) AS most FROM c GROUP BY start) ON start = s AND num >= most',
    'q6': f'SELECT id, seller, AVG(price) OVER (PARTITION BY seller ORDER BY bid_time, id ROWS BETWEEN 10 PRECEDING AND CURRENT '
          f'ROW) FROM ({WINNERS}) WHERE place = 1',
    'q7': 'SELECT b.auction, b.price, b.bidder, b.dateTime, b.extra FROM (SELECT MAX(price) AS most, at / 10000 * 10000 AS start '
          'FROM bid GROUP BY start) w CROSS JOIN bid b ON b.price = w.most AND b.at BETWEEN w.start AND w.start + 10000',
    'q8': 'SELECT p.id, p.name, p.start FROM (SELECT DISTINCT id, name, at / 10000 * 10000 AS start FROM person) p JOIN (SELECT '
          'DISTINCT seller, at / 10000 * 10000 AS start FROM auction) a ON p.id = a.seller AND p.start = a.start',
    'q9': f'SELECT id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra, auction, bidder, '
          f'price, bid_time, bid_extra FROM ({WINNERS}) WHERE place = 1',
    'q15': f'SELECT substr(dateTime, 1, 10), {MEASURES} FROM bid GROUP BY 1',
    'q16': f'SELECT channel, substr(dateTime, 1, 10), MAX(substr(dateTime, 12, 5)), {MEASURES} FROM bid GROUP BY 1, 2',
    'q17': 'SELECT auction, substr(dateTime, 1, 10), COUNT(*), COUNT(*) FILTER (WHERE price < 10000), COUNT(*) FILTER (WHERE '
           'price >= 10000 AND price < 1000000), COUNT(*) FILTER (WHERE price >= 1000000), MIN(price), MAX(price), AVG(price), '
           'SUM(price) FROM bid GROUP BY 1, 2',
    'q18': 'SELECT auction, bidder, price, channel, url, dateTime, extra FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, '
           'auction ORDER BY dateTime DESC) AS place FROM bid) WHERE place = 1',
    'q19': 'SELECT auction, bidder, price, channel, url, dateTime, extra, place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY '
           'auction ORDER BY price DESC) AS place FROM bid) WHERE place <= 10',
    'q20': 'SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime, b.extra, a.itemName, a.description, a.initialBid, '
           'a.reserve, a.dateTime, a.expires, a.seller, a.category, a.extra FROM bid b JOIN auction a ON b.auction = a.id WHERE '
           'a.category = 10',
    'q23': 'SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime, b.extra, p.name, p.emailAddress, p.creditCard, '
           'p.city, p.state, p.dateTime, p.extra, a.id, a.itemName, a.description, a.initialBid, a.reserve, a.expires, a.category '
           'FROM bid b JOIN person p ON p.id = b.bidder JOIN auction a ON a.seller = b.bidder',
}
# Of rows that tie, any may be given: which columns are decided, and where the whole row must be found.
DECIDED = {'q9': (range(0, 14), None), 'q18': ((0, 1, 5), range(0, 7)), 'q19': ((0, 2, 7), range(0, 7))}


# A table shows its key first.
IN_ORDER = {'q3': ('name', 'city', 'state', 'id'), 'q13': ('auction', 'bidder', 'price', 'datetime', 'value'),
            'q23': ('auction', 'bidder', 'price', 'channel', 'url', 'bid_time', 'bid_extra', 'name', 'emailaddress', 'creditcard', 'city',
                    'state', 'person_time', 'person_extra', 'auction_id', 'itemname', 'description', 'initialbid', 'reserve', 'expires',
                    'category'),
            'q7': ('auction', 'price', 'bidder', 'datetime', 'extra'), 'q8': ('id', 'name', 'window_start'),
            'q5': ('auction', 'num', 'window_start'), 'q11': ('bidder', 'bids', 'window_start', 'window_end'),
            'q19': ('auction', 'bidder', 'price', 'channel', 'url', 'datetime', 'extra', 'place'),
            'q18': ('auction', 'bidder', 'price', 'channel', 'url', 'datetime', 'extra')}


def sessions(bids):
    gap, open_, out = 10000, {}, []
    for b in sorted(bids, key=lambda b: b.at):
        s = open_.get(b.bidder)
        if s and b.at <= s[1] + gap:
            s[1], s[2] = b.at, s[2] + 1
            continue
        if s:
            out.append((b.bidder, s[2], s[0], s[1]))
        open_[b.bidder] = [b.at, b.at, 1]
    return out + [(bidder, s[2], s[0], s[1]) for bidder, s in open_.items()]


def expected(name, db, bids):
    if name in STATELESS:
        return [r for r in map(STATELESS[name], bids) if r is not None]
    if name == 'q11':
        return sessions(bids)
    if name == 'q12':  # windows by the clock: what is sure is how many bids of whom there are in all of them
        return list(collections.Counter(b.bidder for b in bids).items())
    return db.execute(BATCH[name]).fetchall()


# ---- what came out

def plain(v):
    """Numbers with a point to twelve digits, all else as it is."""
    return f'{float(v):.11e}' if isinstance(v, (float, decimal.Decimal)) else v


def canonical(rows):
    return collections.Counter(tuple(plain(v) for v in r) for r in rows)


def column(record, name):
    """Of a join, perhaps with its source's name in front."""
    return record[name] if name in record else next(v for k, v in record.items() if k.endswith('_' + name))


def found(name, server):
    text = 'SELECT bidder, SUM(bids) AS bids FROM q12 GROUP BY bidder;' if name == 'q12' else f'SELECT * FROM {name};'
    records = [{k.lower(): v for k, v in r.items()} for r in server.rows(text)]
    records = [r for r in records for _ in range(r.pop('row_count', 1))]  # equal rows of a table without a key are one
    return [[column(r, c) for c in IN_ORDER[name]] if name in IN_ORDER else list(r.values()) for r in records]


def as_ms(v):
    return ms_of(v.replace('T', ' ')) if isinstance(v, str) and re.match(r'\d{4}-\d\d-\d\dT', v) else v


def compare(name, got, want):
    """None, or what differs."""
    if name in ('q5', 'q8', 'q11'):  # bounds of windows: ms or a time
        got, want = [[as_ms(v) for v in r] for r in got], [[as_ms(v) for v in r] for r in want]
    decided, whole = DECIDED.get(name, (None, None))
    if whole is not None:
        every = {tuple(plain(v) for v in (b.auction, b.bidder, b.price, b.channel, b.url, b.time, b.extra)) for b in BIDS}
        strange = [r for r in got if tuple(plain(r[i]) for i in whole) not in every]
        if strange:
            return f'a row that was never there: {strange[0]}'
    if decided is not None:
        got, want = ([[r[i] for i in decided] for r in rows] for rows in (got, want))
    got, want = canonical(got), canonical(want)
    if got == want:
        return None
    return (f'{sum((want - got).values())} of {sum(want.values())} rows are missing, {sum((got - want).values())} are too many\n'
            f'    missing  {next(iter(want - got), "none")}\n    too many {next(iter(got - want), "none")}')


def wait_caught_up(server):
    deadline = time.time() + 600
    while time.time() < deadline:
        jobs = server.rows('SHOW JOBS;')
        bad = [j for j in jobs if j['state'] == 'failed']
        if bad:
            return f'the job has failed: {bad[0]}'
        if jobs and all(j['state'] == 'running' and j['lag'] == 0 for j in jobs):
            return None
        time.sleep(0.05)
    return 'the job did not catch up'


print(f'nexmark: {EVENTS} events, {PER_SECOND} a second, seed {SEED}; again: nexmark.py {"kill " * KILL}{EVENTS} {PER_SECOND} {SEED}', flush=True)
made = subprocess.run([WEIR, 'datagen', 'nexmark', '--events', str(EVENTS), '--per-second', str(PER_SECOND), '--seed', str(SEED)],
                      capture_output=True, check=True).stdout
DB, BIDS = load(made.decode().splitlines())
server = Server(os.path.join(os.getcwd(), 'data'))
setup = open(os.path.join(FOLDER, 'setup.sql')).read()
problem = attempt(server, setup)
if problem:
    sys.exit(problem)
server.feed('side', subprocess.run([WEIR, 'datagen', 'nexmark-side'], capture_output=True, check=True).stdout)
server.feed('nexmark', made)
end = BASE_MS + EVENTS * 1000 // PER_SECOND + 3600000
server.feed('nexmark', ''.join(json.dumps({'timestamp': end, 'partition': p, 'value': {'event_type': 3}}) + '\n'
                                  for p in range(PARTITIONS)).encode())
failed = 0
names = ONLY or [f'q{i}' for i in range(24)]
for name in names:
    began = time.time()
    text = open(os.path.join(FOLDER, name + '.sql')).read()
    table = 'CREATE TABLE' in text
    problem = attempt(server, text)
    if not problem and KILL:
        time.sleep(0.3)
        server.kill()
        server.start()
    problem = problem or wait_caught_up(server)
    if not problem:
        problem = compare(name, found(name, server), expected(name, DB, BIDS))
    dropped = attempt(server, f'DROP {"TABLE" if table else "STREAM"} IF EXISTS {name} DELETE TOPIC;')
    print(f'{name:4} {"good" if not problem else "BAD: " + problem} ({time.time() - began:.1f} s)', flush=True)
    failed += problem is not None
server.stop()
print(f'nexmark: {len(names) - failed} of {len(names)} queries equal the batch evaluation')
sys.exit(failed != 0)
