#!/usr/bin/env python3
"""What jobs keep is what a batch answers: random queries of all relational SQL over tables and streams, against SQLite or PostgreSQL.

    queries.py [postgres] [rare] WORLDS|SECONDSs [SEED]    so many worlds from SEED on, or as many as the seconds take (SEED: seed.py)
    queries.py [postgres] 1 SEED [NUMBER]                  that world alone; of its queries only this one

A world of one seed is a server with 1, 2 or 4 shards, three tables and two streams over several partitions, and some 30 queries.
A third of the jobs run before there is data. It comes in rounds: new rows, other values, rows that go, rows that come again;
between rounds the server is killed now and then. After each round, when all jobs have caught up, each one's table must hold what the batch
database answers over the rows so far. In the end the same queries are asked as pull queries, some as push queries too. A query
that fails is made smaller for as long as it fails (querytree.py), and shown with the rows that differ. What is counted: in how many cases a
row that an operator had given went again, by operator and by the mode of its edge as EXPLAIN names them. With `postgres` columns
have all scalar types and arrays (typed.py), FULL and RIGHT joins stand anywhere. One world in four holds what random queries seldom have (with
`rare` only these and the next), one joins by time, whose outer rows
come when time has passed: they are compared after the last round, and pull queries, which end, see that round too. Environment: WEIR."""
import collections, json, os, random, re, shutil, signal, sqlite3, sys, tempfile, time
from collections import Counter
import postgres, typed, windows
from differential import Base, random_value
from querytree import Maker, PostgresWords, ShapedMaker, SqliteWords, TimedMaker, smaller
from seed import first_seed, worlds
from weir import Mismatch, Server


def caught_up(server):
    """Waits until no job lags; gives {name: what is wrong with it}."""
    end = time.monotonic() + 60
    while True:
        jobs = {r['name']: (r['state'], r['lag']) for r in server.rows('SHOW JOBS;')}
        waiting = {n: s for n, s in jobs.items() if s != ('running', 0) and s[0] != 'failed'}
        if not waiting or time.monotonic() > end:
            return {n: f'is {s[0]}, lag {s[1]}' for n, s in jobs.items() if s != ('running', 0)}
        time.sleep(0.02)


# ---- Batch databases

def batch_columns(base):
    return base.columns + [('gone', 'INT'), ('seq', 'INT')] * (base.table and base.columns[-1][0] == 'since')


