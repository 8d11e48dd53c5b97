#!/usr/bin/env python3
"""A server under the mixed load of a household for a long time, and what it takes from the machine, minute by minute.

    python3 benches/soak.py target/release/pillarbox [--minutes 60] [--accounts 4] [--pace 1.0] [--every 5]

For each account: one client over IMAP that does FETCH, SEARCH, STORE, APPEND, COPY, MOVE and EXPUNGE by turns, one in IDLE that fetches what comes, a
POP3 device that leaves mail on the server and one that deletes for everybody; and for all of them deliveries over LMTP, mail
between them over submission with TLS, and a person on the pages. `--pace 2` makes all of them twice as fast. What was removed gives its place back
within the hour (`retention_days = 0`), so that the mail has about the same size from then on.

Prints a row every so many minutes: messages taken since the start, what the mailboxes hold, memory, open files, threads, the database
and its logs, large bodies, and the share of one processor. At the end `pillarbox check --bodies` looks at all of it, and an account from
which nobody deletes is asked how many messages it has. Exit status 1 when a client was told anything but what it asked for, when
that check finds something, when that account has not just what was taken for it, or when the server panics or does not end well.
"""
import argparse, http.client, imaplib, json, os, pathlib, poplib, random, re, select, shutil, smtplib, ssl, subprocess, sys, tempfile, threading, time
import urllib.parse

import side_by_side
from side_by_side import PASSWORD

SERVICES = ["lmtp", "smtp", "submissions", "imap", "imaps", "pop3", "pop3s", "http"]
# A client of an account deletes the oldest beyond so many.
HELD_MAX = 400


class Load:
    """What all clients know and count."""

    def __init__(self, options, ports, accounts):
        self.ports, self.pace = ports, options.pace
        # From the last one nobody deletes.
        *self.accounts, self.kept = accounts
        self.end = threading.Event()
        self.lock, self.done, self.errors = threading.Lock(), {}, []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def count(self, what):
        with self.lock:
            self.done[what] = self.done.get(what, 0) + 1

    def pause(self, seconds):
        """About so long, or to the end."""
        return self.end.wait(random.uniform(0.5, 1.5) * seconds / self.pace)

    def run(self, name, work, *args):
        """Does the work again and again; what goes wrong is noted, and the client comes again."""
        while not self.end.is_set():
            try:
                work(self, *args)
            except Exception as error:
                if not self.end.is_set():
                    with self.lock:
                        self.errors.append(f"{time.strftime('%H:%M:%S')} {name}: {type(error).__name__} {error}"[:300])
                    self.end.wait(1)


def message(sender, to):
    draw, dice = random.random(), random
    for share, low, high in side_by_side.SIZES:
        octets = dice.randrange(low, high)
        if draw < share:
            break
        draw -= share
    number = f"{time.time_ns()}.{dice.randrange(10**9)}"
    line = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz  ", k=76)) + "\r\n"
    return (
        f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: soak {number}\r\nMessage-ID: <{number}@soak.example.net>\r\n"
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}\r\n\r\n" + line * (octets // len(line) + 1)
    ).encode()


def ok(answer):
    if answer[0] not in ("OK", b"OK"):
        raise RuntimeError(f"answered {answer}")
    return answer[1]


def deliver(load):
    with smtplib.LMTP("127.0.0.1", load.ports["lmtp"], timeout=60) as client:
        client.ehlo()
        for number in range(20):
            account = random.choice(load.accounts) if number else load.kept
            client.sendmail("outside@example.net", [account["address"]], message("outside@example.net", account["address"]))
            load.count("LMTP" if number else "LMTP kept")
            if load.pause(0.6):
                return


def submit(load):
    sender, to = (account["address"] for account in random.sample(load.accounts, 2))
    with smtplib.SMTP_SSL("127.0.0.1", load.ports["submissions"], context=load.tls, timeout=60) as client:
        client.login(sender, PASSWORD)
        client.sendmail(sender, [to], message(sender, to))
        load.count("submission")
    load.pause(10)


