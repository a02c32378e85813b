#!/usr/bin/env python3
"""Consume, transform, produce by other people's clients, exactly once while server and clients die.

    eos.py librdkafka|kafkajs|java [TRANSACTIONS] [SEED]

An idempotent producer feeds the topic source; a weir job makes the stream doubled of it; one or two instances of the
client (one group, a transactional id each, records of several partitions and their offsets in one transaction, some aborted
on purpose) copy doubled to the topic copied, each record with its place in doubled; a weir job counts and sums copied.
Meanwhile the server is killed (kill -9 or at a named fault point) and comes back with another number of shards, and so do
clients, as static or as dynamic members. After so many committed transactions:

- source holds what was acknowledged once, doubled each of it once, copied each record of doubled once, and in each partition
  in doubled's order;
- the table over copied is what SQLite makes of the input;
- no transaction is open anywhere: the last stable offset of each topic and of __consumer_offsets is its end,
  ListTransactions names completed ones only, and the jobs reach lag 0.

Environment: WEIR, BUILD, ROOT, NODE_PATH for kafkajs."""
import collections, json, os, random, signal, socket, sqlite3, struct, subprocess, sys, time

sys.path.insert(0, os.path.join(os.environ['ROOT'], 'tests', 'crash'))
from server import BUILD, WEIR, Server

PARTS, KEYS, STALL = 4, 40, 90
DONE = ('CompleteCommit', 'CompleteAbort', 'Empty')
SETUP = f"""
CREATE STREAM source (k INT KEY, seq INT, amount INT) WITH (TOPIC='source', PARTITIONS={PARTS}, KEY_FORMAT='JSON');
CREATE STREAM doubled WITH (TOPIC='doubled') AS SELECT k, seq, amount * 2 AS twice FROM source;
CREATE STREAM copied (k INT KEY, seq INT, twice INT, p INT, o BIGINT)
  WITH (TOPIC='copied', PARTITIONS={PARTS}, KEY_FORMAT='JSON');
CREATE TABLE counted AS SELECT k, COUNT(*) AS n, SUM(twice) AS total, MAX(seq) AS last FROM copied GROUP BY k;
"""
SETTINGS = {'commit.interval.ms': 50, 'group.initial.rebalance.delay.ms': 0, 'group.min.session.timeout.ms': 500,
            'transaction.abort.timed.out.transaction.cleanup.interval.ms': 200, 'log.cleaner.backoff.ms': 500}


def ask(address, api, version, flexible, body):
    """The answer of a Kafka request behind its header."""
    host, port = address.rsplit(':', 1)
    head = struct.pack('>hhih', api, version, 1, -1) + (b'\0' if flexible else b'')
    with socket.create_connection((host, int(port)), timeout=20) as s:
        s.sendall(struct.pack('>i', len(head) + len(body)) + head + body)
        f = s.makefile('rb')
        size, = struct.unpack('>i', f.read(4))
        return f.read(size)[5 if flexible else 4:]


def ends(address, topic, parts, isolation):
    """ListOffsets, latest: the last stable offsets with isolation 1, else the high watermarks."""
    name = topic.encode()
    body = struct.pack('>ibih', -1, isolation, 1, len(name)) + name + struct.pack('>i', parts)
    body += b''.join(struct.pack('>iq', p, -1) for p in range(parts))
    a = ask(address, 2, 2, False, body)
    rows = [struct.unpack_from('>ihqq', a, 4 + 4 + 2 + len(name) + 4 + 22 * i) for i in range(parts)]
    return {p: offset if err == 0 else f'error {err}' for p, err, _, offset in rows}


def transactions(address):
    """ListTransactions: state of each transactional id. Lengths here are below 127, so that a varint is a byte."""
    a = ask(address, 66, 0, True, b'\1\1\0')
    while a[5] == 14:  # the coordinator is loading
        time.sleep(0.05)
        a = ask(address, 66, 0, True, b'\1\1\0')
    n, at, found = a[7] - 1, 8, {}
    assert a[5] == 0 and a[6] == 1, a
    for _ in range(n):
        size = a[at] - 1
        id, at = a[at + 1:at + 1 + size].decode(), at + 1 + size + 8
        size = a[at] - 1
        found[id], at = a[at + 1:at + 1 + size].decode(), at + 1 + size + 1
    return found


class Instance:
    def __init__(self, run, number):
        self.run, self.number, self.journal = run, number, f'journal-{number}'
        self.starts = 0
        open(self.journal, 'w').close()

    def start(self):
        run, rng = self.run, self.run.rng
        static = f'member-{self.number}' if rng.random() < 0.5 else '-'
        arguments = [run.server.address, 'copiers', 'doubled', 'copied', f'copy-{self.number}', run.strategy, static,
                     self.journal]
        with open('client.log', 'a') as log:
            self.process = subprocess.Popen(run.command + arguments, stdout=log, stderr=log)
        self.starts += 1

    def revive(self):
        """A client that gave up, as one must when its producer is fenced, is started again."""
        if self.process.poll() is None:
            return 0
        if self.process.returncode != 3:
            with open('client.log') as log:
                self.run.fail(f'a client ended with {self.process.returncode}\n{log.read()[-2000:]}')
        self.start()
        return 1

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            self.run.fail('a client did not stop')

    def count(self, letter):
        with open(self.journal) as f:
            return f.read().count(letter)


