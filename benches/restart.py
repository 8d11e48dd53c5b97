#!/usr/bin/env python3
"""How soon all clients are back after a restart: so many IMAP clients of so many accounts, each logged in, with INBOX selected and in
IDLE; the server is stopped (SIGTERM) or killed (SIGKILL) and started again, and all of them come back at once.

    python3 benches/restart.py target/release/pillarbox [--connections 10000] [--accounts 100] [--password main|application]

Prints, in seconds from the start of the new process: when it said that it was ready, when half of the clients and when all were in IDLE
again, how many tries failed, and the memory of the process then. The process and this one need as many open files as there are
connections (`ulimit -n`).
"""
import argparse, errno, json, os, pathlib, resource, select, shutil, signal, socket, subprocess, tempfile, threading, time

import side_by_side

PATIENCE_SECONDS = 120
AGAIN_SECONDS = 0.05


class Server:
    def __init__(self, binary, place, accounts, application):
        self.binary, self.place = binary, place
        (self.port,) = side_by_side.free_ports(1)
        self.config = place / "pillarbox.toml"
        off = "".join(f"{name} = []\n" for name in ["smtp", "submission", "submissions", "lmtp", "imaps", "pop3", "pop3s", "https"])
        self.config.write_text(
            f'hostname = "mail.example.org"\ndata_dir = "{place}/data"\n[listen]\nimap = ["127.0.0.1:{self.port}"]\n{off}'
            "[limits]\nconnections_max = 15000\nconnections_per_loopback_max = 15000\n"
        )
        self.run("domain", "add", "example.org")
        self.log_ins = []
        for number in range(accounts):
            name, password = f"user{number}@example.org", f"the password of {number}"
            self.run("account", "add", name, "--password-stdin", text=password)
            if application:
                password = json.loads(self.run("device", "add", name, "phone", "--json"))["password"]
            self.log_ins.append(f'a LOGIN {name} "{password}"\r\nb SELECT INBOX\r\nc IDLE\r\n'.encode())

    def run(self, *words, text=""):
        command = [self.binary, *words, "--config", self.config]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, input=text.encode()).stdout

    def start(self):
        """Starts it; what it says goes into `said`, and `ready` is when it said that it is."""
        self.started, self.ready = time.monotonic(), None
        self.process = subprocess.Popen([self.binary, "serve", "--config", self.config], stderr=subprocess.PIPE)
        threading.Thread(target=self.listen, args=[self.process], daemon=True).start()

    def listen(self, process):
        for line in process.stderr:
            if b" ready " in line:
                self.ready = time.monotonic() - self.started

    def memory_mib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Anonymous:")) / 1024


class Clients:
    def __init__(self, server, count):
        self.server, self.count, self.poll = server, count, select.epoll()
        self.open, self.failed = {}, 0

    def come(self):
        """All of them; when each was in IDLE, from the start of the server."""
        times, waiting = [], list(range(self.count))
        deadline, again = time.monotonic() + PATIENCE_SECONDS, 0
        while len(times) < self.count:
            now = time.monotonic()
            if now > deadline:
                raise SystemExit(f"{len(times)} of {self.count} clients are back after {PATIENCE_SECONDS} s")
            if waiting and now >= again:
                waiting = [number for number in waiting if not self.connect(number)]
                again = now + AGAIN_SECONDS
            for descriptor, _ in self.poll.poll(AGAIN_SECONDS):
                connection, number, got = self.open[descriptor]
                try:
                    more = connection.recv(4096)
                except OSError:
                    more = b""
                got += more
                if not more or b" NO " in got or b" BAD " in got:
                    self.failed += 1
                    self.gone(descriptor)
                    waiting.append(number)
                elif b"\r\n+ " in got:
                    times.append(time.monotonic() - self.server.started)
                    self.poll.unregister(descriptor)
        return sorted(times)

    def connect(self, number):
        connection = socket.socket()
        try:
            connection.connect(("127.0.0.1", self.server.port))
            connection.sendall(self.server.log_ins[number % len(self.server.log_ins)])
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE):
                raise
            self.failed += 1
            connection.close()
            return False
        self.open[connection.fileno()] = (connection, number, bytearray())
        self.poll.register(connection, select.EPOLLIN)
        return True

    def gone(self, descriptor):
        connection, _, _ = self.open.pop(descriptor)
        self.poll.unregister(descriptor)
        connection.close()

    def leave(self):
        for connection, _, _ in self.open.values():
            connection.close()
        self.open, self.failed = {}, 0


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--connections", type=int, default=10_000)
    parse.add_argument("--accounts", type=int, default=100)
    parse.add_argument("--password", choices=["main", "application"], default="main")
    options = parse.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-restart-"))
    server = Server(os.path.abspath(options.pillarbox), place, options.accounts, options.password == "application")
    clients = Clients(server, options.connections)
    print("| | ready, s | half are back, s | all are back, s | tries that failed | memory, MiB |\n|---|---|---|---|---|---|")
    try:
        for kind, how in [("the first start", None), ("after SIGTERM", signal.SIGTERM), ("after SIGKILL", signal.SIGKILL)]:
            if how:
                server.process.send_signal(how)
                server.process.wait(60)
                clients.leave()
            server.start()
            times = clients.come()
            half, last = times[len(times) // 2], times[-1]
            print(f"| {kind} | {server.ready:.2f} | {half:.2f} | {last:.2f} | {clients.failed} | {server.memory_mib():.0f} |", flush=True)
    finally:
        server.process.terminate()
        server.process.wait(60)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
