#!/usr/bin/env python3
"""Our JSON and Python's say the same of random texts: sound or not, which number, which string. Lone surrogates, which
Python takes, are refused by us; so is nesting deeper than 64."""
import json
import math
import os
import random
import struct
import subprocess
import sys

seed = int(os.environ.get("WEIR_SEED") or os.environ.get("WEIR_FIRST_SEED") or random.randrange(1 << 32))
print(f"repeat with WEIR_SEED={seed}")
r = random.Random(seed)


def number():
    text = "-" * (r.random() < 0.3) + str(r.randrange(10 ** r.randrange(1, 25)))
    if r.random() < 0.6:
        text += "." + "".join(r.choice("0123456789") for _ in range(r.randrange(1, 25)))
    if r.random() < 0.5:
        text += r.choice("eE") + r.choice(["", "+", "-"]) + str(r.randrange(330))
    return text


def string():
    parts = ["a", "\\n", "\\u00e9", "é", "\\ud83d\\ude00", "😀", "\\ud800", "\\udc00", "\\\"", "/", "\\/", "\x7f", "\x01", "\\x", " "]
    return '"' + "".join(r.choice(parts) for _ in range(r.randrange(8))) + '"'


def value(depth=0):
    kind = r.randrange(6 if depth < 4 else 3)
    if kind == 0:
        return number()
    if kind == 1:
        return string()
    if kind == 2:
        return r.choice(["true", "false", "null", "0", "NaN", "Infinity"])
    blank = r.choice(["", "", " ", "\n\t"])
    if kind < 5:
        return "[" + ("," + blank).join(value(depth + 1) for _ in range(r.randrange(4))) + "]"
    return "{" + ("," + blank).join(string() + blank + ":" + value(depth + 1) for _ in range(r.randrange(4))) + "}"


def damaged(b):
    b = bytearray(b)
    for _ in range(r.randrange(1, 3)):
        i = r.randrange(len(b))
        how = r.randrange(3)
        if how == 0:
            b[i] = r.choice(b'"\\{}[],:0e-. \xff\xc3')
        elif how == 1:
            del b[i]
        else:
            b.insert(i, r.choice(b'"\\{}[],:0e-. '))
        if not b:
            break
    return bytes(b)


def refuse(_):
    raise ValueError


def surrogates(v):
    if isinstance(v, str):
        return any(0xD800 <= ord(c) < 0xE000 for c in v)
    if isinstance(v, list):
        return any(surrogates(x) for x in v)
    return isinstance(v, dict) and any(surrogates(k) or surrogates(x) for k, x in v.items())


def python(b):
    try:
        # pairs, not a dict: a lone surrogate in a value that is overwritten counts too
        v = json.loads(b.decode("utf-8"), parse_constant=refuse, parse_int=float,
                       object_pairs_hook=lambda pairs: [list(p) for p in pairs])
        if surrogates(v):
            return "refused"
    except (ValueError, UnicodeDecodeError):
        return "refused"
    if isinstance(v, float):
        return repr(v) if math.isfinite(v) else ("-" if v < 0 else "") + "Infinity"
    return v.encode("utf-8").hex().upper() if isinstance(v, str) else "sound"


texts = []
for _ in range(int(os.environ.get("WEIR_ROUNDS") or 6000)):
    b = r.choice([number, string, value])().encode("utf-8")
    texts.append(damaged(b) if r.random() < 0.4 else b)
done = subprocess.run([os.environ["BUILD"] + "/json_judge"], check=True, stdout=subprocess.PIPE,
                      input=b"".join(struct.pack(">I", len(b)) + b for b in texts))
answers = done.stdout.decode().split("\n")[:-1]
assert len(answers) == len(texts)
wrong = [(b, a, python(b)) for b, a in zip(texts, answers) if a != python(b)]
for b, ours, theirs in wrong[:10]:
    print(f"{b!r}: we say {ours}, Python {theirs}")
refused = sum(a == "refused" for a in answers)
print(f"{len(texts)} texts, {refused} refused, {len(wrong)} judged differently")
sys.exit(1 if wrong or not 0 < refused < len(texts) else 0)
