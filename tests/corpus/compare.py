"""Compares ENVELOPE and BODYSTRUCTURE with what Python's `email` makes of the same messages.

usage: compare.py DIRECTORY

DIRECTORY/messages holds all messages, one after another. DIRECTORY/index has a line of JSON for each: its name, offset
and length there, and what the server told about it. Strings hold one character per octet. Each difference becomes a
line of JSON on standard output; the last line says how many messages and parts were compared.
"""

import email.parser
import email.policy
import email.utils
import json
import re
import sys
from email.errors import CloseBoundaryNotFoundDefect

POLICY = email.policy.compat32
FOLD = re.compile(r"\r\n(?=[ \t])")
# Newer versions refuse a whole list for one odd address unless told otherwise.
LENIENT = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
ENVELOPE = ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"]


def octets(text):
    """What `email` keeps as surrogates, one character per octet."""
    return text.encode("ascii", "surrogateescape").decode("latin-1")


def unfolded(value):
    return FOLD.sub("", octets(value)).strip(" \t\r\n")


def fields(message, name):
    return [value for found, value in message.raw_items() if found.lower() == name]


def first(message, name):
    found = fields(message, name)
    return unfolded(found[0]) if found else None


class Comparison:
    def __init__(self, name):
        self.name = name
        self.parts = 0
        self.differences = []

    def same(self, kind, path, imap, python):
        if imap != python:
            self.differ(kind, path, imap, python)

    def differ(self, kind, path, imap, python):
        shorten = lambda value: repr(value)[:300]
        self.differences.append(
            {"name": self.name, "kind": kind, "path": path, "imap": shorten(imap), "python": shorten(python)}
        )

    # BODYSTRUCTURE, RFC 9051 §7.5.2

    def structure(self, value, part, path, unclosed):
        """`unclosed`: the part is the last one of a multipart that has no closing boundary."""
        self.parts += 1
        if isinstance(value[0], list):
            return self.multipart(value, part, path, unclosed)
        kind = f"{value[0]}/{value[1]}".lower()
        if isinstance(part.get_payload(), list) and part.get_content_maintype() == "multipart":
            return self.differ("children", path, kind, part.get_content_type())
        self.same("type", path, kind, part.get_content_type())
        self.parameters("parameter", path, value[2], part, "content-type", value)
        self.same("id", path, value[3], first(part, "content-id"))
        self.same("description", path, value[4], first(part, "content-description"))
        self.same("encoding", path, value[5].lower(), declared_encoding(part))
        content = body(part)
        if content is not None:
            if unclosed and value[6] == len(content) + 2:
                # `email` takes the last line end for that of the boundary that is missing, in the size and in the lines.
                self.differ("unclosed", path, value[6], len(content))
                content += "\r\n"
            self.same("size", path, value[6], len(content))
        rest = value[7:]
        if kind in ("message/rfc822", "message/global"):
            inner, structure, lines, *rest = rest
            if isinstance(part.get_payload(), list):
                message = part.get_payload(0)
                self.envelope(inner, message, path)
                self.structure(structure, message, f"{path}.1" if path else "1", unclosed)
            if content is not None:
                self.same("lines", path, lines, content.count("\n"))
        elif kind.startswith("text/"):
            lines, *rest = rest
            self.same("lines", path, lines, content.count("\n"))
        self.same("md5", path, rest[0], first(part, "content-md5"))
        self.disposition(rest[1], part, path)

    def multipart(self, value, part, path, unclosed):
        # Lists after the subtype are extension data.
        count = next(at for at, child in enumerate(value) if not isinstance(child, list))
        children, (subtype, parameters, disposition, *_) = value[:count], value[count:]
        self.same("type", path, f"multipart/{subtype}".lower(), part.get_content_type())
        self.parameters("parameter", path, parameters, part, "content-type", value)
        self.disposition(disposition, part, path)
        found = part.get_payload()
        if not isinstance(found, list):
            return self.differ("opaque", path, [f"{child[0]}/{child[1]}" for child in children], "no parts")
        if len(found) != len(children):
            return self.differ("children", path, len(children), len(found))
        unclosed |= any(isinstance(defect, CloseBoundaryNotFoundDefect) for defect in part.defects)
        for number, (child, python) in enumerate(zip(children, found), 1):
            is_last = number == len(found)
            self.structure(child, python, f"{path}.{number}" if path else str(number), unclosed and is_last)

    def parameters(self, kind, path, value, part, header, whole):
        ours = {}
        for name, content in zip(value[::2], value[1::2]) if value else ():
            ours.setdefault(name.lower(), content)
        theirs = {}
        for name, content in raw_parameters(part, header):
            # A semicolon with nothing after it is no parameter.
            if name:
                theirs.setdefault(name.lower(), content)
        if header == "content-type" and "charset" in ours and "charset" not in theirs:
            # RFC 9051 §7.5.2 and RFC 2045 §5.2: the default is told where there is no (valid) Content-Type.
            if ours["charset"].lower() == "us-ascii":
                del ours["charset"]
        self.same(kind, path, ours, theirs)

    def disposition(self, value, part, path):
        header = first(part, "content-disposition")
        declared = (header or "").split(";")[0].strip().lower()
        self.same("disposition", path, value[0].lower() if value else "", declared)
        if value and declared:
            self.parameters("disposition parameter", path, value[1], part, "content-disposition", value)

    # ENVELOPE, RFC 9051 §7.5.2

    def envelope(self, value, message, path):
        told = dict(zip(ENVELOPE, value))
        for name in ("date", "subject", "in-reply-to", "message-id"):
            self.same(f"envelope {name}", path, told[name], first(message, name))
        senders = addresses(fields(message, "from")[:1])
        self.addresses("from", path, told, senders)
        for name in ("sender", "reply-to"):
            own = addresses(fields(message, name)[:1])
            self.addresses(name, path, told, own or senders)
        for name in ("to", "cc", "bcc"):
            self.addresses(name, path, told, addresses(fields(message, name)))

    def addresses(self, name, path, told, theirs):
        ours = []
        for person, _route, mailbox, host in told[name] or ():
            if host is not None:
                ours.append((spaced(person or ""), f"{mailbox}@{host}" if host else mailbox))
        ours = [(person, address) for person, address in ours if person or address]
        self.same(f"envelope {name}", path, [address for _, address in ours], [address for _, address in theirs])
        if len(ours) == len(theirs):
            self.same(f"envelope {name} names", path, [person for person, _ in ours], [person for person, _ in theirs])


