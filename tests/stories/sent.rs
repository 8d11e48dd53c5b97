//! What programs send is in Sent once, whether they file it themselves or not, and marks what it answers.

use super::household::{Household, USER};
use super::mutt;
use super::program::are_here;

/// Mutt uploads what it has sent to `record`, with Bcc in it. (NeoMutt files no copy of what it sends without a terminal.)
#[test]
fn mutt_files_a_copy_and_there_is_one() {
    if !are_here(&["mutt"]) {
        return;
    }
    let house = Household::new();
    let (password, phone) = (house.device("mutt"), house.device("phone"));
    mutt::configure(&house, &password);
    let send = |subject: &str, more: &[&str]| {
        let arguments = [&["-F", "muttrc", "-s", subject, "-b", "alice+blind@example.org"][..], more].concat();
        house.feed("mutt", &[&arguments[..], &["--", USER]].concat(), "hello\n").ended(0);
    };
    send("Unfiled", &[]);
    assert_eq!(house.subjects(&phone, "Sent"), ["Unfiled"]);
    send("Filed", &["-e", "set copy=yes"]);
    send("Elsewhere", &["-e", "set copy=yes record=+Archive"]);
    let sent = ["Sent", "Archive"].map(|mailbox| house.subjects(&phone, mailbox));
    assert_eq!(sent, [vec!["Unfiled", "Filed"], vec!["Elsewhere"]]);
    assert!(house.look(&phone, "Sent").iter().all(|message| message.flags == ["\\Seen"]));
    // All copies that came in have lost it, the one that was filed has it.
    let mut imap = house.imap(&phone);
    for (mailbox, count) in [("INBOX", "* SEARCH"), ("Sent", "* SEARCH 2")] {
        imap.ask(&format!("e EXAMINE {mailbox}"), "e OK");
        let found = imap.ask("s SEARCH BCC blind", "s OK");
        assert!(found.iter().any(|line| line == count), "{mailbox}: {found:?}");
    }
}

/// msmtp knows nothing of mailboxes.
#[test]
fn msmtp_answers_and_the_phone_sees_it() {
    if !are_here(&["msmtp"]) {
        return;
    }
    let house = Household::new();
    let (password, phone, authority) = (house.device("msmtp"), house.device("phone"), house.authority());
    let port = house.port("submissions");
    house.write(
        "msmtprc",
        &format!(
            "account default\nhost localhost\nport {port}\ntls on\ntls_starttls off\ntls_trust_file {authority}\n\
             auth on\nuser {USER}\npassword {password}\nfrom {USER}\n"
        ),
    );
    let send = |header: &str| {
        house.feed("msmtp", &["-C", "msmtprc", USER], &format!("From: {USER}\nTo: {USER}\n{header}\n\nhi\n")).ended(0);
    };
    send("Message-ID: <1@here>\nSubject: lunch?");
    send("In-Reply-To: <1@here>\nSubject: Re: lunch?");
    send("X-Forwarded-Message-Id: <1@here>\nSubject: Fwd: lunch?");
    for mailbox in ["INBOX", "Sent"] {
        let seen = house.look(&phone, mailbox);
        assert_eq!(seen.len(), 3);
        for flag in ["\\Answered", "$Forwarded"] {
            let marked: Vec<bool> = seen.iter().map(|message| message.flags.contains(&flag.to_owned())).collect();
            assert_eq!(marked, [true, false, false], "{mailbox}: {flag}: {seen:?}");
        }
    }
    house.serving.says(&["device", "sent", USER, "msmtp", "off"]);
    send("Subject: unsaved");
    assert_eq!((house.look(&phone, "INBOX").len(), house.look(&phone, "Sent").len()), (4, 3));
    let story = house.serving.says(&["timeline", USER, "--device", "msmtp"]);
    assert!(story.contains("sent 1 message, now in Sent") && story.contains("changed the flags of"), "{story}");
}

#[test]
fn python_uploads_what_it_sent_and_there_is_one() {
    if !are_here(&["python3"]) {
        return;
    }
    let house = Household::new();
    let (password, phone) = (house.device("script"), house.device("phone"));
    let script = house.write("sent.py", include_str!("sent.py"));
    let (submission, imaps) = (house.port("submission").to_string(), house.port("imaps").to_string());
    let arguments = [&script, &house.authority(), USER, &password, &submission, &imaps];
    assert!(house.run("python3", &arguments).ended(0).ends_with("done\n"));
    assert_eq!(house.subjects(&phone, "Sent"), ["after", "before", "bare", "bare", "dated"]);
    assert_eq!(house.look(&phone, "INBOX").len(), 5);
}
