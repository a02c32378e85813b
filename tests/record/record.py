#!/usr/bin/env python3
"""emit=record: what Weir writes is what Kafka Streams writes, record for record: key, window, value, time, tombstones, order.

    record.py                         the recorded input, against the recorded output of Kafka Streams (input.jsonl, expected/)
    record.py streams [SECONDS] [SEED]    random inputs, against Kafka Streams itself: TopologyTestDriver with caches off
    record.py write                   records anew: tests/record/pom.xml says where Kafka Streams comes from

Topologies.java has the same topologies under the same names. Records come one topic after the other, so that both sides see
them in one order. Environment: WEIR, WEIR_SEED."""
import collections, http.client, itertools, json, os, random, shutil, signal, subprocess, sys, tempfile, time

WEIR = os.environ['WEIR']
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, '..', '..')
SIZE = dict(tumbling=10000, hopping=10000)
AGG = 'COUNT(*) AS n, SUM(v) AS s, MIN(v) AS least, MAX(v) AS most'
NEAR = 'WITHIN 4 SECONDS GRACE PERIOD 2 SECONDS'
SKEWED = 'WITHIN (3 SECONDS, 5 SECONDS) GRACE PERIOD 2 SECONDS'

SOURCES = ''.join(
    f"CREATE {kind} {name} (k VARCHAR {key}, g VARCHAR, v BIGINT) WITH (TOPIC = '{name}', PARTITIONS = 1, KEY_FORMAT = 'KAFKA', "
    "VALUE_FORMAT = 'JSON');\n"
    for name, kind, key in [('l', 'STREAM', 'KEY'), ('r', 'STREAM', 'KEY'), ('t', 'TABLE', 'PRIMARY KEY'),
                            ('u', 'TABLE', 'PRIMARY KEY'), ('p', 'TABLE', 'PRIMARY KEY')])


def windowed(window, final=''):
    return 'TABLE', f'SELECT g, {AGG} FROM l WINDOW {window} GROUP BY g {final}'


def join(kind, left, how, right, on, near=''):
    return kind, f'SELECT {left}.k AS k, {left}.v AS lv, {right}.v AS rv FROM {left} {how} JOIN {right} {near} ON {on}'


TUMBLING = 'TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS)'
HOPPING = 'HOPPING (SIZE 10 SECONDS, ADVANCE BY 4 SECONDS, GRACE PERIOD 3 SECONDS)'
SESSION = 'SESSION (4 SECONDS, GRACE PERIOD 3 SECONDS)'
TOPOLOGIES = dict(
    filter=('STREAM', 'SELECT k, g, v * 2 AS twice FROM l WHERE v > 4'),
    rekey=('STREAM', 'SELECT g, k, v FROM l PARTITION BY g'),
    table_filter=('TABLE', 'SELECT k, g, v FROM t WHERE v > 4'),
    by_key=('TABLE', f'SELECT k, {AGG} FROM l GROUP BY k'),
    by_column=('TABLE', f'SELECT g, {AGG} FROM l GROUP BY g'),
    having=('TABLE', f'SELECT g, {AGG} FROM l GROUP BY g HAVING COUNT(*) % 2 = 1'),
    table_aggregate=('TABLE', f'SELECT g, {AGG} FROM t GROUP BY g'),
    tumbling=windowed(TUMBLING),
    hopping=windowed(HOPPING),
    session=windowed(SESSION),
    tumbling_final=windowed(TUMBLING, 'EMIT FINAL'),
    hopping_final=windowed(HOPPING, 'EMIT FINAL'),
    session_final=windowed(SESSION.replace('4 SECONDS', '4050 MILLISECONDS'), 'EMIT FINAL'),
    **{name + how.lower(): join('STREAM', 'l', how, 'r', 'l.k = r.k', near)
       for name, near in [('streams_', NEAR), ('streams_skewed_', SKEWED)] for how in ['INNER', 'LEFT']},
    **{name + 'outer': ('STREAM', f'SELECT COALESCE(l.k, r.k) AS k, l.v AS lv, r.v AS rv FROM l FULL JOIN r {near} ON l.k = r.k '
                                  'PARTITION BY COALESCE(l.k, r.k)')
       for name, near in [('streams_', NEAR), ('streams_skewed_', SKEWED)]},
    stream_table_inner=join('STREAM', 'l', '', 't', 'l.k = t.k'),
    stream_table_left=join('STREAM', 'l', 'LEFT', 't', 'l.k = t.k'),
    tables_inner=join('TABLE', 't', '', 'u', 't.k = u.k'),
    tables_left=join('TABLE', 't', 'LEFT', 'u', 't.k = u.k'),
    tables_outer=('TABLE', 'SELECT COALESCE(t.k, u.k) AS k, t.v AS lv, u.v AS rv FROM t FULL JOIN u ON t.k = u.k'),
    foreign_inner=join('TABLE', 't', '', 'p', 't.g = p.k'),
    foreign_left=join('TABLE', 't', 'LEFT', 'p', 't.g = p.k'),
    join_aggregate=('TABLE', 'SELECT t.g AS g, COUNT(*) AS n, SUM(t.v) AS s, MIN(t.v) AS least, MAX(t.v) AS most '
                             'FROM t JOIN u ON t.k = u.k GROUP BY t.g'),
)


