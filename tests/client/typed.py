"""Columns of all scalar types and arrays, and expressions over them, whose text means the same to Weir and to PostgreSQL (postgres.py
makes there what has another name). What has no like is left out: texts of decimals, arrays with NULLs in an order, division."""
import json
import differential
from differential import TEXTS, Base

TYPES = {'DECIMAL': 'DECIMAL(8, 2)', 'MONTHS': 'INTERVAL YEAR TO MONTH', 'INTERVAL': 'INTERVAL DAY TO SECOND', 'INTS': 'ARRAY<INT>',
         'TEXTS': 'ARRAY<VARCHAR>', 'MAP': 'MAP<VARCHAR, INT>'}
PG_TYPES = {'MONTHS': 'INTERVAL', 'INTERVAL': 'INTERVAL', 'INTS': 'INT[]', 'TEXTS': 'TEXT[]', 'MAP': 'JSONB', 'VARCHAR': 'TEXT'}
ORDERED = ['INT', 'BIGINT', 'VARCHAR', 'DOUBLE', 'DECIMAL', 'DATE', 'TIME', 'TIMESTAMP', 'INTERVAL', 'MONTHS']
KINDS = ORDERED + ['INT', 'VARCHAR', 'DECIMAL', 'BOOLEAN', 'INTS', 'TEXTS']


def joins_of(kind):
    return kind != 'MAP'


def date(rng):
    return rng.choice([f'2024-0{rng.randrange(1, 4)}-{rng.choice(["01", "15", "28", "29"])}', '2023-12-31', '2024-01-31']) \
        .replace('2024-02-3', '2024-02-2')


def time_(rng):
    return f'{rng.choice(["00", "09", "23"])}:{rng.choice(["00", "30", "59"])}:{rng.choice(["00.000", "59.999", "07.250"])}'


def random_value(rng, kind, null=0.15):
    """As JSON has it, and as text that PostgreSQL reads."""
    if rng.random() < null:
        return None
    return {'DECIMAL': lambda: f'{rng.randrange(-400, 400) / 100:.2f}',
            'DOUBLE': lambda: rng.choice(['NaN', 'Infinity', '-Infinity', -0.0]) if rng.random() < 0.12 else rng.randrange(-40, 40) / 4,
            'DATE': lambda: date(rng), 'TIME': lambda: time_(rng), 'TIMESTAMP': lambda: f'{date(rng)}T{time_(rng)}',
            'INTERVAL': lambda: f'{rng.randrange(3)} {time_(rng)}', 'MONTHS': lambda: f'{rng.randrange(3)}-{rng.randrange(12)}',
            'INTS': lambda: [rng.randrange(5) for _ in range(rng.randrange(4))],
            'TEXTS': lambda: [rng.choice(TEXTS) for _ in range(rng.randrange(3))],
            'MAP': lambda: {k: rng.randrange(5) for k in rng.sample(['x', 'y', 'z'], rng.randrange(3))}}.get(
        kind, lambda: differential.random_value(rng, kind, 0))()


class TypedBase(Base):
    def __init__(self, rng, name, table):
        super().__init__(rng, name, table)
        kinds = KINDS + ['MAP']
        at = self.columns[self.nkey + 2:][-1:] if not table else []
        more = [(f'{name}c{i + 2}', rng.choice(kinds)) for i in range(rng.randrange(2, 6))]
        self.columns = self.columns[:self.nkey + 2] + more + at

    types = TYPES


def literal(rng, kind, texts=TEXTS):
    if kind == 'DECIMAL':
        return f'{rng.randrange(-400, 400) / 100:.2f}'.replace('-', '- ') if rng.random() < 0.5 else f'CAST({rng.randrange(9)} AS DECIMAL(4, 1))'
    if kind in ('DATE', 'TIME', 'TIMESTAMP'):
        return f"{kind} '{random_value(rng, kind, 0)}'"
    if kind == 'INTERVAL':
        return rng.choice([f"INTERVAL '{random_value(rng, kind, 0)}' DAY TO SECOND", f"INTERVAL '{rng.randrange(40)}' HOUR",
                           f"INTERVAL '{rng.randrange(4)}' DAY"])
    if kind == 'MONTHS':
        return rng.choice([f"INTERVAL '{random_value(rng, kind, 0)}' YEAR TO MONTH", f"INTERVAL '{rng.randrange(14)}' MONTH"])
    if kind == 'INTS':
        return f'ARRAY[{rng.randrange(5)}, {rng.randrange(5)}]'
    if kind == 'TEXTS':
        return f'ARRAY[{differential.literal(rng, "VARCHAR")}]'
    return differential.literal(rng, kind, texts)


