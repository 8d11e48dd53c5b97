#!/usr/bin/env python3
"""Runs the validation suite for ARC (RFC 8617; github.com/ValiMail/arc_test_suite) against `pillarbox verify-message`.

    apt install python3-dnspython python3-yaml
    python3 tests/arc/suite.py target/debug/pillarbox arc_test_suite/tests/arc-draft-validation-tests.yml

Each scenario of the suite has keys of its own. What differs is printed, and is the exit status; of what is known to differ the reason is
printed.
"""
import concurrent.futures, re, socket, subprocess, sys, threading
import dns.flags, dns.message, dns.rcode, dns.rdatatype, dns.rrset
import yaml

FAILED = "RFC 8617 §5.2: a chain whose last seal says that it has failed has failed"
LENIENT = "what is written carelessly is read; the signature holds"
KNOWN = {
    "cv_fail_i1_as_cv_fail": FAILED,
    "cv_fail_i2_as2_fail": FAILED,
    "cv_fail_i2_as1_fail": FAILED,
    "ams_fields_a_na": LENIENT,
    "as_fields_a_na": LENIENT,
    "as_format_inv_tag_key": LENIENT,
    "as_format_tags_dup": LENIENT,
    "as_format_tags_key_case": LENIENT,
    "as_format_tags_sc": LENIENT,
    "ams_fields_c_na": "RFC 6376 §3.5: without c= it is simple/simple, and this message is signed otherwise",
    "ams_fields_h_empty": "a signature that signs no field proves nothing",
}


class Names:
    """A name server for the texts of a scenario."""

    def __init__(self, texts):
        self.texts = {name.lower().rstrip("."): text for name, text in (texts or {}).items()}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        for serve in [self.serve_udp, self.serve_tcp]:
            threading.Thread(target=serve, daemon=True).start()

    def answer(self, question):
        reply = dns.message.make_response(dns.message.from_wire(question), recursion_available=True)
        [asked] = reply.question
        text = self.texts.get(asked.name.to_text().lower().rstrip("."))
        if text is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.TXT:
            pieces = [text[at : at + 255] for at in range(0, max(len(text), 1), 255)]
            quoted = " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "TXT", quoted))
        return reply

    def serve_udp(self):
        while True:
            question, client = self.udp.recvfrom(4096)
            answer = self.answer(question)
            if len(answer.to_wire()) > 1232:
                answer.answer.clear()
                answer.flags |= dns.flags.TC
            self.udp.sendto(answer.to_wire(), client)

    def serve_tcp(self):
        while True:
            client, _ = self.tcp.accept()
            stream = client.makefile("rwb")
            while len(length := stream.read(2)) == 2:
                answer = self.answer(stream.read(int.from_bytes(length, "big"))).to_wire()
                stream.write(len(answer).to_bytes(2, "big") + answer)
                stream.flush()


def result(binary, test, port):
    message = test["message"].replace("\n", "\r\n").encode()
    command = [binary, "verify-message", "-", "--ip", "192.0.2.1", "--dns", f"127.0.0.1:{port}"]
    header = subprocess.run(command, input=message, capture_output=True, timeout=60, check=True).stdout.decode()
    found = re.search(r"\sarc=(\w+)(.*)", header)
    return (found[1], found[2].strip()) if found else ("none", "")


def main():
    binary, suite = sys.argv[1:]
    tests = []
    for scenario in yaml.safe_load_all(open(suite)):
        names = Names(scenario.get("txt-records"))
        tests += [(name, test, names.port) for name, test in scenario["tests"].items()]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: result(binary, *each[1:]), tests))
    differ = 0
    for (name, test, _), (result_found, why) in zip(tests, found):
        wanted = str(test["cv"] or "none").lower()
        if result_found != wanted:
            differ += name not in KNOWN
            known = KNOWN.get(name)
            print(f"{name} ({test['description']}): {result_found} {why}, and not {wanted}{': ' + known if known else ''}")
    print(f"{len(tests)} tests, {differ} of them differ in ways that are not known")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
