#!/usr/bin/env python3
"""The session API against peers that misbehave: requests that are none get status 400 and a sentence; peers that leave at any
moment, or never read, leave the server answering others, and every row that was acknowledged is there once."""
import http.client, json, os, random, socket, subprocess, sys, time
from seed import first_seed

SEED = first_seed()
print(f'WEIR_SEED={SEED}')
random.seed(SEED)
server = subprocess.Popen([os.environ['WEIR'], 'server', '--data', 'data', '--listen', '127.0.0.1:0'],
                          stdout=subprocess.PIPE, text=True)
HOST, PORT = next(w[7:] for w in server.stdout.readline().split() if w.startswith('listen=')).split(':')


def post(body):
    conn = http.client.HTTPConnection(HOST, int(PORT), timeout=60)
    conn.request('POST', '/sql', body)
    answer = conn.getresponse()
    return answer.status, [json.loads(line) for line in answer.read().splitlines()]


def run(sql, **more):
    status, lines = post(json.dumps(dict(sql=sql, **more)))
    assert status == 200 and not [l for l in lines if l['kind'] == 'error'], (sql, lines)
    return lines


def rows(sql):
    return [row for line in run(sql) if line['kind'] == 'rows' for row in line['rows']]


def start(sql):
    body = json.dumps(dict(sql=sql)).encode()
    s = socket.create_connection((HOST, int(PORT)))
    s.sendall(b'POST /sql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
    return s


for body in ['', 'x', '{}', '[]', '{"sql":1}', '{"sql":"SHOW STREAMS;","other":1}', '{"sql":"SHOW STREAMS;"',
             '{"sql":"SHOW STREAMS;"} trailing', '{"sql":"SHOW STREAMS;","limit":-1}', '{"sql":"SHOW STREAMS;","properties":[1]}',
             '{"sql":"SHOW STREAMS;","properties":{"none":"1"}}', '{"sql":"SHOW STREAMS;","deploy":"yes"}', '\0' * 100]:
    status, lines = post(body)
    assert status == 400 and [l['kind'] for l in lines] == ['error'] and lines[0]['message'], (body, status, lines)
status, lines = post(json.dumps(dict(sql='SHOW STREAMS;\nSELECT 1 FROM\nnowhere;\nSHOW STREAMS;')))
assert status == 200 and (lines[-1]['kind'], lines[-1]['line'], lines[-1]['column']) == ('error', 3, 1), lines[-1]

run("CREATE STREAM s (k INT KEY, v INT) WITH (TOPIC='s', PARTITIONS=2);")
run('CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;')
statements = ['SELECT * FROM s EMIT CHANGES;', 'CREATE TABLE x%d AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;', 'SHOW JOBS;',
              'PRINT s FROM BEGINNING;', 'SELECT * FROM t;', 'DESCRIBE t EXTENDED;', 'DROP TABLE x%d DELETE TOPIC;']
for _ in range(300):
    sql = random.choice(statements)
    sql = sql % random.randint(0, 5) if '%d' in sql else sql
    peer = start(sql * random.choice([1, 1, 2]))
    time.sleep(random.choice([0, 0, 0.001, 0.005]))
    peer.close()
for i in range(20):
    run('INSERT INTO s VALUES ' + ','.join(f'({k},{i})' for k in range(1000)) + ';')
deaf = [start('SELECT k, v FROM s EMIT CHANGES;') for _ in range(3)]
time.sleep(0.3)
assert rows('SELECT COUNT(*) AS n FROM s;') == [[20000]]
for _ in range(500):
    if not [j for j in rows('SHOW JOBS;') if j[2] != 0]:
        break
    time.sleep(0.02)
assert sorted(set(n for _, n in rows('SELECT k, n FROM t;'))) == [20]
assert len(run('SELECT k FROM s EMIT CHANGES;', limit=5)[2]['rows']) <= 5
server.terminate()
sys.exit(server.wait(60))
