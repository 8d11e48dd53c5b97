#!/usr/bin/env python3
"""How often a lock is found taken, under a mixed load: whether there is one that all sessions want.

    python3 benches/contention.py target/release/pillarbox [--clients 20] [--commands 300]

Clients of some accounts select, list, read, flag and append all at once. `perf` counts how often the standard library's mutexes and
read-write locks are found taken (`lock_contended`, `read_contended`, `write_contended`); it must be installed, and be allowed to set
probes.
"""
import argparse, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, threading, time

import flushes
import side_by_side

FUNCTIONS = re.compile(r"(?:lock|read|write)_contended$")
ACCOUNTS = 10


def probes(binary):
    """Where the slow paths of locks are in the binary."""
    lines = subprocess.run(["nm", binary], check=True, capture_output=True, text=True).stdout.splitlines()
    slow = [line.split()[2] for line in lines if FUNCTIONS.search(line) and "futex" in line]
    order = ["lock_contended", "read_contended", "write_contended"]
    # The first one shows that they count at all.
    return ["sqlite3_step", *sorted(slow, key=lambda name: [name.endswith(end) for end in order].index(True))]


class Probes:
    def __init__(self, binary):
        self.binary, self.names = binary, []

    def __enter__(self):
        for number, symbol in enumerate(probes(self.binary)):
            name = f"pillarbox_{number}"
            add = ["perf", "probe", "-q", "-x", self.binary, "--no-demangle", "--add", f"{name}={symbol}"]
            subprocess.run(add, check=True)
            self.names.append(name)
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["perf", "probe", "-q", "--del", f"*:{name}"])


def work(peer, number, count, failures):
    user = f"a{number % ACCOUNTS}@example.org"
    try:
        client = side_by_side.Imap(side_by_side.Peer("", peer.imap, None, user), "INBOX")
        for turn in range(count):
            octets = flushes.message(number * count + turn)
            command, literal = [
                ("NOOP", b""),
                ("FETCH 1:20 (FLAGS ENVELOPE)", b""),
                (f"STORE 1:3 {'+-'[turn % 2]}FLAGS.SILENT (\\Flagged)", b""),
                ("FETCH 1 BODY.PEEK[]", b""),
                ("APPEND INBOX", b" {%d+}\r\n%s" % (len(octets), octets)),
                ("STATUS INBOX (MESSAGES UNSEEN)", b""),
            ][turn % 6]
            client.ask(command, literal)
    except BaseException as error:
        failures.append(error)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--clients", type=int, default=20)
    parse.add_argument("--commands", type=int, default=300)
    options = parse.parse_args()
    binary = os.path.abspath(options.pillarbox)
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-contention-"))
    peer, lmtp = flushes.serve(binary, place, ACCOUNTS)
    try:
        for number in range(ACCOUNTS):
            client = flushes.Lmtp(lmtp, f"a{number}@example.org")
            [client.deliver(100 * number + n) for n in range(20)]
        with Probes(binary) as found:
            events = [part for name in found.names for part in ("-e", f"probe_*:{name}")]
            counts = place / "counts"
            stat = ["perf", "stat", "-x", ";", *events, "-o", counts, "-p", str(peer.process.pid)]
            perf = subprocess.Popen(stat, stderr=subprocess.DEVNULL)
            time.sleep(2)
            failures = []
            threads = [threading.Thread(target=work, args=(peer, n, options.commands, failures)) for n in range(options.clients)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            perf.send_signal(signal.SIGINT)
            perf.wait()
            if failures:
                sys.exit(f"a client failed: {failures[0]}")
            rows = [line.split(";") for line in counts.read_text().splitlines() if ";" in line]
            found_taken = [int(row[0]) for row in rows]
    finally:
        peer.stop()
        shutil.rmtree(place, ignore_errors=True)
    commands = options.clients * options.commands
    if not found_taken[0]:
        sys.exit("the probes do not count")
    print("| times for 1,000 commands | |\n|---|---|")
    names = ["statements of the database stepped", "mutexes found taken", "read-write locks found taken by a reader", "by a writer"]
    for name, count in zip(names, found_taken):
        print(f"| {name} | {1000 * count / commands:,.1f} |")


if __name__ == "__main__":
    main()
