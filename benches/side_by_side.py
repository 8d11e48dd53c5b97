#!/usr/bin/env python3
"""Runs Pillarbox and Dovecot (mdbox, as Debian packages it) side by side, by turns, and prints a table.

    python3 benches/side_by_side.py target/release/pillarbox [--messages 10000] [--turns 3] [--dir DIR]

Everything happens on the loopback interface, in a directory that is removed at the end. Another server that is running already
takes part with `--server NAME=IMAP_PORT:POP3_PORT:USER:PASSWORD`; its INBOX must be empty.

Dovecot refuses to keep mail as root: run by root, its mail belongs to `mail`.
"""
import argparse, os, pathlib, random, shutil, socket, statistics, subprocess, sys, tempfile, time

PASSWORD = "correct horse battery"
# Octets, as mail comes: the median is 4 KiB, a tenth is above 40 KiB, and some is large.
SIZES = [(0.50, 1_500, 4_000), (0.40, 4_000, 40_000), (0.095, 40_000, 150_000), (0.005, 500_000, 2_000_000)]
BATCH = 50


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Peer:
    """A server that runs: its name, ports, user and password."""

    def __init__(self, name, imap, pop3, user, password=PASSWORD, process=None):
        self.name, self.imap, self.pop3, self.user, self.password, self.process = name, imap, pop3, user, password, process

    def wait(self):
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.imap), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{self.name} does not listen")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)


def pillarbox(binary, place):
    imap, pop3, smtp = free_ports(3)
    config = place / "pillarbox.toml"
    off = "".join(f"{name} = []\n" for name in ["submission", "submissions", "lmtp", "imaps", "pop3s", "https"])
    config.write_text(
        f'hostname = "mail.example.org"\ndata_dir = "{place}/pillarbox"\n[listen]\nsmtp = ["127.0.0.1:{smtp}"]\n'
        f'imap = ["127.0.0.1:{imap}"]\npop3 = ["127.0.0.1:{pop3}"]\n{off}[log]\nlevel = "warn"\n'
    )
    run = lambda *args, **more: subprocess.run([binary, *args, "--config", config], check=True, stdout=subprocess.DEVNULL, **more)
    run("domain", "add", "example.org")
    run("account", "add", "a@example.org", "--password-stdin", input=PASSWORD.encode())
    log = open(place / "pillarbox.log", "wb")
    process = subprocess.Popen([binary, "serve", "--config", config], stdout=log, stderr=log)
    return Peer("Pillarbox", imap, pop3, "a@example.org", process=process).wait()


