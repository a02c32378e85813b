#!/usr/bin/env python3
"""Random queries inside queries, joins of any kind and set operations, as job, pull and push query, equal SQLite's answer.

    nested.py WORLDS|SECONDSs [SEED]      (SEED: seed.py)

Tables with updates and deletes; half of the rows are there before the jobs, half come after. What is generated means the
same to SQLite: scalar queries aggregate, columns beside UNION have one type, no query asks for an order. Environment: WEIR."""
import json, random, shutil, sys, tempfile, time
import differential
from differential import Base, Mismatch, Server, compare, normal, sqlite
from seed import first_seed, worlds

KINDS = ['INT', 'BIGINT', 'VARCHAR', 'INT']


def safe(make):
    """Nothing divided: what cannot be computed is no key, and rows with such a key are set aside."""
    def again(*args):
        while True:
            text = make(*args)
            if ' / ' not in text and ' % ' not in text:
                return text
    return again


condition, expression = safe(differential.condition), safe(differential.expression)


def ask(db, text):
    """LIMIT keeps SQLite 3.40 from merging the outer SELECT into a UNION ALL of a FULL JOIN, which gives rows too many."""
    return db.execute(text + ' LIMIT -1').fetchall()


class Names:
    def __init__(self):
        self.n = 0
        self.outer = True

    def new(self):
        self.n += 1
        return f'x{self.n}'


def source(rng, world, names, depth):
    """(text, columns) of something in FROM: [(alias.column, type)]."""
    alias = names.new()
    if depth > 0 and rng.random() < 0.4:
        kinds = [rng.choice(KINDS) for _ in range(rng.randrange(1, 4))]
        return f'({query(rng, world, names, kinds, depth - 1)}) {alias}', [(f'{alias}.c{i}', k) for i, k in enumerate(kinds)]
    base = rng.choice(world)
    return f'{base.name} {alias}', [(f'{alias}.{c}', t) for c, t in base.columns]


def equality(rng, left, right):
    pairs = [(a, b) for a, t in left for b, k in right if t == k]
    return '{} = {}'.format(*rng.choice(pairs)) if pairs else None


