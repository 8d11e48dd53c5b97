"""smtplib sends and imaplib uploads the same. Arguments: authority, user, password, and the ports of submission and
imaps."""

import imaplib
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

authority, user, password = sys.argv[1:4]
submission, imaps = map(int, sys.argv[4:6])
tls = ssl.create_default_context(cafile=authority)


def message(subject, fields):
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = user, user, subject
    for name in fields:
        made[name] = make_msgid() if name == "Message-ID" else formatdate()
    made.set_content("Grüße\n.\n..\n\n")
    return made


def send(made):
    with smtplib.SMTP("localhost", submission) as client:
        client.starttls(context=tls)
        client.login(user, password)
        assert client.send_message(made) == {}


def upload(made):
    with imaplib.IMAP4_SSL("localhost", imaps, ssl_context=tls) as client:
        client.login(user, password)
        status, said = client.append("Sent", r"(\Seen)", None, made.as_bytes())
        assert status == "OK" and b"APPENDUID" in said[0], said


both = ["Message-ID", "Date"]
after, before, bare, dated = (message(*each) for each in [("after", both), ("before", both), ("bare", []), ("dated", ["Date"])])
send(after)
upload(after)
upload(before)
send(before)
send(before)
send(bare)
upload(bare)
send(dated)
upload(dated)
upload(dated)

print("done")
