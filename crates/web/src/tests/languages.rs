//! Pages speak the language of whoever reads, and all that they say is in the catalogues.

use crate::path::encoded;
use crate::route::{Handler, Verb};
use crate::serve;
use crate::testing::{ALICE, Answered, Browser, PASSWORD, PSEUDO, World};
use axum::http::StatusCode;
use directory::{By, Posting};
use queue::NewEntry;
use smtp_proto::{ForwardPath, ReversePath};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::device::{LastLogin, import_name};
use store::pop::PopSettings;
use store::removal::RemovalPolicy;
use store::{
    AccountId, AccountSettings, Actor, DeviceId, EmailId, Flags, LanguageTag, MaildropOptions, NewMessage, Protocol,
    Target,
};

/// What is no sentence and has no translation: names, protocols, units, what a person types as it is, and what this test's own people
/// wrote. A run of letters that is a part of one of these words is one of them, too.
#[rustfmt::skip]
const NO_SENTENCES: &[&str] = &[
    "Pillarbox", "IMAP", "POP", "POP3", "SMTP", "LMTP", "TLS", "SSL", "STARTTLS", "UTC", "DNS", "SPF", "DKIM", "DMARC", "QR",
    "KiB", "MiB", "GiB", "TiB", "INBOX", "Junk", "Sent", "Trash", "Archive", "Drafts", "Held",
    "English", "Deutsch",
    "iPhone", "iPad", "Android", "Thunderbird", "Outlook", "Apple", "Mail",
    // The columns of a list of accounts, kinds of records.
    "address", "name", "password", "hash", "quota", "aliases", "MX", "TXT", "SRV", "CNAME", "TLSA",
    // The people of this test.
    "Alice", "Bob",
    // What the script of the pages fills in.
    "zone",
];

/// What is in names that the server gave to devices.
const GIVEN_NAMES: &[&str] = &["with your main password", "Import from ", "(other devices)"];

fn asking<'a>(mut browser: Browser<'a>, language: &str) -> Browser<'a> {
    browser.extra.push(("accept-language", language.to_owned()));
    browser
}

#[test]
fn a_page_is_in_the_language_that_the_browser_asks_for() {
    let world = World::new();
    for (asked, tag, title) in [
        ("", "en", "Log in"),
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Anmelden"),
        ("ja, en;q=0.5", "ja", "ログイン"),
        ("fr", "en", "Log in"),
    ] {
        let page = asking(world.browser(), asked).get("/login");
        assert!(page.text.contains(&format!("<html lang=\"{tag}\">")), "{asked}: {}", page.text);
        assert!(page.text.contains(&format!("<h1>{title}</h1>")), "{asked}: {}", page.text);
        assert_eq!((page.header("content-language"), page.header("vary")), (tag, "Accept-Language"), "{asked}");
    }
    let mut german = asking(world.alice(), "de");
    let answer = german.get("/devices/99");
    assert!(answer.text.contains("<h1>Hier ist nichts</h1>") && answer.text.contains("Fehler 404"), "{}", answer.text);
    let answer = german.get("/nowhere");
    assert!(answer.text.contains("Unter dieser Adresse gibt es nichts."), "{}", answer.text);
    let answer = german.send("DELETE", "/login", Vec::new());
    assert!(answer.text.contains("<h1>So nicht</h1>"), "{}", answer.text);
    let long = vec![b'x'; serve::BODY_BYTES_MAX + 1];
    assert!(german.send("POST", "/login", long).text.contains("Das ist zu lang"));
    assert_eq!(german.get("/api/v1/devices/99").json()["title"], "Hier ist nichts");
    assert_eq!(world.alice().get("/api/v1/devices/99").json()["title"], "Nothing here");
}

