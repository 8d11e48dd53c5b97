#!/usr/bin/env python3
"""What a delivery costs as a data directory grows, in counts that do not depend on what else the machine does.

    python3 benches/growth.py target/release/pillarbox [--accounts 10] [--messages 1000 10000 100000]

Delivers messages of some 2 KiB over LMTP on several connections, to one account after the other, and prints for the last thousand
before each number what the process has read and written for one of them (`/proc/PID/io`), and its processor time; and how often the
disk was flushed for one of some more (strace).
"""
import argparse, os, pathlib, shutil, socket, subprocess, tempfile, threading

import first_select
import flushes
import side_by_side

CONNECTIONS = 32
MEASURED = 1000
TRACED = 320


def serve(binary, place, accounts):
    lmtp, smtp = side_by_side.free_ports(2)
    config = place / "pillarbox.toml"
    off = "".join(f"{name} = []\n" for name in ["submission", "submissions", "imap", "imaps", "pop3", "pop3s", "https"])
    config.write_text(
        f'hostname = "mail.example.org"\ndata_dir = "{place}/data"\n[listen]\nsmtp = ["127.0.0.1:{smtp}"]\n'
        f'lmtp = ["127.0.0.1:{lmtp}"]\n{off}[log]\nlevel = "error"\n'
    )
    run = lambda *args, **more: subprocess.run([binary, *args, "--config", config], check=True, stdout=subprocess.DEVNULL, **more)
    run("domain", "add", "example.org")
    for number in range(accounts):
        run("account", "add", f"a{number}@example.org", "--password-stdin", input=side_by_side.PASSWORD.encode())
    return start(binary, place, lmtp), lmtp


def start(binary, place, lmtp):
    log = open(place / "pillarbox.log", "ab")
    process = subprocess.Popen([binary, "serve", "--config", place / "pillarbox.toml"], stdout=log, stderr=log)
    side_by_side.Peer("Pillarbox", lmtp, None, None, process=process).wait()
    return process


def counters(process):
    lines = pathlib.Path(f"/proc/{process.pid}/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def deliver(port, accounts, numbers):
    client = side_by_side.Client(port)

    def say(octets, code):
        client.send(octets)
        while True:
            line = client.line()
            if line[3:4] != b"-":
                break
        if not line.startswith(code):
            raise SystemExit(f"refused: {line}")

    say(b"LHLO client.example.org\r\n", b"250")
    for number in numbers:
        say(b"MAIL FROM:<s@example.net>\r\n", b"250")
        say(b"RCPT TO:<a%d@example.org>\r\n" % (number % accounts), b"250")
        say(b"DATA\r\n", b"354")
        head = b"From: <s@example.net>\r\nTo: <a@example.org>\r\nSubject: message %d\r\nMessage-ID: <%d@example.net>\r\n" % (number, number)
        say(head + b"Date: Mon, 2 Feb 2026 10:00:00 +0000\r\n\r\n" + b"A line of text that is nothing but a line.\r\n" * 45 + b".\r\n", b"250")


def deliver_all(port, accounts, numbers):
    threads = [threading.Thread(target=deliver, args=(port, accounts, numbers[at::CONNECTIONS])) for at in range(CONNECTIONS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--accounts", type=int, default=10)
    parse.add_argument("--messages", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-growth-"))
    process, port = serve(os.path.abspath(options.pillarbox), place, options.accounts)
    print("| accounts | messages | KiB written | KiB read | writes | reads | flushes | ms of processor |\n|---|---|---|---|---|---|---|---|")

    def measure(done, name):
        """The next ones are delivered, measured and traced; how many there are then."""
        before, busy = counters(process), first_select.used(process)[0]
        deliver_all(port, options.accounts, range(done, done + MEASURED))
        after, busy = counters(process), first_select.used(process)[0] - busy
        done += MEASURED
        with flushes.Trace(process, place) as trace:
            deliver_all(port, options.accounts, range(done, done + TRACED))
        each = lambda name: (after[name] - before[name]) / MEASURED
        cells = [each("wchar") / 1024, each("rchar") / 1024, each("syscw"), each("syscr")]
        cells = [f"{cell:.1f}" for cell in cells] + [f"{trace.flushes / TRACED:.2f}", f"{busy / MEASURED:.2f}"]
        print(f"| {options.accounts:,} | {done:,}{name} | " + " | ".join(cells) + " |", flush=True)
        return done + TRACED

    try:
        done = 0
        for count in sorted(options.messages):
            deliver_all(port, options.accounts, range(done, count - MEASURED))
            done = measure(count - MEASURED, "")
        process.terminate()
        process.wait(60)
        process = start(os.path.abspath(options.pillarbox), place, port)
        measure(done, ", a restart before")
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
