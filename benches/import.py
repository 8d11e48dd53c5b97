#!/usr/bin/env python3
"""How long 100,000 messages take to come in, from an mbox file, a Maildir, a zip archive and Dovecot, and out again; and 1,000 accounts.

    python3 benches/import.py target/release/pillarbox [--messages 100000] [--accounts 1000] [--parts people,mbox,maildir,zip,export,imap] [--dir DIRECTORY]

Messages are made: text of some KB, one of fifty with 60 to 200 KB of base64. Each source comes into a server of its own. Of the zip
the server is killed (SIGKILL) when two of five have come, and the same command goes on. It needs ten times the room of the messages, and
removes what it made.
"""
import argparse, base64, hashlib, json, os, pathlib, random, resource, shutil, signal, subprocess, tempfile, time, zipfile

import side_by_side

WORDS = ["".join(random.Random(number).choices("etaoinshrdlucmfwypvbgkjqxz", k=3 + number % 8)) for number in range(5_000)]


def messages(count):
    made = random.Random(1)
    packed = base64.encodebytes(made.randbytes(1 << 20))
    texts = ["\n".join(" ".join(made.choices(WORDS, k=10)) for _ in range(made.randint(8, 80))) for _ in range(1_000)]
    for number in range(count):
        octets = (
            f"Received: from mx.example.net by mail.example.org; Mon, 2 Feb 2026 10:00:{number % 60:02} +0000\nFrom: s{number % 997}@example.net\n"
            f"To: a@example.org\nSubject: {' '.join(made.choices(WORDS, k=4))}\nMessage-ID: <{made.getrandbits(96):x}@example.net>\n"
            f"Date: Mon, 2 Feb 2026 10:00:00 +0000\n\n{made.choice(texts)}\nNumber {number}.\n"
        ).encode()
        if number % 50 == 0:
            at = made.randrange(len(packed) - 200_000)
            octets += packed[at : at + made.randint(60_000, 200_000)] + b"\n"
        yield number, octets


