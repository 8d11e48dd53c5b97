#!/usr/bin/env python3
"""How fast mail leaves, Postfix and Pillarbox beside each other (Debian's postfix and knot; run by root).

    python3 benches/outbound_beside_postfix.py [--messages 100000] [--dir DIR] [--bench COMMAND] [--wait-for FILE]

Both have the same messages of 4 KiB for 1,000 domains in their queues, on the same disk, find the domains' hosts in the DNS, and deliver
to the same sink (Postfix's smtp-sink) on loopback over at most 64 connections, 10 to a domain. Measured is from the moment when they
may send until nothing is queued, and the processor time of the server and of the sink for it. Pillarbox is `cargo bench -p queue`, which also says how fast messages are queued; Postfix has
directories and ports of its own, logs nowhere, and finds its name server in a mount namespace of its own.
"""
import argparse, os, pathlib, re, shutil, socket, subprocess, sys, tempfile, threading, time

DOMAINS, CONNECTIONS, PER_DOMAIN, INJECTORS = 1000, 64, 10, 24
NAME_SERVER, SINK, POSTFIX = "127.0.0.77", ("127.0.0.77", 2525), ("127.0.0.77", 2526)
LINE = b"0123456789012345678901234567890123456789\r\n"
CONTENT = b"Subject: bench\r\n\r\n" + LINE * (4096 // len(LINE))


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, **more)


