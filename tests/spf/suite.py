#!/usr/bin/env python3
"""Runs the test suite of RFC 7208 (openspf's, which comes with pyspf) against `pillarbox verify-message`.

    pip install dnslib pyyaml; pip download --no-deps --no-binary :all: pyspf; tar xf pyspf-*.tar.gz
    python3 tests/spf/suite.py target/debug/pillarbox pyspf-*/test/rfc7208-tests.yml

Each scenario of the suite has a name server of its own. What differs is printed, and is the exit status; of what is known to differ the
reason is printed.
"""
import concurrent.futures, re, socket, subprocess, sys, tempfile, threading
import yaml
from dnslib import A, AAAA, CNAME, MX, PTR, QTYPE, RCODE, RR, TXT, DNSRecord

NO_HOST = "names with characters that no host has are not asked for"
KNOWN = {
    "a-colon-domain": NO_HOST,
    "a-colon-domain-ip4mapped": NO_HOST,
    "mx-colon-domain": NO_HOST,
    "mx-colon-domain-ip4mapped": NO_HOST,
    "macro-mania-in-domain": NO_HOST,
    "null-text": "a TXT record without a string is no answer, so it is temperror",
}


class Names:
    """A name server for the records of a scenario."""

    def __init__(self, zone):
        self.zone = {str(name).lower().rstrip("."): records_of(records) for name, records in zone.items()}
        self.udp, self.tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.tcp.bind(("127.0.0.1", self.port))
        self.tcp.listen(50)
        for serve in [self.serve_udp, self.serve_tcp]:
            threading.Thread(target=serve, daemon=True).start()

    def answer(self, question):
        asked = DNSRecord.parse(question)
        name, kind, reply = str(asked.q.qname).lower().rstrip("."), QTYPE[asked.q.qtype], asked.reply()
        for _ in range(10):
            if name not in self.zone:
                has_below = any(known.endswith("." + name) for known in self.zone)
                reply.header.rcode = RCODE.NOERROR if has_below else RCODE.NXDOMAIN
                break
            records, is_silent = self.zone[name]
            alias = next((value for known, value in records if known == "CNAME"), None)
            if alias is None:
                found = [value for known, value in records if known == kind]
                if is_silent and not found:
                    return None
                for value in found:
                    reply.add_answer(RR(name, getattr(QTYPE, kind), rdata=data_of(kind, value), ttl=60))
                break
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(alias), ttl=60))
            name = alias.lower().rstrip(".")
        return reply.pack()

    def serve_udp(self):
        while True:
            question, client = self.udp.recvfrom(4096)
            answer = self.answer(question)
            if answer and len(answer) > 1232:
                cut = DNSRecord.parse(question).reply()
                cut.header.tc = 1
                answer = cut.pack()
            if answer:
                self.udp.sendto(answer, client)

    def serve_tcp(self):
        while True:
            client, _ = self.tcp.accept()
            threading.Thread(target=self.converse, args=(client.makefile("rwb"),), daemon=True).start()

    def converse(self, client):
        while len(length := client.read(2)) == 2:
            answer = self.answer(client.read(int.from_bytes(length, "big")))
            if answer is None:
                return
            client.write(len(answer).to_bytes(2, "big") + answer)
            client.flush()


def records_of(records):
    """Kinds and values, and whether no answer comes for others. What is published as SPF is published as TXT, too."""
    known = [item for record in records if record != "TIMEOUT" for item in record.items()]
    if not any(kind == "TXT" for kind, _ in known):
        known += [("TXT", value) for kind, value in known if kind == "SPF"]
    return [(kind, value) for kind, value in known if value != "NONE"], "TIMEOUT" in records


def data_of(kind, value):
    if kind == "MX":
        return MX(value[1] or ".", value[0])
    if kind == "TXT":
        texts = [str(text).encode("latin1") for text in (value if isinstance(value, list) else [value])]
        return TXT([text[at : at + 255] for text in texts for at in range(0, max(len(text), 1), 255)])
    return {"A": A, "AAAA": AAAA, "PTR": PTR}[kind](value)


def results(binary, message, test, port):
    """Of the two identities, `none` where there is none."""
    command = [binary, "verify-message", message, "--ip", test["host"], "--helo", test["helo"] or ""]
    command += ["--from", test["mailfrom"] or "", "--dns", f"127.0.0.1:{port}"]
    header = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = {identity: result for result, identity in re.findall(r"spf=(\w+)[^;]*?smtp\.(\w+)", header)}
    return found.get("mailfrom", "none") if test["mailfrom"] else found.get("helo", found.get("mailfrom", "none"))


def main():
    binary, suite = sys.argv[1:]
    message = tempfile.NamedTemporaryFile(suffix=".eml")
    message.write(b"From: a@example.org\r\n\r\n")
    message.flush()
    tests = []
    for scenario in yaml.safe_load_all(open(suite)):
        names = Names(scenario["zonedata"])
        tests += [(name, test, names.port) for name, test in scenario["tests"].items()]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: results(binary, message.name, *each[1:]), tests))
    differ = 0
    for (name, test, _), result in zip(tests, found):
        wanted = test["result"] if isinstance(test["result"], list) else [test["result"]]
        if result not in wanted:
            differ += name not in KNOWN
            print(f"{name}: {result}, and not {' or '.join(wanted)}{': ' + KNOWN[name] if name in KNOWN else ''}")
    print(f"{len(tests)} tests, {differ} of them differ in ways that are not known")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