def use_imap(load, account):
    """One session of some minutes."""
    client = imaplib.IMAP4_SSL("127.0.0.1", load.ports["imaps"], ssl_context=load.tls, timeout=60)
    ok(client.login(account["address"], account["imap"]))
    ok(client.select("INBOX"))
    for _ in range(200):
        if load.pause(0.8):
            break
        step(load, client, account)
    client.logout()


def step(load, client, account):
    uids = ok(client.uid("SEARCH", "ALL"))[0].split()
    what = random.choice(["FETCH", "BODY", "STORE", "APPEND", "COPY", "MOVE", "SEARCH", "STATUS", "EXPUNGE"])
    some = b",".join(sorted(random.sample(uids, min(len(uids), 5)), key=int)).decode()
    if what == "APPEND":
        ok(client.append("Archive", "(\\Seen)", None, message(account["address"], account["address"])))
    elif what == "STATUS":
        ok(client.status("Archive", "(MESSAGES UIDNEXT)"))
    elif what == "EXPUNGE":
        trim(client, "Archive")
        ok(client.select("INBOX"))
        uids = ok(client.uid("SEARCH", "ALL"))[0].split()
        if len(uids) > HELD_MAX:
            erase(client, uids[: len(uids) - HELD_MAX])
    elif not uids:
        return
    elif what == "FETCH":
        ok(client.uid("FETCH", "1:*", "(FLAGS RFC822.SIZE ENVELOPE)"))
    elif what == "BODY":
        ok(client.uid("FETCH", some, "(BODY.PEEK[])"))
    elif what == "STORE":
        ok(client.uid("STORE", some, random.choice(["+FLAGS", "-FLAGS"]), random.choice(["(\\Seen)", "(\\Flagged)"])))
    elif what == "SEARCH":
        ok(client.uid("SEARCH", "SUBJECT", "soak", "UNSEEN"))
    elif what in ("COPY", "MOVE"):
        ok(client.uid(what, some, "Archive"))
    load.count("IMAP")


def trim(client, mailbox):
    ok(client.select(mailbox))
    uids = ok(client.uid("SEARCH", "ALL"))[0].split()
    if len(uids) > HELD_MAX:
        erase(client, uids[: len(uids) - HELD_MAX])


def erase(client, uids):
    uids = b",".join(uids).decode()
    ok(client.uid("STORE", uids, "+FLAGS.SILENT", "(\\Deleted)"))
    ok(client.uid("EXPUNGE", uids))


def wait_in_idle(load, account):
    """IDLE until something comes, which is fetched; a connection for a hundred times."""
    client = imaplib.IMAP4("127.0.0.1", load.ports["imap"], timeout=60)
    ok(client.login(account["address"], account["imap"]))
    ok(client.select("INBOX"))
    for number in range(100):
        client.send(b"i%d IDLE\r\n" % number)
        until(client, b"+ ")
        came = False
        while not came and not load.end.is_set():
            if select.select([client.sock], [], [], 1)[0]:
                came = client.readline().endswith(b" EXISTS\r\n")
        client.send(b"DONE\r\n")
        until(client, b"i%d OK" % number)
        if load.end.is_set():
            break
        ok(client.fetch("*", "(FLAGS BODY.PEEK[HEADER])"))
        load.count("IDLE")
    client.logout()


def until(client, start):
    while not (line := client.readline()).startswith(start):
        if not line:
            raise RuntimeError("the server has closed a connection")


def read_pop3(load, account, seen):
    """Leaves mail on the server, and gets what it has not got."""
    client = poplib.POP3("127.0.0.1", load.ports["pop3"], timeout=60)
    client.user(account["address"])
    client.pass_(account["reader"])
    listed = dict(reversed(line.split()) for line in client.uidl()[1])
    for uid in list(set(listed) - seen)[:10]:
        client.retr(int(listed[uid]))
        seen.add(uid)
    client.quit()
    seen &= set(listed)
    load.count("POP3")
    load.pause(5)


