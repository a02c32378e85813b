"""Queries as trees: made at random, shown in Weir's words (dialect 0), SQLite's (1) or PostgreSQL's (2), made smaller."""
import copy
import differential, typed, windows


def safe(make):
    """Nothing divided: what cannot be computed is no key, and rows with such a key are set aside. Mostly something of a row."""
    def again(*args):
        tries = 0
        while True:
            text, tries = make(*args), tries + 1
            if ' / ' not in text and ' % ' not in text and (tries > 4 or any(c in text for c, _ in args[-2])):
                return text
    return again


class SqliteWords:
    """What SQLite has like Weir. SQLite 3.40 is not to be trusted with RIGHT and FULL joins of more than two tables, or of queries."""
    dialect = 1
    kinds = ['INT', 'BIGINT', 'VARCHAR', 'INT', 'DOUBLE', 'BOOLEAN']
    ordered = kinds[:5]
    plain = ['INT', 'BIGINT', 'VARCHAR', 'INT']
    expression, condition = staticmethod(safe(differential.expression)), staticmethod(safe(differential.condition))
    literal = staticmethod(differential.literal)
    outer_anywhere = False


class PostgresWords:
    """FULL joins are of equalities alone there; an average of whole numbers is no double."""
    dialect = 2
    kinds = typed.KINDS
    ordered = typed.ORDERED
    plain = ['INT', 'BIGINT', 'VARCHAR', 'DECIMAL', 'DATE']
    expression, condition = staticmethod(safe(typed.expression)), staticmethod(safe(typed.condition))
    literal = staticmethod(typed.literal)
    outer_anywhere = True


def show(part, d):
    """A part is text, texts (Weir's, SQLite's and, if it differs, PostgreSQL's), a list of parts, or a query."""
    if isinstance(part, str):
        return part
    if isinstance(part, tuple):
        return part[min(d, len(part) - 1)]
    if isinstance(part, list):
        return ''.join(show(p, d) for p in part)
    return part.sql(d)


class Within:
    """Says when rows of two sides meet: Weir behind the name, a batch database in ON."""

    def __init__(self, words, condition):
        self.words, self.condition = words, condition


class Query:
    after = False # its job begins when there is data


class Select(Query):
    def __init__(self, items, sources):
        self.items, self.sources = items, sources # items: [(part, kind)]; sources: [(word, what, alias, [part of ON])]
        self.distinct, self.where, self.groups, self.sets, self.having, self.tail, self.aggregates = False, [], [], None, [], '', False
        self.window = None # (clause of Weir's, what a batch groups by besides)
        self.sessions = False

    def body(self, d, items, groups):
        text = f'SELECT {"DISTINCT " if self.distinct else ""}' + ', '.join(f'{show(e, d)} AS c{i}' for i, e in enumerate(items))
        for i, (word, what, alias, on) in enumerate(self.sources):
            text += f' {word} ' if i else ' FROM '
            text += show(what, d) + ' ' + alias if isinstance(what, (str, tuple)) else f'({what.sql(d)}) {alias}'
            if on and isinstance(on[0], Within):
                text += f' {on[0].words}' * (d == 0)
                on = [on[0].condition] * (d > 0) + on[1:]
            if on:
                text += ' ON ' + ' AND '.join(show(p, d) for p in on)
        if self.window and d == 0:
            text += ' ' + self.window[0]
        if self.where:
            text += ' WHERE ' + ' AND '.join(show(p, d) for p in self.where)
        if self.window and d > 0:
            groups = groups + list(self.window[1:])
        if groups:
            text += ' GROUP BY ' + ', '.join(show(g, d) for g in groups)
        if self.having:
            text += ' HAVING ' + ' AND '.join(show(p, d) for p in self.having)
        return text

    def sql(self, d):
        items = [e for e, _ in self.items]
        if not self.sets:
            return self.body(d, items, self.groups) + self.tail
        if d != 1:
            word, sets = self.sets
            inside = ', '.join(show(g, d) for g in self.groups)
            if word == 'GROUPING SETS':
                inside = ', '.join(f'({", ".join(show(self.groups[i], d) for i in s)})' for s in sets)
            return self.body(d, items, [f'{word} ({inside})']) + self.tail
        union = []
        for s in self.sets[1]:
            gone = [show(g, 1) for i, g in enumerate(self.groups) if i not in s]
            own = ['NULL' if show(e, 1) in gone else e for e in items]
            always = '(COUNT(*) * 0 + {})' if not s else '{}' # a total is one row, whatever it shows
            own = [always.format(int(show(e, 1)[9:-1] in gone)) if show(e, 1).startswith('GROUPING(') else e for e in own]
            union.append(self.body(1, own, [self.groups[i] for i in s]))
        return f'SELECT * FROM ({" UNION ALL ".join(union)}){self.tail}'


