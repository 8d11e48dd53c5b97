#!/usr/bin/env python3
"""One mailbox of 10 GB: how fast it fills, what the index of texts costs, and what searches cost without it and with it.

    python3 benches/large_mailbox.py target/release/pillarbox [--gigabytes 10] [--dir DIRECTORY]

Messages are made: four of five are some KB of text (words of a language of 20,000, few of which are frequent, a number of its own
in each), one of five has an attachment. It needs two and a half times the room, and removes what it made.
"""
import argparse, base64, itertools, os, pathlib, random, shutil, signal, subprocess, tempfile, time

import side_by_side

BATCH_BYTES = 4 << 20
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def vocabulary():
    made = random.Random(1)
    return ["".join(made.choices(LETTERS, k=made.randint(3, 10))) for _ in range(20_000)]


def texts(words):
    weights = list(itertools.accumulate(1 / (1 + number) for number in range(len(words))))
    for _ in range(2_000):
        yield "\r\n".join(" ".join(random.choices(words, cum_weights=weights, k=10)) for _ in range(random.randint(30, 160)))


def messages(bytes_max):
    random.seed(2)
    words = vocabulary()
    made = list(texts(words))
    packed = base64.encodebytes(random.randbytes(4 << 20)).replace(b"\n", b"\r\n")
    number = total = 0
    while total < bytes_max:
        text = f"{random.choice(made)}\r\nNumber {number} {random.getrandbits(64):x}.\r\n"
        text += "regards\r\n" if number % 4 else ""
        text += "quicksilver\r\n" if number % 20_000 == 7 else ""
        head = (
            f"Return-Path: <s{number % 997}@example.net>\r\nReceived: from mx{number % 7}.example.net by mail.example.org with ESMTP id "
            f"{random.getrandbits(60):x}\r\nFrom: Sender {number % 997} <s{number % 997}@example.net>\r\nTo: Alice <a@example.org>\r\n"
            f"Subject: {' '.join(random.choices(words, k=4))}\r\nMessage-ID: <{random.getrandbits(96):x}@example.net>\r\n"
            "Date: Mon, 2 Feb 2026 10:00:00 +0000\r\n"
        )
        if number % 5:
            octets = f"{head}\r\n{text}".encode()
        else:
            length = random.randint(40_000, 480_000)
            at = random.randrange(len(packed) - length)
            octets = (
                f'{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n{text}--b\r\n'
                "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            ).encode() + packed[at : at + length] + b"\r\n--b--\r\n"
        number += 1
        total += len(octets)
        yield octets


def fill(peer, bytes_max):
    client, batch, count = side_by_side.Imap(peer), [], 0
    size, spent = 0, 0.0

    def send():
        nonlocal spent
        seconds, _ = side_by_side.timed(lambda: client.ask("APPEND INBOX", b"".join(b" {%d+}\r\n%s" % (len(octets), octets) for octets in batch)))
        spent += seconds
        batch.clear()

    for octets in messages(bytes_max):
        batch.append(octets)
        count, size = count + 1, size + len(octets)
        if sum(map(len, batch)) > BATCH_BYTES or len(batch) == 100:
            send()
    send()
    return count, size, spent


def busy(process):
    """Seconds of processor time."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process):
    """MiB, now and at most."""
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return "{:.0f} MiB now, {:.0f} at most".format(*(int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")))


def disk(directory):
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def search(client, what, process):
    before, began = busy(process), time.time()
    client.send(f"s UID SEARCH RETURN (COUNT) {what}\r\n".encode())
    found, line = "", b""
    while not line.startswith(b"s "):
        line = client.line()
        # Beside it there are lines that tell how far the search has come.
        found = line.split()[-1].decode() if line.startswith(b"* ESEARCH") else found
    seconds = time.time() - began
    print(f"  {what:<32} {found:>8} found in {1000 * seconds:>9.1f} ms, {1000 * (busy(process) - before):>6.0f} of processor", flush=True)


SEARCHES = [
    "BODY quicksilver",
    "BODY uicksilve",
    "TEXT regards",
    'FROM "Sender 77 <s77@"',
    "SUBJECT quicksilver",
    "TEXT s77@example.net",
    'BODY "number 77 "',
    "BODY qz",
]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--gigabytes", type=float, default=10)
    parse.add_argument("--dir")
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-large-", dir=options.dir))
    binary = os.path.abspath(options.pillarbox)
    peer = side_by_side.pillarbox(binary, place)
    try:
        count, size, seconds = fill(peer, int(options.gigabytes * 1e9))
        print(f"{count:,} messages, {size / 1e9:.2f} GB: {size / 1e6 / seconds:.0f} MB/s, {seconds:.0f} s; {memory(peer.process)}", flush=True)
        client = side_by_side.Imap(peer)
        seconds, _ = side_by_side.timed(lambda: client.ask("SELECT INBOX"))
        print(f"SELECT {1000 * seconds:.1f} ms; without an index:", flush=True)
        search(client, SEARCHES[0], peer.process)
        index, began, used = place / "pillarbox" / "search-index", time.time(), busy(peer.process)
        # It is whole once the server has had nothing to do for a while: a segment may take longer than that, but not rest so long.
        last = (used, began)
        while time.time() - last[1] < 30:
            time.sleep(1)
            if busy(peer.process) - last[0] > 0.2:
                last = (busy(peer.process), time.time())
        size, spent = disk(index), last[1] - began
        print(f"index: {size / 1e6:.0f} MB after {spent:.0f} s, {last[0] - used:.0f} s of processor; {memory(peer.process)}", flush=True)
        os.kill(peer.process.pid, signal.SIGTERM)
        peer.process.wait(120)
        log = open(place / "pillarbox.log", "ab")
        peer.process = subprocess.Popen([binary, "serve", "--config", place / "pillarbox.toml"], stdout=log, stderr=log)
        peer.wait()
        client = side_by_side.Imap(peer)
        seconds, _ = side_by_side.timed(lambda: client.ask("SELECT INBOX"))
        print(f"SELECT, first after a restart {1000 * seconds:.1f} ms", flush=True)
        for what in ["once", "again"]:
            print(f"{what}:")
            for condition in SEARCHES:
                search(client, condition, peer.process)
        print(memory(peer.process))
    finally:
        peer.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
