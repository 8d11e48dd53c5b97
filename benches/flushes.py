#!/usr/bin/env python3
"""How many flushes of the disk an operation makes, alone and on 64 connections, counted by strace.

    python3 benches/flushes.py target/release/pillarbox [--connections 64] [--operations 256]

Prints for a delivery (LMTP), APPEND and STORE (IMAP) and QUIT after DELE (POP3) how often `fsync` and `fdatasync` are called for one
of them. What a server does by itself meanwhile (bringing its logs into its files) counts too. The messages are small; a large one is a
file, of which as many as come in together share what is flushed.
"""
import argparse, collections, os, pathlib, re, shutil, signal, subprocess, tempfile, threading

import side_by_side
from side_by_side import PASSWORD, Client

FLUSH = re.compile(r"\b(fsync|fdatasync|sync_file_range|msync)\(.*= 0$")


def serve(binary, place, accounts):
    imap, pop3, lmtp, smtp = side_by_side.free_ports(4)
    config = place / "pillarbox.toml"
    off = "".join(f"{name} = []\n" for name in ["submission", "submissions", "imaps", "pop3s", "https"])
    config.write_text(
        f'hostname = "mail.example.org"\ndata_dir = "{place}/data"\n[listen]\nsmtp = ["127.0.0.1:{smtp}"]\n'
        f'lmtp = ["127.0.0.1:{lmtp}"]\nimap = ["127.0.0.1:{imap}"]\npop3 = ["127.0.0.1:{pop3}"]\n{off}[log]\nlevel = "error"\n'
    )
    run = lambda *args, **more: subprocess.run([binary, *args, "--config", config], check=True, stdout=subprocess.DEVNULL, **more)
    run("domain", "add", "example.org")
    for number in range(accounts):
        run("account", "add", f"a{number}@example.org", "--password-stdin", input=PASSWORD.encode())
    log = open(place / "pillarbox.log", "wb")
    process = subprocess.Popen([binary, "serve", "--config", config], stdout=log, stderr=log)
    return side_by_side.Peer("Pillarbox", imap, pop3, None, process=process).wait(), lmtp


class Trace:
    """Flushes of a process and all its threads, from entering to leaving."""

    def __init__(self, process, place):
        self.process, self.file = process, place / "strace.out"

    def __enter__(self):
        calls = "trace=fsync,fdatasync,sync_file_range,msync"
        command = ["strace", "-f", "-y", "-e", calls, "-o", self.file, "-p", str(self.process.pid)]
        self.strace = subprocess.Popen(command, stderr=subprocess.PIPE)
        # "Process n attached with m threads"
        self.strace.stderr.readline()
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait()
        lines = self.file.read_text(errors="replace").splitlines()
        # A call that another one interrupts in the trace is in two lines, of which one has the result.
        self.flushes = sum(1 for line in lines if FLUSH.search(line) or re.search(r"<\.\.\. f(data)?sync resumed>.*= 0$", line))


def message(number):
    return b"From: <s@example.net>\r\nTo: <a@example.org>\r\nSubject: message %d\r\nMessage-ID: <%d@example.net>\r\n\r\nHello.\r\n" % (number, number)


class Lmtp(Client):
    def __init__(self, port, user):
        super().__init__(port)
        self.user = user
        self.say(b"LHLO client.example.org\r\n", b"250")

    def say(self, octets, code):
        self.send(octets)
        line = self.line()
        while line[3:4] == b"-":
            line = self.line()
        if not line.startswith(code):
            raise SystemExit(f"refused: {line}")

    def deliver(self, number):
        self.say(b"MAIL FROM:<s@example.net>\r\n", b"250")
        self.say(b"RCPT TO:<%s>\r\n" % self.user.encode(), b"250")
        self.say(b"DATA\r\n", b"354")
        self.say(message(number) + b".\r\n", b"250")


class Pop3(Client):
    def __init__(self, port, user):
        super().__init__(port)
        for command in [f"USER {user}", f"PASS {PASSWORD}"]:
            self.say(command)

    def say(self, command):
        self.send(command.encode() + b"\r\n")
        line = self.line()
        if not line.startswith(b"+OK"):
            raise SystemExit(f"refused: {line}")


def users(count, accounts):
    return [f"a{number % accounts}@example.org" for number in range(count)]


def at_once(works):
    """Does them, each on a thread; how many operations that were."""
    threads = [threading.Thread(target=work) for work in works]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def operations(peer, lmtp, connections, each, accounts):
    """A name, and works that are prepared: one for each connection."""
    names = users(connections, accounts)

    def deliveries():
        clients = [Lmtp(lmtp, user) for user in names]
        # The first one makes logs, which is not asked here.
        clients[0].deliver(-1)
        return [lambda at=at, c=c: [c.deliver(at * each + n) for n in range(each)] for at, c in enumerate(clients)]

    def imap(command, literal=False):
        clients = [side_by_side.Imap(side_by_side.Peer("", peer.imap, None, user), "INBOX") for user in names]
        octets = lambda number: b" {%d+}\r\n%s" % (len(message(number)), message(number)) if literal else b""
        return [lambda at=at, c=c: [c.ask(command(at, n), octets(at * each + n)) for n in range(each)] for at, c in enumerate(clients)]

    def quits():
        # A maildrop belongs to one session: each account has one, again and again.
        clients = [[Pop3(peer.pop3, user)] for user in sorted(set(names))]
        [client.say("DELE 1") for some in clients for client in some]
        return [lambda some=some: [client.say("QUIT") for client in some] for some in clients]

    return [
        ("delivery over LMTP", deliveries, each * connections),
        ("APPEND", lambda: imap(lambda at, n: "APPEND INBOX", literal=True), each * connections),
        ("STORE", lambda: imap(lambda at, n: f"STORE {1 + n} {'+-'[at % 2]}FLAGS.SILENT (k{at % 7}{n})"), each * connections),
        ("QUIT after DELE", quits, len(set(names))),
    ]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--connections", type=int, default=64)
    parse.add_argument("--operations", type=int, default=256)
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-flushes-"))
    accounts = options.connections
    peer, lmtp = serve(os.path.abspath(options.pillarbox), place, accounts)
    counts = collections.defaultdict(list)
    try:
        for connections, each in [(1, 16), (options.connections, options.operations // options.connections)]:
            for name, prepare, count in operations(peer, lmtp, connections, each, accounts):
                works = prepare()
                with Trace(peer.process, place) as trace:
                    at_once(works)
                counts[name].append(trace.flushes / count)
    finally:
        peer.stop()
        shutil.rmtree(place, ignore_errors=True)
    print(f"| flushes for each | alone | {options.connections} connections |\n|---|---|---|")
    for name, (alone, together) in counts.items():
        print(f"| {name} | {alone:.2f} | {together:.2f} |")


if __name__ == "__main__":
    main()
