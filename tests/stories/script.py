"""smtplib, imaplib and poplib at work. Arguments: authority, user, password, and the ports of
submission, smtp, imaps, imap, pop3s and pop3."""

import imaplib
import poplib
import smtplib
import ssl
import sys
import zlib
from email.message import EmailMessage

authority, user, password = sys.argv[1:4]
submission, smtp, imaps, imap, pop3s, pop3 = map(int, sys.argv[4:10])
tls = ssl.create_default_context(cafile=authority)
HOST = "localhost"


def message(subject):
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = user, user, subject
    made.set_content("Grüße\n.\n..\n")
    return made


with smtplib.SMTP(HOST, submission) as client:
    client.starttls(context=tls)
    client.login(user, password)
    assert client.has_extn("size") and client.has_extn("smtputf8")
    assert client.send_message(message("first")) == {}
    try:
        client.sendmail("mallory@example.org", user, "Subject: x\r\n\r\n")
        raise AssertionError("sent as somebody else")
    except smtplib.SMTPSenderRefused as refused:
        assert refused.smtp_code == 550, refused

with smtplib.SMTP(HOST, smtp) as client:
    client.starttls(context=tls)
    refused = client.sendmail("carol@example.net", [user, "nobody@example.org"], message("second").as_bytes())
    assert list(refused) == ["nobody@example.org"], refused
    assert client.verify(user)[0] == 252

with imaplib.IMAP4_SSL(HOST, imaps, ssl_context=tls) as client:
    client.login(user, password)
    assert client.select("INBOX") == ("OK", [b"2"])
    assert client.uid("SEARCH", "SUBJECT", "first") == ("OK", [b"1"])
    status, data = client.fetch("1", "(UID RFC822.SIZE BODY.PEEK[TEXT])")
    assert status == "OK" and data[0][1].startswith("Grüße".encode()), data
    assert client.append("Drafts", r"(\Draft $Mine)", None, message("draft").as_bytes())[0] == "OK"
    assert client.store("1:2", "+FLAGS", r"(\Answered)")[0] == "OK"
    assert client.uid("COPY", "1:2", "Archive")[0] == "OK"
    assert client.status("Archive", "(MESSAGES UIDNEXT)")[1] == [b'"Archive" (MESSAGES 2 UIDNEXT 3)']
    assert client.create("Papers/2026")[0] == "OK" and client.subscribe("Papers/2026")[0] == "OK"
    assert len(client.list("Papers/", "*")[1]) == 1 and client.noop()[0] == "OK"
    assert client.close()[0] == "OK"


class Compressed(imaplib.IMAP4_SSL):
    """After COMPRESS (RFC 4978), with zlib's own deflate."""

    def compress(self):
        assert self.xatom("COMPRESS", "DEFLATE")[0] == "OK"
        self.deflate, self.inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
        self.came = b""

    def send(self, data):
        if "deflate" not in self.__dict__:
            return super().send(data)
        super().send(self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH))

    def read(self, size):
        while len(self.came) < size:
            self.more()
        data, self.came = self.came[:size], self.came[size:]
        return data

    def readline(self):
        if "deflate" not in self.__dict__:
            return super().readline()
        while b"\n" not in self.came:
            self.more()
        end = self.came.index(b"\n") + 1
        data, self.came = self.came[:end], self.came[end:]
        return data

    def more(self):
        data = self.sock.recv(4096)
        assert data, "the server closed"
        self.came += self.inflate.decompress(data)


imaplib.Commands["COMPRESS"] = ("AUTH",)
with Compressed(HOST, imaps, ssl_context=tls) as client:
    client.login(user, password)
    client.compress()
    large = message("large").as_bytes() + b"".join(b"line %d of many\r\n" % number for number in range(50000))
    assert client.create("Large")[0] == "OK"
    assert client.append("Large", None, None, large)[0] == "OK"
    assert client.select("Large") == ("OK", [b"1"])
    status, data = client.fetch("1", "(BODY.PEEK[])")
    assert status == "OK" and data[0][1].endswith(b"line 49999 of many\r\n"), status
    assert client.close()[0] == "OK" and client.delete("Large")[0] == "OK"

with imaplib.IMAP4(HOST, imap) as client:
    client.starttls(tls)
    client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    assert client.enable("UTF8=ACCEPT")[0] == "OK"
    assert client.select('"Entwürfe"')[0] == "NO"
    assert client.create('"Entwürfe"')[0] == "OK"

for client in [poplib.POP3_SSL(HOST, pop3s, context=tls), poplib.POP3(HOST, pop3)]:
    if not isinstance(client, poplib.POP3_SSL):
        client.stls(tls)
    assert "UIDL" in client.capa()
    client.user(user)
    client.pass_(password)
    count, octets = client.stat()
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert (count, octets) == (2, sum(sizes)), (count, octets, sizes)
    assert len({line.split()[1] for line in client.uidl()[1]}) == 2
    _, lines, size = client.retr(1)
    assert size == sizes[0] and lines[-3:] == ["Grüße".encode(), b".", b".."], lines[-3:]
    assert b"Subject: first" in client.top(1, 0)[1]
    client.dele(1)
    client.rset()
    client.quit()

print("done")
