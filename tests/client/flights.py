#!/usr/bin/env python3
"""Real flights by a Kafka client through continuous SQL: the tables equal SQLite's answer over the same rows.

For 1, 2 and 4 shards: kcat feeds flights (4 partitions, keyed by origin, fed in another order than the file's) and
airports; jobs count and average per origin and hour, per destination's state through a join that is re-keyed twice, and a
stream is filtered by a C function. Every run is compared with SQLite; once in the middle the server is killed with -9.
Usage: flights.py [SHARDS ...]   (environment: WEIR, ROOT, BUILD; TEST_DATA: the folder that holds flights/)"""
import csv, json, os, sqlite3, struct, subprocess, sys, time
from weir import Server

ROOT, BUILD = os.environ['ROOT'], os.environ['BUILD']
DATA = os.environ.get('TEST_DATA', os.path.join(ROOT, '..', 'shared', 'data'))
FLIGHTS = os.path.join(DATA, 'flights', 'flights-2001-01-01_15.csv')
AIRPORTS = os.path.join(DATA, 'flights', 'airports.csv')


def kcat_feed(server, topic, lines):
    run = subprocess.run(['kcat', '-q', '-b', server.address, '-P', '-t', topic, '-K', '\t', '-X', 'acks=all',
                          '-X', 'enable.idempotence=true', '-X', 'linger.ms=20'], input=''.join(lines), text=True,
                         capture_output=True)
    if run.returncode != 0:
        sys.exit(f'kcat: {run.stderr}')


def kcat_read(server, topic):
    """Key and value bytes of all records, last one per key last."""
    run = subprocess.run(['kcat', '-q', '-b', server.address, '-C', '-t', topic, '-e', '-o', 'beginning', '-f',
                          '%K %S\n%k%s'], capture_output=True)
    out, pos, records = run.stdout, 0, []
    while pos < len(out):
        end = out.index(b'\n', pos)
        key_len, value_len = map(int, out[pos:end].split())
        pos = end + 1
        key = out[pos:pos + max(key_len, 0)]
        pos += max(key_len, 0)
        value = None if value_len < 0 else out[pos:pos + value_len]
        pos += max(value_len, 0)
        records.append((key, value))
    return records


def oracle():
    db = sqlite3.connect(':memory:')
    db.execute('CREATE TABLE flights (dep_time TEXT, delay INT, distance INT, origin TEXT, destination TEXT)')
    db.execute('CREATE TABLE airports (iata TEXT PRIMARY KEY, name TEXT, city TEXT, state TEXT)')
    with open(FLIGHTS) as f:
        flights = [(r['dep_time'], int(r['delay']), int(r['distance']), r['origin'], r['destination'])
                   for r in csv.DictReader(f)]
    with open(AIRPORTS) as f:
        airports = [(r['iata'], r['name'], r['city'], r['state']) for r in csv.DictReader(f)]
    db.executemany('INSERT INTO flights VALUES (?,?,?,?,?)', flights)
    db.executemany('INSERT INTO airports VALUES (?,?,?,?)', airports)
    return db, flights, airports


def cost(minutes, airport):
    c = 0 if minutes <= 0 else minutes if minutes <= 15 else 15 + 3.0 * (minutes - 15)
    return 2 * c if airport.startswith('O') else c


SETUP = """
CREATE STREAM flights (origin VARCHAR KEY, dep_time TIMESTAMP, delay INT, distance INT, destination VARCHAR)
  WITH (TOPIC='flights', PARTITIONS=4, KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON', TIMESTAMP='dep_time');
CREATE TABLE airports (iata VARCHAR PRIMARY KEY, name VARCHAR, city VARCHAR, state VARCHAR)
  WITH (TOPIC='airports', PARTITIONS=2, KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON');
"""
JOBS = """
CREATE TABLE hourly AS SELECT origin, COUNT(*) AS flights, AVG(delay) AS avg_delay FROM flights
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 30 DAYS) GROUP BY origin;
CREATE TABLE by_state AS SELECT a.state AS state, COUNT(*) AS flights, AVG(f.delay) AS avg_delay, MAX(f.delay) AS worst
  FROM flights f JOIN airports a ON f.destination = a.iata GROUP BY a.state;
CREATE FUNCTION delay_cost(INT, VARCHAR) RETURNS DOUBLE LANGUAGE C AS '%s', 'delay_cost';
CREATE STREAM dear AS SELECT origin, destination, delay, delay_cost(delay, origin) AS cost FROM flights
  WHERE delay_cost(delay, origin) > 300;
"""
RELATIONS = ('hourly', 'by_state', 'dear')


