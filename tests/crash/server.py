"""A server that dies, and the folder it leaves: shared by the crash tests. Environment: WEIR, BUILD."""
import os, shutil, signal, subprocess, sys, time

WEIR, BUILD = os.environ['WEIR'], os.environ['BUILD']


class Server:
    """settings: beyond those that make segments and write-ahead files small, so that rolls and recycling are in the middle of
    it. power: a crash also loses what no completed sync covers (lossy.c)."""

    def __init__(self, power, rng, **settings):
        self.folder = os.path.join(os.environ.get('TMPDIR', '/tmp'), 'data')
        self.power, self.rng, self.address, self.shadow = power, rng, '127.0.0.1:0', self.folder + '.shadow'
        self.settings = {'weir.wal.bytes': 1048576, 'log.segment.bytes': 400000, **settings}

    def start(self, fault=None):
        """fault: a point of the program and which of its hits ends it, "name:nth". False: it ended at once."""
        env = dict(os.environ)
        self.fault = fault
        if fault:
            env.update(WEIR_FAULT=fault)
        if self.power:
            os.makedirs(self.folder, exist_ok=True)
            env.update(LD_PRELOAD=os.path.join(BUILD, 'liblossy.so'), WEIR_LOSSY_DIR=self.folder, WEIR_LOSSY_SHADOW=self.shadow,
                       ASAN_OPTIONS='verify_asan_link_order=0:detect_leaks=0')  # the library comes before the sanitizer's
        command = [WEIR, 'server', '--data', self.folder, '--listen', self.address]
        self.shards = self.rng.choice([1, 2, 4])
        for key, value in {**self.settings, 'weir.shards': self.shards}.items():
            command += ['--set', f'{key}={value}']
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=open('server.log', 'a'), text=True)
        line = self.process.stdout.readline()
        if 'ready' not in line:
            if fault and self.ended(5):
                self.lose()
                self.fault = None
                return False
            self.fail(f'the server did not start again: {line!r}')
        self.address = next(w.split('=', 1)[1] for w in line.split() if w.startswith('listen=')).split(',')[0]
        return True

    def ended(self, seconds):
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def lose(self):
        """What a power cut takes."""
        if self.power:
            shutil.rmtree(self.folder)
            shutil.copytree(self.shadow, self.folder)

    def crash(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.lose()

    def die(self, after, busy):
        """Ends at the fault point it was started with, or else by kill -9 after so many seconds. busy(): gives it work.
        Answers what it was."""
        for _ in range(8 if self.fault else 0):
            if self.ended(0.05):
                self.lose()
                return self.fault.split(':')[0]
            busy()
        time.sleep(after)
        self.crash()
        return 'kill -9'

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) != 0:
            self.fail('the server did not stop cleanly')

    def fail(self, sentence):
        self.process.kill()
        with open('server.log') as log:
            sys.exit(f'{sentence}\n{log.read()[-3000:]}')
