//! What strangers and programs write is shown as text and nothing else; what an owner asks for is done and told.

use crate::testing::{ALICE, Answered, Browser, World};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use store::pop::PopSettings;
use store::removal::RemovalPolicy;
use store::{Account, Actor, DeviceId, EmailId, Flags, MaildropOptions, NewMessage, Protocol, Target};

/// Each with what must not be on the page.
const HOSTILE: [(&str, &str); 6] = [
    ("<script>alert(1)</script>", "<script"),
    ("\"><img src=x onerror=alert(1)>", "<img src=x"),
    ("' autofocus onfocus=alert(1) '", "onfocus=alert(1) '"),
    ("</title></bdi><svg/onload=alert(1)>", "<svg/"),
    ("=?utf-8?q?invoice=E2=80=AEfdp.exe?=", "\u{202e}"),
    ("=?utf-8?q?a=00=1Bb=0D=0ASet-Cookie:_x=3Dy?=", "\u{1b}"),
];

struct Home {
    world: World,
    account: Account,
    pc: DeviceId,
}

impl Home {
    /// A POP device that deletes for all, and a phone.
    fn new() -> Self {
        let world = World::new();
        let account = world.account(ALICE);
        let add = |name: &str, policy: RemovalPolicy| {
            world.auth.add_device(account.id(), name, Some(PopSettings::from(policy)), world.now()).unwrap().0
        };
        let pc = add("<b>old PC</b>", RemovalPolicy::Expunge);
        add("phone", RemovalPolicy::KeepWhenShared);
        account.note_login(pc, login(&world)).unwrap();
        Self { account, pc, world }
    }

    fn deliver(&self, subject: &str, from: &str) -> EmailId {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: self.world.now() };
        let body = format!("From: {from} <carol@example.net>\r\nSubject: {subject}\r\n\r\nx\r\n").into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: self.world.now() };
        self.account.append(actor, Target::Inbox, message).unwrap().email
    }

    /// The PC downloads and deletes everything.
    fn take_all(&self) {
        let actor = Actor { device: self.pc, protocol: Protocol::Pop3, now: self.world.now() };
        let maildrop = self.account.open_maildrop(self.pc, &MaildropOptions::default(), self.world.now()).unwrap();
        let all: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
        self.account.close_maildrop(actor, &maildrop, all.clone(), all).unwrap();
    }

    fn owner(&self) -> Actor {
        Actor { device: DeviceId(0), protocol: Protocol::Web, now: self.world.now() }
    }

    /// What the deletions of the PC do from now on.
    fn choose(&self, policy: RemovalPolicy) {
        self.account.set_pop_settings(self.owner(), self.pc, PopSettings::from(policy)).unwrap();
    }

    fn in_inbox(&self) -> usize {
        let inbox = self.account.mailboxes().unwrap().by_name("INBOX").unwrap().clone();
        usize::try_from(inbox.counts.messages).unwrap()
    }
}

fn login(world: &World) -> store::device::LastLogin {
    let (address, tls) = ("192.0.2.9".to_owned(), Some("TLSv1.3".to_owned()));
    let program = Some("<i>Outlook</i>".to_owned());
    store::device::LastLogin { at: world.now(), protocol: Protocol::Pop3, address, tls, program }
}

fn check_harmless(answer: &Answered, path: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    let forbidden = HOSTILE.iter().map(|(_, forbidden)| *forbidden).chain(["<b>old PC", "<i>Outlook"]);
    for forbidden in forbidden {
        assert!(!answer.plain().contains(forbidden), "{path} has {forbidden:?}:\n{}", answer.text);
    }
    assert!(!answer.headers.contains_key("x"), "{path}");
}