#[test]
fn what_an_account_has_chosen_counts_more_than_what_its_browser_asks_for() {
    let world = World::new();
    let mut alice = asking(world.alice(), "de");
    assert!(alice.get("/account").text.contains("<h1>Mein Konto</h1>"));
    let choose = |tag: Option<&'static str>| {
        let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: world.now() };
        let set = move |settings: &mut AccountSettings| settings.language = tag.and_then(LanguageTag::new);
        world.account(ALICE).change_settings(owner, set).unwrap();
    };
    choose(Some("ja"));
    let page = alice.get("/account");
    assert!(page.text.contains("<html lang=\"ja\">") && page.text.contains("<h1>マイアカウント</h1>"), "{}", page.text);
    // A stranger in the same browser, and a program, say themselves what they want.
    assert!(asking(world.browser(), "de").get("/login").text.contains("Anmelden"));
    assert_eq!(alice.get("/api/v1/devices/99").json()["title"], "Hier ist nichts");
    // One that a later version knows.
    choose(Some("tlh"));
    assert!(alice.get("/account").text.contains("<h1>Mein Konto</h1>"));
    choose(None);
    let answer = alice.submit("/account", "/account/language", &[("language", "ja")]);
    assert_eq!(answer.location(), "/account", "{}", answer.text);
    let page = alice.get("/account").text;
    assert!(page.contains("<html lang=\"ja\">") && page.contains("これからこの言語で表示します。"), "{page}");
    assert!(page.contains("<option value=\"ja\" lang=\"ja\" selected>日本語</option>"), "{page}");
    assert!(page.contains("<option value=\"de\" lang=\"de\">Deutsch</option>"), "{page}");
    alice.submit("/account", "/account/language", &[("language", "")]);
    assert!(alice.get("/account").text.contains("<h1>Mein Konto</h1>"));
    alice.submit("/account", "/account/language", &[("language", "tlh")]);
    assert!(alice.get("/account").text.contains("class=\"notice bad\""));
}

/// Everything that a page says in plain letters of ASCII is on the list of what is no sentence.
#[test]
fn nothing_that_pages_say_is_outside_of_the_catalogues() {
    let world = World::new();
    let paths = furnish(&world);
    let (mut alice, mut stranger) = (asking(world.alice(), PSEUDO), asking(world.browser(), PSEUDO));
    let mut found = BTreeSet::new();
    let mut pages = 0;
    let mut look = |what: &str, answer: &Answered| {
        pages += usize::from(answer.header("content-type").starts_with("text/html"));
        found.extend(outside(answer).into_iter().map(|text| format!("{what}: {text}")));
        // Names stand where nothing is read otherwise.
        let given = GIVEN_NAMES.iter().filter(|given| answer.text.contains(**given));
        found.extend(given.map(|given| format!("{what}: a device {given}")));
    };
    for route in serve::routes() {
        let is_owners = match route.handler {
            Handler::Owner(_) => true,
            Handler::Anybody(_) => false,
            Handler::Document(_) | Handler::Bearer(_) | Handler::Api(_) | Handler::Watched(_) => continue,
        };
        if route.path == "/logout" || route.path.starts_with("/assets/") {
            continue;
        }
        let mut known: Vec<&str> =
            paths.iter().filter(|(pattern, _)| *pattern == route.path).map(|(_, path)| path.as_str()).collect();
        let other = ["{id}", "{token}", "{message}", "{list}", "{secret}"]
            .iter()
            .fold(route.path.to_owned(), |path, name| path.replace(name, "999"));
        known.push(&other);
        for path in known {
            let browser = if is_owners { &mut alice } else { &mut stranger };
            look(path, &browser.get(path));
            // What is said of a form without its fields.
            if route.method == Verb::Post {
                look(path, &posted(browser, path, &[]));
            }
        }
    }
    for (page, path, fields) in ASKED {
        let token = alice.get("/account").csrf();
        let answer = alice.post(path, &[fields, &[("csrf", token.as_str())][..]].concat());
        look(&format!("{path} {fields:?}"), &answer);
        look(&format!("{page} after {path} {fields:?}"), &alice.get(page));
    }
    assert!(pages > 120, "{pages}");
    assert!(found.is_empty(), "\n{}", found.into_iter().collect::<Vec<_>>().join("\n"));
}

