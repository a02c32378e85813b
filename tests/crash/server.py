"""A server that dies, and the folder it leaves: shared by the crash tests. Environment: WEIR, BUILD."""
import os, shutil, signal, subprocess, sys

WEIR, BUILD = os.environ['WEIR'], os.environ['BUILD']


class Server:
    """settings: beyond those that make segments and write-ahead files small, so that rolls and recycling are in the middle of
    it. power: a crash also loses what no completed sync covers (lossy.c)."""

    def __init__(self, power, rng, **settings):
        self.folder = os.path.join(os.environ.get('TMPDIR', '/tmp'), 'data')
        self.power, self.rng, self.address, self.shadow = power, rng, '127.0.0.1:0', self.folder + '.shadow'
        self.settings = {'weir.wal.bytes': 1048576, 'log.segment.bytes': 400000, **settings}

    def start(self):
        env = dict(os.environ)
        if self.power:
            os.makedirs(self.folder, exist_ok=True)
            env.update(LD_PRELOAD=os.path.join(BUILD, 'liblossy.so'), WEIR_LOSSY_DIR=self.folder, WEIR_LOSSY_SHADOW=self.shadow,
                       ASAN_OPTIONS='verify_asan_link_order=0:detect_leaks=0')  # the library comes before the sanitizer's
        command = [WEIR, 'server', '--data', self.folder, '--listen', self.address]
        for key, value in {**self.settings, 'weir.shards': self.rng.choice([1, 2, 4])}.items():
            command += ['--set', f'{key}={value}']
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=open('server.log', 'a'), text=True)
        line = self.process.stdout.readline()
        if 'ready' not in line:
            self.fail(f'the server did not start again: {line!r}')
        self.address = next(w.split('=', 1)[1] for w in line.split() if w.startswith('listen=')).split(',')[0]

    def crash(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.power:
            shutil.rmtree(self.folder)
            shutil.copytree(self.shadow, self.folder)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) != 0:
            self.fail('the server did not stop cleanly')

    def fail(self, sentence):
        with open('server.log') as log:
            sys.exit(f'{sentence}\n{log.read()[-3000:]}')
