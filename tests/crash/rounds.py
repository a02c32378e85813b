#!/usr/bin/env python3
"""Crash rounds: an idempotent acks=all producer goes on while its server dies again and again.

    rounds.py kill|power [ROUNDS] [SEED]

kill: kill -9 at a random moment. power: kill -9, and then the data folder is replaced by what completed syncs cover (files'
bytes and folders' entries; tests/crash/lossy.c), as after a power cut. At the end every acknowledged record must be there
once and in order. Environment: WEIR, BUILD."""
import os, random, signal, subprocess, sys, time

from server import BUILD, WEIR, Server

PARTITIONS = 6


def main():
    kind = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(os.environ.get('WEIR_FIRST_SEED') or random.randrange(1 << 31))
    print(f'{kind}, {rounds} rounds; again with: tests/crash/rounds.py {kind} {rounds} {seed}', flush=True)
    rng = random.Random(seed)
    server = Server(kind == 'power', rng)
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
    server.stop()
    print(f'{rounds} rounds, {sum(map(int, acked))} records: none lost, none out of order, none twice')


if __name__ == '__main__':
    main()