# ---- Input

def records(seed, n=320):
    """Runs of records of one topic each: clock goes on, some records are late, tables have deletes."""
    rng = random.Random(seed)
    now, out, seen = 1000, [], set()
    while len(out) < n:
        topic = rng.choices('lrtup', [8, 8, 3, 3, 1])[0]
        stream = topic in 'lr'
        for _ in range(rng.randint(1, 12 if stream else 5)):
            now += rng.choice([0, 100, 500, 1500]) if rng.random() < 0.97 else 15000
            late = rng.choice([0, 0, 0, 0, 1000, 4000, 9000, 20000])
            ts = max(now - late, 0) if topic != 'p' else now
            key = rng.choice('xyz' if topic == 'p' else 'abcde')
            if stream and (topic, key, ts) in seen:
                continue
            seen.add((topic, key, ts))
            value = None if not stream and rng.random() < 0.25 else dict(g=rng.choice('xyz'), v=rng.randint(0, 9))
            if value and rng.random() < 0.05:
                value['v'] = None
            out.append(dict(topic=topic, key=key, value=value, timestamp=ts))
    return out


# ---- Kafka Streams

def kafka_streams(classes, rows):
    path = os.path.join(ROOT, 'build/streams/*')
    if not os.path.exists(os.path.join(classes, 'Topologies.class')):
        subprocess.run(['javac', '-cp', path, '-d', classes, os.path.join(HERE, 'Topologies.java')], check=True)
    run = subprocess.run(['java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classes + ':' + path, 'Topologies'], check=True,
                         input=''.join(json.dumps(r) + '\n' for r in heard(rows)), text=True, stdout=subprocess.PIPE)
    out = {name: [] for name in TOPOLOGIES}
    for line in run.stdout.splitlines():
        r = json.loads(line)
        out[r.pop('to')].append(r)
    return out


# ---- Weir

class Server:
    def __init__(self, folder, shards):
        self.folder, self.shards = folder, shards
        self.start()

    def start(self):
        self.process = subprocess.Popen([WEIR, 'server', '--data', self.folder, '--listen', '127.0.0.1:0', '--set', f'weir.shards={self.shards}'],
                                        stderr=open(self.folder + '.log', 'a'), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if 'ready' not in line:
            sys.exit(f'the server did not start: {line!r}')
        self.address = next(w.split('=', 1)[1] for w in line.split() if w.startswith('listen=')).split(',')[0]
        self.http = http.client.HTTPConnection(self.address, timeout=60)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def sql(self, text):
        self.http.request('POST', '/sql', json.dumps(dict(sql=text, properties={'sql.profile': 'ksql'})))
        rows = []
        for line in map(json.loads, self.http.getresponse().read().splitlines()):
            if line['kind'] == 'error':
                sys.exit(f'{text}\n{line}')
            if line['kind'] == 'rows':
                rows += line['rows']
        return rows

    def feed(self, rows):
        subprocess.run([WEIR, 'produce', rows[0]['topic'], '--server', self.address, '--json', '--quiet'], text=True, check=True,
                       input=''.join(json.dumps(dict(r, value=r['value'] and json.dumps(r['value']))) + '\n' for r in rows))

    def settle(self):
        until = time.time() + 60
        while any(lag != 0 for (lag,) in self.sql('SELECT lag FROM sys.jobs;')): # NULL: it is starting
            if time.time() > until:
                sys.exit('the jobs do not catch up')
            time.sleep(0.005)

    def written(self, name):
        """What lies in a job's topic."""
        data = subprocess.run([WEIR, 'consume', 'out_' + name, '-e', '--server', self.address, '-f', '%T %K %S\\n%k%s\\n'], check=True,
                              stdout=subprocess.PIPE).stdout
        while data:
            head, data = data.split(b'\n', 1)
            ts, nkey, nvalue = map(int, head.split())
            key, value = data[:max(nkey, 0)], data[max(nkey, 0):max(nkey, 0) + max(nvalue, 0)]
            data = data[max(nkey, 0) + max(nvalue, 0) + 1:]
            window, kind = None, name.split('_')[0]
            if kind == 'session':
                window = [int.from_bytes(key[-8:], 'big'), int.from_bytes(key[-16:-8], 'big')]
                key = key[:-16]
            elif kind in SIZE:
                start = int.from_bytes(key[-8:], 'big')
                window, key = [start, start + SIZE[kind]], key[:-8]
            yield dict(key=key.decode() if nkey >= 0 else None, window=window,
                       value=json.loads(value) if nvalue >= 0 else None, timestamp=ts)

    def late(self, job):
        return sum(n for (n,) in self.sql(f"SELECT late FROM sys.operators WHERE job = '{job}';"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) != 0:
            sys.exit('the server did not stop cleanly')


def weir(folder, rows, shards, kills):
    """({topology: records}, {topology: late rows}). kills: numbers of runs in the midst of which the server is killed."""
    server = Server(folder, shards)
    try:
        server.sql(SOURCES + ''.join(f"CREATE {kind} out_{name} WITH (TOPIC = 'out_{name}', VALUE_FORMAT = 'JSON') AS {query};\n"
                                     for name, (kind, query) in TOPOLOGIES.items()))
        for i, (_, run) in enumerate(itertools.groupby(rows, lambda r: r['topic'])):
            server.feed(list(run))
            if i in kills:
                server.kill()
                server.start()
            server.settle()
        out = {name: list(server.written(name)) for name in TOPOLOGIES}
        late = {name: server.late('out_' + name) for name in LATE}
        server.stop()
    finally:
        server.kill()
    return out, late


# ---- Comparing

# Where the two differ on purpose (sql/README.md says why):
# 1. Weir writes no tombstone for a key that has no row. Kafka Streams does where it does not know what it wrote before.
# 2. A delete of a row that is not there is nothing. Kafka Streams joins the other side's row once more: it does not hear of these.
# 3. A row within the bounds of its session changes the session's row. Kafka Streams writes a tombstone first.
# 4. A group without rows has no row, as in any database. ksqlDB keeps one that counts 0; Topologies.java drops it, as programs may.
# 5. Rows that a condition or a NULL in GROUP BY leaves out are input, too: time goes on by them. There are none such here.
# 6. Rows without a match come as soon as their time is over. Kafka Streams looks for them now and then; here it looks at each
#    record (Topologies.java, look). Of two such rows of the same key, side and time it forgets one; there are none such here.
# 7. A row of a foreign-key join has the later time of the two rows, whichever changed. Kafka Streams gives it the foreign row's alone
#    if that one changed (foreign rows are never older here), and the row's own if it goes as its foreign key is another.

def by_key(rows, whole=False):
    """whole: the windows of a key in one list, since a session comes behind those that it replaces."""
    keys, there = collections.OrderedDict(), set()
    for i, r in enumerate(rows):
        at = (r['key'], tuple(r['window'] or ()))
        if r['value'] is None and at not in there:
            continue # 1
        if r['value'] is None and 'step' in r and any((r['key'], r['window'], r['step']) == (x['key'], x['window'], x['step'])
                                                      for x in rows[i + 1:i + 20]):
            continue # 3
        (there.discard if r['value'] is None else there.add)(at)
        at = (r['key'], ()) if whole else at
        keys.setdefault(at, []).append((*([r['window']] if whole else []), r['value'] and {k.lower(): v for k, v in r['value'].items()}, r['timestamp']))
    return keys


def heard(rows):
    """2"""
    there = set()
    for r in rows:
        at = (r['topic'], r['key'])
        if r['value'] is not None or at in there:
            yield r
        (there.discard if r['value'] is None else there.add)(at)


def differences(name, got, want):
    got, want = (by_key(rows, name == 'session') for rows in (got, want))
    for at in sorted(set(got) | set(want), key=str):
        g, w = got.get(at, []), want.get(at, [])
        if name == 'foreign_inner': # 7
            w = [y if y[0] is not None or i >= len(g) else (None, max(y[1], g[i][1])) for i, y in enumerate(w)]
        if g == w:
            continue
        i = next((i for i, (x, y) in enumerate(zip(g, w)) if x != y), min(len(g), len(w)))
        yield (f'{name}: key {at}, record {i}: Weir {g[i] if i < len(g) else "none"}, Kafka Streams {w[i] if i < len(w) else "none"}'
               f' ({len(g)} and {len(w)} records)')


LATE = dict(tumbling=(10000, 10000, 5000), hopping=(10000, 4000, 3000))


def on_time(rows, size, advance, grace):
    """({(group, window): rows of l that are in time for it}, rows that are late for all their windows), computed by itself."""
    now, count, late = 0, collections.Counter(), 0
    for r in rows:
        if r['topic'] != 'l':
            continue
        now = max(now, r['timestamp'])
        first = r['timestamp'] // advance * advance
        starts = [s for s in range(first, r['timestamp'] - size, -advance) if s >= 0 and s + size + grace > now]
        count.update((r['value']['g'], (s, s + size)) for s in starts)
        late += not starts
    return count, late


def check(folder, rows, want, shards=2, kills=()):
    got, late = weir(folder, rows, shards, kills)
    wrong = [d for name in TOPOLOGIES for d in differences(name, got[name], want[name])]
    for name, windows in LATE.items():
        count, n = on_time(rows, *windows)
        if collections.Counter((r['key'], tuple(r['window'])) for r in got[name]) != count or n == 0:
            wrong.append(f'{name}: other rows are late than {n} that should be')
        if not kills and late[name] != n: # of a server that was not killed all are counted
            wrong.append(f'{name}: {late[name]} late rows are counted, there are {n}')
    return wrong, got


def report(wrong, got):
    bad = {w.split(':')[0] for w in wrong}
    for name in TOPOLOGIES:
        print(f'{name:20} {len(got[name]):4} records  {"DIFFERENT" if name in bad else "equal"}')
    if wrong:
        sys.exit('\n'.join(wrong[:40]))


def load(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def save(path, rows):
    with open(path, 'w') as f:
        f.writelines(json.dumps(r, separators=(',', ':')) + '\n' for r in rows)


def main():
    work = tempfile.mkdtemp(prefix='weir_record.')
    how = sys.argv[1] if len(sys.argv) > 1 else 'recorded'
    try:
        if how == 'write':
            rows = records(int(os.environ.get('WEIR_SEED', 1)))
            save(os.path.join(HERE, 'input.jsonl'), rows)
            os.makedirs(os.path.join(HERE, 'expected'), exist_ok=True)
            for name, made in kafka_streams(work, rows).items():
                save(os.path.join(HERE, 'expected', name + '.jsonl'), made)
        elif how == 'recorded':
            rows = load(os.path.join(HERE, 'input.jsonl'))
            want = {name: load(os.path.join(HERE, 'expected', name + '.jsonl')) for name in TOPOLOGIES}
            report(*check(os.path.join(work, 'data'), rows, want, kills=[9, 23]))
        else:
            until = time.time() + float(sys.argv[2] if len(sys.argv) > 2 else 60)
            seed = int(sys.argv[3] if len(sys.argv) > 3 else os.environ.get('WEIR_SEED', random.randrange(1 << 30)))
            while True:
                print(f'seed {seed}: record.py streams 0 {seed}', flush=True)
                rows = records(seed)
                rng = random.Random(-seed)
                folder = os.path.join(work, str(seed))
                report(*check(folder, rows, kafka_streams(work, rows), rng.choice([1, 2, 4]), rng.choice([(), rng.sample(range(40), 4)])))
                shutil.rmtree(folder)
                if time.time() > until:
                    break
                seed += 1
    finally:
        shutil.rmtree(work)


main()
