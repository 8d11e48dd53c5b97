#!/usr/bin/env python3
"""What idle connections cost in memory: so many IMAP clients, each logged in, with INBOX selected and in IDLE, in a fresh process; plain, with
TLS, and with COMPRESS (RFC 4978) and neither.

    python3 benches/idle_connections.py target/release/pillarbox [--connections 1000 10000]

Prints, for connections of each kind, by how much the memory of the process has grown for each of them (anonymous pages of
`/proc/PID/smaps_rollup`; the kernel's buffers are not in it). It does not depend on what else the machine does. The process and this
one need as many open files as there are connections (`ulimit -n`).
"""
import argparse, os, pathlib, shutil, socket, ssl, struct, subprocess, tempfile, zlib

import side_by_side

CLIENTS_AT_ONCE = 20


def serve(binary, place):
    imap, imaps, smtp = side_by_side.free_ports(3)
    config = place / "pillarbox.toml"
    off = "".join(f"{name} = []\n" for name in ["submission", "submissions", "lmtp", "pop3", "pop3s", "https"])
    config.write_text(
        f'hostname = "mail.example.org"\ndata_dir = "{place}/data"\n[listen]\nsmtp = ["127.0.0.1:{smtp}"]\n'
        f'imap = ["127.0.0.1:{imap}"]\nimaps = ["127.0.0.1:{imaps}"]\n{off}'
        '[limits]\nconnections_max = 15000\nconnections_per_loopback_max = 15000\n[log]\nlevel = "warn"\n'
    )
    run = lambda *args, **more: subprocess.run([binary, *args, "--config", config], check=True, stdout=subprocess.DEVNULL, **more)
    run("domain", "add", "example.org")
    run("account", "add", "a@example.org", "--password-stdin", input=side_by_side.PASSWORD.encode())
    log = open(place / "pillarbox.log", "wb")
    process = subprocess.Popen([binary, "serve", "--config", config], stdout=log, stderr=log)
    side_by_side.Peer("Pillarbox", imap, None, "a@example.org", process=process).wait()
    return process, {"plain": imap, "TLS": imaps, "COMPRESS": imap}


def anonymous_kib(process):
    text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Anonymous:"))


def connect(port, tls):
    connection = socket.create_connection(("127.0.0.1", port))
    return tls.wrap_socket(connection) if tls else connection


def read_to(connection, end):
    got = b""
    while end not in got:
        more = connection.recv(4096)
        if not more:
            raise SystemExit(f"the server has closed a connection: {got[-200:]}")
        got += more


class Compressed:
    """What is sent in blocks that are stored as they are: nothing is kept for them here. What is received is for a moment only."""

    def __init__(self, connection):
        self.connection, self.inflate = connection, zlib.decompressobj(-15)

    def sendall(self, octets):
        if octets:
            self.connection.sendall(struct.pack("<BHH", 0, len(octets), len(octets) ^ 0xFFFF) + octets)

    def recv(self, most):
        got = b""
        while not got:
            more = self.connection.recv(most)
            if not more:
                return b""
            got = self.inflate.decompress(more)
        return got


def idle(ports, kind, count):
    """`count` clients that are in IDLE."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if kind == "TLS" else None
    if tls:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    log_in = f'a LOGIN a@example.org "{side_by_side.PASSWORD}"\r\n'.encode()
    first = [(b"", b"\r\n"), (log_in, b"a OK")] + ([(b"z COMPRESS DEFLATE\r\n", b"z OK")] if kind == "COMPRESS" else [])
    then = [(b"b SELECT INBOX\r\n", b"b OK"), (b"c IDLE\r\n", b"+ ")]
    clients = []
    while len(clients) < count:
        some = [connect(ports[kind], tls) for _ in range(min(CLIENTS_AT_ONCE, count - len(clients)))]
        say(some, first)
        say([Compressed(client) for client in some] if kind == "COMPRESS" else some, then)
        clients += some
    return clients


def say(clients, steps):
    for command, answer in steps:
        for client in clients:
            client.sendall(command)
        for client in clients:
            read_to(client, answer)


def measure(binary, kind, count):
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-idle-"))
    process, ports = serve(binary, place)
    try:
        first = idle(ports, kind, 1)
        before = anonymous_kib(process)
        clients = idle(ports, kind, count)
        return (anonymous_kib(process) - before) / len(clients), before, first
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(place, ignore_errors=True)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--connections", type=int, nargs="+", default=[1000, 10_000])
    options = parse.parse_args()
    print("| connections | plain, KiB each | TLS, KiB each | COMPRESS, KiB each |\n|---|---|---|---|")
    for count in options.connections:
        each = [measure(os.path.abspath(options.pillarbox), kind, count)[0] for kind in ["plain", "TLS", "COMPRESS"]]
        print(f"| {count:,} | " + " | ".join(f"{kib:.1f}" for kib in each) + " |", flush=True)


if __name__ == "__main__":
    main()