/// What a page says how a moment is written, or proposes, is understood on that page, in whatever language it is.
#[test]
fn moments_are_understood_as_the_pages_say_them() {
    let world = World::new();
    furnish(&world);
    // Later than the dates that stand in hints.
    world.wait_millis(100 * 24 * 3_600_000);
    let pages = [("/find?text=1", "since"), ("/timeline", "since"), ("/refused", "since"), ("/undo", "device=1&since")];
    for language in ["en", "de", "ja", PSEUDO] {
        let mut alice = asking(world.alice(), language);
        let mut tried = 0;
        for (path, field) in pages {
            let page = alice.get(path).text;
            let mut hints: Vec<String> = between(&page, " placeholder=\"", "\"").collect();
            let choices: String = between(&page, "<datalist id=\"moments\">", "</datalist>").collect();
            hints.extend(between(&choices, "<option value=\"", "\">"));
            if let Some(input) = page.split("<input id=\"since\"").nth(1) {
                hints.extend(between(input.split('>').next().unwrap(), " value=\"", "\""));
            }
            let example =
                between(&page, "<time ", "</time>").filter_map(|time| Some(time.split_once('>')?.1.to_owned()));
            hints.extend(example.filter(|text| text.contains("2026") && !text.contains('<')));
            for hint in hints.iter().filter(|hint| !hint.is_empty()) {
                let question = if path.contains('?') { '&' } else { '?' };
                let asked = format!("{path}{question}{field}={}", encoded(hint));
                let answer = alice.get(&asked);
                assert_eq!(answer.status, StatusCode::OK, "{language} {hint}: {}", answer.text);
                assert!(!answer.text.contains("class=\"notice bad\""), "{language} {asked} {hint}: {}", answer.text);
                tried += 1;
            }
        }
        assert!(tried > 9, "{language}: {tried}");
        let answer = alice.get("/timeline?since=soon").text;
        assert!(answer.contains("soon"), "{language}: {answer}");
    }
}

fn between<'t>(text: &'t str, start: &'t str, end: &'t str) -> impl Iterator<Item = String> + use<'t> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next().map(str::to_owned))
}

