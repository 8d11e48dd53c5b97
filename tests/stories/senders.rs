//! msmtp and swaks: sendmail for people without a server, and the tester's Swiss army knife.

use super::household::{Household, USER};
use super::program::are_here;

/// msmtp uses GnuTLS, which wants a close_notify.
#[test]
fn msmtp_sends() {
    if !are_here(&["msmtp"]) {
        return;
    }
    let house = Household::new();
    let (password, phone, authority) = (house.device("msmtp"), house.device("phone"), house.authority());
    let account = |name: &str, service: &str, starttls: &str| {
        let port = house.port(service);
        format!(
            "account {name}\nhost localhost\nport {port}\ntls on\ntls_starttls {starttls}\ntls_trust_file {authority}\n\
             auth on\nuser {USER}\npassword {password}\nfrom {USER}\n"
        )
    };
    house.write("msmtprc", &(account("tls", "submissions", "off") + &account("starttls", "submission", "on")));
    for name in ["tls", "starttls"] {
        let message = format!("From: {USER}\nTo: {USER}\nSubject: {name}\n\nhello\n");
        house.feed("msmtp", &["-C", "msmtprc", "-a", name, USER], &message).ended(0);
    }
    assert_eq!(house.subjects(&phone, "INBOX"), ["tls", "starttls"]);
}

#[test]
fn swaks_sends_with_tls_and_pipelining() {
    if !are_here(&["swaks"]) {
        return;
    }
    let house = Household::new();
    let (password, phone, authority) = (house.device("swaks"), house.device("phone"), house.authority());
    let port = |service: &str| house.port(service).to_string();
    let tls = ["--server", "localhost", "--tls-verify", "--tls-ca-path", &authority, "--to", USER];
    let login = ["--auth-user", USER, "--auth-password", &password, "--from", USER];
    let run = |more: &[&str]| house.run("swaks", &[&tls[..], more].concat()).ended(0);
    for mechanism in ["PLAIN", "LOGIN"] {
        let subject = format!("Subject: {mechanism}");
        run(&[&login[..], &["--port", &port("submission"), "--tls", "--auth", mechanism, "--header", &subject]]
            .concat());
    }
    let stranger = ["--from", "carol@example.net", "--port", &port("smtp"), "--tls", "--pipeline"];
    run(&[&stranger[..], &["--header", "Subject: pipelined"]].concat());
    assert_eq!(house.subjects(&phone, "INBOX"), ["PLAIN", "LOGIN", "pipelined"]);
}