class Sqlite:
    """Doubles are quarters, so SQLite's own sums of them are exact."""
    name, words, base, value = 'SQLite', SqliteWords, Base, staticmethod(random_value)

    def begin(self, bases):
        self.db = sqlite3.connect(':memory:')
        self.db.execute('PRAGMA case_sensitive_like = ON')
        self.db.create_function('FLOORDIV', 2, lambda a, b: None if a is None else a // b)
        self.db.create_function('FROM_MS', 1, lambda ms: ms)
        self.db.execute('CREATE TABLE numbers (n)')
        self.db.executemany('INSERT INTO numbers VALUES (?)', ((i,) for i in range(100)))
        for b in bases:
            self.db.execute(f'CREATE TABLE {b.name} ({", ".join(f"{c} {k}" for c, k in batch_columns(b))})')

    def fill(self, base, rows):
        self.db.execute(f'DELETE FROM {base.name}')
        self.db.executemany(f'INSERT INTO {base.name} VALUES ({",".join("?" * len(batch_columns(base)))})', rows)

    def ask(self, query):
        """LIMIT keeps SQLite 3.40 from merging the outer SELECT into a UNION ALL of a FULL JOIN, which gives rows too many."""
        cursor = self.db.execute(f'SELECT * FROM ({query.sql(1)}) LIMIT -1')
        return [c[0] for c in cursor.description], cursor.fetchall()

    def problem(self, query):
        try:
            self.ask(query)
        except sqlite3.Error as e:
            return str(e)

    def end(self):
        pass


class Postgres:
    """One server for all worlds."""
    name, words, base, value = 'PostgreSQL', PostgresWords, typed.TypedBase, staticmethod(typed.random_value)
    server = None

    def begin(self, bases):
        Postgres.server = Postgres.server or postgres.Postgres()
        for b in bases:
            columns = ', '.join(f'{c} {typed.postgres_type(k)}' for c, k in batch_columns(b))
            self.server.run(f'DROP TABLE IF EXISTS {b.name}; CREATE TABLE {b.name} ({columns});')

    def fill(self, base, rows):
        values = ','.join('(' + ','.join(map(typed.postgres_literal, r)) + ')' for r in rows)
        self.server.run(f'TRUNCATE {base.name};' + (f'INSERT INTO {base.name} VALUES {values};' if rows else ''))

    def ask(self, query):
        return self.server.run(f'SELECT * FROM ({query.sql(2)}) q')

    def problem(self, query):
        """What it does not have, as a FULL JOIN of anything else than equalities."""
        try:
            self.ask(query)
        except postgres.Error as e:
            return str(e)

    def end(self):
        if Postgres.server:
            Postgres.server.stop()


# ---- A world: its rows in rounds

def new_time(rng, rows, begin):
    """No two rows of a stream have one, unless they are the same: which of two is the last would not be said."""
    while True:
        at = begin + rng.randrange(windows.SPAN)
        if all(row[-1] != at for _, row in rows):
            return at


def changes(rng, base, rows, counts, value_of, begin=windows.BEGIN):
    """Records of one round, and what they make of the rows: {key: row}, or a list of rows of a stream."""
    records = []
    for _ in range(rng.choice(counts)):
        key = tuple(value_of(rng, t, 0) for _, t in base.columns[:base.nkey])
        row = [value_of(rng, t) for _, t in base.columns[base.nkey:]]
        if base.table and rows and rng.random() < 0.4: # a key that is there
            key = rng.choice(list(rows))
            if rng.random() < 0.5: # with one other value
                row = [v if rng.random() < 0.3 else w for v, w in zip(row, rows[key])]
        if not base.table:
            row[-1] = new_time(rng, rows, begin)
            recent = [r for r in rows if r[1][-1] >= begin]
            if recent and rng.random() < 0.2: # the same again
                again = rng.choice(recent)
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


def versions(rng, base, rows, counts, value_of, begin):
    """The same of a table whose versions have times: rows are all of them, with whether the key went, and in which order they came."""
    records = []
    for _ in range(rng.choice(counts)):
        key = rng.choice(rows)[:base.nkey] if rows and rng.random() < 0.6 else [value_of(rng, t, 0) for _, t in base.columns[:base.nkey]]
        row = [value_of(rng, t) for _, t in base.columns[base.nkey:]]
        row[-1], gone = begin + rng.randrange(windows.SPAN), rng.random() < 0.2
        rows.append(key + row + [int(gone), len(rows)])
        value = {c: v for (c, _), v in zip(base.columns[base.nkey:], row)}
        records.append(dict(key=base.key_text(key), value=None if gone else json.dumps(value), timestamp=row[-1]))
    return records


class World:
    timed = False

    def __init__(self, seed, oracle):
        rng = random.Random(seed)
        self.seed, self.oracle = seed, oracle
        self.bases = [oracle.base(rng, c, c in 'tuvd') for c in 'tuvrsd']
        for b in self.bases:
            b.late, b.fixed = True, b.name == 'd'
        contents = [{} if b.table else [] for b in self.bases]
        self.rounds, self.rows = [], []
        for n in range(rng.choice([3, 4, 5]) if seed % 4 != 1 else 4):
            counts = [12, 20] if n == 0 else [0, 2, 5, 9, 14] if seed % 4 != 1 else [5, 9, 14]
            self.rounds.append([changes(rng, b, c, [0] if n and b.fixed else counts, oracle.value) for b, c in zip(self.bases, contents)])
            self.rows.append([[list(k) + list(r) for k, r in (c.items() if b.table else c)] for b, c in zip(self.bases, contents)])
        self.shards = [rng.choice([1, 2, 4]) for _ in range(8)]
        self.kills = [rng.random() < (0.4 if seed % 4 != 1 else 1.0 * (n == 1)) for n in range(len(self.rounds))]

    def fill(self, contents):
        for b, rows in zip(self.bases, contents):
            self.oracle.fill(b, rows)

    def query(self, i):
        """In one world of four those that are rare."""
        rng = random.Random(f'{self.seed} {i}')
        if self.seed % 4 == 1:
            return ShapedMaker(rng, self.bases, self.oracle.words).whole(i)
        return Maker(rng, self.bases, self.oracle.words).whole()


def unlike(kind, n):
    """A value that no other row has; of booleans there is none."""
    return {'VARCHAR': f'flush {n}', 'BOOLEAN': None, 'DECIMAL': f'{900000 + n}', 'DATE': f'30{n:02}-01-01', 'TIME': f'01:01:01.0{n:02}', 'TIMESTAMP': f'30{n:02}-01-01T00:00:00',
            'INTERVAL': f'{1000 + n} 00:00:00', 'MONTHS': f'{100 + n}-0', 'INTS': [1000 + n], 'TEXTS': [f'flush {n}'], 'MAP': {}}.get(kind, 20000 + n)


class TimedWorld(World):
    """Two streams, and a table with versions."""
    timed = True

    def __init__(self, seed, oracle):
        rng = random.Random(f'timed {seed}')
        self.seed, self.oracle = seed, oracle
        self.bases = [oracle.base(rng, c, c == 'w') for c in 'rsw']
        for b in self.bases:
            b.waits = True
        self.bases[-1].columns.append(('since', 'BIGINT'))
        contents, self.rounds, self.rows = [[], [], []], [], []
        for n in range(rng.choice([4, 5])):
            counts, begin = [15, 25] if n == 0 else [5, 9, 14, 20], windows.BEGIN + n * 10 * windows.SPAN # the round before is over
            self.rounds.append([(versions if b.table else changes)(rng, b, c, counts, oracle.value, begin) for b, c in zip(self.bases, contents)])
            self.rows.append([[list(r) if b.table else list(r[0]) + list(r[1]) for r in c] for b, c in zip(self.bases, contents)])
        self.flush(contents)
        self.shards = [rng.choice([1, 2, 4]) for _ in range(8)]
        self.kills = [n == 2 for n in range(len(self.rounds))] # what came in one round shows in the next

    def flush(self, contents):
        """A record of each partition, which meets nothing and ends all time before it. Queries that end show it, jobs wait for it for ever."""
        self.rounds.append([])
        for number, (b, rows) in enumerate(zip(self.bases, contents)):
            self.rounds[-1].append([])
            for partition in range(b.partitions):
                at = 20000 + 10 * number + partition
                key = [f'flush {at}' if t == 'VARCHAR' else at for _, t in b.columns[:b.nkey]]
                row = [unlike(t, 10 * number + partition) for _, t in b.columns[b.nkey:-1]] + [windows.FLUSH]
                rows.append(key + row + [0, len(rows)] if b.table else (key, row))
                self.rounds[-1][-1].append(dict(key=b.key_text(key), value=json.dumps({c: v for (c, _), v in zip(b.columns[b.nkey:], row)}), partition=partition))
        self.rows.append(self.rows[-1])
        self.flushed = [[list(r) if b.table else list(r[0]) + list(r[1]) for r in c] for b, c in zip(self.bases, contents)]

    def query(self, i):
        return TimedMaker(random.Random(f'{self.seed} {i}'), self.bases, self.oracle.words).whole()


# ---- Running queries in a world


class Failure:
    def __init__(self, kind, text):
        self.kind, self.text = kind, text


def plain(v):
    return int(v) if isinstance(v, bool) else tuple(map(plain, v)) if isinstance(v, list) else v


def bag(rows):
    return Counter(tuple(map(plain, r)) for r in rows)


def shown(counts):
    return '\n'.join(f'    {n} x {tuple(str(v) if isinstance(v, postgres.decimal.Decimal) else v for v in r)}' for r, n in list(counts.items())[:6]) or '    none'


def answer(oracle, query):
    names, rows = oracle.ask(query)
    return names, bag(rows)


def table_of(server, name, columns):
    """The rows of a job's table; what has no key of its own is kept once and counted."""
    listed, rows = server.sql(f'SELECT * FROM {name};')
    names = [c['name'] for c in listed]
    at = [names.index(c) for c in columns]
    count = names.index('ROW_COUNT') if 'ROW_COUNT' in names else None
    got = Counter()
    for r in rows:
        got[tuple(plain(r[i]) for i in at)] += r[count] if count is not None else 1
    return got


def differ(got, wanted, oracle):
    return f'only Weir:\n{shown(got - wanted)}\nonly {oracle.name}:\n{shown(wanted - got)}\n{sum(got.values())} and {sum(wanted.values())} rows'


class Run:
    """One life of a world: its rounds, with these queries as jobs."""

    def __init__(self, world, queries, kills=True, pull=True):
        self.world, self.queries, self.failures, self.cases = world, queries, {}, Counter()
        self.strange, self.unasked = Counter(), set()
        self.kills, self.folder, self.oracle = kills, tempfile.mkdtemp(prefix='queries'), world.oracle
        self.oracle.begin(world.bases)
        self.server = Server(self.folder + '/data', shards=world.shards[0], commit_ms=10)
        try:
            self.life(pull)
        finally:
            self.server.kill()
            shutil.rmtree(self.folder)

    def fail(self, i, kind, text):
        self.failures.setdefault(i, Failure(kind, text))

    def answer(self, i):
        """None: the batch cannot compute it over these rows, as where a number is out of range; it is asked no more."""
        problem = self.oracle.problem(self.queries[i])
        if not problem:
            return answer(self.oracle, self.queries[i])
        self.strange[problem] += 1
        self.unasked.add(i)

    def create(self, i):
        text = f"j{i} WITH (KEY_FORMAT='JSON') AS SELECT * FROM ({self.queries[i].sql(0)}) q;"
        last = self.server.ask('CREATE TABLE ' + text)[-1]
        if 'the result of this query is a stream' in last.get('message', ''):
            last = self.server.ask('CREATE STREAM ' + text)[-1]
        if last['kind'] == 'error' and 'nothing is left beside the key' in last['message']:
            return # rightly: the stream's key is all that is asked for
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
            if not self.queries[i].after:
                self.create(i)
        for n, batches in enumerate(world.rounds):
            for b, records in zip(world.bases, batches):
                if records:
                    server.feed(b.name, records)
            if n == 0:
                for i in range(len(self.queries)):
                    if i not in self.jobs and i not in self.failures:
                        self.create(i)
            world.fill(world.rows[n])
            self.check(n, killed)
            if self.kills and world.kills[n] and n + 1 < len(world.rounds):
                server.kill()
                server.start(shards=world.shards[n + 1])
                killed = True
        for i in self.jobs:
            for operator in operators(server, f'j{i}') if i in self.retracted else []:
                for life in self.retracted[i]:
                    self.cases[operator, life] += 1
        if world.timed:
            world.fill(world.flushed)
        for i, q in enumerate(self.queries) if pull else []:
            if i % 4 == 0 and not world.timed and i in self.jobs and i not in self.failures and i not in self.unasked:
                self.push(i)
            found = None if i in self.failures or i in self.unasked else self.answer(i)
            if found:
                wanted = found[1]
                lines = server.ask(q.sql(0) + ';')
                got = bag(r for l in lines if l['kind'] == 'rows' for r in l['rows'])
                if lines[-1]['kind'] == 'error':
                    self.fail(i, 'refused as pull query', f'{lines[-1]["message"]} ({lines[-1]["hint"]})')
                elif got != wanted:
                    self.fail(i, 'pull', differ(got, wanted, self.oracle))

    def push(self, i):
        try:
            _, rows = self.server.sql(f'SELECT * FROM ({self.queries[i].sql(0)}) q EMIT CHANGES;')
            got, wanted = bag(rows), answer(self.oracle, self.queries[i])[1]
            if got != wanted:
                self.fail(i, 'push', differ(got, wanted, self.oracle))
        except Mismatch as e:
            self.fail(i, 'push', str(e))

    def check(self, n, killed):
        """Each job's table against the batch; waits a little, because a lag may be told before the last records are counted."""
        wrong = caught_up(self.server)
        for i in self.jobs:
            if i in self.failures or i in self.unasked:
                continue
            if f'j{i}' in wrong:
                self.fail(i, 'stuck', f'after round {n} the job {wrong[f"j{i}"]}')
                continue
            found = self.answer(i)
            if not found:
                continue
            columns, wanted = found
            due = not self.world.timed or n + 1 == len(self.world.rounds)
            for again in range(25):
                got = table_of(self.server, f'j{i}', columns)
                if got == wanted or not due:
                    break
                time.sleep(0.1)
            else:
                self.fail(i, 'job', f'after round {n}, {"killed" if killed else "not killed"}:\n{differ(got, wanted, self.oracle)}')
            if self.before[i] - got:
                self.retracted.setdefault(i, set()).add(killed)
            self.before[i] = got


def operators(server, job):
    """(operator, mode) of each line of EXPLAIN; once a case."""
    found = set()
    for line in server.ask(f'EXPLAIN {job};'):
        if line['kind'] == 'text':
            found |= set(parse_explain(line['text']))
    return found


OPERATOR = re.compile(r'\s+(?:->\s+)?((?:(?:LEFT|RIGHT|FULL|INNER|SEMI|ANTI) )*JOIN|UNION ALL|KEEP the (?:first|last)|[A-Z]+)\b(.*)\[(append|upsert|retract)')


def name_of(word, rest, mode):
    """The kind of join; a lookup is append and of a table."""
    if not word.endswith('JOIN'):
        return {'EXPLODE': 'UNNEST'}.get(word, word)
    return ('INTERVAL JOIN' if ' within ' in rest else 'TEMPORAL JOIN' if 'version of table' in rest else
            'LOOKUP JOIN' if ' stream with table' in rest and mode == 'append' else word)


def parse_explain(text):
    found = [m.groups() for m in map(OPERATOR.match, text.splitlines()) if m]
    return [(name_of(*f), f[2]) for f in found]


# ---- A failure made small

def shrink(world, query, kind, text):
    """Many smaller queries live the same life at once; the shortest that still fails is the next to be made smaller."""
    failure = None
    for _ in range(40):
        candidates = []
        for q in smaller(query):
            q.after = query.after
            if not world.oracle.problem(q) and q.sql(0) not in [c.sql(0) for c in candidates]:
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


def play(seed, number, count, oracle):
    world = (TimedWorld if seed % 4 == 3 else World)(seed, oracle)
    numbers = range(count) if number is None else [number]
    queries, strange = {i: world.query(i) for i in numbers}, Counter()
    oracle.begin(world.bases)
    for i in numbers:
        problem = oracle.problem(queries[i])
        if problem:
            strange[problem] += 1
            del queries[i]
    numbers = list(queries)
    run = Run(world, list(queries.values()))
    run.strange += strange
    which = 'postgres ' if oracle.words is PostgresWords else ''
    for at, f in sorted(run.failures.items()):
        i = numbers[at]
        print(f'\nseed {seed}, query {i} (again with: tests/client/queries.py {which}1 {seed} {i}), {f.kind}:\n{queries[i].sql(0)}\n{f.text}', flush=True)
        if os.environ.get('SHRINK', '1') == '1':
            small, g = shrink(world, queries[i], f.kind, f.text)
            if g:
                tables = '\n'.join(b.create() for b in world.bases if f' {b.name} ' in small.sql(0) + ' ')
                print(f'made smaller:\n{tables}\n{small.sql(0)}\n{oracle.name}: {small.sql(oracle.words.dialect)}\n{g.text}', flush=True)
    return run


def report(cases):
    table = collections.defaultdict(dict)
    for (operator, killed), n in cases.items():
        table[operator][killed] = n
    print('Jobs of which a row went again: before a kill, after one, mode of the edge, operator')
    for operator, row in sorted(table.items()):
        print(f'{row.get(False, 0):8}{row.get(True, 0):8}  {operator[1]:8} {operator[0]}')


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) # the servers end with it
    words = sys.argv[1:]
    oracle = Postgres() if words[:1] == ['postgres'] else Sqlite()
    words = words[words[:1] == ['postgres']:]
    rare = words[:1] == ['rare']
    words = words[rare:]
    seed = first_seed(words[1] if len(words) > 1 else None)
    number = int(words[2]) if len(words) > 2 else None
    print(f'seed {seed}', flush=True)
    filled = went = asked = checked = jobs = failed = 0
    cases, strange = Counter(), Counter()
    try:
        for n in worlds(words[0] if words else '15s'):
            run = play((seed | 1) + 2 * n if rare else seed + n, number, int(os.environ.get('QUERIES', 30)), oracle)
            asked, checked, failed = asked + 1, checked + len(run.queries), failed + len(run.failures)
            cases, strange, jobs = cases + run.cases, strange + run.strange, jobs + len(run.jobs)
            filled, went = filled + sum(bool(b) for b in run.before.values()), went + len(run.retracted)
    finally:
        oracle.end()
    report(cases)
    for why, n in strange.most_common():
        print(f'{n} not asked, because {oracle.name} says: {why}')
    print(f'{asked} worlds, {checked} queries, {jobs} as jobs: {filled} with rows in the end, of {went} a row went again; {failed} fail')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