fn posted(browser: &mut Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Answered {
    let page = if path.starts_with("/login") || path.starts_with("/request") { path } else { "/account" };
    let page = browser.get(page).text;
    let token = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    browser.post(path, &[fields, &[("csrf", token)]].concat())
}

/// Puts something on every page, of people who write no letters of ASCII: where the pages of it are, by their routes.
fn furnish(world: &World) -> Vec<(&'static str, String)> {
    let directory = world.auth.directory();
    directory.set_admin(ALICE, true).unwrap();
    let account = world.account(ALICE);
    let add = |name: &str, policy: RemovalPolicy| {
        world.auth.add_device(account.id(), name, Some(PopSettings::from(policy)), world.now()).unwrap().0
    };
    let (pc, phone, lost) =
        (add("①", RemovalPolicy::Expunge), add("②", RemovalPolicy::KeepWhenShared), add("③", RemovalPolicy::Trash));
    let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: world.now() };
    account.revoke_device(owner, lost).unwrap();
    for (protocol, fingerprint) in
        [(Protocol::Imap, "imap"), (Protocol::Pop3, "pop3:⑫"), (Protocol::Submission, "submission:⑬")]
    {
        account.main_password_device(world.now(), protocol, fingerprint).unwrap();
    }
    account.import_device(owner, "imap://⑭", &import_name("⑭")).unwrap();
    account.guest_device(owner, (AccountId(99), pc), "⑮").unwrap();
    let login = |protocol, program: &str| LastLogin {
        at: world.now(),
        protocol,
        address: "192.0.2.9".to_owned(),
        tls: Some("1.3".to_owned()),
        program: Some(program.to_owned()),
    };
    account.note_login(pc, login(Protocol::Pop3, "④")).unwrap();
    account.note_login(phone, login(Protocol::Imap, "⑤")).unwrap();
    let messages: Vec<EmailId> = (0..40).map(|_| deliver(world)).collect();
    account.set_brake(owner, pc, false).unwrap();
    take_all(world, pc);
    account.set_brake(owner, pc, true).unwrap();
    for _ in 0..400 {
        deliver(world);
    }
    let message = deliver(world);
    let html = b"Subject: 10\r\nContent-Type: text/html\r\n\r\n<img src=cid:1><img src=//far.example>11\r\n".to_vec();
    let html = NewMessage { body: html, flags: Flags::default(), internal_date: world.now() };
    let html = account.append(owner, Target::Inbox, html).unwrap().email.text();
    take_all(world, pc);
    directory.add_list("1@example.org", "6", Posting::Members, &[ALICE]).unwrap();
    directory.join_list("1@example.org", "2@far.example", (By::Owner, world.now())).unwrap();
    directory.join_list("1@example.org", ALICE, (By::Owner, world.now())).unwrap();
    let list = directory.list("1@example.org").unwrap().unwrap();
    let token = directory.list_token(&list, &list.members[0]);
    let invited = directory.invite_to_list("1@example.org", "3@far.example", world.now()).unwrap();
    let invitation = directory.invite(None, &[], 7, world.now()).unwrap().token;
    let link = directory.invite(Some("4@example.org"), &[], 7, world.now()).unwrap().token;
    let to = |to: &str| vec![ForwardPath::Mailbox(to.parse().unwrap()).into()];
    let from = ReversePath::Mailbox(ALICE.parse().unwrap());
    let new = NewEntry::new(from, to("5@far.example"), Arc::new(b"1\r\n".to_vec()));
    world.queue.enqueue(new, world.now()).unwrap();
    let mut stranger = world.browser();
    let wish = [("name", "⑦"), ("address", "5@example.org"), ("reason", "⑧"), ("contact", "6@far.example")];
    let status = stranger.submit("/request", "/request", &wish).location().to_owned();
    let id = |id: DeviceId| id.to_string();
    vec![
        ("/messages/{message}", format!("/messages/{}", messages[0].text())),
        ("/messages/{message}/read", format!("/messages/{}/read", message.text())),
        ("/messages/{message}/read", format!("/messages/{html}/read?as=sent")),
        ("/messages/{message}/read", format!("/messages/{html}/read?as=text")),
        ("/messages/{message}/sent", format!("/messages/{html}/sent")),
        ("/devices/{id}", format!("/devices/{}", id(pc))),
        ("/devices/{id}", format!("/devices/{}", id(phone))),
        ("/devices/{id}", format!("/devices/{}", id(lost))),
        ("/devices/{id}/imap", format!("/devices/{}/imap", id(pc))),
        ("/devices/{id}/revoke", format!("/devices/{}/revoke", id(pc))),
        ("/devices", "/devices?revoked=true".to_owned()),
        ("/devices/add", "/devices/add".to_owned()),
        ("/devices/add", "/devices/add?program=iphone".to_owned()),
        ("/find", "/find".to_owned()),
        ("/find", "/find?text=1".to_owned()),
        ("/find", "/find?since=1".to_owned()),
        ("/undo", "/undo".to_owned()),
        ("/undo", format!("/undo?device={}&since=2026-01-01", id(pc))),
        ("/timeline", "/timeline".to_owned()),
        ("/timeline", "/timeline?since=1".to_owned()),
        ("/storage", "/storage".to_owned()),
        ("/storage", "/storage?older_than_days=0".to_owned()),
        ("/lists/{list}", "/lists/1@example.org".to_owned()),
        ("/lists/{list}/leave/{token}", format!("/lists/1@example.org/leave/{token}")),
        ("/lists/{list}/join/{token}", format!("/lists/1@example.org/join/{invited}")),
        ("/invitation/{token}", format!("/invitation/{invitation}")),
        ("/invitation/{token}", format!("/invitation/{link}")),
        ("/request/{token}", status),
        ("/admin/accounts/{id}", format!("/admin/accounts/{}", account.id().0)),
        ("/admin/accounts/{id}", format!("/admin/accounts/{}", account.id().0 + 1)),
        ("/admin/domains/records", "/admin/domains/records?domain=example.org".to_owned()),
        ("/admin/audit", "/admin/audit?kind=logins".to_owned()),
        ("/admin/audit", "/admin/audit?kind=failures".to_owned()),
        ("/admin/audit", "/admin/audit".to_owned()),
    ]
}

