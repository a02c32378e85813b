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
import collections, json, math, os, random, shutil, sqlite3, statistics, subprocess, sys, time

from server import WEIR, Server
from shapes import DISORDER, INPUTS, JOBS, READERS, SETUP, STREAMS, TABLES, TICKS, TOPICS

WORLD = 25
# Points that no job of these comes by: groups commit offsets for clients; an epoch is aborted after an I/O error only, which is
# the simulator's business.
ELSEWHERE = {'group.before_commit', 'group.after_commit', 'epoch.aborted'}


# State that is larger than its budget; batches that do not go through the write-ahead file.
NEEDS = {'restart.folded': {'weir.state.memory.bytes': 40000}, 'checkpoint.piece': {'weir.state.memory.bytes': 40000},
         'segment.before_sync': {'weir.wal.append.max.bytes': 1000}}


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


class Median(ExactAvg):
    def finalize(self):
        return float(statistics.median(self.values)) if self.values else None


class Jobs(Server):
    def damage_state(self):
        """The state's files are a copy: their loss or damage must cost time only. Answers what has happened to them."""
        files = [os.path.join(d, f) for d, _, fs in os.walk(os.path.join(self.folder, 'state')) for f in fs]
        files = [f for f in files if os.path.getsize(f)]
        if not files:
            return 'nothing'
        what = self.rng.choice(['folder', 'cut', 'bit'])
        if what == 'folder':
            shutil.rmtree(os.path.join(self.folder, 'state'))
            return what
        path = self.rng.choice(files)
        with open(path, 'r+b') as f:
            at = self.rng.randrange(os.path.getsize(path))
            if what == 'cut':
                f.truncate(at)
            else:
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1 << self.rng.randrange(8)]))
        return what

    def sql(self, text):
        run = subprocess.run([WEIR, 'sql', '--server', self.address, '--mode', 'ndjson', '--quiet', '-e', text],
                             capture_output=True, text=True)
        if run.returncode != 0:
            self.fail(f'{text}\n{run.stderr}')
        return [json.loads(line) for line in run.stdout.splitlines()]

    def feed(self, topic, records):
        """(key, value[, ms[, partition]]) each. The server may die meanwhile: what the topic holds then is what counts."""
        lines = [dict(zip(('key', 'value', 'timestamp', 'partition'), (str(key), value if value is None or isinstance(value, str)
                                                                       else json.dumps(value), *more))) for key, value, *more in records]
        return subprocess.run([WEIR, 'produce', topic, '--server', self.address, '--json', '--quiet'], text=True, capture_output=True,
                              input='\n'.join(map(json.dumps, lines)) + '\n').returncode == 0

    def read(self, topics):
        """The records of each topic under read_committed, those of a partition in order. Keys of windows are not all text."""
        runs = [subprocess.Popen([WEIR, 'consume', t, '--server', self.address, '--until-end', '-f', r'%p %o %T %K %S\n%k%s\n'],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for t in topics]
        records = {}
        for topic, run in zip(topics, runs):
            out, err = run.communicate()
            if run.returncode != 0:
                self.fail(f'consume {topic}: {err.decode()}')
            records[topic] = list(parsed(out))
        return records


def parsed(text):
    at = 0
    while at < len(text):
        end = text.index(b'\n', at)
        partition, offset, ms, nkey, nvalue = map(int, text[at:end].split())
        middle = end + 1 + max(0, nkey)
        at = middle + max(0, nvalue) + 1
        key, value = text[end + 1:middle], text[middle:at - 1]
        yield dict(partition=partition, offset=offset, timestamp=ms, key=key.decode(errors='surrogateescape') if nkey >= 0 else None,
                   value=value.decode() if nvalue >= 0 else None)


class World:
    def __init__(self, power, rng):
        self.rng, self.serial, self.letters = rng, 0, 0
        self.clock, self.times = 1000000000, set() # event time; no two rows have the same
        self.server = Jobs(power, rng, **{'commit.interval.ms': 20, 'weir.checkpoint.bytes': 20000,
                                          'log.segment.bytes': 30000, 'log.cleaner.backoff.ms': 100,
                                          'weir.source.idle.timeout.ms': 3600000}) # no row is late, however slow the machine
        shutil.rmtree(self.server.folder, ignore_errors=True)
        shutil.rmtree(self.server.shadow, ignore_errors=True)
        self.server.start()
        # SQLite needs all versions: not compacted
        subprocess.run([WEIR, 'topic', 'create', 'rates', '--partitions', '2', '--config', 'cleanup.policy=delete', '--server',
                        self.server.address], check=True, stdout=subprocess.DEVNULL)
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
        self.timed_step(rng.randrange(60))

    def timed_step(self, n):
        """Rows whose time counts: they come in any order within the disorder, those of rates in order."""
        rng = self.rng
        rows = {'visits': [], 'buys': [], 'rates': []}
        for _ in range(n):
            self.serial += 1
            self.clock += rng.randrange(1, 400)
            if rng.random() < 0.1:
                rows['rates'].append((rng.randrange(6), {'rate': self.serial} if rng.random() < 0.8 else None, self.clock))
            ms = self.clock - rng.randrange(DISORDER)
            if ms in self.times:
                continue
            self.times.add(ms)
            if rng.random() < 0.6:
                rows['visits'].append((rng.randrange(12), dict(seq=self.serial, page=rng.randrange(6), n=rng.randrange(20)), ms))
            else:
                rows['buys'].append((rng.randrange(12), dict(seq=self.serial, item=rng.randrange(6)), ms))
        for topic, records in rows.items():
            self.server.feed(topic, records)

    def tick(self):
        """Time goes on by hours in every partition: all that waited for it comes, and nothing is late."""
        self.clock += 3 * 3600 * 1000
        for topic, partitions in (('visits', 3), ('buys', 2), ('rates', 2)):
            if not self.server.feed(topic, [(TICKS, {}, self.clock, p) for p in range(partitions)]):
                self.server.fail('time does not go on')
        self.clock += DISORDER

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
        self.tick()
        self.caught_up()
        self.caught_up()

    def oracle(self, records):
        db = sqlite3.connect(':memory:')
        db.create_aggregate('EXACT_AVG', 1, ExactAvg)
        db.create_aggregate('MEDIAN', 1, Median)
        db.executescript(INPUTS)
        for topic in TOPICS:
            columns = [c[1] for c in db.execute(f'PRAGMA table_info({topic})')]
            for r in records[topic]:
                key = int(r['key'])
                if is_bad(r) or key >= TICKS:
                    continue
                if topic in ('products', 'shelves'):
                    db.execute(f'DELETE FROM {topic} WHERE product = ?', (key,))
                if r['value'] is not None or topic == 'rates':
                    row = {columns[0]: key, 'ts': r['timestamp'], 'place': r['offset'], **json.loads(r['value'] or '{"rate": null}')}
                    db.execute(f'INSERT INTO {topic} VALUES ({",".join("?" * len(columns))})', [row[c] for c in columns])
        return db

    def compare(self):
        server = self.server
        pulls = server.sql(''.join(f"SELECT '{t}' AS table_, {columns} FROM {t};" for t, (columns, _, _) in TABLES.items()))
        records = server.read([*TOPICS, *TABLES, *STREAMS])
        db = self.oracle(records)
        for table, (columns, query, grows) in TABLES.items():
            names = [c.strip() for c in columns.split(',')]
            wanted = sorted(db.execute(query).fetchall(), key=repr)
            rows = [{k.lower(): v for k, v in r.items()} for r in pulls if r['table_'] == table]
            got = sorted([tuple(r[c] for c in names) for r in rows], key=repr)
            if got != wanted:
                server.fail(f'{table}: here {[r for r in got if r not in wanted][:5]}, '
                            f'SQLite {[r for r in wanted if r not in got][:5]}')
            self.compare_topic(table, records[table], len(wanted), grows)
        self.compare_letters(records['sales'])
        for stream, (columns, query, order) in STREAMS.items():
            self.compare_stream(stream, [c.strip() for c in columns.split(',')], records[stream], db.execute(query).fetchall(), order)

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

    def compare_stream(self, stream, columns, records, wanted, order):
        rows = []
        for r in records:
            key = json.loads(r['key']) if r['key'] is not None else {}
            row = {**(key if isinstance(key, dict) else {columns[0]: key}), **json.loads(r['value'])}
            rows.append({k.lower(): v for k, v in row.items()})
        got, wanted = (collections.Counter(x) for x in ((tuple(r[c] for c in columns) for r in rows), wanted))
        if got != wanted:
            self.server.fail(f'{stream}: lost {list((wanted - got).items())[:5]}, too many {list((got - wanted).items())[:5]}')
        last = {}
        for row in rows if order else []:
            key = row[columns[0]]
            if last.get(key, 0) >= row[order]:
                self.server.fail(f'{stream}: of {key}, {row[order]} comes behind {last[key]}')
            last[key] = row[order]


class Points:
    """Which fault point is next: one that has ended the fewest servers; one that was not reached, at its first hit."""

    def __init__(self, rng):
        self.rng, self.missed, self.armed = rng, set(), 0
        with open(os.path.join(os.environ['ROOT'], 'tests', 'crash', 'points.txt')) as f:
            lines = [line.strip() for line in f]
        self.ended = {line: 0 for line in lines if line and line[0] != '#' and line not in ELSEWHERE}

    def next(self):
        self.armed += 1
        point = min(self.ended, key=lambda p: (self.ended[p], p in self.missed))
        return point, 1 if point in self.missed or self.rng.random() < 0.4 else self.rng.randrange(1, 20)

    def over(self, point, died):
        """died: of what the server that was to end there has ended."""
        if died == point:
            self.ended[point] += 1
            self.missed.discard(point)
        else:
            self.missed.add(point)

    def unreached(self):
        return [p for p, n in self.ended.items() if not n]


def main():
    kind = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(os.environ.get('WEIR_FIRST_SEED') or random.randrange(1 << 31))
    print(f'{kind}, {rounds} rounds; again with: tests/crash/jobs.py {kind} {rounds} {seed}', flush=True)
    rng = random.Random(seed)
    points = Points(rng)
    died, harmed, shards, worlds, letters = collections.Counter(), collections.Counter(), collections.Counter(), 0, 0
    world = point = None
    for i in range(rounds):
        if i % WORLD == 0:
            if world:
                letters += world.letters
                world.server.stop()
            world, worlds, point = World(kind == 'power', rng), worlds + 1, None
        server = world.server
        world.step()
        end = server.die(rng.choice([0, rng.uniform(0, 0.15)]), world.step)
        died[end] += 1
        if point:
            points.over(point, end)
            point = None
        if rng.random() < 0.3:
            harmed[server.damage_state()] += 1
        # so little that a tail of 78 records is folded into the file before the rest; past the write-ahead file, or through it
        server.settings['weir.state.memory.bytes'] = rng.choice([40000, 40000, 1 << 30])
        server.settings['weir.wal.append.max.bytes'] = rng.choice([1000, 65536])
        if i % 3 == 2 or i % WORLD == WORLD - 1 or i == rounds - 1:
            server.start()
            world.settle()
            world.compare()
            if i % WORLD == WORLD - 1:
                print(f'{died.total()} ends, all is right', flush=True)
            continue
        point, nth = points.next()
        server.settings.update(NEEDS.get(point, {}))
        if point == 'restart.folded':  # with nothing to go by, all of it is a tail
            shutil.rmtree(os.path.join(server.folder, 'state'), ignore_errors=True)
        while not server.start(f'{point}:{nth}'):
            died[point] += 1
            points.over(point, point)
            point, nth = points.next()
        shards[server.shards] += 1
    world.settle()
    world.compare()
    world.server.stop()
    for name, n in sorted(died.items()):
        print(f'{n:6} {name}')
    print('state came to harm: ' + ', '.join(f'{n} {name}' for name, n in sorted(harmed.items())))
    print(f'{died.total()} ends in {rounds} rounds of {worlds} worlds: {len(TABLES)} tables and {len(STREAMS)} streams exactly once, '
          f'{letters + world.letters} dead letters compared')
    if points.unreached():
        print('not reached: ' + ', '.join(points.unreached()))
        if points.armed > 1.5 * len(points.ended):
            sys.exit('some fault points were never reached')


if __name__ == '__main__':
    main()
