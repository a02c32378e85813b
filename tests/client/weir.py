"""A server for a test, asked over its session API. Environment: WEIR."""
import decimal, http.client, json, os, signal, subprocess, sys

WEIR = os.environ['WEIR']


class Mismatch(Exception):
    pass


def length_of(text):
    """('months', n) or ('ms', n) of INTERVAL as Weir writes it: -1 02:03:04.5 or 1-2; no time is no ms."""
    sign, text = (-1, text[1:]) if text.startswith('-') else (1, text)
    if ':' not in text:
        years, months = text.split('-')
        months = sign * (int(years) * 12 + int(months))
        return ('months', months) if months else ('ms', 0)
    days, _, clock = text.rpartition(' ')
    h, m, s = clock.split(':')
    return 'ms', sign * (int(days or 0) * 86400000 + int(h) * 3600000 + int(m) * 60000 + int(decimal.Decimal(s) * 1000))


CONVERTED = ('DOUBLE', 'INTERVAL', 'TIME')


def value_of(v, kind):
    if v is None or not kind.startswith(CONVERTED):
        return v
    if kind.startswith('TIME'):
        whole, _, part = v.partition('.')
        return f'{whole}.{part:<03}'
    if kind.startswith('INTERVAL'):
        return length_of(v)
    v = float(v)
    return v if v == v else 'NaN'


class Server:
    """Runs until stop() or kill(); start() goes on with the same folder and address, and other settings if there are any."""

    def __init__(self, folder, **settings):
        self.folder, self.listen, self.settings = folder, '127.0.0.1:0', {}
        self.start(**settings)

    def start(self, **settings):
        """shards=2 is weir.shards, commit_ms=10 commit.interval.ms, segment_bytes=n log.segment.bytes."""
        names = dict(shards='weir.shards', commit_ms='commit.interval.ms', segment_bytes='log.segment.bytes')
        self.settings.update(settings)
        said = [w for k, v in self.settings.items() for w in ('--set', f'{names[k]}={v}')]
        self.process = subprocess.Popen([WEIR, 'server', '--data', self.folder, '--listen', self.listen, *said],
                                        stderr=open(self.folder + '.log', 'a'), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if 'ready' not in line:
            sys.exit(f'the server did not start: {line!r}; {self.folder}.log')
        self.listen = self.address = next(w.split('=', 1)[1] for w in line.split() if w.startswith('listen=')).split(',')[0]
        self.http = http.client.HTTPConnection(self.address, timeout=300)

    def kill(self):
        self.http.close()
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            sys.exit('the server did not stop cleanly')

    def ask(self, text):
        """The lines of an answer."""
        self.http.request('POST', '/sql', json.dumps(dict(sql=text, until_caught_up=True)))
        lines, kinds = [], []
        for raw in self.http.getresponse().read().splitlines():
            line = json.loads(raw, parse_float=decimal.Decimal)
            if line['kind'] == 'columns':
                kinds = [c['type'] for c in line['columns']]
            if line['kind'] == 'rows' and any(k.startswith(CONVERTED) for k in kinds):
                line['rows'] = [[value_of(v, k) for v, k in zip(r, kinds)] for r in line['rows']]
            lines.append(line)
        return lines

    def sql(self, text):
        """(columns, rows that are there in the end) of the last statement."""
        columns, rows = None, []
        for line in self.ask(text):
            if line['kind'] == 'error':
                raise Mismatch(f'{text}\n{line["message"]} ({line["hint"]})')
            if line['kind'] == 'columns':
                columns, rows = line['columns'], []
            if line['kind'] == 'rows':
                for row, op in zip(line['rows'], line.get('ops', '+' * len(line['rows']))):
                    if op == '+':
                        rows.append(row)
                    elif row in rows:
                        rows.remove(row)
                    else:
                        raise Mismatch(f'{text}\ntakes back {row}, which it never gave')
        return columns, rows

    def rows(self, text):
        """As {column: value}."""
        columns, rows = self.sql(text)
        return [dict(zip((c['name'] for c in columns), r)) for r in rows]

    def run(self, *arguments, **more):
        return subprocess.run([WEIR, *arguments, '--server', self.address], capture_output=True, **more)

    def feed(self, topic, records):
        """Records as `weir produce --json` takes them: dicts, or text of lines."""
        text = records if isinstance(records, (str, bytes)) else ''.join(json.dumps(r) + '\n' for r in records)
        run = self.run('produce', topic, '--json', '--quiet', input=text.encode() if isinstance(text, str) else text)
        if run.returncode != 0:
            raise Mismatch(f'produce: {run.stderr.decode()}')

    def settle(self, seconds=30):
        """Jobs over jobs: caught up twice in a row, because one's commit is the next one's input."""
        for _ in range(2):
            run = self.run('job', 'wait', '--for', str(seconds), text=True)
            if run.returncode != 0:
                raise Mismatch(f'the jobs do not catch up: {run.stdout}{run.stderr}')
