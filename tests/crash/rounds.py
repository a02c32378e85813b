#!/usr/bin/env python3
"""Crash rounds: an idempotent acks=all producer goes on while its server dies again and again.

    rounds.py kill|power [ROUNDS] [SEED]

kill: kill -9 at a random moment. power: kill -9, and then the data folder is replaced by what completed syncs cover (files'
bytes and folders' entries; tests/crash/lossy.c), as after a power cut. At the end every acknowledged record must be there
once and in order. Environment: WEIR, BUILD."""
import os, random, shutil, signal, subprocess, sys, time

WEIR, BUILD = os.environ['WEIR'], os.environ['BUILD']
PARTITIONS = 6


class Server:
    def __init__(self, folder, power, rng):
        self.folder, self.power, self.rng, self.address = folder, power, rng, '127.0.0.1:0'
        self.shadow = folder + '.shadow'

    def start(self):
        env = dict(os.environ)
        if self.power:
            os.makedirs(self.folder, exist_ok=True)
            env.update(LD_PRELOAD=os.path.join(BUILD, 'liblossy.so'), WEIR_LOSSY_DIR=self.folder, WEIR_LOSSY_SHADOW=self.shadow,
                       ASAN_OPTIONS='verify_asan_link_order=0:detect_leaks=0')  # the library comes before the sanitizer's
        # Small segments and write-ahead files, so that rolls and recycling are in the middle of it.
        self.process = subprocess.Popen(
            [WEIR, 'server', '--data', self.folder, '--listen', self.address, '--set', f'weir.shards={self.rng.choice([1, 2, 4])}',
             '--set', 'weir.wal.bytes=1048576', '--set', 'log.segment.bytes=400000'],
            env=env, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if 'ready' not in line:
            sys.exit(f'the server did not start again: {line!r}')
        self.address = next(w.split('=', 1)[1] for w in line.split() if w.startswith('listen=')).split(',')[0]

    def crash(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.power:
            shutil.rmtree(self.folder)
            shutil.copytree(self.shadow, self.folder)


def main():
    kind = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 31)
    print(f'{kind}, {rounds} rounds; again with: tests/crash/rounds.py {kind} {rounds} {seed}', flush=True)
    rng = random.Random(seed)
    scratch = os.environ.get('TMPDIR', '/tmp')
    server = Server(os.path.join(scratch, 'data'), kind == 'power', rng)
    server.start()
    subprocess.run([WEIR, 'topic', 'create', 'numbers', '--partitions', str(PARTITIONS), '--server', server.address], check=True)
    stream = os.path.join(BUILD, 'crash_stream')
    producer = subprocess.Popen([stream, 'produce', server.address, 'numbers', str(PARTITIONS)], stdout=subprocess.PIPE, text=True)
    for i in range(rounds):
        time.sleep(rng.choice([rng.uniform(0.0, 0.1), rng.uniform(0.1, 0.8)]))
        server.crash()
        server.start()
        if producer.poll() is not None:
            sys.exit(f'round {i}: the producer gave up')
    producer.send_signal(signal.SIGTERM)
    acked = producer.stdout.readline().split()[1:]
    if producer.wait() != 0:
        sys.exit('the producer saw an error')
    subprocess.run([stream, 'check', server.address, 'numbers'] + acked, check=True)
    server.crash()
    server.start()
    subprocess.run([stream, 'check', server.address, 'numbers'] + acked, check=True)
    server.process.send_signal(signal.SIGTERM)
    if server.process.wait(30) != 0:
        sys.exit('the server did not stop cleanly')
    print(f'{rounds} rounds, {sum(map(int, acked))} records: none lost, none out of order, none twice')


if __name__ == '__main__':
    main()
