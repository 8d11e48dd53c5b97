#!/usr/bin/env python3
"""Splits a corpus of mail with known classes in time order and takes out what tells the class, not the mail.

prepare.py CORPUS OUT: CORPUS has folders whose names have "ham" or "spam" in them, a message a file. Written are
OUT/{train,test}/{ham,spam}/NNNNN.eml; numbers count in time order over both classes, so training ends before the test begins.

What leaks the class in a corpus of this kind, and goes: the mbox line, the trace of the collectors (Received, Return-Path,
Delivered-To and others; who collected spam did not collect ham), marks of other filters, the header fields, subject tags and
footers of mailing lists (most ham came by lists), a collector's mark under spam of the older half, recipients (lists, or the collectors under false names), the collectors'
domains wherever they stand, years, and the day: every date is moved to the same day.
"""
import email.utils, hashlib, os, re, sys, time

# Written by the sender's program; all else was written on the way or by whoever collected.
KEPT = set(b"""from subject reply-to to cc date message-id in-reply-to references mime-version content-type
content-transfer-encoding content-disposition content-class content-language x-mailer user-agent x-mimeole x-priority
x-msmail-priority importance organization thread-index thread-topic x-accept-language x-face""".split())
COLLECTORS = re.compile(rb"[\w.+-]*@?[\w.-]*\b(?:netnoteinc\.com|taint\.org|jmason\.org|slashnull\.org|webnote\.net|"
                        rb"localhost(?:\.localdomain)?|example\.(?:com|sourceforge\.net)|spamassassin\.org|tuatha\.org)\b", re.I)
RULE = re.compile(rb"(?:_{20,}|-{20,}|-- ?|-{3,}[^-].*-{2,}>?|=+|<\*>.*)\s*$")
LIST = re.compile(rb"listinfo|mailing list|majordomo|\(un\)subscri|Yahoo! Groups|This sf\.net email|List maintainer|egroups\.com", re.I)
MARK = re.compile(rb"-*(?:DeathToSpam)+-*\n?")
NOW = int(time.time())

def when(value):
    try:
        return email.utils.mktime_tz(email.utils.parsedate_tz(value.decode("latin1").strip()))
    except Exception:
        return None

def fields(header):
    for line in re.split(rb"\n(?![ \t])", header):
        name, colon, value = line.partition(b":")
        if colon and re.fullmatch(rb"[!-9;-~]+", name.rstrip()):
            yield name.rstrip(), value

def arrival(header):
    dates = []
    for name, value in fields(header):
        if name.lower() == b"received" and b";" in value:
            dates.append(when(value.rsplit(b";", 1)[1]))
        if name.lower() == b"date":
            dates.append(when(value))
    return next((date for date in dates if date), 0)

def recipients(value):
    count = max(1, value.count(b"@"))
    return b" " + b", ".join(b"<r%d@recipient.example>" % n for n in range(min(count, 50)))

def without_footers(body):
    """From a rule with a word of a mailing list in the six lines below it to the next part, or the next rule without one."""
    lines, out, dropping = body.split(b"\n"), [], False
    for at, line in enumerate(lines):
        boundary = re.match(rb"--[^\s-]|-{5,}=?_", line) and not RULE.match(line)
        if boundary:
            dropping = False
        elif RULE.match(line):
            dropping = any(LIST.search(below) for below in lines[at:at + 7])
        if not dropping and not (LIST.search(line) and b"http" in line):
            out.append(line)
    return b"\n".join(out)

def clean(message):
    header, _, body = message.partition(b"\n\n")
    at, out = arrival(header), []
    for name, value in fields(header):
        low = name.lower()
        if low not in KEPT or low == b"message-id" and COLLECTORS.search(value):
            continue
        if low in (b"to", b"cc"):
            value = recipients(value)
        elif low == b"date":
            sent = when(value)
            zone = value.strip().rsplit(b" ", 1)[-1].decode("latin1")
            value = value if sent is None else b" " + email.utils.formatdate(NOW + sent - at).rsplit(" ", 1)[0].encode() + b" +0000"
        elif low == b"subject":
            value = re.sub(rb"\[[\w .:-]{2,30}\]\s*", b"", value)
        if low not in (b"to", b"cc"):
            value = COLLECTORS.sub(b"someone@recipient.example", value)
        out.append(name + b":" + value)
    body = without_footers(body)
    body = MARK.sub(b"", body)
    body = COLLECTORS.sub(b"someone@recipient.example", body)
    body = re.sub(rb"\b(?:199\d|200[0-4])\b", b"2002", body)
    return b"\n".join(out) + b"\n\n" + body

def main(corpus, out):
    mails, seen = [], set()
    for folder, _, names in os.walk(corpus):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                message = file.read().replace(b"\r\n", b"\n")
            spam = "spam" in os.path.basename(folder)
            mails.append((arrival(message.partition(b"\n\n")[0]), name, spam, message))
    mails.sort(key=lambda mail: mail[:2])
    for kind in ("train/ham", "train/spam", "test/ham", "test/spam"):
        os.makedirs(os.path.join(out, kind), exist_ok=True)
    counts, copies = {}, 0
    for number, (_, _, spam, message) in enumerate(mails):
        cleaned = clean(message)
        body = hashlib.sha256(cleaned.partition(b"\n\n")[2].strip()).digest()
        half = "train" if number < len(mails) // 2 else "test"
        # What was trained on is no test.
        if body in seen and half == "test":
            copies += 1
            continue
        seen.add(body)
        kind = half + ("/spam" if spam else "/ham")
        counts[kind] = counts.get(kind, 0) + 1
        with open(os.path.join(out, kind, f"{number:05}.eml"), "wb") as file:
            file.write(cleaned.replace(b"\n", b"\r\n"))
    print(counts, f"{copies} copies left out of the test")

main(*sys.argv[1:])