fn deliver(world: &World) -> EmailId {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let body = b"From: \"9\" <9@far.example>\r\nSubject: 10\r\n\r\n11\r\n".to_vec();
    let message = NewMessage { body, flags: Flags::default(), internal_date: world.now() };
    world.account(ALICE).append(actor, Target::Inbox, message).unwrap().email
}

/// A device downloads and deletes everything.
fn take_all(world: &World, device: DeviceId) {
    let (account, actor) = (world.account(ALICE), Actor { device, protocol: Protocol::Pop3, now: world.now() });
    let maildrop = account.open_maildrop(device, &MaildropOptions::default(), world.now()).unwrap();
    let all: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
    account.close_maildrop(actor, &maildrop, all.clone(), all).unwrap();
}

/// The fields of a form.
type Form = &'static [(&'static str, &'static str)];

/// What an owner asks for by a form: the page that it is on, where it goes, and what is in it. What comes of it is told on the next page.
const ASKED: &[(&str, &str, Form)] = &[
    ("/account", "/account/junk-filter", &[("switch", "off")]),
    ("/account", "/account/password", &[("password", "1"), ("new_password", "12345678"), ("again", "1")]),
    ("/account", "/account/password", &[("password", "1"), ("new_password", "12345678"), ("again", "12345678")]),
    ("/account", "/account/second-factor", &[("password", "1")]),
    ("/account", "/account/second-factor", &[("password", PASSWORD)]),
    ("/account", "/account/second-factor/confirm", &[("password", PASSWORD), ("code", "1")]),
    ("/account", "/account/sessions", &[]),
    ("/account", "/account/sessions/1", &[]),
    ("/account", "/account/shares", &[("mailbox", "INBOX"), ("with", "bob@example.org"), ("rights", "read")]),
    ("/account", "/account/shares", &[("mailbox", "INBOX"), ("with", "12"), ("rights", "read")]),
    ("/account", "/account/forward", &[("address", "13@far.example"), ("keep", "copy")]),
    ("/account", "/account/forward/confirm", &[("code", "1")]),
    ("/account", "/account/test-mail", &[("to", "14@far.example")]),
    ("/account", "/defaults", &[("policy", "trash")]),
    ("/account", "/devices/1", &[("policy", "keep-when-shared")]),
    ("/account", "/devices/1/seen", &[]),
    ("/account", "/devices/1/one-program", &[]),
    ("/account", "/devices/1/token", &[("days", "3")]),
    ("/account", "/devices/add", &[("program", "iphone"), ("name", "⑨"), ("access", "imap")]),
    ("/account", "/devices/add", &[("program", "other"), ("name", "⑨"), ("access", "pop3"), ("policy", "trash")]),
    ("/account", "/undo", &[("device", "1"), ("since", "2026-01-01")]),
    ("/account", "/storage/clear", &[("older_than_days", "0")]),
    ("/account", "/lists", &[("list", "1@example.org"), ("wish", "pause")]),
    ("/account", "/lists/1@example.org/join", &[("list", "1@example.org"), ("member", "bob@example.org")]),
    ("/account", "/lists/1@example.org/invite", &[("list", "1@example.org"), ("member", "15@far.example")]),
    ("/account", "/lists/1@example.org/rules", &[("list", "1@example.org"), ("posting", "owners")]),
    ("/admin", "/admin/accounts", &[("address", "16@example.org"), ("name", "⑩")]),
    ("/admin", "/admin/accounts", &[("address", "16")]),
    ("/admin", "/admin/accounts/import", &[("csv", "address,name\n17@example.org,1\n18,2"), ("dry_run", "true")]),
    ("/admin", "/admin/domains", &[("domain", "far.example")]),
    ("/admin", "/admin/domains", &[("domain", "-")]),
    ("/admin", "/admin/aliases", &[("alias", "19@example.org"), ("targets", ALICE)]),
    ("/admin", "/admin/aliases/remove", &[("alias", "20@example.org")]),
    ("/admin", "/admin/lists", &[("list", "21@example.org"), ("posting", "owners"), ("owners", ALICE)]),
    ("/admin", "/admin/lists/joining", &[("list", "1@example.org"), ("joining", "open")]),
    ("/admin", "/admin/queue/hold", &[("domain", "far.example")]),
    ("/admin", "/admin/queue/messages/1/retry", &[]),
    ("/admin", "/admin/requests/1/decline", &[("reason", "22")]),
    ("/admin", "/admin/invitations", &[("days", "3")]),
    ("/admin", "/admin/doctor", &[]),
];