def make(place, options):
    """The sources in files; how many octets the messages have."""
    size, is_in = 0, {kind: kind in options.parts for kind in ["mbox", "maildir", "zip"]}
    for name in ["cur", "new", "tmp"]:
        (place / "Maildir" / name).mkdir(parents=True)
    with open(place / "Work.mbox", "wb") as mbox, zipfile.ZipFile(place / "mail.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, octets in messages(options.messages):
            if is_in["mbox"]:
                mbox.write(b"From s@example.net Mon Feb  2 10:00:00 2026\nStatus: %s\n" % (b"RO" if number % 2 else b"O") + octets + b"\n")
            if is_in["maildir"]:
                flags = "S" if number % 2 else ""
                (place / "Maildir/cur" / f"{1_770_000_000 + number}.M{number}.host:2,{flags}").write_bytes(octets)
            if is_in["zip"]:
                archive.writestr(f"Work/{number:06}.eml", b"X-Mozilla-Status: 000%d\n" % (number % 2) + octets)
            size += len(octets)
    return size


def peak(process):
    """MiB of memory at most."""
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


class Home:
    """A server with one account."""

    def __init__(self, binary, place):
        place.mkdir()
        self.binary, self.place = binary, place
        self.peer = side_by_side.pillarbox(binary, place)
        self.hear()

    def hear(self):
        """Commands reach the server: that comes last."""
        while not (self.place / "pillarbox/control.sock").exists():
            time.sleep(0.01)

    def command(self, *arguments):
        return [self.binary, *arguments, "--config", self.place / "pillarbox.toml"]

    def run(self, *arguments, until=None):
        """Seconds, and how often an import told how far it was; ends when it is at `until`, with the server."""
        began, told = time.time(), 0
        with subprocess.Popen(self.command(*arguments, "--json"), stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                step = json.loads(line)
                told += "looked" in step
                if until and step.get("looked", {}).get("done", 0) >= until:
                    self.peer.process.send_signal(signal.SIGKILL)
                    self.peer.process.wait()
                    break
                if "done" in step:
                    print(f"    {step['done']['brought']} brought, {step['done']['known']} known, {step['done']['refused']} refused")
        return time.time() - began, told

    def again(self):
        log = open(self.place / "pillarbox.log", "ab")
        (self.place / "pillarbox/control.sock").unlink(missing_ok=True)
        self.peer.process = subprocess.Popen([self.binary, "serve", "--config", self.place / "pillarbox.toml"], stdout=log, stderr=log)
        self.hear()

    def stop(self):
        self.peer.stop()
        shutil.rmtree(self.place, ignore_errors=True)


def show(what, seconds, count, size, memory, told):
    rate = f"{count / seconds:,.0f} messages/s, {size / seconds / 1e6:.1f} MB/s"
    print(f"{what:<32} {seconds:>6.1f} s, {rate}, {memory:.0f} MiB at most, told {told} times how far it was", flush=True)


def bring(binary, place, options, size):
    for what, way in [("mbox", f"mbox:{place}/Work.mbox"), ("maildir", f"maildir:{place}/Maildir")]:
        if what not in options.parts:
            continue
        home = Home(binary, place / f"home-{what}")
        for title in [what, f"{what}, nothing new"]:
            seconds, told = home.run("import", way, "--account", "a@example.org")
            show(title, seconds, options.messages, size, peak(home.peer.process), told)
        home.stop()


def bring_from_archive(binary, place, options, size):
    count = options.messages
    home, way = Home(binary, place / "home-zip"), ["import", f"zip:{place}/mail.zip", "--account", "a@example.org"]
    first, _ = home.run(*way, until=count * 2 // 5)
    home.again()
    second, told = home.run(*way)
    show(f"zip, killed after {first:.1f} s, the rest", second, count, size, peak(home.peer.process), told)
    found = side_by_side.Imap(home.peer)
    found.send(b"s STATUS Work (MESSAGES UNSEEN)\r\n")
    print("   ", found.line().decode().strip())
    seconds, told = home.run(*way)
    show("zip, nothing new", seconds, count, size, peak(home.peer.process), told)
    for form in ["maildir", "mbox", "eml", "zip"] if "export" in options.parts else []:
        to, began = place / f"out.{form}", time.time()
        subprocess.run(home.command("export", to, "--account", "a@example.org", "--format", form), check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        show(f"export as {form}", time.time() - began, count, size, used, 0)
        shutil.rmtree(to, ignore_errors=True) if to.is_dir() else to.unlink()
    home.stop()


def bring_from_dovecot(binary, place, options, size):
    place.chmod(0o755)
    (place / "there").mkdir()
    there = side_by_side.dovecot(place / "there")
    if not there:
        print("there is no Dovecot")
        return
    client, batch = side_by_side.Imap(there), []
    for number, octets in messages(options.messages):
        octets = octets.replace(b"\n", b"\r\n")
        batch.append(b" (%s) {%d+}\r\n%s" % (b"\\Seen" if number % 2 else b"", len(octets), octets))
        if len(batch) == 100 or number + 1 == options.messages:
            client.ask("APPEND INBOX", b"".join(batch))
            batch.clear()
    home = Home(binary, place / "home-imap")
    (place / "password").write_text(there.password + "\n")
    way = ["import", f"imap://127.0.0.1:{there.imap}", "--user", there.user, "--no-tls", "--password-file", place / "password", "--account", "a@example.org"]
    for what in ["Dovecot over IMAP", "Dovecot, nothing new"]:
        seconds, told = home.run(*way)
        show(what, seconds, options.messages, size, peak(home.peer.process), told)
    home.stop()
    there.stop()


def people(binary, place, count):
    home = Home(binary, place / "home-people")
    password, salt = b"a long password", b"saltsalt"
    packed = base64.b64encode(hashlib.sha512(password + salt).digest() + salt).decode()
    rows = (f"p{number}@example.org,Person {number},{{SSHA512}}{packed},1GB,alias{number}@example.org" for number in range(count))
    (place / "people.csv").write_text("address,name,hash,quota,aliases\n" + "\n".join(rows) + "\n")
    for what in ["--dry-run", None, None]:
        began = time.time()
        more = [what] if what else []
        told = subprocess.run(home.command("account", "import", place / "people.csv", *more), check=True, capture_output=True, text=True).stdout
        print(f"{count} accounts {what or ''} {time.time() - began:.2f} s: {told.strip().splitlines()[-1]}; {peak(home.peer.process):.0f} MiB", flush=True)
    home.stop()


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("pillarbox")
    parse.add_argument("--messages", type=int, default=100_000)
    parse.add_argument("--accounts", type=int, default=1_000)
    parse.add_argument("--parts", type=lambda text: text.split(","), default=["people", "mbox", "maildir", "zip", "export", "imap"])
    parse.add_argument("--dir")
    options = parse.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="pillarbox-import-", dir=options.dir))
    binary = os.path.abspath(options.pillarbox)
    try:
        if "people" in options.parts:
            people(binary, place, options.accounts)
        size = make(place, options)
        print(f"{options.messages} messages, {size / 1e6:.0f} MB", flush=True)
        bring(binary, place, options, size)
        if "zip" in options.parts:
            bring_from_archive(binary, place, options, size)
        if "imap" in options.parts:
            bring_from_dovecot(binary, place, options, size)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
