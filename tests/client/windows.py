"""Windows and versions of a table, as a batch database has them.

Times are near BEGIN, so that no window begins before 1970. In a timed world streams may be late by more than all their times, so
nothing that waits for time comes before the last round, whose records are of FLUSH."""

BEGIN, SPAN = 10 ** 8, 10 ** 5
FLUSH, DELAY = 2 * 10 ** 12, 3 * SPAN


# ---- Rows with the windows they lie in: (Weir's function, a query with columns window_start, window_end)

def windows(rng, base):
    """A window over a stream: (function, clause, the batch's query for the function, and for the clause, whose bounds are numbers)."""
    kind, ms = rng.choice(['TUMBLE', 'HOP', 'CUMULATE']), lambda n: f"INTERVAL '{n // 1000}' SECOND"
    size, step = rng.choice({'TUMBLE': [(1000, 1000), (7000, 7000), (60000, 60000)], 'HOP': [(6000, 2000), (7000, 3000), (60000, 20000), (40000, 40000)],
                             'CUMULATE': [(6000, 2000), (60000, 20000), (30000, 10000)]}[kind])
    every = step if kind == 'HOP' else size
    start, end, on = f'FLOORDIV(b.at, {every}) * {every}', f'FLOORDIV(b.at, {every}) * {every} + {size}', 'n.n = 0'
    if kind == 'HOP':
        start, end = f'{start} - n.n * {step}', f'{end} - n.n * {step}'
        on = f'{start} > b.at - {size}'
    if kind == 'CUMULATE':
        end = f'{start} + (n.n + 1) * {step}'
        on = f'(n.n + 1) * {step} <= {size} AND {end} > b.at'
    batch = lambda wrap: (f'(SELECT b.*, {wrap}({start}) AS window_start, {wrap}({end}) AS window_end FROM {base.name} b '
                          f'JOIN numbers n ON {on})')
    words = {'TUMBLE': f'TUMBLING (SIZE {size} MILLISECONDS', 'HOP': f'HOPPING (SIZE {size} MILLISECONDS, ADVANCE BY {step} MILLISECONDS',
             'CUMULATE': f'CUMULATE (SIZE {size} MILLISECONDS, STEP {step} MILLISECONDS'}[kind]
    call = f'{kind}(TABLE {base.name}, DESCRIPTOR(at), {"" if kind == "TUMBLE" else ms(step) + ", "}{ms(size)})'
    return call, f'WINDOW {words}, GRACE PERIOD 100000 DAYS)', batch('FROM_MS'), batch('')


def keep(base, direction):
    """The first or last row by event time of each key."""
    keys = ', '.join(f'b.{c}' for c, _ in base.columns[:base.nkey])
    text = (f'(SELECT * FROM (SELECT b.*, ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY b.at{direction}) AS place FROM {base.name} b) d '
            'WHERE d.place = 1)')
    return text, text


def sessions(rng, base, groups):
    """(clause, query): rows of equal groups that follow each other within the gap."""
    gap = rng.choice([500, 3000, 20000])
    part = ', '.join(groups)
    batch = (f'(SELECT i.*, MIN(i.at) OVER (PARTITION BY {part}, i.session) AS window_start, MAX(i.at) OVER (PARTITION BY {part}, i.session) AS window_end FROM '
             f'(SELECT h.*, SUM(h.begins) OVER (PARTITION BY {part} ORDER BY h.at) AS session FROM '
             f'(SELECT b.*, CASE WHEN b.at - LAG(b.at) OVER (PARTITION BY {part} ORDER BY b.at) <= {gap} THEN 0 ELSE 1 END AS begins FROM {base.name} b) h) i)')
    return f'WINDOW SESSION ({gap} MILLISECONDS, GRACE PERIOD 100000 DAYS)', batch


def versions(base):
    """Each version of a table with the time from which it is no more; of the same time the last to come. Rows: all columns, then gone, seq."""
    keys = ', '.join(c for c, _ in base.columns[:base.nkey])
    return f'(SELECT * FROM (SELECT h.*, LEAD(h.since) OVER (PARTITION BY {keys} ORDER BY h.since, h.seq) AS until FROM {base.name} h) v WHERE v.gone = 0)'