def joined(rng, world, names, depth):
    text, cols = source(rng, world, names, depth)
    for _ in range(rng.choice([0, 0, 1, 1, 2]) if depth > 0 else rng.choice([0, 0, 0, 1])):
        more, right = source(rng, world, names, depth - 1)
        equal = equality(rng, cols, right)
        # SQLite 3.40 is not to be trusted with RIGHT and FULL joins of more than two tables, or beside UNION ALL.
        two = names.outer and '(' not in text + more and 'JOIN' not in text
        kind = rng.choice(['JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'CROSS JOIN'] + (['RIGHT JOIN', 'FULL JOIN'] * two))
        if kind == 'CROSS JOIN' or not equal:
            text += f' CROSS JOIN {more}'
        else:
            on = [equal]
            if rng.random() < 0.3:
                on.append(condition(rng, cols + right, 1))
            elif rng.random() < 0.2 and kind != 'FULL JOIN':
                on = [condition(rng, cols + right, 1)]
            text += f' {kind} {more} ON {" AND ".join(on)}'
        cols = cols + right
        if kind in ('RIGHT JOIN', 'FULL JOIN'):
            break
    return text, cols


def inner_where(rng, outer, cols):
    """What ties a query to the one around it, mostly an equality; or nothing."""
    pick = rng.random()
    equal = equality(rng, outer, cols)
    parts = [equal] if equal and pick < 0.6 else []
    if pick < 0.15 or 0.6 <= pick < 0.7:
        parts.append(condition(rng, cols + outer, 1))
    elif rng.random() < 0.4:
        parts.append(condition(rng, cols, 1))
    return f' WHERE {" AND ".join(parts)}' if parts else ''


def scalar(rng, world, names, outer, kind, depth):
    text, cols = joined(rng, world, names, depth - 1)
    where = inner_where(rng, outer, cols)
    if kind == 'BIGINT':
        arg = rng.choice(['COUNT(*)', f'COUNT({rng.choice(cols)[0]})', f'SUM({expression(rng, "BIGINT", cols, 1)})',
                          f'COUNT(DISTINCT {rng.choice(cols)[0]})'])
    else:
        arg = f'{rng.choice(["MIN", "MAX"])}({expression(rng, kind, cols, 1)})'
    having = f' HAVING COUNT(*) > {rng.randrange(3)}' if rng.random() < 0.15 else ''
    return f'(SELECT {arg} FROM {text}{where}{having})'


def predicate(rng, world, names, cols, depth):
    """A condition that asks a query."""
    pick = rng.random()
    text, inner = joined(rng, world, names, depth - 1)
    if pick < 0.35:
        p = f'{rng.choice(["", "NOT "])}EXISTS (SELECT 1 FROM {text}{inner_where(rng, cols, inner)})'
    elif pick < 0.75:
        kind = rng.choice(KINDS)
        p = (f'{expression(rng, kind, cols, 0)} {rng.choice(["", "NOT "])}IN '
             f'(SELECT {expression(rng, kind, inner, 0)} FROM {text}{inner_where(rng, cols, inner)})')
    else:
        kind = rng.choice(KINDS)
        p = f'{expression(rng, kind, cols, 1)} {rng.choice(["=", "<", ">", "<>"])} {scalar(rng, world, names, cols, kind, depth)}'
    if rng.random() < 0.25:
        p = f'({p} {rng.choice(["AND", "OR"])} {condition(rng, cols, 1)})'
    return p


def select(rng, world, names, kinds, depth):
    text, cols = joined(rng, world, names, depth)
    where = []
    if rng.random() < 0.5:
        where.append(condition(rng, cols, 1))
    if depth > 0 and rng.random() < 0.4:
        where.append(predicate(rng, world, names, cols, depth))
    where = f' WHERE {" AND ".join(where)}' if where else ''
    if rng.random() < 0.3: # groups, then aggregates
        ngroup = rng.randrange(1, len(kinds) + 1)
        groups = [expression(rng, k, cols, 0) for k in kinds[:ngroup]]
        if all('.' in g for g in groups):
            aggs = [{'BIGINT': 'COUNT(*)', 'INT': f'MIN({expression(rng, "INT", cols, 1)})',
                     'VARCHAR': f'MAX({expression(rng, "VARCHAR", cols, 1)})'}[k] for k in kinds[ngroup:]]
            having = f' HAVING COUNT(*) {rng.choice([">", "<"])} {rng.randrange(4)}' if rng.random() < 0.3 else ''
            shown = ', '.join(f'{e} AS c{i}' for i, e in enumerate(groups + aggs))
            return f'SELECT {shown} FROM {text}{where} GROUP BY {", ".join(dict.fromkeys(groups))}{having}'
    items = [scalar(rng, world, names, cols, k, depth) if depth > 0 and rng.random() < 0.15 else expression(rng, k, cols, 1)
             for k in kinds]
    shown = ', '.join(f'{e} AS c{i}' for i, e in enumerate(items))
    return f'SELECT {rng.choice(["", "", "", "DISTINCT "])}{shown} FROM {text}{where}'


def query(rng, world, names, kinds, depth):
    if depth > 0 and rng.random() < 0.2:
        op = rng.choice(['UNION', 'UNION ALL', 'UNION ALL', 'INTERSECT', 'EXCEPT'])
        before, names.outer = names.outer, False
        text = f'{select(rng, world, names, kinds, depth - 1)} {op} {select(rng, world, names, kinds, depth - 1)}'
        names.outer = before
        return text
    if depth > 0 and rng.random() < 0.1:
        name = names.new()
        inner = [rng.choice(KINDS) for _ in range(2)]
        cols = [(f'{{}}.c{i}', k) for i, k in enumerate(inner)]
        a, b = names.new(), names.new()
        sides = [(c.format(a), k) for c, k in cols] + [(c.format(b), k) for c, k in cols]
        shown = ', '.join(f'{expression(rng, k, sides, 1)} AS c{i}' for i, k in enumerate(kinds))
        return (f'WITH {name} AS ({query(rng, world, names, inner, depth - 1)}) SELECT {shown} FROM {name} {a} JOIN {name} {b} '
                f'ON {a}.c0 = {b}.c0')
    return select(rng, world, names, kinds, depth)


def job_rows(server, name, n):
    columns, rows = server.sql(f'SELECT * FROM {name};')
    at = [i for want in range(n) for i, c in enumerate(columns) if c['name'] == f'c{want}']
    count = [i for i, c in enumerate(columns) if c['name'] == 'ROW_COUNT']
    return [[r[i] for i in at] for r in rows for _ in range(r[count[0]] if count else 1)]


def compare_job(server, q, wanted, kinds):
    wanted = normal(wanted, kinds)
    for i in range(40):
        got = normal(job_rows(server, q['name'], len(kinds)), kinds)
        if got == wanted:
            return
        time.sleep(0.1)
    raise Mismatch(f'job: {q["text"]}\nonly Weir:   {[r for r in got if r not in wanted][:5]}\n'
                   f'only SQLite: {[r for r in wanted if r not in got][:5]}\n{len(got)} and {len(wanted)} rows')


def play(seed, server):
    rng = random.Random(seed)
    tag = f'_{seed}'
    db = sqlite()
    world = [Base(rng, c + tag, True) for c in 'tuv']
    story, jobs = [], []
    try:
        for base in world:
            story.append(base.create())
            server.sql(story[-1])
            db.execute(f'CREATE TABLE {base.name} ({", ".join(f"{c} {k}" for c, k in base.columns)})')
        for base in world:
            base.feed(rng, server, db, rng.randrange(25))
        for i in range(6):
            kinds = [rng.choice(KINDS) for _ in range(rng.randrange(1, 4))]
            names = Names()
            # Around it a SELECT, because a job leaves groups of NULL out of what it writes.
            text = f'SELECT * FROM ({query(rng, world, names, kinds, rng.choice([1, 1, 2, 2, 3]))}) q'
            ask(db, text)
            q = dict(text=text, kinds=kinds, name=f'j{i}{tag}')
            create = f"CREATE TABLE {q['name']} WITH (KEY_FORMAT='JSON') AS {text};"
            lines = server.ask(create)
            story.append(create)
            if lines[-1]['kind'] == 'error':
                raise Mismatch(f'{create}\n{lines[-1]}')
            jobs.append(q)
        for base in world:
            base.feed(rng, server, db, rng.randrange(25))
        server.settle()
        for q in jobs:
            compare_job(server, q, ask(db, q['text']), q['kinds'])
            compare(server, q['text'] + ';', ask(db, q['text']), q['kinds'], 'pull')
            compare(server, q['text'] + ' EMIT CHANGES;', ask(db, q['text']), q['kinds'], 'push')
        return len(jobs)
    except Mismatch as e:
        print(f'seed {seed} (again with: tests/client/nested.py 1 {seed}):\n' + '\n'.join(story) + f'\n{e}', flush=True)
        return 0
    finally:
        for q in reversed(jobs):
            server.ask(f'DROP TABLE {q["name"]} DELETE TOPIC;')


def main():
    seed = first_seed(sys.argv[2] if len(sys.argv) > 2 else None)
    print(f'seed {seed}', flush=True)
    folder = tempfile.mkdtemp(prefix='nested.')
    server = Server(folder)
    queries, failed = 0, 0
    try:
        for world in worlds(sys.argv[1] if len(sys.argv) > 1 else '15s'):
            n = play(seed + world, server)
            queries, failed = queries + n, failed + (n == 0)
    except BaseException:
        server.process.kill()
        raise
    server.stop()
    shutil.rmtree(folder)
    print(f'{world + 1} worlds, {queries} queries as job, pull and push; {failed} worlds differ')
    sys.exit(failed > 0 or queries == 0)


if __name__ == '__main__':
    main()