def erase_pop3(load, account):
    client = poplib.POP3_SSL("127.0.0.1", load.ports["pop3s"], context=load.tls, timeout=60)
    client.user(account["address"])
    client.pass_(account["eraser"])
    for number in range(1, 1 + min(4, client.stat()[0])):
        client.retr(number)
        client.dele(number)
    client.quit()
    load.count("POP3 DELE")
    load.pause(8)


def kept(load):
    """How many messages the account has from which nobody deletes."""
    client = imaplib.IMAP4("127.0.0.1", load.ports["imap"], timeout=60)
    ok(client.login(load.kept["address"], load.kept["imap"]))
    count = int(ok(client.select("INBOX", readonly=True))[0])
    client.logout()
    return count


class Person:
    """Somebody on the pages, who logs in once."""

    def __init__(self, load, account):
        self.port, self.cookies = load.ports["http"], {}
        form = self.ask("GET", "/login")
        csrf = re.search(r'name="csrf" value="([^"]*)"', form).group(1)
        self.ask("POST", "/login", {"csrf": csrf, "user": account["address"], "password": PASSWORD}, 303)

    def ask(self, method, path, form=None, wanted=200):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Host": "localhost"}
        if form:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.split(";")[0]
        connection.close()
        if answer.status != wanted:
            raise RuntimeError(f"{method} {path}: {answer.status}")
        return text


def use_pages(load):
    person = Person(load, random.choice(load.accounts))
    for _ in range(60):
        path = random.choice(["/", "/timeline", "/devices", "/storage"])
        person.ask("GET", path)
        load.count("pages")
        if load.pause(3):
            return


def serve(binary, place, accounts):
    ports = dict(zip(SERVICES, side_by_side.free_ports(len(SERVICES))))
    config = place / "pillarbox.toml"
    listen = "".join(f'{service} = ["127.0.0.1:{port}"]\n' for service, port in ports.items())
    config.write_text(
        f'hostname = "localhost"\ndata_dir = "{place}/data"\nretention_days = 0\n'
        f'[listen]\n{listen}submission = []\nhttps = []\n[log]\nlevel = "warn"\n'
    )

    def run(*args, **more):
        return subprocess.run([binary, *args, "--config", config], check=True, stdout=subprocess.PIPE, **more).stdout

    run("domain", "add", "example.org")
    made = []
    for number in range(accounts):
        address = f"user{number}@example.org"
        run("account", "add", address, "--password-stdin", input=PASSWORD.encode())
        # Half of what comes is removed again here, which is no accident.
        run("held", "--account", address, "brake", "off")
        device = lambda name, policy: json.loads(run("device", "add", address, name, "--policy", policy, "--json"))["password"]
        made.append({"address": address, "imap": device("imap", "keep"), "reader": device("reader", "keep"), "eraser": device("eraser", "expunge")})
    process = subprocess.Popen([binary, "serve", "--config", config], stdout=subprocess.DEVNULL, stderr=open(place / "pillarbox.log", "wb"))
    side_by_side.Peer("Pillarbox", ports["imap"], None, None, process=process).wait()
    return process, ports, made, lambda: run("check", "--bodies").decode()