#[test]
fn what_strangers_write_is_text_on_every_page() {
    let home = Home::new();
    let emails: Vec<EmailId> = HOSTILE.iter().map(|(text, _)| home.deliver(text, &format!("\"{text}\""))).collect();
    home.deliver(&"wide ".repeat(2000), "Carol");
    home.take_all();
    let mut alice = home.world.alice();
    let device = home.pc;
    let paths = ["/", "/devices", "/timeline", "/undo", "/find"].map(str::to_owned).into_iter();
    let of_device = ["", "/imap", "/revoke"].map(|page| format!("/devices/{device}{page}"));
    let of_emails =
        ["", "/read"].map(|page| emails.iter().map(move |email| format!("/messages/{}{page}", email.text())));
    let of_emails = of_emails.into_iter().flatten();
    let asked = HOSTILE.iter().flat_map(|(text, _)| {
        let text = crate::path::encoded(text);
        [
            format!("/timeline?search={text}&since={text}&device={text}"),
            format!("/timeline?search={text}"),
            format!("/find?text={text}&since={text}&until={text}"),
            format!("/find?text={text}"),
            format!("/undo?device={device}&since=1+day+ago&mailbox={text}&message={text}"),
            format!("/undo?device={text}&since={text}&entry={text}"),
            format!("/login?next={text}"),
        ]
    });
    for path in paths.chain(of_device).chain(of_emails).chain(asked.collect::<Vec<_>>()) {
        match path.starts_with("/login") {
            true => check_harmless(&home.world.browser().get(&path), &path),
            false => check_harmless(&alice.get(&path), &path),
        }
    }
    let timeline = alice.get("/timeline").text;
    assert!(timeline.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "it is shown, escaped: {timeline}");
    let story = alice.get(&format!("/messages/{}", emails[0].text())).text;
    assert!(story.contains("<bdi>&#60;script&#62;"), "{story}");
    let answer = alice.get("/messages/%3Cscript%3E");
    assert!(answer.status == StatusCode::NOT_FOUND && !answer.plain().contains("<script"), "{}", answer.text);
    let json = alice.get("/api/v1/timeline");
    assert!(json.header("content-type") == "application/json" && json.header("x-content-type-options") == "nosniff");
}

#[test]
fn a_mail_that_vanished_is_found_and_comes_back_with_one_button() {
    let home = Home::new();
    let email = home.deliver("invoice for March", "Carol").text();
    home.deliver("another", "Carol");
    home.take_all();
    let mut alice = home.world.alice();
    let lately = alice.get("/find").text;
    assert!(lately.contains("Removed lately") && lately.contains("invoice for March"), "{lately}");
    let (path, back) = ("/find?text=invoice+march&since=&until=", format!("/find/{email}/bring-back"));
    let page = alice.get(path).text;
    assert!(page.contains("invoice for March") && !page.contains("another"), "{page}");
    assert!(page.contains(&format!("href=\"/messages/{email}\"")) && page.contains("old PC"), "{page}");
    let answer = alice.submit(path, &back, &[("text", "invoice march")]);
    assert_eq!((answer.location(), home.in_inbox()), ("/find?text=invoice%20march", 1));
    let page = alice.get(answer.location()).text;
    assert!(page.contains("1 message: put back") && !page.contains(&back), "{page}");
    let answer = alice.submit("/find", &back, &[]);
    assert_eq!(answer.location(), "/find");
    assert!(alice.get("/find").text.contains("in a mailbox already"));
    let page = alice.get("/find?text=nowhere").text;
    assert!(page.contains("Nothing was found; 2 messages were looked at"), "{page}");
    let page = alice.get("/find?since=never").text;
    assert!(page.contains("role=\"alert\""), "{page}");
}

#[test]
fn a_long_question_led_home_after_bring_it_back() {
    let home = Home::new();
    let email = home.deliver("invoice", "Carol").text();
    home.take_all();
    let mut alice = home.world.alice();
    // As many letters as the field takes, of four octets each.
    let question = "\u{1f4ee}".repeat(200);
    let answer = alice.submit("/find", &format!("/find/{email}/bring-back"), &[("text", &question)]);
    assert_eq!(answer.location(), format!("/find?text={}", crate::path::encoded(&question)));
    assert!(alice.get(answer.location()).text.contains("1 message: put back"));
}

