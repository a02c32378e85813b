#!/usr/bin/env python3
"""What many jobs on one server cost: memory and CPU of idle ones, how evenly busy ones commit, how long light ones wait
beside a heavy one, or one that wants all the memory.

    WEIR=build/weir tests/bench/many_jobs.py [--parts idle,busy,heavy,hog] [--jobs 1000] [--busy 100] [--light 20] [--tables]

Idle: N topics of one partition are made first (their cost is told apart), then N jobs from one topic into them, each with a
changelog of one partition. Busy: --busy equal jobs begin together on a topic that holds more than they can read at once;
what each has committed between two looks, while all are behind, and when each had all of it tell how even that is.
Heavy: rows go one at a time into a topic that --light jobs copy, alone and beside a job that is busy all the time; how long
each of them took is told by the server's own clock: from the row's time to its job's commit. Hog: the same with tables beside
one of as many keys as rows (--set weir.state.memory.bytes=262144 --set weir.job.memory.bytes=33554432).
"""
import argparse, datetime, http.client, json, os, re, shutil, statistics, subprocess, sys, tempfile, time

args = argparse.ArgumentParser()
args.add_argument('--jobs', type=int, default=1000)
args.add_argument('--busy', type=int, default=100)
args.add_argument('--light', type=int, default=20)
args.add_argument('--rows', type=int, default=200000, help='that each busy job reads')
args.add_argument('--rounds', type=int, default=20, help='rows of which the latency is taken')
args.add_argument('--backlog', type=int, default=10, help='of the heavy job, in half millions of rows')
args.add_argument('--seconds', type=float, default=10)
args.add_argument('--tables', action='store_true', help='jobs that count per key instead of copying')
args.add_argument('--parts', default='idle,busy,heavy')
args.add_argument('--set', action='append', default=[], help='of the server')
args = args.parse_args()

weir = os.environ.get('WEIR', 'build/weir')
folder = tempfile.mkdtemp(prefix='many_jobs.')
server = subprocess.Popen([weir, 'server', '--data', folder + '/data', '--listen', '127.0.0.1:0', '--set', 'num.partitions=1'] +
                          [word for text in args.set for word in ('--set', text)],
                          stdout=subprocess.PIPE,
                          stderr=open(folder + '/trace', 'w'), text=True)
port = int(re.search(r'listen=\S*?:(\d+)', server.stdout.readline()).group(1))
tick = os.sysconf('SC_CLK_TCK')


def sql(text, limit=None, **more):
    """Rows of the last statement; ends the bench when refused."""
    c = http.client.HTTPConnection('127.0.0.1', port, timeout=600)
    body = {'sql': text, 'until_caught_up': True, **more}
    c.request('POST', '/sql', json.dumps(body), {'Content-Type': 'application/json'})
    rows = []
    for line in c.getresponse().read().splitlines():
        answer = json.loads(line)
        if answer['kind'] == 'error':
            sys.exit('refused: %s: %s' % (answer['message'], text[:200]))
        if answer['kind'] == 'columns':
            rows = []
        if answer['kind'] == 'rows':
            rows += answer['rows']
    c.close()
    return rows


def memory():
    with open('/proc/%d/status' % server.pid) as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) * 1024