class Run:
    def __init__(self, client, target, rng):
        self.rng, self.target, self.client = rng, target, client
        self.strategy = rng.choice(['range', 'cooperative-sticky'])
        self.command = {'librdkafka': self.c, 'kafkajs': self.js, 'java': self.java}[client]()
        self.server = Server(False, rng, **SETTINGS)
        self.events, self.stalls = collections.Counter(), []
        with open(os.path.join(os.environ['ROOT'], 'tests', 'crash', 'points.txt')) as f:
            self.points = [line.strip() for line in f if line.strip() and line[0] != '#']

    def c(self):
        return [os.path.join(BUILD, 'client_eos'), 'copy']

    def js(self):
        return ['node', os.path.join(os.environ['ROOT'], 'tests/client/kafkajs/eos.js')]

    def java(self):
        root = os.environ['ROOT']
        path = os.path.join(root, 'build/java/*')
        subprocess.run(['javac', '-cp', path, '-d', 'classes', os.path.join(root, 'tests/client/java/Eos.java')], check=True)
        return ['java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto', '-Xmx128m',
                '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', f'classes:{path}', 'Eos']

    def fail(self, sentence):
        for i in getattr(self, 'instances', []):
            i.process.kill()
        self.server.fail(sentence)

    def sql(self, text):
        run = subprocess.run([WEIR, 'sql', '--server', self.server.address, '--mode', 'ndjson', '--quiet', '-e', text],
                             capture_output=True, text=True)
        if run.returncode != 0:
            self.fail(f'{text}\n{run.stderr}')
        return [{k.lower(): v for k, v in json.loads(line).items()} for line in run.stdout.splitlines()]

    def committed(self):
        return sum(i.count('c') for i in self.instances)

    def allow(self):
        """The input keeps a little ahead of what the clients commit."""
        if self.feeder.poll() is not None:
            self.fail('the feeder gave up')
        self.feeder.stdin.write(f'{self.committed() * 3 + 300}\n')
        self.feeder.stdin.flush()

    def wait_for_more(self, more):
        """Until so many more transactions are committed; how long the first took."""
        begin, now, first, until = time.time(), self.committed(), None, time.time() + STALL
        have = now
        while have < min(now + more, self.target):
            if self.server.process.poll() is not None:  # of its fault point
                self.crash_server()
            for i in self.instances:
                self.events['client gave up'] += i.revive()
            self.allow()
            time.sleep(0.02)
            before, have = have, self.committed()
            if have > before:
                until = time.time() + STALL
                first = first if first is not None else time.time() - begin
            if time.time() > until:
                with open('client.log') as log:
                    self.fail(f'no transaction was committed for {STALL} s; {transactions(self.server.address)}\n'
                              f'{log.read()[-2000:]}')
        self.stalls.append(first or 0)

    def crash_server(self):
        """Also one that has died of its fault point by now."""
        self.events[self.server.die(self.rng.choice([0, self.rng.uniform(0, 0.1)]), lambda: None)] += 1
        point = f'{self.rng.choice(self.points)}:{self.rng.randrange(1, 40)}'
        while not self.server.start(point if self.rng.random() < 0.5 else None):
            self.events['while starting'] += 1

    def live(self):
        self.server.start()
        self.sql(SETUP)
        self.feeder = subprocess.Popen([os.path.join(BUILD, 'client_eos'), 'feed', self.server.address, 'source', str(KEYS)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        n = 1 if self.client == 'kafkajs' else self.rng.choice([1, 2, 2])
        self.instances = [Instance(self, i) for i in range(n)]
        for i in self.instances:
            i.start()
        each = max(1, min(100, self.target // 12))
        while self.committed() < self.target:
            self.wait_for_more(self.rng.randrange(each) + 1)
            what = self.rng.choice(['server', 'client', 'both'])
            if what != 'client':
                self.crash_server()
            if what != 'server':
                i = self.rng.choice(self.instances)
                i.kill()
                self.events['client kill -9'] += 1
                if self.rng.random() < 0.3:
                    time.sleep(self.rng.uniform(0, 2))  # longer than its session: others take over
                i.start()

    def settle(self):
        """The rest of the input flows through; then all but the server ends."""
        if self.server.fault:
            self.server.crash()
            self.server.start()
        self.feeder.stdin.close()
        said = self.feeder.stdout.read().split()
        if self.feeder.wait() != 0 or said[:1] != ['acked']:
            self.fail('the feeder saw an error')
        self.sent = int(said[1])
        until = time.time() + STALL
        while self.sql('SELECT SUM(n) AS n FROM counted;')[0]['n'] != self.sent:
            for i in self.instances:
                self.events['client gave up'] += i.revive()
            if time.time() > until:
                self.fail(f'{self.sent} records were fed, the table counts {self.sql("SELECT SUM(n) AS n FROM counted;")}; '
                          f'{self.lags()}; {transactions(self.server.address)}')
            time.sleep(0.2)
        for i in self.instances:
            i.stop()

    def lags(self):
        return [(j['name'], j['state'], j['lag']) for j in self.sql('SHOW JOBS;')]

    def nothing_hangs(self):
        until = time.time() + 20
        while True:
            open_ = {id: s for id, s in transactions(self.server.address).items() if s not in DONE}
            behind = []
            for topic, parts in (('source', PARTS), ('doubled', PARTS), ('copied', PARTS), ('__consumer_offsets', 50)):
                high, stable = (ends(self.server.address, topic, parts, i) for i in (0, 1))
                behind += [(topic, p, stable[p], high[p]) for p in high if stable[p] != high[p] or isinstance(high[p], str)]
            lags = [j for j in self.lags() if j[1:] != ('running', 0)]
            if not open_ and not behind and not lags:
                return
            if time.time() > until:
                self.fail(f'hanging: {open_}, stable offset behind the end: {behind}, jobs: {lags}')
            time.sleep(0.1)

    def read(self, topic):
        run = subprocess.run([WEIR, 'consume', topic, '--server', self.server.address, '--until-end', '--json'],
                             capture_output=True, text=True)
        if run.returncode != 0:
            self.fail(f'consume {topic}: {run.stderr}')
        rows = []
        for line in run.stdout.splitlines():
            r = json.loads(line)
            value = {k.lower(): v for k, v in json.loads(r['value']).items()}
            rows.append((r['partition'], r['offset'], int(r['key']), value))
        return rows

    def compare(self):
        source, doubled, copied = self.read('source'), self.read('doubled'), self.read('copied')
        self.same('source', [(k, v['seq']) for _, _, k, v in source], [(i % KEYS, i) for i in range(self.sent)])
        self.same('doubled', [(k, v['seq'], v['twice']) for _, _, k, v in doubled],
                  [(i % KEYS, i, i * 7919 % 1000 * 2) for i in range(self.sent)])
        self.same('copied', [(v['p'], v['o'], k, v['seq'], v['twice']) for _, _, k, v in copied],
                  [(p, o, k, v['seq'], v['twice']) for p, o, k, v in doubled])
        last = {}
        for p, o, k, v in copied:
            if v['p'] != p or last.get(p, -1) >= v['o']:
                self.fail(f'copied: offset {o} of partition {p} is {v}, behind {last.get(p)}')
            last[p] = v['o']
        db = sqlite3.connect(':memory:')
        db.execute('CREATE TABLE copied (k INT, twice INT, seq INT)')
        rows = [(i % KEYS, i * 7919 % 1000 * 2, i) for i in range(self.sent)]
        db.executemany('INSERT INTO copied VALUES (?, ?, ?)', rows)
        want = db.execute('SELECT k, COUNT(*), SUM(twice), MAX(seq) FROM copied GROUP BY k').fetchall()
        got = self.sql('SELECT k, n, total, last FROM counted;')
        self.same('counted', [(r['k'], r['n'], r['total'], r['last']) for r in got], want)

    def same(self, name, got, want):
        g, w = collections.Counter(got), collections.Counter(want)
        if g != w:
            self.fail(f'{name}: lost or wrong {list((w - g).elements())[:5]} ({sum((w - g).values())}), '
                      f'twice or strange {list((g - w).elements())[:5]} ({sum((g - w).values())})')


def main():
    client = sys.argv[1]
    target = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 31)
    print(f'{client}, {target} transactions; again with: tests/client/eos.py {client} {target} {seed}', flush=True)
    begin = time.time()
    run = Run(client, target, random.Random(seed))
    run.live()
    run.settle()
    run.nothing_hangs()
    run.compare()
    run.server.crash()
    run.server.start()
    run.nothing_hangs()
    run.compare()
    run.server.stop()
    stalls = sorted(run.stalls)
    for name, n in sorted(run.events.items()):
        print(f'{n:6} {name}')
    aborted = sum(i.count('a') for i in run.instances)
    print(f'{run.committed()} transactions committed and {aborted} aborted by {len(run.instances)} {client} ({run.strategy}), '
          f'{run.sent} records: each exactly once, in order, nothing hangs; first commit after a kill: '
          f'median {stalls[len(stalls) // 2]:.1f} s, longest {stalls[-1]:.1f} s; {time.time() - begin:.0f} s')


if __name__ == '__main__':
    main()
