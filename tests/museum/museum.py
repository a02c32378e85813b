#!/usr/bin/env python3
"""The bug museum: every bug of bugs.txt is put back, and the test that should find it must go red.

    museum.py [SWITCH | NUMBER ...]    all rows, or those named
    museum.py --rows                   only looks whether the table and the sources name the same switches

Builds the sources once with -DMUSEUM=ON (in BUILD/museum, or BUILD itself if it is such a build), runs each row's test as it
is, which must pass, then with WEIR_BUG=switch, which must fail by an assertion: neither a time limit nor a crash counts.
Prints the table; exit status 1 if a bug was not caught. BUILD: a build's folder, ROOT: the sources."""
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.environ.get("ROOT") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build")
LIMIT_S = 600


def cache(folder):
    with open(os.path.join(folder, "CMakeCache.txt")) as f:
        return dict(re.findall(r"^(\w+):\w+=(.*)$", f.read(), re.M))


def rows(wanted):
    with open(os.path.join(ROOT, "tests", "museum", "bugs.txt")) as f:
        for line in f:
            if not line.strip() or line.startswith("#"):
                continue
            row = [cell.strip() for cell in line.split("|")]
            if len(row) != 5:
                sys.exit("museum: not a row of five: " + line)
            if not wanted or row[0] in wanted or row[2] in wanted:
                yield row


def program(command):
    return next(word for word in command.split() if "=" not in word)


def build(programs):
    have = cache(BUILD)
    if have.get("MUSEUM") == "ON":
        folder = BUILD
    else:
        folder = os.path.join(BUILD, "museum")
        options = [f"-D{name}={have.get(name, '')}" for name in ("SANITIZE", "TINY", "CMAKE_C_COMPILER",
                                                                "CMAKE_C_COMPILER_LAUNCHER")]
        subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DMUSEUM=ON"] + options, check=True,
                       stdout=subprocess.DEVNULL)
    targets = sorted({"weir" if "/" in p else p for p in programs})
    subprocess.run(["cmake", "--build", folder, "--target"] + targets, check=True, stdout=subprocess.DEVNULL)
    return folder


def run(folder, command, bug):
    """Exit status (None: it took too long), seconds, all that it said."""
    words = command.split()
    at = words.index(program(command))
    env = dict(os.environ, ROOT=ROOT, BUILD=folder, WEIR=os.path.join(folder, "weir"), CMOCKA_MESSAGE_OUTPUT="stdout")
    for name in ("WEIR_BUG", "WEIR_SEED", "WEIR_ROUNDS"):
        env.pop(name, None)
    env.update(word.split("=", 1) for word in words[:at])
    if bug:
        env["WEIR_BUG"] = bug
    script = "/" in words[at]
    words = [os.path.join(ROOT if script else folder, words[at])] + words[at + 1:]
    if script:
        words.insert(0, os.path.join(ROOT, "tests", "lib", "script.sh"))
    began = time.monotonic()
    child = subprocess.Popen(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = child.communicate(timeout=LIMIT_S)
        status = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGTERM)
        said, _ = child.communicate()
        status = None
    return status, time.monotonic() - began, said.decode(errors="replace")


def verdict(green, red):
    if green[0] != 0:
        return "RED WITHOUT IT"
    if red[0] is None:
        return "TOO LONG"
    if red[0] == 0:
        return "NOT CAUGHT"
    if red[0] < 0 and red[0] != -signal.SIGABRT:
        return "CRASHED"
    return "caught"


def sentence(said):
    """What the test had to say about the bug."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for pattern in (r"^failed: repeat", r"\[\s+ERROR\s+\]", r"\[  FAILED  \] [^0-9]", r"check failed|CHECK", r"FAILED", r"^[+-][^+-]"):
        found = [i for i, line in enumerate(lines) if re.search(pattern, line)]
        if found:
            line = lines[found[0]]
            return re.sub(r"\s+", " ", (lines[found[0] - 1] + " // " if pattern[1:7] == "failed" and found[0] else "") + line)
    return lines[-1] if lines else ""


def same_switches(table):
    named = {row[2] for row in table} - {"-"}
    there = set()
    for room in ("log", "state", "engine", "sql", "udf"):
        for folder, _, files in os.walk(os.path.join(ROOT, room)):
            for name in files:
                if name.endswith(".c"):
                    with open(os.path.join(folder, name)) as f:
                        there |= set(re.findall(r'BUG\("(\w+)"\)', f.read()))
    for switch in sorted(named ^ there):
        print(f"{switch}: " + ("no such switch in the sources" if switch in named else "has no row in bugs.txt"))
    return 1 if named ^ there else 0


def main():
    if sys.argv[1:] == ["--rows"]:
        return same_switches(list(rows([])))
    table = list(rows(sys.argv[1:]))
    tests = [row for row in table if row[2] != "-"]
    if not table:
        sys.exit("museum: no such row")
    folder = build([program(row[4]) for row in tests]) if tests else BUILD
    greens, missed = {}, 0
    print(f"{'no':4}{'bug':17}{'switch':27}{'verdict':15}{'s':>6}  test, what goes wrong, what the test said")
    for number, name, switch, what, test in table:
        if switch == "-":
            print(f"{number:4}{name:17}{switch:27}{'cannot be':15}{'':>6}  {what}: {test}", flush=True)
            continue
        if test not in greens:
            greens[test] = run(folder, test, None)
        green, red = greens[test], run(folder, test, switch)
        word = verdict(green, red)
        missed += word != "caught"
        print(f"{number:4}{name:17}{switch:27}{word:15}{red[1]:6.1f}  {test}: {what}", flush=True)
        said = sentence(red[2] if green[0] == 0 else green[2])
        print(" " * 71 + said[:180], flush=True)
    seconds = sum(green[1] for green in greens.values())
    print(f"{len(tests) - missed} of {len(tests)} caught; their {len(greens)} tests pass without a bug in {seconds:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