def declared_encoding(part):
    return (first(part, "content-transfer-encoding") or "7bit").lower()


def raw_parameters(part, header):
    found = part.get_params(None, header, unquote=True)
    for name, value in (found or [])[1:]:
        if isinstance(value, tuple):
            name, value = name + "*", value[2]
        yield octets(name), FOLD.sub("", octets(value))


def body(part):
    """The octets of a part's body, or None where `email` does not keep them."""
    payload = part._payload  # get_payload() would decode octets above 127
    if isinstance(payload, str):
        return octets(payload)
    if payload is None:
        return ""
    return None


def addresses(values):
    values = [octets(FOLD.sub("", value)) for value in values]
    found = email.utils.getaddresses(values, **LENIENT)
    # RFC 9051 §7.5.2: the mailbox is told without its quotes. (None of these addresses has an escaped quote.)
    return [(spaced(name), address.replace('"', "")) for name, address in found if name or address]


def spaced(text):
    return " ".join(text.split())


def main(directory):
    with open(f"{directory}/messages", "rb") as file:
        messages = file.read()
    parser = email.parser.BytesParser(policy=POLICY)
    count = parts = 0
    with open(f"{directory}/index", encoding="utf-8") as index:
        for line in index:
            told = json.loads(line)
            content = messages[told["offset"] : told["offset"] + told["length"]]
            message = parser.parsebytes(content)
            comparison = Comparison(told["name"])
            comparison.envelope(told["envelope"], message, "")
            comparison.structure(told["structure"], message, "", False)
            for difference in comparison.differences:
                print(json.dumps(difference))
            count += 1
            parts += comparison.parts
    print(json.dumps({"compared": count, "parts": parts}))


main(sys.argv[1])
