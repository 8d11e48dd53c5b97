//! Programs that log in with a token, and what the announcement does to those that have none.

use super::fetchmail::fetch;
use super::household::{Household, USER};
use super::mbsync::Synced;
use super::mutt::{at_a_terminal, configure};
use super::program::are_here;
use serde_json::Value;

/// A token for a device; from then on tokens are announced.
fn token_of(house: &Household, device: &str) -> String {
    let made = house.serving.says(&["device", "token", USER, device, "--days", "2", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    made["token"].as_str().unwrap().to_owned()
}

fn house_with_token() -> (Household, String) {
    let house = Household::new();
    house.device("script");
    let token = token_of(&house, "script");
    (house, token)
}

fn msmtp_account(name: &str, mechanism: &str, secret: &str, (port, authority): (u16, &str)) -> String {
    format!(
        "account {name}\nhost localhost\nport {port}\ntls on\ntls_starttls off\ntls_trust_file {authority}\n\
         auth {mechanism}\nuser {USER}\npassword {secret}\nfrom {USER}\n"
    )
}

#[test]
fn curl_shows_a_token_over_every_protocol() {
    if !are_here(&["curl"]) {
        return;
    }
    let (house, token) = house_with_token();
    let authority = house.authority();
    let message = house.write("m.eml", &format!("From: {USER}\r\nTo: {USER}\r\nSubject: by token\r\n\r\nhi\r\n"));
    let run = |mechanism: &str, (scheme, service, path): (&str, &str, &str), token: &str, more: &[&str]| {
        let url = format!("{scheme}://localhost:{}/{path}", house.port(service));
        let option = format!("AUTH={mechanism}");
        let login = ["-sS", "--cacert", &authority, "-u", &format!("{USER}:"), "--oauth2-bearer", token];
        house.run("curl", &[&login[..], &["--login-options", &option, &url], more].concat())
    };
    let send = ["--mail-from", USER, "--mail-rcpt", USER, "-T", &message];
    for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
        run(mechanism, ("smtps", "submissions", "pc"), &token, &send).ended(0);
        let list = run(mechanism, ("imaps", "imaps", ""), &token, &[]).ended(0);
        assert!(list.contains("\"INBOX\""), "{list}");
        let list = run(mechanism, ("pop3s", "pop3s", ""), &token, &[]).ended(0);
        assert!(list.starts_with("1 "), "{list}");
        for door in [("imaps", "imaps", ""), ("pop3s", "pop3s", ""), ("smtps", "submissions", "pc")] {
            // 67: the login was denied.
            run(mechanism, door, "16.wrong", &["-X", "NOOP"]).ended(67);
        }
    }
    house.serving.says(&["device", "revoke", USER, "script"]);
    run("OAUTHBEARER", ("imaps", "imaps", ""), &token, &[]).ended(67);
}

#[test]
fn msmtp_sends_with_a_token() {
    if !are_here(&["msmtp"]) {
        return;
    }
    let (house, token) = house_with_token();
    let (authority, port, phone) = (house.authority(), house.port("submissions"), house.device("phone"));
    let account = |mechanism: &str| msmtp_account(mechanism, mechanism, &token, (port, &authority));
    house.write("msmtprc", &(account("oauthbearer") + &account("xoauth2")));
    for mechanism in ["oauthbearer", "xoauth2"] {
        let message = format!("From: {USER}\nTo: {USER}\nSubject: {mechanism}\n\nhello\n");
        house.feed("msmtp", &["-C", "msmtprc", "-a", mechanism, USER], &message).ended(0);
    }
    assert_eq!(house.subjects(&phone, "INBOX"), ["oauthbearer", "xoauth2"]);
}

fn reads_and_sends_with_a_token(program: &str) {
    if !are_here(&[program, "script"]) {
        return;
    }
    let (house, token) = house_with_token();
    let phone = house.device("phone");
    configure(&house, "no password");
    house.write("token", &token);
    let refresh = format!("cat {}", house.home().join("token").display());
    let muttrc = std::fs::read_to_string(house.home().join("muttrc")).unwrap();
    let with_token = format!(
        "{muttrc}set imap_authenticators=oauthbearer smtp_authenticators=oauthbearer\n\
         set imap_oauth_refresh_command=\"{refresh}\" smtp_oauth_refresh_command=\"{refresh}\"\n"
    );
    house.write("muttrc", &with_token);
    house.feed(program, &["-F", "muttrc", "-s", "One", "--", USER], "hello\n").ended(0);
    assert_eq!(house.subjects(&phone, "INBOX"), ["One"]);
    at_a_terminal(&house, program, "<first-entry><flag-message><sync-mailbox><quit>");
    assert!(house.look(&phone, "INBOX")[0].flags.contains(&"\\Flagged".to_owned()));
}

#[test]
fn mutt_reads_and_sends_with_a_token() {
    reads_and_sends_with_a_token("mutt");
}

#[test]
fn neomutt_reads_and_sends_with_a_token() {
    reads_and_sends_with_a_token("neomutt");
}

/// As they are without a word about mechanisms in their configuration.
#[test]
fn who_has_no_token_logs_in_as_before_where_tokens_are_announced() {
    let (synced, has_mbsync) = (Synced::new(), are_here(&["mbsync"]));
    let house = &synced.house;
    let (password, authority) = (house.device("another"), house.authority());
    token_of(house, "another");
    house.deliver(&["One", "Two"]);
    if has_mbsync {
        synced.sync();
        assert_eq!(synced.files("INBOX").len(), 2);
    }
    if are_here(&["curl"]) {
        let login = format!("{USER}:{password}");
        for service in ["imaps", "pop3s"] {
            let url = format!("{service}://localhost:{}/", house.port(service));
            house.run("curl", &["-sS", "--cacert", &authority, "-u", &login, &url]).ended(0);
        }
    }
    if are_here(&["fetchmail"]) {
        fetch(house, &password, "keep", "mbox").ended(0);
    }
    if are_here(&["msmtp"]) {
        let port = house.port("submissions");
        house.write("msmtprc", &msmtp_account("default", "on", &password, (port, &authority)));
        house.feed("msmtp", &["-C", "msmtprc", USER], &format!("From: {USER}\nSubject: Three\n\nhi\n")).ended(0);
        assert_eq!(house.subjects(&synced.phone, "INBOX"), ["One", "Two", "Three"]);
    }
    configure(house, &password);
    let mut archived = 0;
    for program in ["mutt", "neomutt"] {
        if are_here(&[program, "script"]) {
            at_a_terminal(house, program, "<first-entry><save-message>=Archive<enter><sync-mailbox><quit>");
            archived += 1;
            assert_eq!(house.subjects(&synced.phone, "Archive"), ["One", "Two"][..archived], "{program}");
        }
    }
}
