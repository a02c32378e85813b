#!/usr/bin/env python3
"""What many jobs on one server cost: memory and CPU of idle ones, how evenly busy ones commit, how long light ones wait
beside a heavy one.

    WEIR=build/weir tests/bench/many_jobs.py [--jobs 1000] [--busy 100] [--light 20] [--seconds 10] [--tables]

Idle: N topics of one partition are made first (their cost is told apart), then N jobs from one topic into them, each with a
changelog of one partition. Busy: the first --busy jobs read a backlog; every second each one's committed offset is looked
at. Beside a heavy job: rows go into a topic that --light jobs copy; a row's latency is told by the clock from its INSERT to
its arrival in the slowest of them.
"""
import argparse, json, os, re, shutil, socket, statistics, subprocess, sys, tempfile, time, http.client

args = argparse.ArgumentParser()
args.add_argument('--jobs', type=int, default=1000)
args.add_argument('--busy', type=int, default=100)
args.add_argument('--light', type=int, default=20)
args.add_argument('--rows', type=int, default=200000, help='backlog of the busy jobs')
args.add_argument('--seconds', type=float, default=10)
args.add_argument('--tables', action='store_true', help='jobs that count per key instead of copying')
args.add_argument('--parts', default='idle,busy,heavy')
args = args.parse_args()
parts = args.parts.split(',')

weir = os.environ.get('WEIR', 'build/weir')
folder = tempfile.mkdtemp(prefix='many_jobs.')
server = subprocess.Popen([weir, 'server', '--data', folder + '/data', '--listen', '127.0.0.1:0', '--set',
                           'num.partitions=1'], stdout=subprocess.PIPE, text=True)
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
    time.sleep(3)
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
    return (max(values) - min(values)) / statistics.mean(values) if values and statistics.mean(values) else 0.0


def load(relation, rows, size=2000):
    """Doubles what the topic holds by INSERTs of many rows each."""
    for at in range(0, rows, size):
        sql('INSERT INTO %s (k, v) VALUES %s;' % (relation, ', '.join("('k%d', %d)" % (i % 1000, i)
                                                                    for i in range(at, min(at + size, rows)))))


def busy():
    n = args.busy
    sql("CREATE STREAM bsrc (k VARCHAR KEY, v BIGINT) WITH (kafka_topic = 'bsrc', value_format = 'JSON', partitions = 1);")
    load('bsrc', args.rows)
    in_pieces(['CREATE STREAM b%d AS SELECT k, v + %d AS v FROM bsrc WHERE v < 0 EMIT CHANGES; PAUSE b%d;' % (i, i, i)
               if False else 'SET \'auto.offset.reset\' = \'earliest\'; CREATE STREAM b%d AS SELECT k, v + %d AS v FROM bsrc EMIT CHANGES;'
               % (i, i) for i in range(n)])
    in_pieces(['PAUSE b%d;' % i for i in range(n)])
    names = {row[0]: row for row in sql('SHOW JOBS;')}
    del names
    load('bsrc', args.rows)
    in_pieces(['RESUME b%d;' % i for i in range(n)])
    report('busy jobs, after %d rows each' % args.rows, n)


def report(what, n):
    first = {r[0]: r[1] for r in sql("SELECT job, committed FROM sys.partitions_read WHERE job LIKE 'b%';")}
    print(what, first, n)


try:
    if 'idle' in parts:
        idle()
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder)