def expression(rng, kind, cols, depth):
    own = [c for c, t in cols if t == kind]
    sub = lambda k: expression(rng, k, cols, depth - 1)
    if kind == 'BOOLEAN':
        return condition(rng, cols, depth)
    if depth <= 0 or rng.random() < 0.3:
        return rng.choice(own) if own and rng.random() < 0.85 else literal(rng, kind)
    pick = rng.random()
    if pick < 0.12:
        return f'CASE WHEN {condition(rng, cols, depth - 1)} THEN {sub(kind)} ' + (f'ELSE {sub(kind)} END' if rng.random() < 0.6 else 'END')
    if pick < 0.2:
        return f'COALESCE({sub(kind)}, {sub(kind)})'
    if pick < 0.26:
        return f'NULLIF({sub(kind)}, {sub(kind)})'
    field = lambda: rng.choice(['YEAR', 'MONTH', 'DAY', 'QUARTER', 'DOY', 'WEEK'])
    leaf = lambda k: expression(rng, k, cols, 0)
    maps = [c for c, t in cols if t == 'MAP']
    forms = {
        'INT': [lambda: f'({sub(kind)} {rng.choice("+-")} {sub(kind)})', lambda: f'({leaf(kind)} * {leaf(kind)})', lambda: f'ABS({sub(kind)})',
                lambda: f'(- {sub(kind)})', lambda: f'LENGTH({sub("VARCHAR")})', lambda: f'ARRAY_LENGTH({sub("INTS")})',
                lambda: f'({sub("INTS")})[{rng.randrange(1, 4)}]', lambda: f'CAST(EXTRACT({field()} FROM {sub(rng.choice(["DATE", "TIMESTAMP"]))}) AS INT)',
                lambda: f'CAST(EXTRACT({rng.choice(["HOUR", "MINUTE"])} FROM {sub(rng.choice(["TIME", "TIMESTAMP"]))}) AS INT)',
                lambda: f'CAST(({sub("DATE")} - {sub("DATE")}) AS INT)'] +
               [lambda: f"CAST({rng.choice(maps)}['{rng.choice('xyz')}'] AS INT)"] * (2 * bool(maps)),
        'BIGINT': [lambda: f'({sub(kind)} {rng.choice("+-")} {sub("INT")})', lambda: f'({leaf(kind)} * {leaf("INT")})', lambda: f'CAST({sub("INT")} AS BIGINT)'],
        'VARCHAR': [lambda: f'({sub(kind)} || {sub(kind)})', lambda: f'SUBSTR({sub(kind)}, {rng.randrange(1, 4)}, {rng.randrange(3)})',
                    lambda: f'CAST({sub("INT")} AS VARCHAR)', lambda: f"REPLACE({sub(kind)}, 'a', 'zz')", lambda: f'({sub("TEXTS")})[{rng.randrange(1, 3)}]'],
        'DOUBLE': [lambda: f'({sub(kind)} {rng.choice("+-")} {sub(rng.choice(["INT", "BIGINT", "DOUBLE"]))})', lambda: f'({leaf(kind)} * {leaf("INT")})',
                   lambda: f'CAST({sub("INT")} AS DOUBLE)', lambda: f'ABS({sub(kind)})'],
        'DECIMAL': [lambda: f'({sub(kind)} {rng.choice("+-")} {sub(rng.choice([kind, "INT"]))})', lambda: f'CAST(({leaf(kind)} * {leaf(kind)}) AS DECIMAL(20, 4))',
                    lambda: f'ABS({sub(kind)})', lambda: f'(- {sub(kind)})', lambda: f'CAST({sub("INT")} AS DECIMAL(12, 2))',
                    lambda: f'CAST({sub(kind)} AS DECIMAL(10, 1))'],
        'DATE': [lambda: f'({sub(kind)} {rng.choice("+-")} {rng.randrange(40)})', lambda: f'CAST({sub("TIMESTAMP")} AS DATE)'],
        'TIME': [lambda: f"({sub(kind)} + INTERVAL '{rng.randrange(90)}' MINUTE)", lambda: f'CAST({sub("TIMESTAMP")} AS TIME)'],
        'TIMESTAMP': [lambda: f'({sub(rng.choice([kind, "DATE"]))} {rng.choice("+-")} {sub(rng.choice(["INTERVAL", "MONTHS"]))})',
                      lambda: f"DATE_TRUNC('{rng.choice(['day', 'hour', 'month', 'year', 'week', 'quarter'])}', {sub(kind)})", lambda: f'CAST({sub("DATE")} AS TIMESTAMP)'],
        'INTERVAL': [lambda: f'({sub("TIMESTAMP")} - {sub("TIMESTAMP")})', lambda: f'({sub(kind)} {rng.choice("+-")} {sub(kind)})', lambda: f'({sub(kind)} * {leaf("INT")})',
                     lambda: f'(- {sub(kind)})'],
        'MONTHS': [lambda: f'({sub(kind)} {rng.choice("+-")} {sub(kind)})', lambda: f'({sub(kind)} * {rng.randrange(4)})'],
        'INTS': [lambda: f'ARRAY[COALESCE({sub("INT")}, 0), {rng.randrange(5)}]', lambda: leaf(kind)],
        'TEXTS': [lambda: f"ARRAY[COALESCE({sub('VARCHAR')}, '')]", lambda: leaf(kind)]}
    return rng.choice(forms[kind])()