def name_server(place):
    """Knows the domains: each has a host of its own, at the sink's address."""
    records = ["@ 3600 SOA ns. root. 1 3600 3600 3600 3600", "@ NS ns."]
    for number in range(DOMAINS):
        records += [f"d{number} MX 10 mx.d{number}", f"mx.d{number} A {SINK[0]}"]
    (place / "example.zone").write_text("$ORIGIN example.\n$TTL 3600\n" + "\n".join(records) + "\n")
    config = place / "knot.conf"
    config.write_text(
        f"server:\n  listen: {NAME_SERVER}@53\n  rundir: {place}/knot\ndatabase:\n  storage: {place}/knot\n"
        f"zone:\n  - domain: example\n    file: {place}/example.zone\n    zonefile-load: whole\n"
    )
    (place / "knot").mkdir()
    return subprocess.Popen(["knotd", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ticks(pid):
    """Processor time of a process, of its children that live and of those that have ended, in ms."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return 0
    return sum(map(int, fields[11:15])) * 1000 / os.sysconf("SC_CLK_TCK") + sum(map(ticks, children))


class Postfix:
    def __init__(self, place):
        self.config, self.queue, self.place = place / "postfix", place / "spool", place
        for directory in [self.config, self.queue, place / "data"]:
            directory.mkdir()
        shutil.chown(place / "data", "postfix")
        (place / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
        (self.config / "main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {self.queue}\ndata_directory = {place}/data\n"
            f"myhostname = mail.example.org\nmydestination =\nlocal_recipient_maps =\nmynetworks = 127.0.0.0/8\n"
            f"inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nsmtp_bind_address = 127.0.0.1\n"
            f"smtp_tcp_port = {SINK[1]}\ndefault_process_limit = 200\nsmtp_destination_concurrency_limit = {PER_DOMAIN}\n"
            f"qmgr_message_active_limit = 100000\nqmgr_message_recipient_limit = 100000\nin_flow_delay = 0\n"
            f"smtpd_client_connection_count_limit = 0\nsmtpd_peername_lookup = no\nalias_maps =\ndefer_transports = smtp\n"
        )
        service = lambda line: re.sub(r"\s+", " ", line) + "\n"
        names = "pickup unix n - n 60 1 pickup,cleanup unix n - n - 0 cleanup,qmgr unix n - n 300 1 qmgr,rewrite unix - - n - - trivial-rewrite,"
        names += "bounce unix - - n - 0 bounce,defer unix - - n - 0 bounce,trace unix - - n - 0 bounce,"
        names += f"flush unix n - n 1000? 0 flush,proxymap unix - - n - - proxymap,smtp unix - - n - {CONNECTIONS} smtp,"
        names += "showq unix n - n - - showq,error unix - - n - - error,retry unix - - n - - error,"
        names += "anvil unix - - n - 1 anvil,scache unix - - n - 1 scache,tlsmgr unix - - n 1000? 1 tlsmgr"
        first = f"{POSTFIX[0]}:{POSTFIX[1]} inet n - n - - smtpd"
        (self.config / "master.cf").write_text("".join(service(line) for line in [first, *names.split(",")]))

    def do(self, *command):
        # In a mount namespace of its own /etc/resolv.conf names our name server.
        mount = f"mount --bind {self.place}/resolv.conf /etc/resolv.conf && exec \"$@\""
        run("unshare", "-m", "sh", "-c", mount, "sh", *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.do("postfix", "-c", self.config, "start")

    def stop(self):
        self.do("postfix", "-c", self.config, "stop")

    def queued(self):
        files = 0
        for name in ["maildrop", "incoming", "active", "deferred"]:
            for _, _, found in os.walk(self.queue / name):
                files += len(found)
        return files

    def fill(self, messages):
        threads = [threading.Thread(target=inject, args=(number, messages)) for number in range(INJECTORS)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    def drain(self, messages):
        """Messages a second, from the first that leaves until all are gone."""
        run("postconf", "-c", self.config, "-e", "defer_transports =")
        # Not by a reload: what is flushed before it is over is not.
        self.stop()
        self.start()
        flush = ["postqueue", "-c", self.config, "-f"]
        while subprocess.run(flush, stderr=subprocess.DEVNULL).returncode or self.queued() == messages:
            time.sleep(0.1)
        master = int((self.queue / "pid" / "master.pid").read_text())
        begin, used, messages = time.monotonic(), ticks(master), self.queued()
        while (left := self.queued()) > 0:
            if time.monotonic() - begin > 900:
                sys.exit(f"{left} messages did not leave")
            time.sleep(0.2)
        return messages / (time.monotonic() - begin), (ticks(master) - used) / messages


def inject(number, messages):
    lines = socket.create_connection(POSTFIX).makefile("rwb")

    def say(text, replies):
        lines.write(text)
        lines.flush()
        for _ in range(replies):
            while (line := lines.readline())[3:4] == b"-":
                pass
            if line[:1] not in b"23":
                sys.exit(f"Postfix says {line!r} to {text[:60]!r}")

    say(b"", 1)
    say(b"EHLO bench\r\n", 1)
    for message in range(number, messages, INJECTORS):
        to = f"RCPT TO:<somebody@d{message % DOMAINS}.example>\r\n"
        say(b"MAIL FROM:<me@example.org>\r\n" + to.encode() + b"DATA\r\n", 3)
        say(CONTENT + b".\r\n", 1)


def pillarbox(bench, messages, place):
    more = {"PILLARBOX_BENCH_MESSAGES": str(messages), "PILLARBOX_BENCH_SINK": "%s:%d" % SINK, "BENCH_DIRECTORY": str(place)}
    out = run(*bench.split(), env={**os.environ, **more}, stdout=subprocess.PIPE, text=True).stdout
    print("Pillarbox:\n  " + out.strip().replace("\n", "\n  "), flush=True)
    return float(re.search(r"sent: (\d+) messages/s", out)[1]), float(re.search(r"([\d.]+) ms of a processor", out)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--dir", help="where both queues are, on the disk that counts")
    parser.add_argument("--bench", default="cargo bench -q -p queue", help="how ours is run")
    parser.add_argument("--wait-for", help="with full queues wait for this file to appear before anything is measured")
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(dir=options.dir))
    place.chmod(0o755)
    servers = [name_server(place)]
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", "%s:%d" % SINK, "1000"], stderr=subprocess.DEVNULL)
    servers.append(sink)
    postfix = Postfix(place)
    try:
        postfix.start()
        begin = time.monotonic()
        postfix.fill(options.messages)
        queued = options.messages / (time.monotonic() - begin)
        while options.wait_for and not os.path.exists(options.wait_for):
            time.sleep(0.5)
        times = [ticks(sink.pid)]
        ours, our_time = pillarbox(options.bench, options.messages, place)
        times.append(ticks(sink.pid))
        theirs, their_time = postfix.drain(options.messages)
        times.append(ticks(sink.pid))
        print(f"Postfix:\n  queued: {queued:.0f} messages/s\n  sent: {theirs:.0f} messages/s, {their_time:.3f} ms of a processor each")
        at_sink = [(after - before) / options.messages for before, after in zip(times, times[1:])]
        print(f"The sink took {at_sink[0]:.3f} ms of a processor for each message of Pillarbox, {at_sink[1]:.3f} for each of Postfix.")
        print(f"Pillarbox sends {ours / theirs:.1f} times as many messages a second as Postfix.")
    finally:
        subprocess.run(["postfix", "-c", postfix.config, "abort"], stderr=subprocess.DEVNULL)
        for server in servers:
            server.terminate()
            server.wait(10)
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