/// The texts of a page, and of attributes that are read, in which letters of ASCII stand that [`NO_SENTENCES`] does not allow.
fn outside(answer: &Answered) -> Vec<String> {
    let mut found = Vec::new();
    // That a method is not known is said outside of the handlers, which alone speak the language of tests.
    if !answer.header("content-type").starts_with("text/html") || answer.status == StatusCode::METHOD_NOT_ALLOWED {
        return found;
    }
    // What somebody wrote, what is typed as it is, and the password of a device.
    let mut within: Option<&str> = None;
    for part in answer.text.split('<').skip(1) {
        let (tag, text) = tag_and_text(part);
        let name = tag.split([' ', '\n']).next().unwrap();
        match within {
            Some(element) if name.strip_prefix('/') == Some(element) => within = None,
            Some(_) => continue,
            None => within = ["bdi", "code", "pre", "style", "textarea"].into_iter().find(|element| *element == name),
        }
        for attribute in ["title", "alt", "aria-label", "placeholder", "data-label", "data-zone"] {
            let value = tag.split(&format!(" {attribute}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            found.extend(value.filter(|value| is_outside(value)).map(|value| format!("{attribute}: {value}")));
        }
        if within.is_none() && is_outside(text) {
            found.push(text.trim().to_owned());
        }
    }
    found
}

/// Up to the `>` that is in no quotes, and what follows.
fn tag_and_text(part: &str) -> (&str, &str) {
    let mut is_quoted = false;
    for (at, c) in part.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return (&part[..at], &part[at + 1..]),
            _ => {}
        }
    }
    (part, "")
}

fn is_outside(text: &str) -> bool {
    let entities = ["&#60;", "&#62;", "&#34;", "&#39;", "&#38;", "&amp;"];
    let text = entities.iter().fold(text.to_owned(), |text, entity| text.replace(entity, " "));
    // Addresses, names of hosts, paths.
    let words = text
        .split_whitespace()
        .filter(|word| !word.contains(['@', '/']) && !word.contains("example.org") && !word.contains(".example"));
    // Messages have names like M001irvreripo0.
    let words = words.filter(|word| !word.starts_with("M00"));
    let mut runs = words.flat_map(|word| word.split(|c: char| !c.is_ascii_alphabetic())).filter(|run| run.len() > 1);
    runs.any(|run| !NO_SENTENCES.contains(&run))
}

#[test]
fn what_is_outside_of_the_catalogues_is_found() {
    for (text, expected) in [
        ("⟦Фнго⟧ IMAP 2026-11-22 alice@example.org", false),
        ("⟦Фнго⟧ Undo", true),
        ("⟦Фнго⟧ 3 days", true),
        ("Фнго&#38;", false),
        ("mail.example.org, it", true),
        ("mail it", true),
        ("Browser with your main password", true),
    ] {
        assert_eq!(is_outside(text), expected, "{text}");
    }
}
