//! curl: the one-line client for everything.

use super::household::{Household, USER};
use super::program::{Ran, are_here};

struct Curl {
    house: Household,
    authority: String,
    login: String,
}

impl Curl {
    fn new() -> Self {
        let house = Household::new();
        let (authority, login) = (house.authority(), format!("{USER}:{}", house.device("curl")));
        Self { house, authority, login }
    }

    /// Without a login.
    fn as_stranger(&self, url: &str, more: &[&str]) -> Ran {
        let url = self.with_port(url);
        self.house.run("curl", &[&["-sS", "--cacert", &self.authority, url.as_str()], more].concat())
    }

    fn run(&self, url: &str, more: &[&str]) -> Ran {
        self.as_stranger(url, &[&["-u", self.login.as_str()], more].concat())
    }

    /// `SERVICE:` in a URL is its host and port.
    fn with_port(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("//").unwrap();
        let (service, path) = rest.split_once('/').unwrap();
        format!("{scheme}//localhost:{}/{path}", self.house.port(service))
    }

    fn file(&self, subject: &str) -> String {
        let text = format!("From: {USER}\r\nTo: {USER}\r\nSubject: {subject}\r\n\r\n.first\r\n\r\nlast\r\n");
        self.house.write(&format!("{subject}.eml"), &text)
    }
}

#[test]
fn curl_sends_and_reads() {
    if !are_here(&["curl"]) {
        return;
    }
    let curl = Curl::new();
    let send = ["--mail-from", USER, "--mail-rcpt", USER, "-T"];
    curl.run("smtps://submissions/pc", &[&send[..], &[&curl.file("tls")]].concat()).ended(0);
    curl.run("smtp://submission/pc", &[&["--ssl-reqd"], &send[..], &[&curl.file("starttls")]].concat()).ended(0);
    let from_outside = ["--ssl-reqd", "--mail-from", "carol@example.net", "--mail-rcpt", USER, "-T"];
    curl.as_stranger("smtp://smtp/mx", &[&from_outside[..], &[&curl.file("outside")]].concat()).ended(0);

    let list = curl.run("imaps://imaps/", &[]).ended(0);
    assert!(list.contains(r#"(\HasNoChildren \Sent) "/" "Sent""#), "{list}");
    let message = curl.run("imaps://imaps/INBOX;UID=1", &[]).ended(0);
    assert!(message.ends_with("Subject: tls\r\n\r\n.first\r\n\r\nlast\r\n"), "{message}");
    assert_eq!(curl.run("imaps://imaps/INBOX;UID=2;SECTION=TEXT", &[]).ended(0), ".first\r\n\r\nlast\r\n");
    assert_eq!(curl.run("imaps://imaps/INBOX?SUBJECT%20outside", &[]).ended(0), "* SEARCH 3\r\n");
    curl.run("imap://imap/Drafts", &["--ssl-reqd", "-T", &curl.file("draft")]).ended(0);
    let draft = curl.run("imap://imap/Drafts;UID=1", &["--ssl-reqd"]).ended(0);
    assert!(draft.starts_with(&format!("From: {USER}\r\n")) && draft.ends_with("last\r\n"), "{draft}");
}

#[test]
fn curl_takes_and_deletes_over_pop3() {
    if !are_here(&["curl"]) {
        return;
    }
    let curl = Curl::new();
    let phone = curl.house.device("phone");
    curl.house.deliver(&["One", "Two"]);
    let list = curl.run("pop3s://pop3s/", &[]).ended(0);
    assert_eq!(list.lines().count(), 2, "{list}");
    let message = curl.run("pop3s://pop3s/2", &[]).ended(0);
    assert!(message.ends_with("Subject: Two\r\n\r\nThis is Two.\r\n.a dot\r\n"), "{message}");
    let ids = curl.run("pop3://pop3/", &["--ssl-reqd", "-X", "UIDL"]).ended(0);
    assert!(ids.starts_with("1 M") && ids.contains("\n2 M"), "{ids}");
    curl.run("pop3s://pop3s/1", &["-l", "-X", "DELE"]).ended(0);
    assert_eq!(curl.run("pop3s://pop3s/", &[]).ended(0).lines().count(), 1);
    assert_eq!(curl.house.subjects(&phone, "INBOX"), ["One", "Two"]);
}

/// Exit codes of curl: 67 login denied, 60 the certificate is not trusted, 55 the server refused what was sent.
#[test]
fn curl_is_told_why_not() {
    if !are_here(&["curl"]) {
        return;
    }
    let curl = Curl::new();
    let wrong = ["-u", "alice@example.org:wrong"];
    curl.as_stranger("pop3s://pop3s/", &wrong).ended(67);
    curl.as_stranger("imaps://imaps/", &wrong).ended(67);
    curl.as_stranger("smtps://submissions/pc", &[&wrong[..], &["-X", "NOOP"]].concat()).ended(67);
    curl.run("imaps://imaps/", &["--cacert", "/dev/null"]).ended(77);
    let relay = ["--mail-from", "carol@example.net", "--mail-rcpt", "dave@elsewhere.example", "-T"];
    curl.as_stranger("smtp://smtp/mx", &[&relay[..], &[&curl.file("relay")]].concat()).ended(55);
}