class Sampler:
    def __init__(self, process, data):
        self.process, self.data, self.begun = process, data, time.monotonic()
        self.last = self.used()

    def used(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return time.monotonic(), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def bytes(self, pattern):
        total = 0
        for path in self.data.glob(pattern):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                pass
        return total / 2**20

    def take(self, load):
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        mib = lambda name: int(status[name].split()[0]) / 1024
        now, before = self.used(), self.last
        self.last = now
        with load.lock:
            mail = sum(load.done.get(way, 0) for way in ("LMTP", "LMTP kept", "submission"))
            commands = sum(load.done.values())
            errors = len(load.errors)
        return {
            "minute": (now[0] - self.begun) / 60,
            "messages": mail,
            "acts": commands,
            "memory": mib("RssAnon"),
            "files": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "threads": int(status["Threads"]),
            "database": self.bytes("store/*.sqlite"),
            "logs": self.bytes("store/*-wal"),
            "bodies": self.bytes("objects/**/*"),
            "words": self.bytes("search-index/**/*"),
            "processor": 100 * (now[1] - before[1]) / max(now[0] - before[0], 0.001),
            "errors": errors,
        }


COLUMNS = [
    ("minute", "minute", "{:.0f}"),
    ("messages", "messages taken", "{:,}"),
    ("acts", "acts of clients", "{:,}"),
    ("memory", "memory, MiB", "{:.1f}"),
    ("files", "open files", "{}"),
    ("threads", "threads", "{}"),
    ("database", "database, MiB", "{:.1f}"),
    ("logs", "its logs, MiB", "{:.1f}"),
    ("bodies", "large bodies, MiB", "{:.1f}"),
    ("words", "words, MiB", "{:.1f}"),
    ("processor", "% of a processor", "{:.1f}"),
    ("errors", "errors", "{}"),
]


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--minutes", type=float, default=60)
    parse.add_argument("--accounts", type=int, default=4)
    parse.add_argument("--pace", type=float, default=1.0)
    parse.add_argument("--every", type=float, default=5, help="minutes between rows")
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-soak-"))
    process, ports, accounts, check = serve(os.path.abspath(options.pillarbox), place, options.accounts + 1)
    load = Load(options, ports, accounts)
    work = [("LMTP", deliver), ("submission", submit), ("pages", use_pages)]
    for account in load.accounts:
        name = account["address"]
        work += [(f"IMAP {name}", use_imap, account), (f"IDLE {name}", wait_in_idle, account)]
        work += [(f"POP3 {name}", read_pop3, account, set()), (f"POP3 DELE {name}", erase_pop3, account)]
    print("| " + " | ".join(title for _, title, _ in COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    sampler, said = Sampler(process, place / "data"), 0
    threads = [threading.Thread(target=load.run, args=one, daemon=True) for one in work]
    [thread.start() for thread in threads]
    try:
        rows = max(1, round(options.minutes / options.every))
        for row in range(1, rows + 1):
            load.end.wait(max(0, sampler.begun + 60 * options.minutes * row / rows - time.monotonic()))
            sample = sampler.take(load)
            print("| " + " | ".join(form.format(sample[key]) for key, _, form in COLUMNS) + " |", flush=True)
            for error in load.errors[said:]:
                print(f"  {error}", file=sys.stderr, flush=True)
            said = len(load.errors)
            if process.poll() is not None:
                raise SystemExit(f"the server has ended: {process.returncode}")
        load.end.set()
        [thread.join(90) for thread in threads]
        hanging = [thread.name for thread in threads if thread.is_alive()]
        print(f"\n{json.dumps(load.done)}; {len(load.errors)} errors; {len(hanging)} clients hang")
        taken, there = load.done.get("LMTP kept", 0), kept(load)
        print(f"{taken} messages were taken for the account from which nobody deletes; {there} are there")
        process.terminate()
        ended = process.wait(60)
        found = check().strip()
        print(f"the server ended with {ended}; {found}")
        warnings = (place / "pillarbox.log").read_text(errors="replace").splitlines()
        panics = [line for line in warnings if "panic" in line]
        print(f"lines of the log of a warning or an error: {len(warnings)}")
        [print(f"  {line[:300]}") for line in warnings[:5]]
        is_well = not (load.errors or hanging or panics) and taken == there and ended == 0
        raise SystemExit(0 if is_well and found.startswith("All is well") else 1)
    finally:
        load.end.set()
        process.poll() is None and process.kill()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
