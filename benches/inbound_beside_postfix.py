#!/usr/bin/env python3
"""How fast mail comes in, Pillarbox with all checks and Postfix with none beside each other (Debian's postfix and knot, dkimpy from
PyPI; run by root).

    python3 benches/inbound_beside_postfix.py target/release/pillarbox [--messages 8000] [--turns 3] [--dir DIR]

Postfix's smtp-source delivers to both by turns, over 64 connections of 16 processes, messages of 4 KiB to 16 mailboxes. Each process is a
domain with an SPF record, a DMARC policy of p=reject and a key of RSA-2048, with which its message is signed. Pillarbox looks at SPF, DKIM,
DMARC and the name of the address, and answers when the message is in the mailbox, on the disk; Postfix looks at nothing, and delivers to
maildirs by its own virtual(8). A rate is that of messages in mailboxes: of Postfix from the first connection until its queue is empty.
Flushes are those of the whole disk; the time of processors,
which says most on a machine that does other work, is that of all processes of each. Everything happens in network and mount namespaces of its own, where the clients have an address that
is not that of loopback, because mail of the own machine is not looked at.
"""
import argparse, base64, os, pathlib, re, shutil, statistics, subprocess, sys, tempfile, time

PROCESSES, SESSIONS, BODY_BYTES = 16, 4, 4096
SERVER, NAME_SERVER, CLIENT = "10.77.0.1", "127.0.0.1", "10.77.0.1"
OURS, THEIRS = (SERVER, 2525), (SERVER, 2526)
SELECTOR = "bench"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, **more)


def dns_text(text):
    return " ".join(f'"{text[at:at + 200]}"' for at in range(0, len(text), 200))


