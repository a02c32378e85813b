"""A PostgreSQL server of a test's own: a scratch folder, a Unix socket, an unprivileged user. It stops with stop().

Speaks the simple query protocol (PostgreSQL 15 manual, 55.7); values come as Python's by their type."""
import decimal, glob, os, pwd, shutil, signal, socket, struct, subprocess, tempfile, time


class Error(Exception):
    pass


def programs():
    """The folder with initdb and postgres; None: this machine has none."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/initdb'), key=lambda p: float(p.split('/')[4]))
    on_path = shutil.which('initdb')
    return os.path.dirname(found[-1]) if found else os.path.dirname(on_path) if on_path else None


def stamp(text):
    """Three digits of a second, as Weir writes them."""
    whole, _, part = text.partition('.')
    return f'{whole.replace(" ", "T")}.{part[:3]:<03}'


def interval(text):
    """('months', n) or ('ms', n), of the default style: 1 year 2 mons, -3 days +04:05:06.5"""
    months = ms = 0
    words = text.split()
    while words:
        if ':' in words[0]:
            clock = words.pop(0)
            sign = -1 if clock.startswith('-') else 1
            h, m, s = clock.lstrip('+-').split(':')
            ms += sign * (int(h) * 3600000 + int(m) * 60000 + int(decimal.Decimal(s) * 1000))
            continue
        n, unit = int(words.pop(0)), words.pop(0)
        if unit.startswith(('year', 'mon')):
            months += n * (12 if unit.startswith('year') else 1)
        else:
            ms += n * 86400000
    return ('months', months) if months else ('ms', ms)


def array(text, of):
    """{1,NULL,"x y"} of one dimension."""
    out, word, quoted, inside, i = [], '', False, False, 1
    while i < len(text):
        c = text[i]
        if inside and c == '\\':
            i += 1
            word += text[i]
        elif c == '"':
            inside, quoted = not inside, True
        elif c in ',}' and not inside:
            if word or quoted:
                out.append(None if word == 'NULL' and not quoted else of(word))
            word, quoted = '', False
        else:
            word += c
        i += 1
    return tuple(out)


def double(text):
    return 'NaN' if text == 'NaN' else float(text)


READERS = {16: lambda t: int(t == 't'), 20: int, 21: int, 23: int, 701: double, 1700: decimal.Decimal, 1082: str, 1083: stamp, 1114: stamp,
           1186: interval, 1007: lambda t: array(t, int), 1016: lambda t: array(t, int), 1009: lambda t: array(t, str),
           1015: lambda t: array(t, str)}

SETUP = """CREATE DOMAIN DOUBLE AS DOUBLE PRECISION;
CREATE FUNCTION floordiv(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE AS 'SELECT FLOOR(a::NUMERIC / b)::BIGINT';
CREATE FUNCTION array_length(a ANYARRAY) RETURNS INT LANGUAGE SQL IMMUTABLE AS 'SELECT cardinality(a)';
CREATE FUNCTION array_contains(a ANYCOMPATIBLEARRAY, x ANYCOMPATIBLE) RETURNS BOOLEAN LANGUAGE SQL IMMUTABLE AS
    'SELECT CASE WHEN a IS NOT NULL THEN array_position(a, x) IS NOT NULL END';
CREATE FUNCTION explode(a ANYARRAY) RETURNS SETOF ANYELEMENT LANGUAGE SQL IMMUTABLE AS 'SELECT unnest(a)';
CREATE FUNCTION from_ms(ms BIGINT) RETURNS TIMESTAMP LANGUAGE SQL IMMUTABLE AS $$SELECT TIMESTAMP '1970-01-01' + ms * INTERVAL '1 millisecond'$$;
CREATE TABLE numbers (n BIGINT);
INSERT INTO numbers SELECT generate_series(0, 99);
"""


class Postgres:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='weirpg', dir='/tmp')
        self.who = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam('nobody')
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.who = dict(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
        self.data = os.path.join(self.folder, 'data')
        try:
            run = subprocess.run([programs() + '/initdb', '-D', self.data, '-U', 'test', '-A', 'trust', '--locale=C', '-E', 'UTF8', '--no-sync'],
                                 capture_output=True, text=True, cwd=self.folder, **self.who)
            if run.returncode:
                raise Error(f'initdb: {run.stderr}')
            self.process = subprocess.Popen(
                [programs() + '/postgres', '-D', self.data, '-k', self.folder, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'shared_buffers=16MB',
                 '-c', 'max_connections=5', '-c', 'autovacuum=off', '-c', 'jit=off', '-c', 'timezone=UTC', '-c', 'max_parallel_workers=0'],
                cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.who)
            self.connect()
            self.run(SETUP)
        except BaseException:
            self.stop()
            raise

    def connect(self):
        end = time.monotonic() + 60
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(os.path.join(self.folder, '.s.PGSQL.5432'))
                self.bytes = self.socket.makefile('rb')
                words = b'user\0test\0database\0postgres\0options\0-c statement_timeout=20000\0\0'
                self.socket.sendall(struct.pack('>ii', len(words) + 8, 196608) + words)
                self.answer()
                return
            except (OSError, Error):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise Error('PostgreSQL did not start')
                time.sleep(0.05)

    def message(self):
        head = self.bytes.read(5)
        if len(head) < 5:
            raise Error('PostgreSQL is gone')
        return head[:1], self.bytes.read(struct.unpack('>i', head[1:])[0] - 4)

    def answer(self):
        """(columns, rows) of the last statement that has any."""
        names, readers, rows, problem = [], [], [], None
        while True:
            kind, body = self.message()
            if kind == b'T':
                names, readers, rows, at = [], [], [], 2
                for _ in range(struct.unpack('>h', body[:2])[0]):
                    end = body.index(b'\0', at)
                    names.append(body[at:end].decode())
                    readers.append(READERS.get(struct.unpack('>i', body[end + 7:end + 11])[0], str))
                    at = end + 19
            elif kind == b'D':
                row, at = [], 2
                for read in readers:
                    n = struct.unpack('>i', body[at:at + 4])[0]
                    at += 4
                    row.append(None if n < 0 else read(body[at:at + n].decode()))
                    at += max(n, 0)
                rows.append(tuple(row))
            elif kind == b'E':
                problem = {p[:1]: p[1:] for p in body.decode().split('\0')}.get('M')
                if self.bytes.closed:
                    break
            elif kind == b'Z':
                break
        if problem:
            raise Error(problem)
        return names, rows

    def run(self, text):
        words = text.encode() + b'\0'
        self.socket.sendall(b'Q' + struct.pack('>i', len(words) + 4) + words)
        return self.answer()

    def stop(self):
        if getattr(self, 'process', None):
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
