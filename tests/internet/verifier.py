"""Another implementation (Debian's python3-dkim) and the DNS of the small Internet.

    verifier.py sign PEM SELECTOR DOMAIN < message      signs the whole header, as the host of an author does
    verifier.py look PORT ADDRESS < message             what a host finds out that gets the message from ADDRESS, as JSON
"""
import dkim, dns.resolver, ipaddress, json, re, sys
from email import message_from_bytes
from email.utils import parseaddr


def texts(name):
    name = name.decode() if isinstance(name, bytes) else name
    try:
        return [b"".join(text.strings) for text in names.resolve(name, "TXT")]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []


def key(name, timeout=5):
    return next(iter(texts(name)), None)


def signed_by(message):
    found = []
    for number in range(len(message_from_bytes(message).get_all("DKIM-Signature", []))):
        verifier = dkim.DKIM(message)
        try:
            if verifier.verify(number, dnsfunc=key):
                found.append(verifier.domain.decode())
        except dkim.ValidationError:
            pass
    return found


def spf(domain, address):
    """Of the terms only those that the zone of the test has."""
    [record] = [text.decode() for text in texts(domain) if text.startswith(b"v=spf1")] or [""]
    *terms, end = record.split()[1:] or [""]
    if any(ipaddress.ip_address(address) in ipaddress.ip_network(term[4:]) for term in terms):
        return "pass"
    return {"-all": "fail"}.get(end, "none")


def look(message, address):
    fields = message_from_bytes(message)
    author = parseaddr(fields["From"])[1].rpartition("@")[2]
    path = (fields["Return-Path"] or "").strip("<>")
    signers, chain = signed_by(message), dkim.arc_verify(message, dnsfunc=key)
    [policy] = [text.decode() for text in texts(f"_dmarc.{author}")] or ["p=none"]
    passes_spf = spf(path.rpartition("@")[2], address)
    # RFC 7489 §3.1, in the strict form.
    aligned = author in signers or passes_spf == "pass" and path.endswith("@" + author)
    return {
        "path": path,
        "signed_by": signers,
        "spf": passes_spf,
        "policy": re.search(r"p=(\w+)", policy)[1],
        "dmarc": "pass" if aligned else "fail",
        "arc": chain[0].decode(),
        "sealed_by": [seal["as-domain"].decode() for seal in chain[1]],
    }


verb, *given = sys.argv[1:]
message = sys.stdin.buffer.read()
if verb == "sign":
    pem, selector, domain = given
    signed = [name.lower().encode() for name in message_from_bytes(message).keys()]
    key = open(pem, "rb").read()
    sys.stdout.buffer.write(dkim.sign(message, selector.encode(), domain.encode(), key, include_headers=signed))
else:
    names = dns.resolver.Resolver(configure=False)
    names.nameservers, names.port = ["127.0.0.1"], int(given[0])
    json.dump(look(message, given[1]), sys.stdout)
