#!/usr/bin/env python3
"""What SORT and THREAD cost in a mailbox of 100,000 messages, beside Dovecot (as Debian packages it), the first time and again.

    python3 benches/sort.py target/release/pillarbox [--messages 100000] [--again 5] [--dir DIR]

The first time is the first one after the mailbox was filled, for each command; again is the median of those after it, with the least
and the greatest. Last, each time after one more message has come.
"""
import argparse, os, pathlib, random, shutil, statistics, tempfile

import side_by_side

BATCH = 250
COMMANDS = ["SORT (REVERSE DATE)", "SORT (SUBJECT)", "THREAD REFERENCES"]


def message(number, dice):
    """Some begin a thread, and most answer a message of the last thousand."""
    answers = dice.randrange(max(0, number - 1000), number) if number and dice.random() < 0.7 else None
    topic = dice.randrange(10**6)
    subject = f"Topic {topic}" if answers is None else f"Re: Topic {answers}"
    references = "" if answers is None else f"References: <{max(0, answers - 7)}@example.net> <{answers}@example.net>\r\n"
    second = number * 37 % 86_400
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return (
        f"From: Sender {number % 97} <s{number % 97}@example.net>\r\nTo: <a@example.org>\r\nSubject: {subject}\r\n"
        f"Date: {1 + number % 28} Jan {2010 + number % 15} {clock} +0000\r\nMessage-ID: <{number}@example.net>\r\n{references}\r\n"
        + "A line of text, as there are some.\r\n" * 18
    ).encode()


def fill(peer, numbers):
    client, dice = side_by_side.Imap(peer), random.Random(1)
    for begin in range(numbers.start, numbers.stop, BATCH):
        batch = [message(number, dice) for number in range(begin, min(begin + BATCH, numbers.stop))]
        client.ask("APPEND INBOX", b"".join(b" {%d+}\r\n%s" % (len(octets), octets) for octets in batch))


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--messages", type=int, default=100_000)
    parse.add_argument("--again", type=int, default=5)
    parse.add_argument("--dir")
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-sort-", dir=options.dir))
    peers, figures = [], {}
    try:
        binary = os.path.abspath(options.pillarbox)
        peers += [peer for peer in [side_by_side.pillarbox(binary, place), side_by_side.dovecot(place)] if peer]
        for peer in peers:
            fill(peer, range(options.messages))
            figures[peer.name] = {}
        for command in COMMANDS:
            for peer in peers:
                client = side_by_side.Imap(peer, "INBOX")
                ask = lambda: 1000 * side_by_side.timed(lambda: client.ask(f"{command} UTF-8 ALL"))[0]
                figures[peer.name][(f"{command}, first", "ms")] = [ask()]
                figures[peer.name][(f"{command}, again", "ms")] = [ask() for _ in range(options.again)]
        for command in COMMANDS:
            for peer in peers:
                client = side_by_side.Imap(peer, "INBOX")
                for _ in range(options.again):
                    fill(peer, range(options.messages, options.messages + 1))
                    client.ask("NOOP")
                    row = figures[peer.name].setdefault((f"{command}, one message later", "ms"), [])
                    row.append(1000 * side_by_side.timed(lambda: client.ask(f"{command} UTF-8 ALL"))[0])
        side_by_side.show(peers, figures)
    finally:
        for peer in peers:
            peer.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
