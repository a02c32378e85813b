#!/usr/bin/env python3
"""How fast a job's state comes back: from nothing but its changelog, beside `weir consume` of that topic in the same run, and
with its store intact.

    WEIR=build/weir tests/bench/restore.py [--keys 10000000] [--rounds 3] [--folder DIR] [--job sums|counts]

A table of so many keys is built by `weir sql` and `weir produce`. Then, --rounds times and in turn: `weir consume` reads the
changelog to its end; the server stops, loses its state folder, and starts: until the job runs. Then restarts with the store as
it is: after a clean stop, after kill -9 while idle, after kill -9 while rows came in. Times are wall seconds from the start of
the process to the job's RUNNING; cpu is what server and client used meanwhile. The row count is compared after each.
"""
import argparse, atexit, datetime, json, os, random, re, shutil, signal, statistics, subprocess, sys, tempfile, time

args = argparse.ArgumentParser()
args.add_argument('--keys', type=int, default=10000000)
args.add_argument('--rounds', type=int, default=3)
args.add_argument('--partitions', type=int, default=4)
args.add_argument('--folder', help='is made, and kept: a second run takes the state that it finds')
args.add_argument('--job', choices=['sums', 'counts'], default='sums')
args = args.parse_args()

weir = os.environ.get('WEIR', 'build/weir')
folder = args.folder or tempfile.mkdtemp(prefix='restore.')
os.makedirs(folder, exist_ok=True)
data, tick = os.path.join(folder, 'data'), os.sysconf('SC_CLK_TCK')
columns = 'COUNT(*) AS n, SUM(v) AS total, MAX(v) AS top' if args.job == 'sums' else 'COUNT(*) AS n'
SETUP = f"""CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS={args.partitions}, VALUE_FORMAT='JSON');
CREATE TABLE t AS SELECT k, {columns} FROM s GROUP BY k;"""


def used(pid):
    with open(f'/proc/{pid}/stat') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / tick


servers = []
atexit.register(lambda: [s.process.kill() for s in servers if s.process.poll() is None])


class Server:
    def __init__(self):
        self.began = time.time()
        servers.append(self)
        self.process = subprocess.Popen([weir, 'server', '--data', data, '--listen', '127.0.0.1:0'], stdout=subprocess.PIPE,
                                        stderr=open(os.path.join(folder, 'trace'), 'a'), text=True)
        line = self.process.stdout.readline()
        found = re.search(r'listen=([^ ,]+)', line)
        if not found:
            sys.exit(f'the server did not start: {line!r}; see {folder}/trace')
        self.address = found.group(1)

    def run(self, *command, **more):
        return subprocess.run([weir, *command, '--server', self.address], check=True, text=True, capture_output=True, **more)

    def rows(self, text):
        return [{k.lower(): v for k, v in json.loads(line).items()}
                for line in self.run('sql', '--mode', 'ndjson', '--quiet', '-e', text).stdout.splitlines()]

    def job(self):
        return self.rows('SHOW JOBS;')[0]

    def running(self):
        """Seconds and CPU seconds from the start of the process until the job runs; what `weir job describe` said on the way.
        Asking takes the processors' time, so that is rare; when it ran, the trace tells to the millisecond."""
        said = ''
        while True:
            job = self.job()
            if job['state'] == 'running':
                return self.ran() - self.began, used(self.process.pid), said
            if job['state'] == 'failed':
                sys.exit(f'the job failed: {job}')
            found = re.search(r'.*restor.*', self.run('job', 'describe', 't').stdout)
            said = found.group(0).strip() if found else said
            time.sleep(0.1)

    def ran(self):
        with open(os.path.join(folder, 'trace')) as f:
            at = re.findall(r'^ts=(\S+)Z .* event=job_running ', f.read(), re.M)[-1]
        return datetime.datetime.fromisoformat(at + '+00:00').timestamp()

    def caught_up(self):
        while self.job()['state'] != 'running' or self.job()['lag'] != 0:
            time.sleep(0.2)

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()