class SetOp(Query):
    def __init__(self, op, left, right, name):
        self.op, self.left, self.right, self.name = op, left, right, name

    def side(self, q, d):
        plain = isinstance(q, Select) and not q.tail and not q.sets
        if d == 1: # SQLite 3.40 makes one query of sides with RIGHT or FULL JOIN, with rows too many
            return f'SELECT * FROM (SELECT * FROM ({q.sql(d)}) LIMIT -1) {self.name}'
        return q.sql(d) if plain else f'SELECT * FROM ({q.sql(d)}) {self.name}'

    def sql(self, d):
        return f'{self.side(self.left, d)} {self.op} {self.side(self.right, d)}'


class With(Query):
    def __init__(self, name, inner, body):
        self.name, self.inner, self.body = name, inner, body

    def sql(self, d):
        return f'WITH {self.name} AS ({self.inner.sql(d)}) {self.body.sql(d)}'


class Maker:
    """Makes queries over relations; what is a stream (rows only come) is kept apart from tables, because joining the two depends on arrival."""

    def __init__(self, rng, bases, words=SqliteWords):
        self.words = words
        self.rng, self.names, self.joins, self.crossed = rng, 0, 0, False
        self.bases, self.fixed, self.after = [b for b in bases if not b.fixed], [b for b in bases if b.fixed], False

    def new(self):
        self.names += 1
        return f'x{self.names}'

    def chance(self, p):
        return self.rng.random() < p

    def kinds(self):
        return [self.rng.choice(self.words.kinds) for _ in range(self.rng.randrange(1, 4))]

    def whole(self, shape=None):
        self.streams = self.chance(0.3) # joins in this query are of streams, or of tables
        q = self.shaped(SHAPES[shape % len(SHAPES)]) if shape is not None else self.any_query()
        q.after = self.after
        return q

    def any_query(self):
        return self.query([k for k in self.kinds() if k not in ('INTS', 'TEXTS')] or ['INT'], self.rng.choice([1, 1, 2, 2, 3]))

    def source(self, depth):
        alias = self.new()
        if depth > 0 and self.chance(0.4):
            kinds = self.kinds()
            return self.query(kinds, depth - 1), alias, [(f'{alias}.c{i}', k) for i, k in enumerate(kinds)]
        base = self.rng.choice([b for b in self.bases if b.table != self.streams])
        cols = [(f'{alias}.{c}', t) for c, t in base.columns]
        arrays = [(c, t) for c, t in base.columns if t in ('INTS', 'TEXTS')]
        if self.streams and self.chance(0.2):
            return self.window_source(base, alias)
        if self.streams and self.chance(0.07):
            return windows.keep(base, ' DESC'), alias, cols
        if arrays and self.chance(0.2):
            return self.elements(base, alias)
        return base.name, alias, cols

    def window_source(self, base, alias):
        call, _, batch, _ = windows.windows(self.rng, base)
        times = [(f'{alias}.window_start', 'TIMESTAMP'), (f'{alias}.window_end', 'TIMESTAMP')]
        return (call, batch), alias, [(f'{alias}.{c}', t) for c, t in base.columns] + times

    def elements(self, base, alias):
        name, kind = self.rng.choice([(c, t) for c, t in base.columns if t in ('INTS', 'TEXTS')])
        text = f'(SELECT EXPLODE(b.{name}) AS element, b.* FROM {base.name} b)'
        return (text, text), alias, [(f'{alias}.element', {'INTS': 'INT', 'TEXTS': 'VARCHAR'}[kind])] + [(f'{alias}.{c}', t) for c, t in base.columns]

    def lookup(self, cols):
        """A table that was whole before the job began, by its key: the row of the moment."""
        base, alias = self.fixed[0], self.new()
        own = [[c for c, t in cols if t == k] for _, k in base.columns[:base.nkey]]
        if not all(own):
            return None
        self.after = True
        on = [f'{self.rng.choice(o)} = {alias}.{c}' for o, (c, _) in zip(own, base.columns)]
        return (self.rng.choice(['JOIN', 'LEFT JOIN']), base.name, alias, on), [(f'{alias}.{c}', t) for c, t in base.columns]

    def equality(self, left, right):
        pairs = [(a, b) for a, t in left for b, k in right if t == k and k != 'MAP']
        return '{} = {}'.format(*self.rng.choice(pairs)) if pairs else None

    def joined(self, depth):
        what, alias, cols = self.source(depth)
        sources = [('', what, alias, [])]
        for _ in range(self.rng.choice([0, 0, 1, 1, 2]) if depth > 0 else self.rng.choice([0, 0, 0, 1])):
            if self.joins == 4: # what grows with each join must end
                break
            self.joins += 1
            found = self.lookup(cols) if self.streams and self.fixed and isinstance(sources[-1][1], str) and self.chance(0.15) else None
            if found:
                sources.append(found[0])
                cols = cols + found[1]
                continue
            what, alias, right = self.source(depth - 1)
            equal = self.equality(cols, right)
            two = self.words.outer_anywhere or len(sources) == 1 and isinstance(what, str) and isinstance(sources[0][1], str)
            word = self.rng.choice(['JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'CROSS JOIN'] + ['RIGHT JOIN', 'FULL JOIN'] * two * 2)
            if (word == 'CROSS JOIN' or not equal) and self.crossed:
                return sources, cols
            if word == 'CROSS JOIN' or not equal:
                self.crossed = True
                sources.append(('CROSS JOIN', what, alias, []))
            else:
                on = [equal]
                if self.chance(0.3) and not (word == 'FULL JOIN' and self.words.outer_anywhere):
                    on.append(self.words.condition(self.rng, cols + right, 1))
                elif self.chance(0.2) and word != 'FULL JOIN' and not self.crossed:
                    self.crossed = True
                    on = [self.words.condition(self.rng, cols + right, 1)]
                sources.append((word, what, alias, on))
            cols = cols + right
            if word in ('RIGHT JOIN', 'FULL JOIN') and not self.words.outer_anywhere:
                break
        return sources, cols

    def inner(self, items, sources, outer, cols):
        """A query inside another: what ties it to the outer one is mostly an equality; or nothing."""
        q, pick, equal = Select(items, sources), self.rng.random(), self.equality(outer, cols)
        if equal and pick < 0.6:
            q.where.append(equal)
        if pick < 0.15 or 0.6 <= pick < 0.7:
            q.where.append(self.words.condition(self.rng, cols + outer, 1))
        elif self.chance(0.25):
            q.where.append(self.words.condition(self.rng, cols, 1))
        return q

    def average(self, e):
        return f'AVG(CAST({e} AS DOUBLE))' if self.words.dialect == 2 else f'AVG({e})'

    def aggregate(self, kind, cols, over=False):
        e = lambda k: self.words.expression(self.rng, k, cols, 1)
        if kind == 'BIGINT':
            a = self.rng.choice(['COUNT(*)', f'COUNT({e(self.rng.choice(self.words.kinds))})', f'SUM({e("BIGINT")})', f'SUM({e("INT")})'] +
                                [f'COUNT(DISTINCT {self.rng.choice(cols)[0]})', f'SUM(DISTINCT {e("BIGINT")})'] * (not over))
        elif kind == 'DOUBLE':
            a = self.rng.choice([self.average(e('INT')), f'SUM({e("DOUBLE")})', f'AVG({e("DOUBLE")})', f'MIN({e("DOUBLE")})', f'MAX({e("DOUBLE")})'])
        elif kind == 'BOOLEAN':
            return f'(COUNT(*) > {self.rng.randrange(4)})' if not over else None
        elif kind in ('INTS', 'TEXTS'):
            x = e('INT' if kind == 'INTS' else 'VARCHAR')
            return f'ARRAY_AGG({x} ORDER BY {x}) FILTER (WHERE {x} IS NOT NULL)'
        else:
            a = f'{self.rng.choice(["MIN", "MAX"] + ["SUM"] * (kind == "DECIMAL"))}({e(kind)})'
        if over and a[:3] in ('MIN', 'MAX'): # SQLite 3.40 forgets their FILTER in some frames
            return a
        return a + (f' FILTER (WHERE {self.words.condition(self.rng, cols, 1)})' if self.chance(0.2) else '')

    def scalar(self, outer, kind, depth):
        if self.chance(0.2): # a row by its key
            base = self.rng.choice([b for b in self.bases if b.table])
            alias = self.new()
            cols = [(f'{alias}.{c}', t) for c, t in base.columns]
            keys = [[c for c, t in outer if t == k] for _, k in base.columns[:base.nkey]]
            if all(keys):
                q = Select([(self.words.expression(self.rng, kind, cols, 1), kind)], [('', base.name, alias, [])])
                q.where = [f'{cols[i][0]} = {self.rng.choice(k)}' for i, k in enumerate(keys)]
                return ['(', q, ')']
        sources, cols = self.joined(depth - 1)
        q = self.inner([(self.aggregate(kind, cols), kind)], sources, outer, cols)
        if self.chance(0.15):
            q.having = [f'COUNT(*) > {self.rng.randrange(3)}']
        return ['(', q, ')']

    def predicate(self, cols, depth):
        pick, rng = self.rng.random(), self.rng
        sources, own = self.joined(depth - 1)
        if pick < 0.35:
            p = [rng.choice(['', 'NOT ']) + 'EXISTS (', self.inner([('1', 'INT')], sources, cols, own), ')']
        elif pick < 0.75:
            kind = rng.choice(self.words.ordered)
            word = rng.choice(['IN', 'NOT IN', ('= ANY', 'IN'), ('<> ALL', 'NOT IN')])
            p = [self.words.expression(rng, kind, cols, 0), ' ', word, ' (',
                 self.inner([(self.words.expression(rng, kind, own, 0), kind)], sources, cols, own), ')']
        else:
            kind = rng.choice(self.words.ordered)
            p = [self.words.expression(rng, kind, cols, 1), rng.choice([' = ', ' < ', ' > ', ' <> ']), self.scalar(cols, kind, depth)]
        if self.chance(0.25):
            p = ['(', p, rng.choice([' AND ', ' OR ']), self.words.condition(rng, cols, 1), ')']
        return p

    def over(self, kind, cols):
        """A function over the rows around; all columns are in its order, so equal places are of equal rows."""
        rng = self.rng
        cols = [c for c in cols if c[1] != 'MAP']
        end = lambda: rng.choice([' NULLS FIRST', ' DESC NULLS LAST', ' DESC NULLS FIRST', ' NULLS LAST'])
        order = [c for c, _ in rng.sample(cols, len(cols))]
        whole = ', '.join(c + end() for c in order)
        parts = f'PARTITION BY {", ".join(c for c, _ in rng.sample(cols, min(len(cols), rng.choice([1, 1, 2]))))} ' if self.chance(0.6) else ''
        numbers = [c for c, t in cols if t in ('INT', 'BIGINT')]
        bounds = rng.choice(['UNBOUNDED PRECEDING AND CURRENT ROW', '2 PRECEDING AND CURRENT ROW', '1 PRECEDING AND 1 FOLLOWING',
                             'CURRENT ROW AND UNBOUNDED FOLLOWING', 'UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING', '3 PRECEDING AND 2 PRECEDING'])
        frames = [f'({parts}ORDER BY {whole} ROWS BETWEEN {bounds})', f'({parts}ORDER BY {whole})', f'({parts.strip()})',
                  f'({parts}ORDER BY {order[0]}{end()})', f'({parts}ORDER BY {order[0]}{end()} GROUPS BETWEEN {bounds})'] + \
            [f'({parts}ORDER BY {n}{end()} RANGE BETWEEN {bounds})' for n in numbers[:1]]
        if kind == 'BIGINT' and self.chance(0.5):
            return rng.choice([f'ROW_NUMBER() OVER ({parts}ORDER BY {whole})', f'RANK() OVER ({parts}ORDER BY {order[0]}{end()})',
                               f'DENSE_RANK() OVER ({parts}ORDER BY {order[0]}{end()})', f'NTILE(3) OVER ({parts}ORDER BY {whole})'])
        e = self.words.expression(rng, kind, cols, 1)
        if self.chance(0.4) or kind in ('BOOLEAN', 'INTS', 'TEXTS'):
            f = rng.choice([f'LAG({e})', f'LEAD({e}, 2)', f'LAG({e}, 1, {self.words.literal(rng, kind)})', f'FIRST_VALUE({e})', f'LAST_VALUE({e})',
                            f'NTH_VALUE({e}, 2)'])
            return f'{f} OVER {rng.choice(frames[:2])}'
        return f'{self.aggregate(kind, cols, True)} OVER {rng.choice(frames)}'

    def grouped(self, kinds, sources, cols):
        rng = self.rng
        n = rng.choice([0] + [*range(1, len(kinds) + 1)] * 4)
        groups = []
        for k in kinds[:n]:
            own = [c for c, t in cols if t == k]
            groups.append(rng.choice(own) if own and self.chance(0.8) else self.words.expression(rng, k, cols, 1))
        if any(all(c not in g for c, _ in cols) for g in groups):
            return None
        q = Select([(g, k) for g, k in zip(groups, kinds)], sources)
        q.groups = list(dict.fromkeys(groups))
        q.items += [(self.aggregate(k, cols), k) for k in kinds[n:]]
        q.aggregates = n < len(kinds)
        if n < len(kinds) and n and self.chance(0.25) and all(g in [c for c, _ in cols] for g in groups):
            m = len(q.groups)
            word = rng.choice(['ROLLUP', 'CUBE', 'GROUPING SETS'])
            sets = {'ROLLUP': [list(range(i)) for i in range(m, -1, -1)], 'CUBE': [[i for i in range(m) if s >> i & 1] for s in range(2 ** m)],
                    'GROUPING SETS': [[i for i in range(m) if self.chance(0.5)] for _ in range(rng.choice([1, 2, 3]))]}[word]
            sets = [s for i, s in enumerate(sets) if s not in sets[:i]]
            if len({i for s in sets for i in s}) == m: # what is shown must be in one of them
                q.sets = (word, sets)
            if kinds[-1] == 'INT' and q.sets and n < len(kinds) and self.chance(0.5):
                q.items[-1] = (f'GROUPING({rng.choice(q.groups)})', 'INT')
        elif self.streams and len(sources) == 1 and isinstance(sources[0][1], str) and n and n < len(kinds) and self.chance(0.6):
            self.windowed(q, n, kinds, cols)
        if self.chance(0.3):
            q.having = [f'COUNT(*) {rng.choice([">", "<"])} {rng.randrange(4)}']
        if not q.groups and n == len(kinds):
            return None
        return q

    def windowed(self, q, n, kinds, cols):
        """The WINDOW clause; of sessions groups are columns, aggregates can be merged, and nothing is left out before."""
        rng, (_, name, alias, _) = self.rng, q.sources[0]
        base = next(b for b in self.bases if b.name == name)
        plain = all(g in [c for c, _ in cols] for g in q.groups) and not any(k in ('BOOLEAN', 'INTS', 'TEXTS') for k in kinds[n:])
        if plain and self.chance(0.4):
            clause, batch = windows.sessions(rng, base, [g.split('.')[1] for g in q.groups])
            q.items = q.items[:n] + [(self.aggregate(k, cols, True), k) for k in kinds[n:]]
            q.sessions = True
        else:
            _, clause, _, batch = windows.windows(rng, base)
        q.sources = [('', (name, batch), alias, [])]
        q.window = (clause, f'{alias}.window_start', f'{alias}.window_end')
        if kinds[-1] == 'BIGINT' and n < len(kinds) - 1:
            q.items[-1] = (rng.choice([('WINDOWSTART', f'{alias}.window_start'), ('WINDOWEND', f'{alias}.window_end')]), 'BIGINT')

    def select(self, kinds, depth):
        rng = self.rng
        sources, cols = self.joined(depth)
        where = [self.words.condition(rng, cols, 1)] if self.chance(0.35) else []
        q = self.grouped(kinds, sources, cols) if self.chance(0.35) else None
        where = [] if q and q.sessions else where
        if depth > 0 and self.chance(0.4) and not (q and q.window): # a window is of a stream
            where.append(self.predicate(cols, depth))
        if not q:
            over = depth > 0 and self.chance(0.3)
            items = []
            for k in kinds:
                if over and self.chance(0.6):
                    items.append((self.over(k, cols), k))
                    over = False # of equal rows each has a place in each order: which two meet is not said
                elif depth > 0 and self.chance(0.15):
                    items.append((self.scalar(cols, k, depth), k))
                else:
                    items.append((self.words.expression(rng, k, cols, 1), k))
            q = Select(items, sources)
            q.distinct = self.chance(0.2)
        q.where = where
        if self.chance(0.12) and not q.window:
            end = lambda: rng.choice([' NULLS FIRST', ' DESC NULLS LAST', ' DESC NULLS FIRST', ' NULLS LAST'])
            q.tail = ' ORDER BY ' + ', '.join(f'c{i}{end()}' for i in range(len(kinds))) + f' LIMIT {rng.randrange(1, 6)}'
            if self.chance(0.3):
                q.tail += f' OFFSET {rng.randrange(3)}'
        return q

    def top(self, kinds, depth):
        """The first rows of each partition."""
        rng, alias = self.rng, self.new()
        sources, cols = self.joined(depth - 1)
        cols = [c for c in cols if c[1] != 'MAP']
        order = ', '.join(c + rng.choice([' NULLS FIRST', ' DESC NULLS LAST']) for c, _ in rng.sample(cols, len(cols)))
        part = f'PARTITION BY {rng.choice(cols)[0]} ' if self.chance(0.7) else ''
        place = rng.choice(['ROW_NUMBER', 'ROW_NUMBER', 'RANK', 'DENSE_RANK'])
        inside = Select([(self.words.expression(rng, k, cols, 0), k) for k in kinds] + [(f'{place}() OVER ({part}ORDER BY {order})', 'BIGINT')], sources)
        q = Select([(f'{alias}.c{i}', k) for i, k in enumerate(kinds)], [('', inside, alias, [])])
        q.where = [f'{alias}.c{len(kinds)} {rng.choice(["<=", "=", "<"])} {rng.randrange(1, 4)}']
        return q

    def query(self, kinds, depth):
        if depth > 0 and self.chance(0.2):
            op = self.rng.choice(['UNION', 'UNION ALL', 'UNION ALL', 'INTERSECT', 'EXCEPT'])
            return SetOp(op, self.select(kinds, depth - 1), self.select(kinds, depth - 1), self.new())
        if depth > 0 and self.chance(0.1):
            name, inner = self.new(), [self.rng.choice(self.words.plain) for _ in range(2)]
            a, b = self.new(), self.new()
            sides = [(f'{s}.c{i}', k) for s in (a, b) for i, k in enumerate(inner)]
            body = Select([(self.words.expression(self.rng, k, sides, 1), k) for k in kinds],
                          [('', name, a, []), (self.rng.choice(['JOIN', 'LEFT JOIN']), name, b, [f'{a}.c0 = {b}.c0'])])
            return With(name, self.query(inner, depth - 1), body)
        if depth > 0 and self.chance(0.1):
            return self.top(kinds, depth)
        return self.select(kinds, depth)


SHAPES = ['semi', 'sets', 'union', 'session', 'lookup', 'keep', 'elements'] * 2 + ['anti', 'window', 'join', 'filter', 'over', 'top', 'elements']


class ShapedMaker(Maker):
    """What random queries seldom have, below groups that change with each row."""

    def below(self, shape, kinds):
        rng = self.rng
        self.streams = shape != 'anti' and not (shape in ('over', 'top', 'sets', 'elements') and self.chance(0.5))
        base = rng.choice([b for b in self.bases if b.table != self.streams and (shape != 'elements' or {'INTS', 'TEXTS'} & {t for _, t in b.columns})] or
                          [b for b in self.bases if b.table != self.streams])
        alias = self.new()
        cols = [(f'{alias}.{c}', t) for c, t in base.columns]
        sources = [('', base.name, alias, [])]
        if shape == 'window':
            what, _, cols = self.window_source(base, alias)
            sources = [('', what, alias, [])]
        if shape == 'keep':
            sources = [('', windows.keep(base, ' DESC'), alias, [])]
        if shape == 'elements' and {'INTS', 'TEXTS'} & {t for _, t in base.columns}:
            what, _, cols = self.elements(base, alias)
            sources = [('', what, alias, [])]
        if shape in ('join', 'semi', 'anti'):
            other, y = rng.choice([b for b in self.bases if b.table != self.streams]), self.new()
            right = [(f'{y}.{c}', t) for c, t in other.columns]
            equal = self.equality([c for c in cols if c[1] in ('INT', 'VARCHAR', 'BOOLEAN')], right) or 'TRUE'
        if shape == 'join':
            sources.append(('JOIN', other.name, y, [equal]))
            cols = cols + right
        found = self.lookup(cols) if shape == 'lookup' else None
        if found:
            sources.append(found[0])
            cols = cols + found[1]
        q = Select([(self.words.expression(rng, k, cols, 0), k) for k in kinds], sources)
        if shape in ('semi', 'anti'):
            inner = Select([('1', 'INT')], [('', other.name, y, [])])
            inner.where = [equal]
            q.where = [['NOT ' * (shape == 'anti') + 'EXISTS (', inner, ')']]
        elif shape == 'filter' or self.chance(0.1):
            q.where = [self.words.condition(rng, cols, 1)]
        if shape == 'over':
            q.items[-1] = (self.over(kinds[-1], cols), kinds[-1])
        return q

    def shaped(self, shape):
        rng, alias, kinds = self.rng, self.new(), ['INT', 'VARCHAR', 'BIGINT']
        if shape == 'session':
            self.streams = True
            base = rng.choice([b for b in self.bases if not b.table])
            x = self.new()
            cols = [(f'{x}.{c}', t) for c, t in base.columns]
            group = rng.choice([c for c in cols[:-1] if c[1] not in ('MAP', 'INTS', 'TEXTS')])
            q = Select([group, (self.aggregate('BIGINT', cols, True), 'BIGINT'), ('COUNT(*)', 'BIGINT')], [('', base.name, x, [])])
            clause, batch = windows.sessions(rng, base, [group[0].split('.')[1]])
            q.groups, q.aggregates, q.sessions, q.sources = [group[0]], True, True, [('', (base.name, batch), x, [])]
            q.window = (clause, f'{x}.window_start', f'{x}.window_end')
            return q
        if shape == 'top':
            self.streams = self.chance(0.5)
            return self.top(kinds, 1)
        inside = self.below(shape, kinds)
        if shape == 'union':
            inside = SetOp('UNION ALL', inside, self.below('filter', kinds), self.new())
        cols = [(f'{alias}.c{i}', k) for i, k in enumerate(kinds)]
        group = rng.choice([[cols[0]], [cols[1]], cols[:2]])
        q = Select(group + [(self.aggregate(k, cols), k) for k in rng.sample(['BIGINT', 'INT', 'DOUBLE'], 2)], [('', inside, alias, [])])
        q.groups, q.aggregates = [g for g, _ in group], True
        if shape == 'sets':
            n = len(group)
            q.sets = rng.choice([('ROLLUP', [list(range(i)) for i in range(n, -1, -1)]), ('CUBE', [[i for i in range(n) if s >> i & 1] for s in range(2 ** n)])])
        return q


class TimedMaker(Maker):
    """Joins of streams within some time, and of a stream with the version of a table; of any kind, with conditions, groups on top."""

    def whole(self):
        rng = self.rng
        streams = [b for b in self.bases if not b.table]
        rng.shuffle(streams)
        a, x, y = streams[0], self.new(), self.new()
        cols = [(f'{x}.{c}', t) for c, t in a.columns]
        kinds = [k for k in self.kinds() if k not in ('INTS', 'TEXTS')] or ['INT']
        pick = rng.random()
        if pick < 0.4:
            b = streams[1]
            right = [(f'{y}.{c}', t) for c, t in b.columns]
            equal = self.equality(*([c for c in side[:-1] if c[1] != 'BOOLEAN'] for side in (cols, right))) # no flush meets another
            before, after = rng.choice([(5, 5), (0, 20), (9, 0), (30, 1)])
            word = rng.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
            within = f'{before} SECONDS' if before == after else f'({before} SECONDS, {after} SECONDS)'
            on = [Within(f'WITHIN {within} GRACE PERIOD {rng.choice([0, 1, 60])} SECONDS',
                         f'{y}.at BETWEEN {x}.at - {before * 1000} AND {x}.at + {after * 1000}'), equal]
            source = (word, b.name, y, on)
        elif pick < 0.6: # the first row of each key
            text = windows.keep(a, '')
            return self.over_joined([('', text, x, [])], cols, kinds)
        else:
            b = next(b for b in self.bases if b.table)
            right = [(f'{y}.{c}', t) for c, t in b.columns]
            own = [[c for c, t in cols if t == k] for _, k in b.columns[:b.nkey]]
            if not all(own):
                return TimedMaker(rng, self.bases, self.words).whole()
            on = [Within('', f'{y}.since <= {x}.at AND ({y}.until IS NULL OR {x}.at < {y}.until)')] + \
                [f'{rng.choice(o)} = {y}.{c}' for o, (c, _) in zip(own, b.columns)]
            source = (rng.choice(['JOIN', 'LEFT JOIN']), (f'{b.name} FOR SYSTEM_TIME AS OF {x}.ROWTIME AS', windows.versions(b)), y, on)
        if None in on:
            return TimedMaker(rng, self.bases, self.words).whole()
        return self.over_joined([('', a.name, x, []), source], cols + right, kinds)

    def over_joined(self, sources, cols, kinds):
        rng, self.streams = self.rng, False # no windows of what is joined
        q = self.grouped(kinds, sources, cols) if self.chance(0.8) else None
        if not q:
            q = Select([(self.words.expression(rng, k, cols, 1), k) for k in kinds], sources)
        if self.chance(0.2):
            q.where = [self.words.condition(rng, cols, 1)]
        return q


# ---- Smaller

def without(many, i):
    return many[:i] + many[i + 1:]


def parts_smaller(part):
    if isinstance(part, list):
        for i, p in enumerate(part):
            for q in parts_smaller(p):
                yield part[:i] + [q] + part[i + 1:]
    elif not isinstance(part, (str, tuple)):
        yield from smaller(part)


def changed(q, **fields):
    q = copy.copy(q)
    q.__dict__.update(fields)
    return q


def smaller(q):
    """Queries that are q with one thing less; not all of them have a meaning."""
    if isinstance(q, Select) and (q.window or q.sessions): # the batch's form of a window is in its source
        for name in ('having', 'where') if not q.sessions else ('having',):
            yield from (changed(q, **{name: without(getattr(q, name), i)}) for i in range(len(getattr(q, name))))
        return
    if isinstance(q, SetOp):
        yield q.left
        yield q.right
        yield from (changed(q, left=s) for s in smaller(q.left))
        yield from (changed(q, right=s) for s in smaller(q.right))
        return
    if isinstance(q, With):
        yield q.inner
        yield from (changed(q, inner=s) for s in smaller(q.inner))
        yield from (changed(q, body=s) for s in smaller(q.body))
        return
    for word, what, alias, on in q.sources:
        if not isinstance(what, (str, tuple)):
            yield what
    for name, plain in (('distinct', False), ('tail', ''), ('sets', None), ('window', None), ('having', []), ('where', [])):
        if getattr(q, name):
            yield changed(q, **{name: plain})
    for name in ('where', 'having'):
        parts = getattr(q, name)
        for i, p in enumerate(parts):
            yield changed(q, **{name: without(parts, i)})
            yield from (changed(q, **{name: parts[:i] + [s] + parts[i + 1:]}) for s in parts_smaller(p))
    for i, (e, k) in enumerate(q.items):
        if len(q.items) > 1:
            yield changed(q, items=without(q.items, i), groups=[g for g in q.groups if g != e], tail='')
        elif show(e, 0) != '1':
            yield changed(q, items=[('1', 'INT')])
        yield from (changed(q, items=q.items[:i] + [(s, k)] + q.items[i + 1:]) for s in parts_smaller(e))
    for i, (word, what, alias, on) in enumerate(q.sources):
        if len(q.sources) > 1 and not any(o and isinstance(o[0], Within) for _, _, _, o in q.sources):
            rest = without(q.sources, i)
            yield changed(q, sources=[('', *rest[0][1:3], [])] + rest[1:])
        put = lambda s: changed(q, sources=q.sources[:i] + [s] + q.sources[i + 1:])
        if not isinstance(what, (str, tuple)):
            yield from (put((word, s, alias, on)) for s in smaller(what))
        for j, p in enumerate(on):
            if isinstance(p, Within) or isinstance(what, tuple):
                continue
            if len(on) > 1:
                yield put((word, what, alias, without(on, j)))
            yield from (put((word, what, alias, on[:j] + [s] + on[j + 1:])) for s in parts_smaller(p))
