#!/usr/bin/env python3
"""GET /healthz, /readyz and /metrics: the node says that it lives, that it is ready, and in Prometheus' text what it does; the
lag of groups is right in records and in seconds, also of a group that nobody has asked for since a restart."""
import http.client, os, re, signal, subprocess, sys, time

WEIR = os.environ['WEIR']


def start():
    global server, HOST, PORT
    server = subprocess.Popen([WEIR, 'server', '--data', 'data', '--listen', '127.0.0.1:0',
                               '--set', 'group.initial.rebalance.delay.ms=0'], stdout=subprocess.PIPE, text=True)
    HOST, PORT = next(w[7:] for w in server.stdout.readline().split() if w.startswith('listen=')).split(':')
    os.environ['WEIR_SERVER'] = f'{HOST}:{PORT}'


def get(path, method='GET'):
    conn = http.client.HTTPConnection(HOST, int(PORT), timeout=30)
    conn.request(method, path)
    answer = conn.getresponse()
    return answer.status, answer.read().decode()


def weir(*args, text=''):
    return subprocess.run([WEIR, *args], input=text, capture_output=True, text=True, timeout=60, check=True).stdout


def metrics():
    """{(name, labels): value}; every line must be one of the format, every name have its type before it, once."""
    status, text = get('/metrics')
    assert status == 200, status
    found, types, last = {}, {}, None
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            assert name not in types and kind in ('counter', 'gauge'), line
            types[name] = last = kind and name
        elif not line.startswith('# HELP '):
            m = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9.]+)', line)
            assert m and m[1] == last, line
            key = (m[1], m[2] or '')
            assert key not in found, line
            found[key] = float(m[3])
    return found


def until(what):
    for _ in range(100):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError('never came true')


start()
assert get('/healthz') == (200, 'ok\n'), get('/healthz')
until(lambda: get('/readyz') == (200, 'ready\n'))
assert get('/healthz', 'POST')[0] == 404
m = metrics()
assert m['weir_store_failed', ''] == 0 and m['weir_disk_low', ''] == 0 and m['weir_disk_free_bytes', ''] > 0

weir('topic', 'create', 't', '--partitions', '2')
weir('produce', 't', '-p', '0', '--timestamp', str(int(time.time() * 1000) - 100000), text='old\n')
weir('produce', 't', '-p', '0', text='1\n2\n3\n')
odd = 'odd "group" \\ of\nlines'
weir('consume', 't', '--group', odd, '--count', '1')
m = metrics()
t0 = 'topic="t",partition="0"'
g = 'group="odd \\"group\\" \\\\ of\\nlines",' + t0
assert m['weir_partition_end_offset', t0] == 4 and m['weir_partition_bytes', t0] > 0, m
assert m['weir_group_offset', g] == 1 and m['weir_group_lag_records', g] == 3, m
assert m['weir_group_lag_seconds', g] < 60, m
assert m['weir_groups', 'state="Empty"'] == 1 and m['weir_requests_total', 'api="produce"'] >= 2
weir('group', 'reset', odd, '--to', 'earliest')
m = metrics()
assert m['weir_group_lag_records', g] == 4 and 100 <= m['weir_group_lag_seconds', g] < 200, m

server.send_signal(signal.SIGKILL)
server.wait()
start()
until(lambda: get('/readyz')[0] == 200)
m = metrics()
assert m['weir_group_lag_records', g] == 4 and 100 <= m['weir_group_lag_seconds', g] < 200, m
weir('consume', 't', '--group', odd, '--until-end')
m = metrics()
assert m['weir_group_lag_records', g] == 0 and m['weir_group_lag_seconds', g] == 0, m
# who leaves before the answer does no harm
for _ in range(50):
    conn = http.client.HTTPConnection(HOST, int(PORT), timeout=30)
    conn.request('GET', '/metrics')
    conn.close()
assert metrics()
server.send_signal(signal.SIGTERM)
assert server.wait() == 0