fn lines(browser: &mut Browser<'_>) -> Vec<String> {
    let json = browser.get("/api/v1/timeline?limit=2").json();
    json["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_undo_shows_what_it_would_do_does_it_and_is_undone() {
    let home = Home::new();
    (0..3).for_each(|n| drop(home.deliver(&format!("number {n}"), "Carol").text()));
    home.take_all();
    let mut alice = home.world.alice();
    let path = format!("/undo?device={}&since=1+day+ago", home.pc);
    let page = alice.get(&path);
    assert!(page.text.contains("3 messages: put back into the mailboxes"), "{}", page.text);
    assert_eq!(home.in_inbox(), 0, "a look changes nothing");
    let device = home.pc.to_string();
    let answer = alice.submit(&path, "/undo", &[("device", &device), ("since", "1 day ago")]);
    assert_eq!((answer.location(), home.in_inbox()), ("/timeline", 3));
    let page = alice.get("/timeline");
    assert!(page.text.contains("Done. 3 messages: put back"), "{}", page.text);
    let entry = page.text.split("/undo?entry=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(alice.get(&format!("/undo?entry={entry}")).text.contains("copies removed"));
    alice.submit("/undo", "/undo", &[("entry", &entry)]);
    assert_eq!(home.in_inbox(), 0);
    assert_eq!(lines(&mut alice)[0], "undid an undo");
    let wrong = alice.submit("/undo", "/undo", &[("device", &device), ("since", "soon")]);
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(alice.get("/undo?device=1&since=soon").text.contains("is no moment"));
}

#[test]
fn an_offer_is_taken_or_declined() {
    for (answer, left, said) in [("put_back", 2, "put back into the mailboxes"), ("decline", 0, "It stays as it is.")] {
        let home = Home::new();
        (0..2).for_each(|n| drop(home.deliver(&format!("number {n}"), "Carol").text()));
        home.take_all();
        let mut alice = home.world.alice();
        assert!(!alice.get("/").text.contains("Put them back?"), "it is to delete for all");
        home.choose(RemovalPolicy::KeepWhenShared);
        let page = alice.get("/");
        assert!(page.text.contains("took 2 messages") && page.text.contains("Put them back?"), "{}", page.text);
        let path = format!("/offers/{}", home.pc);
        assert_eq!(alice.submit("/", &path, &[("answer", "perhaps")]).status, StatusCode::BAD_REQUEST);
        alice.submit("/", &path, &[("answer", answer)]);
        let page = alice.get("/");
        assert!(page.text.contains(said) && !page.text.contains("Put them back?"), "{}", page.text);
        assert_eq!(home.in_inbox(), left, "{answer}");
    }
}

#[test]
fn what_a_device_removed_far_more_of_than_ever_is_asked_first_on_the_overview() {
    for (answer, left) in [("bring_back", 40), ("right", 0)] {
        let home = Home::new();
        home.account.set_brake(home.owner(), home.pc, false).unwrap();
        (0..40).for_each(|n| drop(home.deliver(&format!("number {n}"), "Carol").text()));
        home.take_all();
        let mut alice = home.world.alice();
        let page = alice.get("/").text;
        let question = page
            .find("removed 40 of 40 messages from INBOX</bdi>. Bring them back?")
            .unwrap_or_else(|| panic!("{page}"));
        assert!(question < page.find("<h2>Devices</h2>").unwrap() && page.contains("and 37 more"), "{page}");
        let since = page.split("name=\"since\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let undo = alice.get("/undo").text;
        assert!(undo.contains("Removed lately") && undo.contains("Bring back these 40 messages"), "{undo}");
        let path = format!("/removals/{}", home.pc);
        assert_eq!(alice.submit("/", &path, &[("answer", "perhaps")]).status, StatusCode::BAD_REQUEST);
        alice.submit("/", &path, &[("answer", answer), ("since", since)]);
        assert_eq!(home.in_inbox(), left, "{answer}");
        assert!(!alice.get("/").text.contains("Bring them back?"), "{answer}");
        assert_eq!(alice.get("/undo").text.contains("Bring back these 40"), answer == "right");
    }
}

#[test]
fn the_timeline_folds_what_comes_in_and_shows_what_is_asked_for() {
    let home = Home::new();
    (0..7).for_each(|n| drop(home.deliver(&format!("number {n}"), "Carol").text()));
    let mut alice = home.world.alice();
    let page = alice.get("/timeline").text;
    assert_eq!(page.matches("came into INBOX").count(), 1, "{page}");
    assert!(page.contains("7 messages came into INBOX") && page.contains("and 2 more"), "{page}");
    assert_eq!(alice.get("/api/v1/timeline").text.matches("1 message came into INBOX").count(), 7);
    home.take_all();
    home.deliver("later", "Carol");
    let day = alice.get("/api/v1/timeline").json()["lines"][0]["at"].as_str().unwrap()[..10].to_owned();
    let check = |alice: &mut Browser<'_>, query: &str, removed: bool, came: bool| {
        let page = alice.get(&format!("/timeline?{query}")).text;
        assert_eq!(page.contains("removed 7 messages from INBOX"), removed, "{query}: {page}");
        assert_eq!(page.contains("came into INBOX"), came, "{query}: {page}");
    };
    check(&mut alice, "removals=on", true, false);
    check(&mut alice, "mailbox=INBOX", true, true);
    check(&mut alice, "mailbox=Trash", false, false);
    check(&mut alice, &format!("since={day}&until={day}"), true, true);
    check(&mut alice, &format!("until={day}T00:00"), false, false);
    assert!(alice.get("/timeline?mailbox=Nowhere").text.contains("there is no mailbox “Nowhere”"));
}

#[test]
fn a_device_that_only_uses_imap_does_not_open_with_choices_for_pop() {
    let home = Home::new();
    let of = |protocol| store::device::LastLogin { protocol, ..login(&home.world) };
    let (phone, _) = home.world.auth.add_device(home.account.id(), "new phone", None, home.world.now()).unwrap();
    let (mut alice, path, folded) = (home.world.alice(), format!("/devices/{phone}"), "<details class=\"pop\">");
    assert!(!alice.get(&path).text.contains(folded), "it may be one for POP");
    home.account.note_login(phone, of(Protocol::Imap)).unwrap();
    assert!(alice.get(&path).text.contains(folded));
    home.account.note_login(phone, of(Protocol::Pop3)).unwrap();
    assert!(!alice.get(&path).text.contains(folded));
}

#[test]
fn the_steps_to_imap_named_the_usual_ports_whatever_was_listened_on() {
    use crate::setup::{Offered, OfferedService, Protocol, Security};
    let world = World::listening_on(Offered {
        services: vec![
            OfferedService { protocol: Protocol::Imap, security: Security::Tls, port: 1993 },
            OfferedService { protocol: Protocol::Submission, security: Security::StartTls, port: 5587 },
        ],
        ..crate::testing::offered()
    });
    let (device, _) = world.auth.add_device(world.account(ALICE).id(), "PC", None, world.now()).unwrap();
    let page = world.alice().get(&format!("/devices/{device}/imap")).text;
    assert!(page.contains("port 1993, SSL/TLS") && page.contains("port 5587, STARTTLS"), "{page}");
}

#[test]
fn devices_are_revoked_and_new_ones_begin_with_what_was_chosen() {
    let home = Home::new();
    let mut alice = home.world.alice();
    let path = format!("/devices/{}/revoke", home.pc);
    assert!(alice.get(&path).text.contains("Revoke it"));
    assert_eq!(alice.submit(&path, &path, &[]).location(), "/devices");
    let page = alice.get("/devices");
    assert!(page.text.contains("may not log in any more") && !page.text.contains("This week"), "{}", page.text);
    assert!(!alice.get("/devices").text.contains("old PC"));
    assert!(alice.get("/devices?revoked=true").text.contains("old PC"));
    assert!(
        !alice.get(&format!("/devices/{}", home.pc)).text.contains("name=\"policy\""),
        "nothing to choose any more"
    );
    let fields =
        [("policy", "expunge-after-days"), ("policy_days", "14"), ("window", "last-days"), ("window_days", "9")];
    alice.submit("/defaults", "/defaults", &fields);
    let pop = home.account.settings().unwrap().pop;
    assert_eq!((pop.removal, pop.window.to_string().as_str()), (RemovalPolicy::ExpungeAfterDays(14), "last-days(9)"));
    let page = alice.get("/defaults").text;
    assert!(
        page.contains("begin with this") && page.contains("value=\"14\"") && page.contains("value=\"9\""),
        "{page}"
    );
    alice.submit("/defaults", "/defaults", &[("window", "last-days"), ("window_days", "0")]);
    assert!(alice.get("/defaults").text.contains("notice bad"));
}

#[test]
fn what_a_device_sends_is_saved_unless_the_box_is_not_ticked() {
    let home = Home::new();
    let mut alice = home.world.alice();
    let path = format!("/devices/{}", home.pc);
    for (fields, expected) in [
        (&[("saves_sent", "false")][..], false),
        (&[("saves_sent", "false"), ("saves_sent", "true")], true),
        (&[("policy", "trash")], true),
    ] {
        alice.submit(&path, &path, fields);
        assert_eq!(home.account.devices().unwrap()[&home.pc].saves_sent, expected, "{fields:?}");
    }
}

#[test]
fn a_new_pop_device_is_announced_until_its_owner_has_seen_it() {
    let home = Home::new();
    let mut alice = home.world.alice();
    for page in ["/", "/devices"] {
        let text = alice.get(page).text;
        assert!(
            text.contains("fetches your mail over POP") && text.contains("deleted for all devices at once"),
            "{text}"
        );
    }
    assert_eq!(alice.submit("/", &format!("/devices/{}/seen", home.pc), &[]).location(), "/devices");
    assert!(!alice.get("/devices").text.contains("fetches your mail over POP"));
    assert!(!alice.get("/").text.contains("fetches your mail over POP"));
    let other = Home::new();
    let (mut alice, path) = (other.world.alice(), format!("/devices/{}", other.pc));
    alice.submit(&path, &path, &[("policy", "keep")]);
    assert!(!alice.get("/").text.contains("fetches your mail over POP"), "who chooses has seen it");
}

#[test]
fn an_owner_says_that_two_faces_are_one_program() {
    let home = Home::new();
    let mut alice = home.world.alice();
    let visit = |program| home.account.pop_program_device(home.world.now(), program, "192.0.2.1", true).unwrap();
    let device = visit("PASS #1 alice");
    assert_eq!(visit("PASS #2 alice"), device);
    let path = format!("/devices/{device}");
    for page in ["/", "/devices", &path] {
        let text = alice.get(page).text;
        assert!(text.contains("one program or two?") && text.contains("your mailbox keeps what they delete"), "{text}");
    }
    assert_eq!(alice.submit(&path, &format!("{path}/one-program"), &[]).location(), "/devices");
    assert!(!alice.get("/devices").text.contains("one program or two?"));
    assert!(!alice.get("/").text.contains("one program or two?"));
}

#[test]
fn what_is_held_is_kept_or_let_go_with_one_click() {
    // With the letter that asks.
    for (answer, left, said) in [("keep", 401, "stay in your mailbox"), ("allow", 1, "are deleted")] {
        let home = Home::new();
        // It has been here for a while, and never took more than one.
        (0..400).for_each(|n| drop(home.deliver(&format!("number {n}"), "<i>Carol</i>").text()));
        home.take_all();
        assert_eq!(home.in_inbox(), 401, "held");
        let mut alice = home.world.alice();
        for page in ["/", "/held"] {
            let text = alice.get(page).text;
            assert!(text.contains("delete 400 messages?") && !text.contains("<i>Carol"), "{text}");
        }
        let path = format!("/held/{}", home.account.holds().unwrap()[0].id);
        assert_eq!(alice.submit("/held", &path, &[("answer", "perhaps")]).status, StatusCode::BAD_REQUEST);
        assert_eq!(alice.submit("/held", &path, &[("answer", answer), ("then", "stays")]).location(), "/held");
        let text = alice.get("/held").text;
        assert!(text.contains(said) && text.contains("Nothing is held.") && text.contains("Answered"), "{text}");
        assert_eq!(home.in_inbox(), left, "{answer}");
    }
}

#[test]
fn a_device_cannot_let_go_of_its_own_brake() {
    let home = Home::new();
    let (device, password) = home.world.auth.add_device(home.account.id(), "script", None, home.world.now()).unwrap();
    let mut program = home.world.browser();
    let login = BASE64_STANDARD.encode(format!("{ALICE}:{password}"));
    program.extra = vec![("authorization", format!("Basic {login}"))];
    let answer = program.call(&format!("/api/v1/devices/{device}"), r#"{"brake":false}"#);
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(program.call("/api/v1/held/1", r#"{"answer":"allow"}"#).status, StatusCode::FORBIDDEN);
    assert!(home.account.devices().unwrap()[&device].brake);
    let (mut alice, path) = (home.world.alice(), format!("/devices/{device}"));
    alice.submit(&path, &path, &[("brake", "false")]);
    assert!(!home.account.devices().unwrap()[&device].brake);
    alice.submit(&path, &path, &[("brake", "false"), ("brake", "true")]);
    assert!(home.account.devices().unwrap()[&device].brake);
}