def dovecot(place):
    if not shutil.which("dovecot"):
        return None
    imap, pop3 = free_ports(2)
    owner = "mail" if os.getuid() == 0 else os.environ["USER"]
    mail = place / "dovecot"
    mail.mkdir()
    if os.getuid() == 0:
        place.chmod(0o755)
        shutil.chown(mail, owner, owner)
    (place / "users").write_text(f"a@example.org:{{PLAIN}}{PASSWORD}\n")
    config = place / "dovecot.conf"
    config.write_text(
        f"""protocols = imap pop3
listen = 127.0.0.1
base_dir = {place}/dovecot-run
state_dir = {place}/dovecot-run
log_path = {place}/dovecot.log
ssl = no
disable_plaintext_auth = no
mail_location = mdbox:{mail}/%u
first_valid_uid = 1
first_valid_gid = 0
mail_max_userip_connections = 100
passdb {{
  driver = passwd-file
  args = {place}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={mail}/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""
    )
    process = subprocess.Popen(["dovecot", "-F", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Peer("Dovecot", imap, pop3, "a@example.org", process=process).wait()


class Client:
    """A connection of which answers are read as octets: what is slow here is the server, not the parser."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 18)
        self.rest = b""
        self.line()

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        while b"\n" not in self.rest:
            self.rest += self.more()
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def more(self):
        count = self.socket.recv_into(self.buffer)
        if not count:
            sys.exit("the server has closed a connection")
        return bytes(memoryview(self.buffer)[:count])

    def until(self, end):
        """Reads to the line that begins with `end`; how many octets came."""
        tail, total = b"\n" + self.rest, len(self.rest)
        self.rest = b""
        while True:
            at = tail.find(b"\n" + end)
            if at >= 0 and b"\n" in tail[at + 1 :]:
                line, self.rest = tail[at + 1 :].split(b"\n", 1)
                if b" OK" not in line and not line.startswith(b"."):
                    sys.exit(f"refused: {line[:200]}")
                return total
            tail = tail[-400:] if at < 0 else tail[at:]
            piece = self.more()
            total += len(piece)
            tail += piece


class Imap(Client):
    def __init__(self, peer, mailbox=None):
        super().__init__(peer.imap)
        self.count = 0
        self.ask(f'LOGIN {peer.user} "{peer.password}"')
        if mailbox:
            self.ask(f"SELECT {mailbox}")

    def ask(self, command, octets=b""):
        self.count += 1
        self.send(f"t{self.count} {command}".encode() + octets + b"\r\n")
        return self.until(f"t{self.count} ".encode())


def messages(count):
    dice = random.Random(1)
    for number in range(count):
        draw, length = dice.random(), 0
        for share, low, high in SIZES:
            length = dice.randrange(low, high)
            if draw < share:
                break
            draw -= share
        header = (
            f"From: Sender {number % 97} <s{number % 97}@example.net>\r\nTo: a@example.org\r\n"
            f"Date: Mon, 2 Feb 2026 10:00:00 +0000\r\nSubject: message {number}\r\nMessage-ID: <{number}@example.net>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        ).encode()
        line = bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz  ", k=76)) + b"\r\n"
        yield header + line * (length // len(line) + 1)


def timed(work):
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def fill(peer, count):
    client, batch = Imap(peer), []
    client.send(b"c CAPABILITY\r\n")
    several = b" MULTIAPPEND" in client.line()
    client.until(b"c ")

    def flush():
        literals = [b" {%d+}\r\n%s" % (len(message), message) for message in batch]
        if literals and several:
            client.ask("APPEND INBOX", b"".join(literals))
        elif literals:
            # Pipelined, and answered in order.
            client.send(b"".join(b"a%d APPEND INBOX%s\r\n" % pair for pair in enumerate(literals)))
            client.until(b"a%d " % (len(literals) - 1))
        batch.clear()

    for message in messages(count):
        batch.append(message)
        if len(batch) == BATCH:
            flush()
    flush()


def pop3(peer, window):
    client = Client(peer.pop3)
    for command in [f"USER {peer.user}", f"PASS {peer.password}", "STAT"]:
        client.send(command.encode() + b"\r\n")
        answer = client.line()
    count, sent = int(answer.split()[1]), 0
    for got in range(count):
        while sent < count and sent < got + window:
            sent += 1
            client.send(b"RETR %d\r\n" % sent)
        client.until(b".\r")
    return count


def pushed(peer, rounds):
    idle, other, times = Imap(peer, "INBOX"), Imap(peer, "INBOX"), []
    idle.send(b"i IDLE\r\n")
    idle.line()
    for turn in range(rounds):
        sign = "+" if turn % 2 == 0 else "-"
        begin = time.perf_counter()
        other.send(f"s{turn} STORE 1 {sign}FLAGS.SILENT (\\Answered)\r\n".encode())
        while b"FETCH" not in idle.line():
            pass
        times.append(time.perf_counter() - begin)
        other.until(f"s{turn} ".encode())
    return statistics.median(times)


def rows(peer):
    """What is measured beside the filling: a name, its unit, and a function that gives a figure."""
    select = lambda: Imap(peer, "INBOX")

    def per_second(command):
        client = select()
        seconds, _ = timed(lambda: client.ask(command))
        return peer.held / seconds

    def store_all():
        client = select()
        millis = 1000 * timed(lambda: client.ask("STORE 1:* +FLAGS.SILENT (\\Flagged)"))[0]
        client.ask("STORE 1:* -FLAGS.SILENT (\\Flagged)")
        return millis

    def single_stores():
        client, count = select(), min(1000, peer.held)
        signs = [b"+", b"-"]
        wire = lambda sign: b"".join(b"p%d STORE %d %sFLAGS.SILENT (\\Answered)\r\n" % (n, n, sign) for n in range(1, count + 1))
        seconds = [timed(lambda: (client.send(wire(sign)), client.until(b"p%d " % count)))[0] for sign in signs]
        return count / statistics.mean(seconds)

    def asked(command):
        """What a client waits for that asks twice: the second time an index or a cache is there, if ever there is one."""
        client = select()
        client.ask(command)
        return 1000 * timed(lambda: client.ask(command))[0]

    def bodies():
        client = select()
        seconds, octets = timed(lambda: client.ask("UID FETCH 1:* (UID BODY.PEEK[])"))
        return octets / seconds / 1e6

    def retrieved(window):
        seconds, count = timed(lambda: pop3(peer, window))
        return count / seconds

    listed = "FETCH 1:* (UID FLAGS ENVELOPE INTERNALDATE RFC822.SIZE BODYSTRUCTURE)"
    return [
        ("log-in and SELECT", "ms", lambda: 1000 * timed(select)[0]),
        ("UID FETCH 1:* (UID FLAGS)", "messages/s", lambda: per_second("UID FETCH 1:* (UID FLAGS)")),
        ("FETCH of ENVELOPE and BODYSTRUCTURE", "messages/s", lambda: per_second(listed)),
        ("FETCH of all bodies", "MB/s", bodies),
        ("STORE of all flags in one command", "ms", store_all),
        ("1,000 single STOREs pipelined", "/s", single_stores),
        ("SEARCH BODY, a word that is nowhere", "ms", lambda: asked("SEARCH BODY x1234q")),
        ("SEARCH TEXT, a word that is everywhere", "ms", lambda: asked("SEARCH TEXT message")),
        ("SORT (REVERSE DATE)", "ms", lambda: asked("SORT (REVERSE DATE) UTF-8 ALL")),
        ("SORT (SUBJECT)", "ms", lambda: asked("SORT (SUBJECT) UTF-8 ALL")),
        ("THREAD REFERENCES", "ms", lambda: asked("THREAD REFERENCES UTF-8 ALL")),
        ("flag to an idling device, p50", "ms", lambda: 1000 * pushed(peer, 40)),
        ("POP3 RETR one by one", "messages/s", lambda: retrieved(1)),
        ("POP3 RETR, 32 pipelined", "messages/s", lambda: retrieved(32)),
    ]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--messages", type=int, default=10_000)
    parse.add_argument("--turns", type=int, default=3)
    parse.add_argument("--dir")
    parse.add_argument("--server", action="append", default=[])
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-bench-", dir=options.dir))
    peers = []
    try:
        peers += [peer for peer in [pillarbox(os.path.abspath(options.pillarbox), place), dovecot(place)] if peer]
        for text in options.server:
            name, rest = text.split("=", 1)
            imap, pop, user, password = rest.split(":", 3)
            peers.append(Peer(name, int(imap), int(pop), user, password).wait())
        figures = {peer.name: {} for peer in peers}
        for peer in peers:
            seconds, _ = timed(lambda: fill(peer, options.messages))
            peer.held = options.messages
            figures[peer.name][(f"MULTIAPPEND of {BATCH}", "messages/s")] = [options.messages / seconds]
        for turn in range(options.turns):
            for peer in peers if turn % 2 == 0 else peers[::-1]:
                for name, unit, measure in rows(peer):
                    figures[peer.name].setdefault((name, unit), []).append(measure())
        show(peers, figures)
    finally:
        for peer in peers:
            peer.stop()
        shutil.rmtree(place, ignore_errors=True)


def show(peers, figures):
    print("| work | " + " | ".join(peer.name for peer in peers) + " | ratio |\n|---|" + "---|" * (len(peers) + 1))
    first, others = peers[0].name, [peer.name for peer in peers[1:]]
    for name, unit in figures[first]:
        cells = []
        for peer in peers:
            values = figures[peer.name][(name, unit)]
            low, middle, high = min(values), statistics.median(values), max(values)
            spread = f" ({low:,.3g}–{high:,.3g})" if len(values) > 1 else ""
            cells.append(f"{middle:,.0f}{spread} {unit}" if middle >= 100 else f"{middle:.2f}{spread} {unit}")
        median = lambda peer: statistics.median(figures[peer][(name, unit)])
        ratio = [median(peer) / median(first) if unit == "ms" else median(first) / median(peer) for peer in others]
        print(f"| {name} | " + " | ".join(cells) + " | " + ", ".join(f"{value:.2f}" for value in ratio) + " |")


if __name__ == "__main__":
    main()