def wait_caught_up(server, seconds=120):
    deadline = time.time() + seconds
    while time.time() < deadline:
        jobs = server.rows('SHOW JOBS;')
        if len(jobs) >= len(RELATIONS) and all(j['state'] == 'running' and j['lag'] == 0 for j in jobs):
            time.sleep(0.5)  # the epoch that holds the last rows
            if all(j['lag'] == 0 for j in server.rows('SHOW JOBS;')):
                return
        time.sleep(0.1)
    sys.exit(f'the jobs did not catch up: {server.rows("SHOW JOBS;")}')


def same(what, got, wanted):
    got, wanted = sorted(got), sorted(wanted)
    if got != wanted:
        only_got = [r for r in got if r not in set(wanted)][:5]
        only_wanted = [r for r in wanted if r not in set(got)][:5]
        sys.exit(f'{what}: {len(got)} rows, SQLite {len(wanted)}; only here {only_got}; only there {only_wanted}')
    print(f'  {what}: {len(got)} rows equal SQLite\'s')


def check(server, db, flights):
    hourly = [(r['origin'], r['WINDOWSTART'], r['flights'], r['avg_delay'])
              for r in server.rows('SELECT origin, WINDOWSTART, flights, avg_delay FROM hourly;')]
    same('hourly', hourly, db.execute("""SELECT origin, CAST(strftime('%s', dep_time) AS INT) / 3600 * 3600000, COUNT(*),
        AVG(delay) FROM flights GROUP BY 1, 2""").fetchall())
    by_state = [(r['state'], r['flights'], r['avg_delay'], r['worst'])
                for r in server.rows('SELECT state, flights, avg_delay, worst FROM by_state;')]
    same('by_state', by_state, db.execute("""SELECT a.state, COUNT(*), AVG(f.delay), MAX(f.delay) FROM flights f
        JOIN airports a ON f.destination = a.iata GROUP BY 1""").fetchall())

    topic = {}
    for key, value in kcat_read(server, 'hourly'):
        topic[key] = value
    from_topic = [(k[:-8].decode(), struct.unpack('>q', k[-8:])[0], json.loads(v)['flights'], json.loads(v)['avg_delay'])
                  for k, v in topic.items() if v is not None]
    same('hourly by kcat', from_topic, hourly)
    topic = dict(kcat_read(server, 'by_state'))
    same('by_state by kcat', [(k.decode(), json.loads(v)['flights'], json.loads(v)['avg_delay'], json.loads(v)['worst'])
                              for k, v in topic.items() if v is not None], by_state)

    wanted = [(f[3], f[4], f[1], float(cost(f[1], f[3]))) for f in flights if cost(f[1], f[3]) > 300]
    dear = [(k.decode(), json.loads(v)['destination'], json.loads(v)['delay'], json.loads(v)['cost'])
            for k, v in kcat_read(server, 'dear')]
    return dear, wanted


def run(shards, killed):
    folder = os.path.join(os.environ.get('TMPDIR', '/tmp'), f'flights-{shards}-{killed}')
    server = Server(folder, shards=shards, segment_bytes=268435456)
    db, flights, airports = oracle()
    server.sql(SETUP)
    kcat_feed(server, 'airports', [f'{a[0]}\t' + json.dumps(dict(name=a[1], city=a[2], state=a[3])) + '\n' for a in airports])
    library = os.path.join(os.environ.get('TMPDIR', '/tmp'), 'libdelay.so')
    subprocess.run(['cc', '-O2', '-shared', '-fPIC', '-I', os.path.join(BUILD, 'include'), '-o', library,
                    os.path.join(ROOT, 'examples', '05_udf', 'delay.c')], check=True)
    server.sql(JOBS % library)
    lines = [f'{f[3]}\t' + json.dumps(dict(dep_time=f[0], delay=f[1], distance=f[2], destination=f[4])) + '\n' for f in flights]
    half = len(lines) // 2
    kcat_feed(server, 'flights', lines[half:])  # later hours first
    if killed:
        server.kill()
        server.start()
    kcat_feed(server, 'flights', lines[:half])
    if killed:
        time.sleep(0.3)
        server.kill()
        server.start()
    wait_caught_up(server)
    dear, wanted = check(server, db, flights)
    if killed:  # rows of an output stream may repeat until transactions come; none may be missing
        if set(dear) != set(wanted) or len(dear) < len(wanted):
            sys.exit(f'dear: {len(dear)} rows, wanted {len(wanted)}')
        print(f'  dear: {len(wanted)} rows, {len(dear) - len(wanted)} repeated')
    else:
        same('dear', dear, wanted)
    server.stop()
    server.start()
    check(server, db, flights)
    server.stop()


def main():
    if not os.path.exists(FLIGHTS):
        print(f'not run: {FLIGHTS} is not there')
        sys.exit(77)
    for shards in map(int, sys.argv[1:] or ['1', '2', '4']):
        for killed in (False, True):
            print(f'{shards} shards' + (', killed in the middle' if killed else ''), flush=True)
            run(shards, killed)


if __name__ == '__main__':
    main()