def cpu():
    with open('/proc/%d/stat' % server.pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / tick


def settle():
    """RSS when it has stopped changing."""
    last = memory()
    for _ in range(20):
        time.sleep(0.5)
        now = memory()
        if abs(now - last) < 65536:
            break
        last = now
    return last


def in_pieces(statements):
    for i in range(0, len(statements), 50):
        sql('\n'.join(statements[i:i + 50]))


def query(i):
    if args.tables:
        return 'CREATE TABLE j%d WITH (kafka_topic = \'o%d\') AS SELECT k, COUNT(*) AS n FROM src GROUP BY k EMIT CHANGES;' % (i, i)
    return 'CREATE STREAM j%d WITH (kafka_topic = \'o%d\') AS SELECT k, v + %d AS v FROM src EMIT CHANGES;' % (i, i, i)


def idle():
    sql("CREATE STREAM src (k VARCHAR KEY, v BIGINT) WITH (kafka_topic = 'src', value_format = 'JSON', partitions = 1);")
    sql("INSERT INTO src (k, v) VALUES ('a', 1);")
    empty = settle()
    in_pieces(["CREATE STREAM d%d (k VARCHAR KEY, v BIGINT) WITH (kafka_topic = 'o%d', value_format = 'JSON', partitions = 1);"
               % (i, i) for i in range(args.jobs)])
    topics = settle()
    partition = (topics - empty) / args.jobs
    began = time.monotonic()
    in_pieces([query(i) for i in range(args.jobs)])
    made = time.monotonic() - began
    sql("INSERT INTO src (k, v) VALUES ('b', 2);")  # all have run once
    time.sleep(args.seconds)  # files are closed after a while
    jobs = settle()
    each = (jobs - topics) / args.jobs
    print('server without topics        %8.1f MB' % (empty / 1e6))
    print('a partition                  %8.1f KB' % (partition / 1e3))
    print('a job with its changelog     %8.1f KB   (%d jobs made in %.1f s)' % (each / 1e3, args.jobs, made))
    print('a job, its partition apart   %8.1f KB' % ((each - partition) / 1e3))
    before, since = cpu(), time.monotonic()
    time.sleep(args.seconds)
    print('idle CPU                     %8.2f %% of a core' % (100 * (cpu() - before) / (time.monotonic() - since)))


def spread(values):
    """(greatest - least) / mean."""
    mean = statistics.mean(values)
    return (max(values) - min(values)) / mean if mean else 0.0


def load(topic, rows, size=500000, keys=1000):
    for at in range(0, rows, size):
        subprocess.run([weir, 'produce', topic, '-K', ':', '--quiet', '--server', '127.0.0.1:%d' % port], text=True, check=True,
                       input=''.join('k%d:{"V":%d}\n' % (i % keys, i) for i in range(at, min(at + size, rows))))


def source(name):
    sql("CREATE STREAM %s (k VARCHAR KEY, v BIGINT) WITH (kafka_topic = '%s', value_format = 'JSON', partitions = 1);" %
        (name, name))


def committed(prefix):
    """Offset up to which the last commit of each of these jobs reaches, the CPU it has had, the number of that commit."""
    rows = sql("SELECT j.job, s.committed, j.cpu_ms, j.epoch FROM sys.sources s JOIN sys.jobs j ON s.job = j.job "
               "WHERE j.job LIKE '%s%%' ORDER BY j.job;" % prefix)
    return {r[0]: r[1:] for r in rows}


def busy():
    """Equal jobs on one topic that holds more than all of them can read at once; they begin together."""
    n = args.busy
    source('backlog')
    sql(''.join(
        'CREATE STREAM busy%d AS SELECT k, v * %d AS v FROM backlog EMIT CHANGES;' % (i, i + 1) for i in range(n)))
    before = committed('busy')
    assert len(before) == n
    sql('PAUSE ALL;')
    load('backlog', args.rows)
    began = time.monotonic()
    sql('RESUME ALL;')
    ended, first, last = {}, None, None
    while len(ended) < n:
        now, at = committed('busy'), time.monotonic() - began
        known = {j: (c, epoch) for j, (c, _, epoch) in now.items() if c is not None and epoch is not None}
        ended.update({j: at for j, (c, _) in known.items() if j not in ended and c >= args.rows})
        if len(known) == n and not ended:  # all of them are at work
            first, last = first or (at, known), (at, known)
        time.sleep(0.1)
    print('%d busy jobs                 %8.0f rows/s together, %d rows each' %
          (n, n * args.rows / max(ended.values()), args.rows))
    rates = [args.rows / t for t in ended.values()]
    print('rows/s of each               %8.0f to %.0f, (greatest - least) / mean %.1f %%' %
          (min(rates), max(rates), 100 * spread(rates)))
    if first and last[0] > first[0]:
        print('while all of them were at work, %.1f s' % (last[0] - first[0]))
        for what, at in (('rows of each', 0), ('commits of each', 1)):
            more = [last[1][j][at] - first[1][j][at] for j in before]
            print('%-28s %8d least, %d median, %d most, (greatest - least) / mean %.1f %%' %
                  (what, min(more), statistics.median(more), max(more), 100 * spread(more)))
    sql(''.join('DROP STREAM busy%d;' % i for i in range(n)))


def latency(names, rounds):
    """Times from a row's event time, which is that of its INSERT, until each light job had committed it, in ms: of each
    job, and of the last one. Nothing is asked of the server meanwhile."""
    each, last = [], []
    for _ in range(rounds):
        sql("INSERT INTO lightsrc (k, v) VALUES ('a', 1);")
        time.sleep(0.7)
        rows = sql("SELECT job, committed, lag FROM sys.jobs WHERE job LIKE 'light%';")
        came = max(r[0] for r in sql('SELECT ROWTIME FROM lightsrc;'))
        assert len(rows) == args.light
        took = [ms(r[1]) - came for r in rows if r[2] == 0]
        each += took
        last.append(max(took) if len(took) == len(rows) else 700)
    return sorted(each), sorted(last)


def ms(text):
    return 1000 * datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp()


def heavy():
    """Light jobs, a row at a time, alone and beside one that is busy all the time."""
    n = args.light
    source('lightsrc')
    sql("INSERT INTO lightsrc (k, v) VALUES ('a', 1);")
    sql(''.join('CREATE STREAM light%d AS SELECT k, v + %d AS v FROM lightsrc EMIT CHANGES;' % (i, i) for i in range(n)))
    alone = latency('light', args.rounds)
    source('heavysrc')
    load('heavysrc', args.backlog * 500000)
    costly = 'CAST(v AS VARCHAR)'
    for digit in range(30):
        costly = "REGEXP_REPLACE(%s, '%d+', 'xy')" % (costly, digit % 10)
    sql('CREATE STREAM heavy0 AS SELECT k, %s AS v FROM heavysrc EMIT CHANGES;' % costly)
    time.sleep(1)
    used, since = cpu(), time.monotonic()
    beside = latency('light', args.rounds)
    used, since = cpu() - used, time.monotonic() - since
    lag, read, cpu_ms = sql("SELECT lag, rows_in, cpu_ms FROM sys.jobs WHERE job = 'heavy0';")[0]
    print('the busy one                 %8.0f rows per ms of its turns, %d rows behind at the end; the server has had %.0f %% of a core' %
          (read / cpu_ms, lag, 100 * used / since))
    if not lag:
        print('it has not been busy all the time: take a larger --backlog')
    for what, (each, last) in (('alone', alone), ('beside a busy one', beside)):
        print('%d light jobs, %-17s %6.1f ms median, %6.1f ms p95 until a row is committed; by all of them %6.1f ms' %
              (n, what, statistics.median(each), each[int(len(each) * 0.95)], statistics.median(last)))


def hog():
    """Light tables beside one that wants all the memory: as many keys as rows."""
    n = args.light
    source('lightsrc')
    sql("INSERT INTO lightsrc (k, v) VALUES ('a', 1);")
    sql(''.join('CREATE TABLE light%d AS SELECT k, COUNT(*) AS n FROM lightsrc GROUP BY k EMIT CHANGES;' % i for i in range(n)))
    alone = latency('light', args.rounds)
    source('hogsrc')
    load('hogsrc', args.backlog * 500000, keys=args.backlog * 500000)
    before = memory()
    sql('CREATE TABLE hog0 AS SELECT k, COUNT(*) AS n, MAX(v) AS v FROM hogsrc GROUP BY k EMIT CHANGES;')
    began, most = time.monotonic(), 0
    first = sql("SELECT epoch, rows_in FROM sys.jobs WHERE job = 'hog0';")[0]
    beside = latency('light', args.rounds)
    seconds = time.monotonic() - began
    last = sql("SELECT epoch, rows_in, lag, memory_bytes FROM sys.jobs WHERE job = 'hog0';")[0]
    print('the hog                      %8.0f rows/s, %.1f commits/s, %d rows behind at the end, %.1f MB of state, server +%.1f MB' %
          ((last[1] - first[1]) / seconds, (last[0] - first[0]) / seconds, last[2], last[3] / 1e6, (memory() - before) / 1e6))
    for what, (each, late) in (('alone', alone), ('beside the hog', beside)):
        print('%d light tables, %-16s %6.1f ms median, %6.1f ms p95 until a row is committed; by all of them %6.1f ms' %
              (n, what, statistics.median(each), each[int(len(each) * 0.95)], statistics.median(late)))
    for job, state, why, held in sql('SELECT job, state, why, memory_bytes FROM sys.jobs;'):
        assert state == 'running', (job, state, why)
    for i in range(n):
        rows = sql('SELECT n FROM light%d;' % i)
        assert rows == [[2 * args.rounds + 1]], rows


try:
    for part in args.parts.split(','):
        {'idle': idle, 'busy': busy, 'heavy': heavy, 'hog': hog}[part]()
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder)