def condition(rng, cols, depth):
    if depth > 0 and rng.random() < 0.4:
        a = condition(rng, cols, depth - 1)
        return f'(NOT {a})' if rng.random() < 0.3 else f'({a} {rng.choice(["AND", "OR"])} {condition(rng, cols, depth - 1)})'
    here = [t for _, t in cols if t in ORDERED or t == 'INTS']
    kind = rng.choice(here if here and rng.random() < 0.85 else ORDERED)
    numbers = ['INT', 'BIGINT', 'DOUBLE', 'DECIMAL']
    a = expression(rng, kind, cols, depth - 1)
    b = expression(rng, rng.choice(numbers) if kind in numbers else kind, cols, depth - 1)
    flags = [c for c, t in cols if t == 'BOOLEAN']
    compare = rng.choice(['=', '<>', '<', '<=', '>', '>='])
    choices = [lambda: f'({a} {compare} {b})'] * 2 + [lambda: f'({a} IS {rng.choice(["", "NOT "])}NULL)',
               lambda: f'({a} IS {rng.choice(["", "NOT "])}DISTINCT FROM {b})',
               lambda: f'({a} {rng.choice(["", "NOT "])}BETWEEN {b} AND {literal(rng, kind)})',
               lambda: f'({a} {rng.choice(["", "NOT "])}IN ({literal(rng, kind)}, {literal(rng, kind)}, {b}))']
    if kind == 'VARCHAR':
        choices.append(lambda: f"({a} {rng.choice(['', 'NOT '])}LIKE '{rng.choice(['a%', '%b', '_b', '%', '', '%a%', 'A_'])}')")
    if kind == 'INTS':
        choices = [lambda: f'({a} = {b})', lambda: f'ARRAY_CONTAINS({a}, {rng.randrange(5)})', lambda: f'({a} IS NOT DISTINCT FROM {b})']
    if flags:
        choices.append(lambda: rng.choice(flags))
    return rng.choice(choices)()


def postgres_type(kind):
    return PG_TYPES.get(kind, TYPES.get(kind, kind))


def postgres_literal(v):
    """Untyped text, as COPY would have it."""
    if v is None:
        return 'NULL'
    if isinstance(v, list):
        v = '{' + ','.join('"' + str(e).replace('\\', '\\\\').replace('"', '\\"') + '"' for e in v) + '}'
    elif isinstance(v, dict):
        v = json.dumps(v)
    return "'" + str(v).replace("'", "''") + "'"