def feed(server, keys):
    """Each key once, in random order of blocks; the generator is a program of its own so that it does not hold up."""
    program = ('import random, sys\n'
               f'r = random.Random(1); blocks = list(range(0, {keys}, 10000)); r.shuffle(blocks)\n'
               'for b in blocks:\n'
               f'    sys.stdout.write("".join("key-%010d\\t{{\\"v\\":%d}}\\n" % ((k * 7919) % {keys}, k % 1000)'
               f' for k in range(b, min(b + 10000, {keys}))))\n')
    maker = subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE)
    producer = subprocess.Popen([weir, 'produce', 's', '-K', '\t', '--quiet', '--server', server.address], stdin=maker.stdout)
    return maker, producer


def build():
    server = Server()
    server.run('sql', '--quiet', '-e', SETUP)
    began = time.time()
    if [p.wait() for p in feed(server, args.keys)] != [0, 0]:
        sys.exit('weir produce failed')
    server.caught_up()
    print(f'built in {time.time() - began:.0f} s', flush=True)
    return server


def changelog(server):
    return next(t for t in server.rows('SELECT * FROM sys.topics;') if t['topic'].endswith('_changelog'))


def consume(server, topic):
    """Seconds, CPU seconds of server and client, records."""
    before, began = used(server.process.pid), time.time()
    client = subprocess.Popen([weir, 'consume', topic, '--until-end', '--format', '%k\\t%s\\n', '--server', server.address],
                              stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(client.pid, 0)
    if status:
        sys.exit('weir consume failed')
    return time.time() - began, used(server.process.pid) - before + usage.ru_utime + usage.ru_stime


def count(server, keys):
    total = server.rows('SELECT COUNT(*) AS n FROM t;')[0]['n']
    if total != keys:
        sys.exit(f'{total} keys after a restart, {keys} before')


def report(name, seconds, cpu, more=''):
    print(f'{name:42} {seconds:8.2f} s {cpu:8.2f} s cpu  {more}', flush=True)


def size_of(path):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)


def main():
    server = Server() if os.path.exists(data) else build()
    server.running()
    server.caught_up()
    log = changelog(server)
    records = sum(r['end_offset'] - r['start_offset']
                  for r in server.rows(f"SELECT start_offset, end_offset FROM sys.partitions WHERE topic = '{log['topic']}';"))
    print(f'{args.keys} keys; changelog {log["topic"]}: {records} offsets; folder {size_of(data) >> 20} MiB, '
          f'state {size_of(os.path.join(data, "state")) >> 20} MiB')
    reads, restores = [], []
    for _ in range(args.rounds):
        reads.append(consume(server, log['topic']))
        report('weir consume of the changelog', *reads[-1], f'{records / reads[-1][0] / 1e6:.2f} M records/s')
        server.end(signal.SIGTERM)
        shutil.rmtree(os.path.join(data, 'state'))
        server = Server()
        seconds, cpu, said = server.running()
        restores.append((seconds, cpu))
        report('restart, state folder deleted', seconds, cpu, f'{records / seconds / 1e6:.2f} M records/s; said: {said}')
        count(server, args.keys)
    times = {}
    for _ in range(args.rounds):
        server.end(signal.SIGTERM)
        server = Server()
        times.setdefault('restart after a clean stop', []).append(server.running()[:2])
        server.caught_up()
        server.end(signal.SIGKILL)
        server = Server()
        times.setdefault('restart after kill -9, idle', []).append(server.running()[:2])
        server.caught_up()
        fed = feed(server, args.keys)
        time.sleep(random.uniform(4, 8))
        server.end(signal.SIGKILL)
        for p in fed:
            p.kill()
            p.wait()
        server = Server()
        times.setdefault('restart after kill -9, busy', []).append(server.running()[:2])
        server.caught_up()
        count(server, args.keys)
    for name, found in times.items():
        report(name, max(s for s, _ in found), max(c for _, c in found), 'the longest of ' + str(len(found)))
    read, restore = (statistics.median(s for s, _ in x) for x in (reads, restores))
    read_cpu, restore_cpu = (statistics.median(c for _, c in x) for x in (reads, restores))
    print(f'restore from nothing at {read / restore:.2f} of the speed of weir consume (medians {restore:.2f} s and {read:.2f} s; '
          f'cpu {restore_cpu:.2f} s and {read_cpu:.2f} s)')
    server.end(signal.SIGTERM)
    if not args.folder:
        shutil.rmtree(folder)


main()
