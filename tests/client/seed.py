"""Where random tests begin, and how far they go."""
import os, random, time


def first_seed(argument=None):
    """The argument, WEIR_SEED, WEIR_FIRST_SEED (tests/run.sh without `long`: the same worlds each time), or a fresh one."""
    given = argument or os.environ.get('WEIR_SEED') or os.environ.get('WEIR_FIRST_SEED')
    return int(given) if given else random.SystemRandom().randrange(1, 10 ** 6)


def worlds(amount):
    """Numbers from 0 on: so many ('12'), or for as long as the seconds take ('600s'), one at least."""
    if not amount.endswith('s'):
        yield from range(int(amount))
        return
    number, end = 0, time.monotonic() + float(amount[:-1])
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1
