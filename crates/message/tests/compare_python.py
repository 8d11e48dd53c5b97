"""Prints the structure of each mail below a directory as Python's email package sees it, one a line:
path, a tab, then type/subtype with the octets and line ends of each leaf, children in parentheses.
Bare line ends are made CRLF first. Run by corpus.rs."""

import email
import os
import re
import sys


def canonical(data):
    return re.sub(rb"\r\n|\r|\n", b"\r\n", data)


def shown(message):
    kind = message.get_content_type()
    # The bytes as they are: get_payload() decodes 8-bit ones with the charset of the part.
    payload = message._payload
    if kind == "message/delivery-status" or kind.startswith("message/") and kind not in (
        "message/rfc822",
        "message/global",
    ):
        # Python opens all of message/*; IMAP only these two.
        return kind
    if isinstance(payload, list):
        return "%s (%s)" % (kind, ", ".join(shown(part) for part in payload))
    body = (payload or "").encode("ascii", "surrogateescape")
    return "%s %d/%d" % (kind, len(body), body.count(b"\n"))


def main(root):
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                data = canonical(file.read())
            try:
                line = shown(email.message_from_bytes(data))
            except Exception as error:  # Python gives up on some; we must not.
                line = "error %s" % type(error).__name__
            sys.stdout.buffer.write(os.fsencode(os.path.relpath(path, root)) + b"\t" + line.encode("utf-8", "replace") + b"\n")


main(sys.argv[1])