def messages(place):
    """A signed message for each domain; gives the keys for the DNS."""
    import dkim

    keys = []
    for number in range(PROCESSES):
        domain, file = f"d{number}.example", place / f"key{number}.pem"
        run("openssl", "genrsa", "-traditional", "-out", file, "2048", stderr=subprocess.DEVNULL)
        public = run("openssl", "rsa", "-in", file, "-pubout", "-outform", "DER", capture_output=True).stdout
        keys.append(base64.b64encode(public).decode())
        lines = "".join(f"Line {line} of what {domain} has to say to somebody else.\r\n" for line in range(BODY_BYTES // 50))
        header = f"From: me@{domain}\r\nTo: somebody@example.org\r\nSubject: bench\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"
        message = f"{header}Message-ID: <{number}@{domain}>\r\n\r\n{lines}".encode()
        signature = dkim.sign(message, SELECTOR.encode(), domain.encode(), file.read_bytes())
        # smtp-source ends the lines itself.
        (place / f"message{number}").write_bytes((signature + message).replace(b"\r\n", b"\n"))
    return keys


def name_server(place, keys):
    records = ["@ SOA ns. root. 1 3600 3600 3600 3600", "@ NS ns.", f"mail.d0 A {CLIENT}"]
    for number, key in enumerate(keys):
        records += [
            f'd{number} TXT "v=spf1 ip4:10.77.0.0/16 -all"',
            f'_dmarc.d{number} TXT "v=DMARC1; p=reject"',
            f"{SELECTOR}._domainkey.d{number} TXT {dns_text('v=DKIM1; k=rsa; p=' + key)}",
        ]
    (place / "example.zone").write_text("$ORIGIN example.\n$TTL 3600\n" + "\n".join(records) + "\n")
    reverse = ["@ SOA ns. root. 1 3600 3600 3600 3600", "@ NS ns.", "1.0.77 PTR mail.d0.example."]
    (place / "reverse.zone").write_text("$ORIGIN 10.in-addr.arpa.\n$TTL 3600\n" + "\n".join(reverse) + "\n")
    config = place / "knot.conf"
    config.write_text(
        f"server:\n  listen: {NAME_SERVER}@53\n  rundir: {place}/knot\ndatabase:\n  storage: {place}/knot\nzone:\n"
        f"  - domain: example\n    file: {place}/example.zone\n    zonefile-load: whole\n"
        f"  - domain: 10.in-addr.arpa\n    file: {place}/reverse.zone\n    zonefile-load: whole\n"
    )
    (place / "knot").mkdir()
    return subprocess.Popen(["knotd", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Pillarbox:
    name, address = "Pillarbox", OURS

    def __init__(self, place, binary):
        self.config, self.binary = place / "pillarbox.toml", binary
        services = "".join(f"{name} = []\n" for name in "submission submissions imap imaps pop3 pop3s https".split())
        many = "".join(f"mx_{name}_max = 1000000\n" for name in "connects_per_minute messages_per_minute".split())
        known = "mx_connects_per_minute_max" in subprocess.run([binary, "check-config", "--print-docs"], capture_output=True, text=True).stdout
        self.config.write_text(
            f'hostname = "mail.example.org"\ndata_dir = "{place}/pillarbox"\n[listen]\nsmtp = ["{OURS[0]}:{OURS[1]}"]\n{services}'
            f'[dns]\nservers = ["{NAME_SERVER}:53"]\ndnssec = false\n[sender]\ngreeting_pause_millis = 0\n'
            f"[limits]\n{many if known else ''}[reports]\nsend = false\n"
        )
        self.do("domain", "add", "example.org")
        for number in range(PROCESSES):
            self.do("account", "add", f"u{number}@example.org", "--password-stdin", input=b"correct horse battery\n")
            self.do("domain", "add", f"c{number}.example.org")
            self.do("alias", "add", f"@c{number}.example.org", f"u{number}@example.org")
        self.log = open(place / "pillarbox.log", "wb")
        command = [binary, "serve", "--config", self.config]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        self.session = self.process.pid

    def do(self, *args, **more):
        run(self.binary, *args, "--config", self.config, stdout=subprocess.DEVNULL, **more)

    def wait(self, _):
        """What is answered is in the mailbox."""

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def check(self, place, count):
        log = (place / "pillarbox.log").read_text(errors="replace")
        passed = len(re.findall(r'sender examined id="[^"]*" spf="pass" dkim=1 dmarc="pass"', log))
        delivered = len(re.findall(r" delivered protocol=", log))
        print(f"Pillarbox's log: {delivered} delivered, of {passed} SPF, DKIM and DMARC pass.")
        if delivered != count or passed != count:
            sys.exit(f"it should be {count}")


class Postfix:
    name, address = "Postfix", THEIRS

    def __init__(self, place):
        self.config, self.queue, self.mail = place / "postfix", place / "spool", place / "maildirs"
        for directory in [self.config, self.queue, self.mail, place / "data"]:
            directory.mkdir()
        shutil.chown(place / "data", "postfix")
        shutil.chown(self.mail, "nobody")
        uid = int(run("id", "-u", "nobody", capture_output=True).stdout)
        # virtual(8) takes no part of an address for a path.
        mailboxes = [f"/@c{number}\\.example\\.org$/ u{number}/\n" for number in range(PROCESSES)]
        (self.config / "mailboxes").write_text("".join(mailboxes))
        (self.config / "main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {self.queue}\ndata_directory = {place}/data\n"
            f"myhostname = mail.example.org\nmydestination =\nmynetworks = 127.0.0.0/8\ninet_interfaces = {SERVER}\n"
            f"inet_protocols = ipv4\ndefault_process_limit = 200\nin_flow_delay = 0\nalias_maps =\n"
            f"virtual_mailbox_domains = regexp:{self.config}/domains\nvirtual_mailbox_base = {self.mail}\n"
            f"virtual_mailbox_maps = regexp:{self.config}/mailboxes\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{uid}\n"
            f"virtual_destination_concurrency_limit = 64\nsmtpd_client_connection_count_limit = 0\nsmtpd_peername_lookup = no\n"
            f"smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_recipient_restrictions =\n"
            f"virtual_mailbox_limit = 0\nmessage_size_limit = 0\n"
        )
        (self.config / "domains").write_text("/^c[0-9]+\\.example\\.org$/ yes\n")
        service = lambda line: re.sub(r"\s+", " ", line) + "\n"
        names = "pickup unix n - n 60 1 pickup,cleanup unix n - n - 0 cleanup,qmgr unix n - n 300 1 qmgr,rewrite unix - - n - - trivial-rewrite,"
        names += "bounce unix - - n - 0 bounce,defer unix - - n - 0 bounce,trace unix - - n - 0 bounce,"
        names += "proxymap unix - - n - - proxymap,virtual unix - n n - 64 virtual,"
        names += "showq unix n - n - - showq,error unix - - n - - error,retry unix - - n - - error,"
        names += "anvil unix - - n - 1 anvil,tlsmgr unix - - n 1000? 1 tlsmgr"
        first = f"{THEIRS[0]}:{THEIRS[1]} inet n - n - - smtpd"
        (self.config / "master.cf").write_text("".join(service(line) for line in [first, *names.split(",")]))
        run("postfix", "-c", self.config, "start", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = int((self.queue / "pid" / "master.pid").read_text())

    def queued(self):
        return any(files for name in ["incoming", "active", "deferred"] for _, _, files in os.walk(self.queue / name))

    def delivered(self):
        return sum(len(os.listdir(new)) for new in self.mail.glob("u*/new"))

    def wait(self, count):
        until = time.monotonic() + 300
        while self.queued() or self.delivered() < count:
            if time.monotonic() > until:
                sys.exit(f"Postfix has delivered {self.delivered()} of {count}")
            time.sleep(0.05)

    def stop(self):
        subprocess.run(["postfix", "-c", self.config, "abort"], stderr=subprocess.DEVNULL)


def flushes(device):
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        words = line.split()
        if words[2] == device:
            return int(words[18])
    return 0


def processor_seconds(session):
    """What all processes of a session have used, and those of them that have ended."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[3]) == session:
            ticks += sum(int(word) for word in words[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def deliver(server, place, count):
    """Rates: of what was answered, and of what is in mailboxes."""
    server.sent = getattr(server, "sent", 0) + count
    begin = time.monotonic()
    sources = []
    for number in range(PROCESSES):
        command = ["smtp-source", "-d", "-N", "-s", SESSIONS, "-m", count // PROCESSES, "-M", "mail.d0.example", "-f", f"me@d{number}.example"]
        command += ["-t", f"x@c{number}.example.org", "-F", place / f"message{number}", "%s:%d" % server.address]
        sources.append(subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE))
    for source in sources:
        wrong = source.communicate()[1]
        if source.returncode or wrong:
            sys.exit(f"smtp-source to {server.name}: {wrong.decode()[:500]}")
    answered = time.monotonic() - begin
    server.wait(server.sent)
    return count / answered, count / (time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--messages", type=int, default=8000, help="in a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--dir", help="where all mail is, on the disk that counts")
    parser.add_argument("--device", default="vda", help="that disk, as /proc/diskstats calls it")
    options = parser.parse_args()
    if not os.environ.get("BENCH_NAMESPACE"):
        os.environ["BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, *sys.argv])
    run("ip", "link", "set", "lo", "up")
    run("ip", "addr", "add", f"{SERVER}/32", "dev", "lo")
    count = options.messages // PROCESSES * PROCESSES
    place = pathlib.Path(tempfile.mkdtemp(dir=options.dir))
    place.chmod(0o755)
    (place / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
    run("mount", "--bind", place / "resolv.conf", "/etc/resolv.conf")
    running = [knot := name_server(place, messages(place))]
    servers = []
    try:
        servers += [Pillarbox(place, os.path.abspath(options.binary)), Postfix(place)]
        time.sleep(2)
        for server in servers:
            deliver(server, place, PROCESSES * SESSIONS)
        found = {server.name: [] for server in servers}
        for _ in range(options.turns):
            for server in servers:
                before, used = flushes(options.device), processor_seconds(server.session)
                answered, delivered = deliver(server, place, count)
                flushed = (flushes(options.device) - before) / count
                millis = (processor_seconds(server.session) - used) / count * 1000
                found[server.name].append((delivered, millis))
                rates = f"{answered:.0f} answered/s, {delivered:.0f} delivered/s, {flushed:.2f} flushes"
                print(f"{server.name}: {rates} and {millis:.2f} ms of a processor a message", flush=True)
        time.sleep(1)
        servers[0].check(place, servers[0].sent)
        medians = [[statistics.median(turns) for turns in zip(*found[server.name])] for server in servers]
        (ours, our_millis), (theirs, their_millis) = medians
        print(f"medians: Pillarbox {ours:.0f}, Postfix {theirs:.0f} messages/s in mailboxes: {ours / theirs:.1f} times as many,")
        print(f"{our_millis:.2f} and {their_millis:.2f} ms of a processor a message: {their_millis / our_millis:.1f} times as much.")
    finally:
        for server in servers:
            server.stop()
        for process in running:
            process.terminate()
            process.wait(10)
        subprocess.run(["umount", "/etc/resolv.conf"])
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
