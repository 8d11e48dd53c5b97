#!/usr/bin/env python3
"""What happens at more load than can be borne: deliveries over LMTP by ever more connections, each with its next message as soon as
the last one is answered, while a person reads mail over IMAP.

    python3 benches/overload.py target/release/pillarbox [--connections 64 640 6400] [--seconds 15]

Prints for each number of connections: messages a second, how long one took from MAIL to its answer (median, of a hundred the slowest,
of all the slowest), the same of the person's NOOP and FETCH, how many were put off (4xx, or no place), and the most memory of the process. At
the end the mailboxes are counted: no message that was answered with 250 is missing, and none is there twice.
"""
import argparse, os, pathlib, resource, select, shutil, socket, subprocess, tempfile, threading, time

import side_by_side

ACCOUNTS = 16
TEXT = b"".join(b"a line of a message that is as long as lines are, %d\r\n" % line for line in range(70))


def serve(binary, place, more=""):
    imap, lmtp = side_by_side.free_ports(2)
    config = place / "pillarbox.toml"
    off = "".join(f"{name} = []\n" for name in ["smtp", "submission", "submissions", "imaps", "pop3", "pop3s", "https"])
    config.write_text(
        f'hostname = "mail.example.org"\ndata_dir = "{place}/data"\n[listen]\nimap = ["127.0.0.1:{imap}"]\n'
        f'lmtp = ["127.0.0.1:{lmtp}"]\n{off}[log]\nlevel = "error"\n{more}'
    )
    run = lambda *args, **more: subprocess.run([binary, *args, "--config", config], check=True, stdout=subprocess.DEVNULL, **more)
    run("domain", "add", "example.org")
    for number in range(ACCOUNTS):
        run("account", "add", f"user{number}@example.org", "--password-stdin", input=side_by_side.PASSWORD.encode())
    log = open(place / "pillarbox.log", "wb")
    process = subprocess.Popen([binary, "serve", "--config", config], stdout=log, stderr=log)
    side_by_side.Peer("Pillarbox", imap, None, "user0@example.org", process=process).wait()
    return process, imap, lmtp


def log_in(port, number):
    connection = socket.create_connection(("127.0.0.1", port))
    ask(connection, b"", b"\r\n")
    ask(connection, f'a LOGIN user{number}@example.org "{side_by_side.PASSWORD}"\r\n'.encode(), b"a OK")
    return connection


def ask(connection, command, end):
    connection.sendall(command)
    got = b""
    while end not in got:
        more = connection.recv(65536)
        if not more:
            raise SystemExit(f"the server has closed a connection: {got[-200:]}")
        got += more
    return got


class Sender:
    """One connection that sends message after message."""

    def __init__(self, load, number):
        self.load, self.number, self.sent, self.got = load, number, 0, b""
        self.connection = socket.create_connection(("127.0.0.1", load.port))
        self.connection.sendall(b"LHLO bench\r\n")
        self.step = "greeting"

    def next(self):
        to = f"user{(self.number + self.sent) % ACCOUNTS}@example.org"
        self.connection.sendall(f"MAIL FROM:<bench@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
        self.since, self.step, self.sent = time.monotonic(), "envelope", self.sent + 1

    def on(self):
        """Goes on with what came; false when the connection has ended."""
        more = self.connection.recv(65536)
        self.got += more
        lines = self.got.split(b"\r\n")
        if self.step == "greeting" and any(line.startswith(b"250 ") for line in lines):
            self.next_message()
        elif self.step == "envelope" and lines[-2:-1] and lines[-2].startswith(b"354"):
            name = f"Message-ID: <{self.number}.{self.sent}.{self.load.name}@bench>\r\nSubject: {self.sent}\r\n\r\n"
            self.connection.sendall(name.encode() + TEXT + b".\r\n")
            self.got, self.step = b"", "message"
        elif self.step == "envelope" and lines[-2:-1] and lines[-2][:1] in b"45" and len(lines) >= 4:
            self.load.put_off += 1
            self.connection.sendall(b"RSET\r\n")
            self.got, self.step = b"", "reset"
        elif self.step == "reset" and b"250" in self.got:
            self.next_message()
        elif self.step == "message" and b"\r\n" in self.got:
            if self.got.startswith(b"250"):
                self.load.taken.append(time.monotonic() - self.since)
            else:
                self.load.put_off += 1
            self.next_message()
        return bool(more)

    def next_message(self):
        self.got = b""
        if self.load.is_over():
            self.step = "over"
            self.connection.sendall(b"QUIT\r\n")
        else:
            self.next()


class Load:
    def __init__(self, port, connections, seconds):
        self.port, self.connections, self.name = port, connections, f"{connections}"
        self.taken, self.put_off, self.end = [], 0, time.monotonic() + seconds

    def is_over(self):
        return time.monotonic() >= self.end

    def run(self):
        poll, senders = select.epoll(), {}
        started = time.monotonic()
        while len(senders) < self.connections and not self.is_over():
            sender = Sender(self, len(senders))
            senders[sender.connection.fileno()] = sender
            poll.register(sender.connection, select.EPOLLIN)
        self.end += time.monotonic() - started
        started = time.monotonic()
        while senders:
            for descriptor, _ in poll.poll(1):
                sender = senders[descriptor]
                try:
                    goes_on = sender.on()
                except OSError:
                    goes_on = False
                if not goes_on:
                    if sender.step in ("greeting", "envelope"):
                        self.put_off += 1
                    poll.unregister(descriptor)
                    senders.pop(descriptor).connection.close()
        self.rate = len(self.taken) / (time.monotonic() - started)


class Person(threading.Thread):
    """Reads now and then, and notes how long each command took."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection, self.times, self.is_done = log_in(port, 0), [], threading.Event()
        ask(self.connection, b"b SELECT INBOX\r\n", b"b OK")

    def run(self):
        while not self.is_done.wait(0.02):
            for command in [b"n NOOP\r\n", b"n FETCH 1 (FLAGS ENVELOPE)\r\n"]:
                since = time.monotonic()
                ask(self.connection, command, b"n ")
                self.times.append(time.monotonic() - since)


def peak_mib(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")) / 1024


def spread(times):
    times = sorted(times) or [0]
    return " / ".join(f"{1000 * times[int(part * (len(times) - 1))]:.1f}" for part in (0.5, 0.99, 1))


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--connections", type=int, nargs="+", default=[64, 640, 6400])
    parse.add_argument("--seconds", type=float, default=15)
    options = parse.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-overload-"))
    process, imap, lmtp = serve(os.path.abspath(options.pillarbox), place)
    taken = 0
    print("| connections | messages/s | ms for a message, p50 / p99 / most | ms for the person's commands | put off | memory, MiB |")
    print("|---|---|---|---|---|---|")
    try:
        for connections in options.connections:
            person, load = Person(imap), Load(lmtp, connections, options.seconds)
            person.start()
            load.run()
            person.is_done.set()
            person.join()
            taken += len(load.taken)
            print(
                f"| {connections:,} | {load.rate:,.0f} | {spread(load.taken)} | {spread(person.times)} | {load.put_off:,} | "
                f"{peak_mib(process):.0f} |",
                flush=True,
            )
        there = 0
        for number in range(ACCOUNTS):
            answer = ask(log_in(imap, number), b"b STATUS INBOX (MESSAGES)\r\n", b"b OK")
            there += int(answer.split(b"MESSAGES ")[1].split(b")")[0])
        print(f"\n{taken:,} messages were answered with 250; {there:,} are there")
        if there != taken:
            raise SystemExit("that is not the same")
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
