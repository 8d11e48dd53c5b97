#!/usr/bin/env python3
"""What the first SELECT after a restart costs, in a mailbox of 100,000 messages and in one of 1,000,000.

    python3 benches/first_select.py target/release/pillarbox [--messages 100000 1000000] [--turns 5]

Each turn stops the server, starts it, logs in, waits for the answer to NOOP, and takes the time that SELECT takes to be answered,
with the processor time of the server and the octets that it reads meanwhile. Once it is killed instead of stopped, after messages
that no pack knows.
"""
import argparse, os, pathlib, shutil, signal, statistics, subprocess, tempfile, time

import side_by_side

BATCH = 500


def message(number):
    return (
        f"From: <s{number % 97}@example.net>\r\nTo: <a@example.org>\r\nSubject: message {number}\r\n"
        f"Date: Mon, 2 Feb 2026 10:00:00 +0000\r\nMessage-ID: <{number}@example.net>\r\n\r\nA line of text.\r\n"
    ).encode()


def fill(peer, numbers):
    client = side_by_side.Imap(peer)
    for begin in range(numbers.start, numbers.stop, BATCH):
        batch = [message(number) for number in range(begin, min(begin + BATCH, numbers.stop))]
        client.ask("APPEND INBOX", b"".join(b" {%d+}\r\n%s" % (len(octets), octets) for octets in batch))


def used(process):
    """Milliseconds of processor time, and KiB read."""
    threads = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    nanos = sum(int(thread.read_text().split()[0]) for thread in threads)
    lines = pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines()
    return nanos / 1e6, int(lines[0].split()[1]) / 1024


def first_select(peer):
    client = side_by_side.Imap(peer)
    client.ask("NOOP")
    before = used(peer.process)
    seconds, _ = side_by_side.timed(lambda: client.ask("SELECT INBOX"))
    return [1000 * seconds, *(after - before for after, before in zip(used(peer.process), before))]


def show(what, count, turns):
    middle = [statistics.median(values) for values in zip(*turns)]
    millis = [turn[0] for turn in turns]
    print(f"| {count:,} | {what} | {middle[0]:.1f} ({min(millis):.1f}–{max(millis):.1f}) | {middle[1]:.1f} | {middle[2]:,.0f} |", flush=True)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--messages", type=int, nargs="+", default=[100_000, 1_000_000])
    parse.add_argument("--turns", type=int, default=5)
    parse.add_argument("--dir")
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-select-", dir=options.dir))
    peer = side_by_side.pillarbox(os.path.abspath(options.pillarbox), place)

    def restart(how):
        os.kill(peer.process.pid, how)
        peer.process.wait(120)
        log = open(place / "pillarbox.log", "ab")
        serve = [os.path.abspath(options.pillarbox), "serve", "--config", place / "pillarbox.toml"]
        peer.process = subprocess.Popen(serve, stdout=log, stderr=log)
        peer.wait()
        time.sleep(1)

    print("| messages | after | ms | ms of processor | KiB read |\n|---|---|---|---|---|")
    try:
        done = 0
        for count in sorted(options.messages):
            fill(peer, range(done, count))
            done, turns = count, []
            for _ in range(options.turns):
                restart(signal.SIGTERM)
                turns.append(first_select(peer))
            show("a stop", count, turns)
            fill(peer, range(done, done + 1000))
            done += 1000
            restart(signal.SIGKILL)
            show("SIGKILL, 1,000 messages later", count, [first_select(peer)])
    finally:
        peer.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
