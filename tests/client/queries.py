#!/usr/bin/env python3
"""What jobs keep is what a batch answers: random queries of all relational SQL over tables and streams, against SQLite.

    queries.py WORLDS|SECONDSs [SEED]      so many worlds from SEED on, or as many as the seconds take (SEED: seed.py)
    queries.py 1 SEED [NUMBER]             that world alone; of its queries only this one

A world of one seed is a server with 1, 2 or 4 shards, three tables and two streams over several partitions, and some 30 queries.
A third of the jobs run before
there is data. It comes in rounds: new rows, other values, rows that go, rows that come again; between rounds the
server is killed now and then. After each round, when all jobs have caught up, each one's table must hold what SQLite
answers over the rows so far. In the end the same queries are asked as pull queries, some as push queries too. A query that fails is made smaller
for as long as it fails (querytree.py), and shown with the rows that differ. What is counted: in how many cases a row that an
operator had given went again, by operator and by the mode of its edge as EXPLAIN names them. Environment: WEIR."""
import collections, http.client, json, os, random, re, shutil, sqlite3, subprocess, sys, tempfile, time
from collections import Counter
import differential
from differential import Base, Mismatch, random_value
from seed import first_seed, worlds
from querytree import Maker, smaller


class Server(differential.Server):
    """One that can be killed, and goes on with another number of shards."""

    def __init__(self, folder, shards):
        self.folder, self.listen = folder, '127.0.0.1:0'
        self.start(shards)

    def start(self, shards):
        self.process = subprocess.Popen(
            [differential.WEIR, 'server', '--data', self.folder, '--listen', self.listen, '--set', f'weir.shards={shards}', '--set',
             'commit.interval.ms=10'], stderr=open(self.folder + '.log', 'a'), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if 'ready' not in line:
            sys.exit(f'the server did not start: {line!r}')
        self.listen = self.address = next(w.split('=', 1)[1] for w in line.split() if w.startswith('listen=')).split(',')[0]
        self.http = http.client.HTTPConnection(self.address, timeout=120)

    def kill(self):
        self.http.close()
        self.process.kill()
        self.process.wait()

    def caught_up(self):
        """Waits until no job lags; gives {name: what is wrong with it}."""
        end = time.monotonic() + 60
        while True:
            columns, rows = self.sql('SHOW JOBS;')
            at = {c['name'].lower(): i for i, c in enumerate(columns)}
            jobs = {r[at['name']]: (r[at['state']], r[at['lag']]) for r in rows}
            waiting = {n: s for n, s in jobs.items() if s != ('running', 0) and s[0] != 'failed'}
            if not waiting or time.monotonic() > end:
                return {n: f'is {s[0]}, lag {s[1]}' for n, s in jobs.items() if s != ('running', 0)}
            time.sleep(0.02)


# ---- A world: its rows in rounds

def changes(rng, base, rows, counts):
    """Records of one round, and what they make of the rows: {key: row}, or a list of rows of a stream."""
    records = []
    for _ in range(rng.choice(counts)):
        key = tuple(random_value(rng, t, 0) for _, t in base.columns[:base.nkey])
        row = [random_value(rng, t) for _, t in base.columns[base.nkey:]]
        if base.table and rows and rng.random() < 0.4: # a key that is there
            key = rng.choice(list(rows))
            if rng.random() < 0.5: # with one other value
                row = [v if rng.random() < 0.3 else w for v, w in zip(row, rows[key])]
        if not base.table:
            row[-1] = rng.randrange(0, 10 ** 5)
            if rows and rng.random() < 0.2: # the same again
                again = rng.choice(rows)
                key, row = again[0], list(again[1])
        gone = base.table and rng.random() < 0.25
        if not base.table:
            rows.append((key, row))
        elif gone:
            rows.pop(key, None)
        else:
            rows[key] = row
        value = {c: v for (c, _), v in zip(base.columns[base.nkey:], row) if v is not None or rng.random() < 0.5}
        records.append(dict(key=base.key_text(list(key)), value=None if gone else json.dumps(value)))
    return records


class World:
    def __init__(self, seed):
        rng = random.Random(seed)
        self.seed = seed
        self.bases = [Base(rng, c, c in 'tuv') for c in 'tuvrs']
        contents = [{} if b.table else [] for b in self.bases]
        self.rounds, self.rows = [], []
        for n in range(rng.choice([3, 4, 5])):
            self.rounds.append([changes(rng, b, c, [12, 20] if n == 0 else [0, 2, 5, 9, 14]) for b, c in zip(self.bases, contents)])
            self.rows.append([[list(k) + list(r) for k, r in (c.items() if b.table else c)] for b, c in zip(self.bases, contents)])
        self.shards = [rng.choice([1, 2, 4]) for _ in range(8)]
        self.kills = [rng.random() < 0.4 for _ in self.rounds]

    def database(self):
        """Doubles are quarters, so SQLite's own sums of them are exact."""
        db = sqlite3.connect(':memory:')
        db.execute('PRAGMA case_sensitive_like = ON')
        db.create_function('FLOORDIV', 2, lambda a, b: None if a is None else a // b)
        for b in self.bases:
            db.execute(f'CREATE TABLE {b.name} ({", ".join(f"{c} {k}" for c, k in b.columns)})')
        return db

    def fill(self, db, n):
        """As the rows are after round n."""
        for b, rows in zip(self.bases, self.rows[n]):
            db.execute(f'DELETE FROM {b.name}')
            db.executemany(f'INSERT INTO {b.name} VALUES ({",".join("?" * len(b.columns))})', rows)

    def queries(self, n):
        return [Maker(random.Random(f'{self.seed} {i}'), self.bases).whole() for i in range(n)]


# ---- Running queries in a world


class Failure:
    def __init__(self, kind, text):
        self.kind, self.text = kind, text


def bag(rows):
    return Counter(tuple(int(v) if isinstance(v, bool) else v for v in r) for r in rows)


def shown(counts):
    return '\n'.join(f'    {n} x {r}' for r, n in list(counts.items())[:6]) or '    none'


def answer(db, query):
    """LIMIT keeps SQLite 3.40 from merging the outer SELECT into a UNION ALL of a FULL JOIN, which gives rows too many."""
    cursor = db.execute(f'SELECT * FROM ({query.sql(1)}) LIMIT -1')
    return [c[0] for c in cursor.description], bag(cursor.fetchall())


def valid(db, query):
    try:
        db.execute(f'SELECT * FROM ({query.sql(1)}) LIMIT -1')
        return True
    except Exception:
        return False


def table_of(server, name, columns):
    """The rows of a job's table; what has no key of its own is kept once and counted."""
    listed, rows = server.sql(f'SELECT * FROM {name};')
    names = [c['name'] for c in listed]
    at = [names.index(c) for c in columns]
    count = names.index('ROW_COUNT') if 'ROW_COUNT' in names else None
    got = Counter()
    for r in rows:
        got[tuple(int(v) if isinstance(v, bool) else v for v in (r[i] for i in at))] += r[count] if count is not None else 1
    return got


def differ(got, wanted):
    return f'only Weir:\n{shown(got - wanted)}\nonly SQLite:\n{shown(wanted - got)}\n{sum(got.values())} and {sum(wanted.values())} rows'


class Run:
    """One life of a world: its rounds, with these queries as jobs."""

    def __init__(self, world, queries, kills=True, pull=True):
        self.world, self.queries, self.failures, self.cases = world, queries, {}, collections.Counter()
        self.kills, self.folder = kills, tempfile.mkdtemp(prefix='queries')
        self.server, self.db = Server(self.folder + '/data', world.shards[0]), world.database()
        try:
            self.life(pull)
        finally:
            self.server.kill()
            shutil.rmtree(self.folder)

    def fail(self, i, kind, text):
        self.failures.setdefault(i, Failure(kind, text))

    def create(self, i):
        text = f"j{i} WITH (KEY_FORMAT='JSON') AS SELECT * FROM ({self.queries[i].sql(0)}) q;"
        last = self.server.ask('CREATE TABLE ' + text)[-1]
        if 'the result of this query is a stream' in last.get('message', ''):
            last = self.server.ask('CREATE STREAM ' + text)[-1]
        if last['kind'] == 'error':
            self.fail(i, 'refused', f'{last["message"]} ({last["hint"]})')
            return
        self.jobs.append(i)
        self.before[i] = Counter()

    def life(self, pull):
        world, server = self.world, self.server
        self.jobs, self.before, self.retracted, killed = [], {}, {}, False
        for b in world.bases:
            server.sql(b.create())
        for i in range(0, len(self.queries), 3):
            self.create(i)
        for n, batches in enumerate(world.rounds):
            for b, records in zip(world.bases, batches):
                if records:
                    server.feed(b.name, records)
            if n == 0:
                for i in range(len(self.queries)):
                    if i not in self.jobs and i not in self.failures:
                        self.create(i)
            world.fill(self.db, n)
            self.check(n, killed)
            if self.kills and world.kills[n] and n + 1 < len(world.rounds):
                server.kill()
                server.start(world.shards[n + 1])
                killed = True
        for i in self.jobs:
            for operator in operators(server, f'j{i}') if i in self.retracted else []:
                for life in self.retracted[i]:
                    self.cases[operator, life] += 1
        for i, q in enumerate(self.queries) if pull else []:
            if i % 4 == 0 and i in self.jobs and i not in self.failures:
                self.push(i)
            if i not in self.failures:
                wanted = answer(self.db, q)[1]
                lines = server.ask(q.sql(0) + ';')
                got = bag(r for l in lines if l['kind'] == 'rows' for r in l['rows'])
                if lines[-1]['kind'] == 'error':
                    self.fail(i, 'refused as pull query', f'{lines[-1]["message"]} ({lines[-1]["hint"]})')
                elif got != wanted:
                    self.fail(i, 'pull', differ(got, wanted))

    def push(self, i):
        try:
            _, rows = self.server.sql(f'SELECT * FROM ({self.queries[i].sql(0)}) q EMIT CHANGES;')
            got, wanted = bag(rows), answer(self.db, self.queries[i])[1]
            if got != wanted:
                self.fail(i, 'push', differ(got, wanted))
        except Mismatch as e:
            self.fail(i, 'push', str(e))

    def check(self, n, killed):
        """Each job's table against SQLite; waits a little, because a lag may be told before the last records are counted."""
        wrong = self.server.caught_up()
        for i in self.jobs:
            if i in self.failures:
                continue
            if f'j{i}' in wrong:
                self.fail(i, 'stuck', f'after round {n} the job {wrong[f"j{i}"]}')
                continue
            columns, wanted = answer(self.db, self.queries[i])
            for again in range(25):
                got = table_of(self.server, f'j{i}', columns)
                if got == wanted:
                    break
                time.sleep(0.1)
            else:
                self.fail(i, 'job', f'after round {n}, {"killed" if killed else "not killed"}:\n{differ(got, wanted)}')
            if self.before[i] - wanted:
                self.retracted.setdefault(i, set()).add(killed)
            self.before[i] = wanted


def operators(server, job):
    """(operator, mode) of each line of EXPLAIN; once a case."""
    found = set()
    for line in server.ask(f'EXPLAIN {job};'):
        if line['kind'] == 'text':
            found |= set(parse_explain(line['text']))
    return found


OPERATOR = re.compile(r'\s+(?:->\s+)?((?:(?:LEFT|RIGHT|FULL|INNER|SEMI|ANTI|LOOKUP|INTERVAL|TEMPORAL) )*JOIN|UNION ALL|TOP N|[A-Z]+)\b.*\[(append|upsert|retract)')


def parse_explain(text):
    return [m.groups() for m in map(OPERATOR.match, text.splitlines()) if m]


# ---- A failure made small

def shrink(world, query, kind, text):
    """Many smaller queries live the same life at once; the shortest that still fails is the next to be made smaller."""
    db, failure = world.database(), None
    for _ in range(40):
        candidates = []
        for q in smaller(query):
            if valid(db, q) and q.sql(0) not in [c.sql(0) for c in candidates]:
                candidates.append(q)
        candidates = sorted(candidates, key=lambda q: len(q.sql(0)))[:36]
        if not candidates:
            break
        failures = Run(world, candidates, pull=kind in ('pull', 'push', 'refused as pull query')).failures
        same = [i for i, f in failures.items() if f.kind == kind and (kind in ('pull', 'push', 'job', 'stuck') or f.text[:20] == text[:20])]
        if not same:
            break
        query, failure = candidates[min(same)], failures[min(same)]
    return query, failure


def play(seed, number, count):
    world = World(seed)
    queries = world.queries(count)
    numbers = range(count) if number is None else [number]
    run = Run(world, [queries[i] for i in numbers])
    for at, f in sorted(run.failures.items()):
        i = numbers[at]
        print(f'\nseed {seed}, query {i} (again with: tests/client/queries.py 1 {seed} {i}), {f.kind}:\n{queries[i].sql(0)}\n{f.text}', flush=True)
        if os.environ.get('SHRINK', '1') == '1':
            small, g = shrink(world, queries[i], f.kind, f.text)
            if g:
                tables = '\n'.join(b.create() for b in world.bases if f' {b.name} ' in small.sql(0) + ' ')
                print(f'made smaller:\n{tables}\n{small.sql(0)}\nSQLite: {small.sql(1)}\n{g.text}', flush=True)
    return run


def main():
    seed = first_seed(sys.argv[2] if len(sys.argv) > 2 else None)
    number = int(sys.argv[3]) if len(sys.argv) > 3 else None
    print(f'seed {seed}', flush=True)
    filled = went = 0
    checked, jobs, failed, cases = 0, 0, 0, collections.Counter()
    for world in worlds(sys.argv[1] if len(sys.argv) > 1 else '15s'):
        run = play(seed + world, number, int(os.environ.get('QUERIES', 30)))
        checked, failed = checked + len(run.queries), failed + len(run.failures)
        cases += run.cases
        jobs += len(run.jobs)
        filled, went = filled + sum(bool(b) for b in run.before.values()), went + len(run.retracted)
    table = collections.defaultdict(dict)
    for (operator, killed), n in cases.items():
        table[operator][killed] = n
    print('Jobs of which a row went again: before a kill, after one, mode of the edge, operator')
    for operator, row in sorted(table.items()):
        print(f'{row.get(False, 0):8}{row.get(True, 0):8}  {operator[1]:8} {operator[0]}')
    print(f'{world + 1} worlds, {checked} queries, {jobs} as jobs: {filled} with rows in the end, of {went} a row went again; {failed} fail')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
