//! How people get in, what owners change about themselves, and what administrators do.

use crate::route::Verb;
use crate::serve;
use crate::testing::{ALICE, Answered, Browser, PASSWORD, World};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use store::device::LastLogin;
use store::removal::RemovalPolicy;
use store::{Protocol, Timestamp};
use totp_rs::{Builder, Secret};

const BOB: &str = "bob@example.org";
const NEW: &str = "a new password";

/// A world in which Alice is an administrator, and her browser.
fn world() -> World {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    world
}

fn wishes<'a>(address: &'a str, name: &'a str, reason: &'a str) -> [(&'a str, &'a str); 5] {
    [("name", name), ("address", address), ("domain", "example.org"), ("reason", reason), ("contact", "c@example.com")]
}

fn ask(browser: &mut Browser<'_>, address: &str) -> Answered {
    browser.submit("/request", "/request", &wishes(address, "Carol", "I sing"))
}

/// The path after `href="` or in a text that ends with it.
fn path_in(text: &str, begins: &str) -> String {
    let at = text.find(begins).unwrap_or_else(|| panic!("no {begins} in {text}"));
    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect()
}

/// What an authenticator app shows.
fn code(page: &str, now: Timestamp) -> String {
    let key: String = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let digit = |c: u8| if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'A' };
    let mut bits = key.bytes().flat_map(|c| (0..5).rev().map(move |place| digit(c) >> place & 1));
    let secret = [0; 20].map(|_| (0..8).fold(0, |byte, _| byte << 1 | bits.next().unwrap()));
    let totp = Builder::new().with_secret(Secret::new_stack(secret)).build_noncompliant();
    totp.generate(u64::try_from(now.unix_seconds()).unwrap()).to_string()
}

#[test]
fn a_stranger_asks_an_administrator_accepts_and_the_owner_gets_in() {
    let world = world();
    let mut stranger = world.browser();
    let asked = ask(&mut stranger, "carol");
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let status = asked.location().to_owned();
    assert!(stranger.get(&status).text.contains("Your request waits"));
    let mut alice = world.alice();
    assert!(alice.get("/admin/people").text.contains("carol@example.org"));
    alice.submit("/admin/people", "/admin/requests/1/accept", &[("address", "carol@example.org")]);
    assert!(alice.get("/admin/people").text.contains("went to c@example.com"));
    let (to, letter) = world.letters.lock().unwrap()[0].clone();
    assert!(to == "c@example.com" && letter.contains("    https://mail.example.org/password/"), "{letter}");
    let told = path_in(&letter, "/password/");
    let page = stranger.get(&status);
    let link = path_in(&page.text, "/password/");
    assert_ne!(link, told, "each has a link of their own");
    let choose = |browser: &mut Browser<'_>, fields: &[(&str, &str)]| browser.submit(&link, &link, fields);
    let differ = choose(&mut stranger, &[("new_password", NEW), ("again", "another one")]);
    assert!(differ.status == StatusCode::UNPROCESSABLE_ENTITY && differ.text.contains("differ"));
    let short = choose(&mut stranger, &[("new_password", "short"), ("again", "short")]);
    assert!(short.status == StatusCode::UNPROCESSABLE_ENTITY && short.text.contains("too short"));
    let token = stranger.get(&link).csrf();
    let chosen = stranger.post(&link, &[("csrf", &token), ("new_password", NEW), ("again", NEW)]);
    assert_eq!((chosen.status, chosen.location()), (StatusCode::SEE_OTHER, "/login"));
    // Once: this link, and the other one, too.
    for used in [&link, &told] {
        assert_eq!(stranger.get(used).status, StatusCode::NOT_FOUND);
        let again = [("csrf", token.as_str()), ("new_password", PASSWORD), ("again", PASSWORD)];
        assert_eq!(stranger.post(used, &again).status, StatusCode::NOT_FOUND);
    }
    assert_eq!(stranger.log_in("carol@example.org", NEW).status, StatusCode::SEE_OTHER);
}

#[test]
fn a_declined_stranger_reads_why() {
    let world = world();
    let mut stranger = world.browser();
    let status = ask(&mut stranger, "carol").location().to_owned();
    let reason = "only <b>singers</b>\r\nSet-Cookie: x=y";
    world.alice().submit("/admin/people", "/admin/requests/1/decline", &[("reason", reason)]);
    let page = stranger.get(&status);
    assert!(page.text.contains("only &#60;b&#62;singers") && !page.text.contains("<b>singers"), "{}", page.text);
    assert_eq!(page.header("set-cookie"), "");
    let (to, letter) = world.letters.lock().unwrap()[0].clone();
    let (head, body) = letter.split_once("\r\n\r\n").unwrap();
    assert!(to == "c@example.com" && !head.contains("Set-Cookie") && body.contains("only <b>singers"), "{letter}");
    let (most, last) = status.split_at(status.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    assert_eq!(world.browser().get(&format!("{most}{other}")).status, StatusCode::NOT_FOUND);
}

#[test]
fn who_asks_does_not_learn_which_addresses_are_in_use() {
    let world = world();
    let answers: Vec<Answered> = ["alice", "free", ALICE]
        .into_iter()
        .enumerate()
        .map(|(n, address)| {
            let mut stranger = world.browser();
            stranger.peer.address = format!("198.51.100.{n}").parse().unwrap();
            let asked = ask(&mut stranger, address);
            assert_eq!(asked.status, StatusCode::SEE_OTHER);
            stranger.get(asked.location())
        })
        .collect();
    let neutral = |answer: &Answered| answer.text.replace(ALICE, "ADDRESS").replace("free@example.org", "ADDRESS");
    assert!(answers.iter().all(|answer| neutral(answer) == neutral(&answers[0])));
    let page = world.alice().get("/admin/people").text;
    assert_eq!(page.matches("in use already").count(), 2, "the administrator sees it");
}

#[test]
fn one_address_asks_a_few_times_only() {
    let world = world();
    let mut stranger = world.browser();
    for n in 0..auth::REQUESTS_PER_NETWORK_MAX {
        assert_eq!(ask(&mut stranger, &format!("carol{n}")).status, StatusCode::SEE_OTHER);
    }
    let refused = ask(&mut stranger, "carol99");
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text.contains("try again tomorrow"));
    assert!(refused.text.contains("value=\"carol99\""), "nothing has to be typed again");
    stranger.peer.address = "198.51.100.1".parse().unwrap();
    assert_eq!(ask(&mut stranger, "carol99").status, StatusCode::SEE_OTHER);
}

#[test]
fn what_strangers_write_is_harmless_on_the_pages() {
    let world = world();
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\r\nLocation: https://evil.example";
    let mut stranger = world.browser();
    let failed = stranger.submit("/request", "/request", &wishes("not an address", evil, evil));
    let asked = stranger.submit("/request", "/request", &wishes("carol", evil, evil));
    assert!(asked.location().starts_with("/request/"), "{asked:?}");
    let mut alice = world.alice();
    for page in [failed, stranger.get(asked.location()), alice.get("/admin/people")] {
        let text = page.plain();
        assert!(!text.contains("<script") && !text.contains("<img src=x"), "{text}");
        assert_eq!(page.header("location"), "");
    }
    alice.submit("/admin/people", "/admin/requests/1/accept", &[]);
    for path in ["/admin/people", "/admin", "/admin/accounts/18", "/admin/integrity"] {
        let page = alice.get(path);
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.plain().contains("<script") && !page.text.contains("<img src=x"), "{path}: {}", page.text);
    }
}

#[test]
fn where_strangers_may_not_ask_the_page_says_so() {
    let world = World::without_requests();
    let page = world.browser().get("/request");
    assert!(page.text.contains("cannot be requested") && !page.text.contains("<form"));
    let mut visitor = world.browser();
    let token = visitor.get("/login").csrf();
    let fields = [&wishes("carol", "Carol", "x")[..], &[("csrf", token.as_str())]].concat();
    let answer = visitor.post("/request", &fields);
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.auth.requests().all(world.now()).unwrap(), []);
}

#[test]
fn who_is_invited_makes_an_account_once() {
    let world = world();
    let mut alice = world.alice();
    alice.submit("/admin/people", "/admin/invitations", &[("days", "3")]);
    let link = path_in(&alice.get("/admin/people").text, "/invitation/");
    let mut invited = world.browser();
    let fields = |address| [("address", address), ("name", "Carol"), ("new_password", NEW), ("again", NEW)];
    let taken = invited.submit(&link, &link, &fields(ALICE));
    assert!(taken.status == StatusCode::UNPROCESSABLE_ENTITY && taken.text.contains("already"));
    let token = invited.get(&link).csrf();
    let made = invited.submit(&link, &link, &fields("carol@example.org"));
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let again = [&fields("dave@example.org")[..], &[("csrf", token.as_str())]].concat();
    assert_eq!(invited.post(&link, &again).status, StatusCode::NOT_FOUND);
    assert_eq!(invited.log_in("carol@example.org", NEW).status, StatusCode::SEE_OTHER);
    // One that is taken back.
    alice.submit("/admin/people", "/admin/invitations", &[("address", "dave@example.org")]);
    let page = alice.get("/admin/people").text;
    let link = path_in(&page, "/invitation/");
    alice.submit("/admin/people", &path_in(&page, "/admin/links/"), &[]);
    assert_eq!(world.browser().get(&link).status, StatusCode::NOT_FOUND);
}

#[test]
fn who_is_invited_cannot_become_the_postmaster_and_stays_in_the_domain_of_who_invited() {
    let world = world();
    world.auth.directory().add_domain("example.net").unwrap();
    let mut alice = world.alice();
    assert!(alice.get("/admin/people").text.contains("<option value=\"example.org\" selected>"));
    let link = |alice: &mut Browser<'_>, fields: &[(&str, &str)]| {
        alice.submit("/admin/people", "/admin/invitations", fields);
        path_in(&alice.get("/admin/people").text, "/invitation/")
    };
    let fields = |address| [("address", address), ("name", "Carol"), ("new_password", NEW), ("again", NEW)];
    let mut invited = world.browser();
    let here = link(&mut alice, &[("days", "3")]);
    assert!(!invited.get(&here).text.contains("example.net"));
    for (address, says) in
        [("hostmaster@example.org", "whoever runs this server"), ("carol@example.net", "@example.org")]
    {
        let refused = invited.submit(&here, &here, &fields(address));
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text.contains(says), "{}", refused.text);
    }
    assert!(alice.get("/admin/people").text.contains("any at example.org"));
    for (domain, name) in [("*", "carol@example.net"), ("example.net, example.org", "dave@example.net")] {
        let anywhere = link(&mut alice, &[("domain", domain)]);
        assert_eq!(invited.submit(&anywhere, &anywhere, &fields(name)).status, StatusCode::SEE_OTHER);
    }
}

#[test]
fn a_new_password_gives_a_fresh_session_and_ends_the_others() {
    let world = World::new();
    let (mut here, mut elsewhere) = (world.alice(), world.alice());
    let before = here.cookie("__Host-pillarbox").unwrap().to_owned();
    let change = |browser: &mut Browser<'_>, password: &str| {
        let fields = [("password", password), ("new_password", NEW), ("again", NEW)];
        browser.submit("/account", "/account/password", &fields)
    };
    assert_eq!(change(&mut here, "wrong horse").location(), "/account");
    assert!(here.get("/account").text.contains("is not right"));
    assert_eq!(here.cookie("__Host-pillarbox"), Some(before.as_str()));
    change(&mut here, PASSWORD);
    let after = here.cookie("__Host-pillarbox").unwrap().to_owned();
    assert_ne!(before, after);
    assert!(here.get("/account").text.contains("Your password was changed"));
    assert_eq!(elsewhere.get("/account").location(), "/login?next=%2Faccount");
    let mut old = world.browser();
    old.set_cookie("__Host-pillarbox", &before);
    assert_eq!(old.get("/account").status, StatusCode::SEE_OTHER);
    assert_eq!(world.browser().log_in(ALICE, NEW).status, StatusCode::SEE_OTHER);
}

#[test]
fn a_second_factor_is_set_up_asked_for_and_switched_off() {
    let world = World::new();
    let mut alice = world.alice();
    alice.submit("/account", "/account/second-factor", &[("password", "wrong horse")]);
    assert_eq!(alice.get("/account/second-factor").location(), "/account");
    alice.submit("/account", "/account/second-factor", &[("password", PASSWORD)]);
    let page = alice.get("/account/second-factor");
    assert!(page.text.contains("src=\"data:image/svg+xml;base64,"), "{}", page.text);
    assert!(page.header("content-security-policy").contains("img-src 'self' data:"));
    let wrong = alice.submit("/account/second-factor", "/account/second-factor/confirm", &[("code", "1234567")]);
    assert_eq!(wrong.location(), "/account/second-factor");
    let setup = page.text;
    let now = code(&setup, world.now());
    let codes = alice.submit("/account/second-factor", "/account/second-factor/confirm", &[("code", &now)]);
    assert_eq!(codes.text.matches("<li><code>").count(), auth::RECOVERY_CODES, "{}", codes.text);
    assert!(alice.get("/account").text.contains("application passwords only"), "still logged in, afresh");
    world.wait_millis(30_000);
    let with = |code: &str| {
        let fields = [("user", ALICE), ("password", PASSWORD), ("code", code)];
        world.browser().submit("/login", "/login", &fields)
    };
    let without = with("");
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = world.browser().log_in("nobody@example.org", PASSWORD);
    let strip = |answer: &Answered| {
        answer.text.replace(&answer.csrf(), "").replace(ALICE, "").replace("nobody@example.org", "")
    };
    assert_eq!(strip(&without), strip(&nobody), "no answer tells that a code was wanted");
    let now = code(&setup, world.now());
    assert_eq!(with(&now).status, StatusCode::SEE_OTHER);
    assert_eq!(with(&now).status, StatusCode::UNPROCESSABLE_ENTITY, "a code counts once");
    world.wait_millis(30_000);
    let now = code(&setup, world.now());
    alice.submit("/account", "/account/second-factor/off", &[("password", PASSWORD), ("code", &now)]);
    assert!(alice.get("/account").text.contains("The second factor is off"));
    assert_eq!(with("").status, StatusCode::SEE_OTHER);
}

#[test]
fn sessions_are_seen_and_ended() {
    let world = World::new();
    let (mut here, mut elsewhere) = (world.alice(), world.alice());
    let page = here.get("/account").text;
    assert_eq!((page.matches("this one").count(), page.matches("/account/sessions/").count()), (1, 1));
    here.submit("/account", &path_in(&page, "/account/sessions/"), &[]);
    assert_eq!(elsewhere.get("/account").status, StatusCode::SEE_OTHER);
    let mut elsewhere = world.alice();
    here.submit("/account", "/account/sessions", &[]);
    assert_eq!(elsewhere.get("/account").status, StatusCode::SEE_OTHER);
    assert_eq!(here.get("/account").status, StatusCode::OK);
    // Of nobody else.
    let mut bob = world.browser();
    bob.log_in(BOB, PASSWORD);
    let alices = world.auth.web().sessions(world.account(ALICE).id(), world.now()).unwrap();
    bob.submit("/account", &format!("/account/sessions/{}", alices[0].id), &[]);
    assert_eq!(here.get("/account").status, StatusCode::OK);
}

#[test]
fn administration_is_for_administrators() {
    let world = world();
    let mut bob = world.browser();
    bob.log_in(BOB, PASSWORD);
    let token = bob.get("/account").csrf();
    let (_, password) = world.auth.add_device(world.account(ALICE).id(), "script", None, world.now()).unwrap();
    let mut program = world.browser();
    let basic = BASE64_STANDARD.encode(format!("{ALICE}:{password}"));
    let before = world.auth.store().table(store::TableId::Directory).version().unwrap();
    let mut seen = 0;
    for route in serve::routes().into_iter().filter(|route| route.path.contains("/admin")) {
        let path = route.path.replace("{id}", "16");
        let answers = match (route.method, path.starts_with("/api/")) {
            (Verb::Get, is_api) => {
                program.extra = vec![("authorization", format!("Basic {basic}"))];
                vec![Some(bob.get(&path)), is_api.then(|| program.get(&path))]
            }
            (Verb::Post, true) => {
                bob.extra = vec![("x-csrf-token", token.clone())];
                let answer = bob.call(&path, "{}");
                bob.extra.clear();
                vec![Some(answer), Some(program.call(&path, "{}"))]
            }
            (Verb::Post, false) => vec![Some(bob.post(&path, &[("csrf", &token), ("admin", "yes"), ("address", BOB)]))],
        };
        for answer in answers.into_iter().flatten() {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text);
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
    assert_eq!(world.auth.store().table(store::TableId::Directory).version().unwrap(), before);
    assert!(!bob.get("/").text.contains("href=\"/admin\""));
    assert!(world.alice().get("/").text.contains("href=\"/admin\""));
}

#[test]
fn an_administrator_adds_disables_and_helps() {
    let world = world();
    let mut alice = world.alice();
    alice.submit("/admin", "/admin/accounts", &[("address", "carol@example.org"), ("name", "Carol")]);
    let page = alice.get("/admin").text;
    let link = path_in(&page, "/password/");
    let mut carol = world.browser();
    carol.submit(&link, &link, &[("new_password", NEW), ("again", NEW)]);
    assert_eq!(carol.log_in("carol@example.org", NEW).status, StatusCode::SEE_OTHER);
    let number = world.account("carol@example.org").id().0;
    let path = format!("/admin/accounts/{number}");
    let act = |alice: &mut Browser<'_>, verb: &str, fields: &[(&str, &str)]| {
        alice.submit(&path, &format!("{path}/{verb}"), fields);
        alice.get(&path).text
    };
    assert!(act(&mut alice, "admin", &[("admin", "yes")]).contains("is an administrator now"));
    assert_eq!(carol.get("/admin").status, StatusCode::OK);
    assert!(act(&mut alice, "admin", &[("admin", "no")]).contains("is no administrator any more"));
    assert_eq!(carol.get("/admin").status, StatusCode::FORBIDDEN, "at once");
    assert!(act(&mut alice, "login", &[("disabled", "yes")]).contains("cannot log in any more"));
    assert_eq!(carol.get("/").status, StatusCode::SEE_OTHER, "at once");
    assert!(act(&mut alice, "login", &[("disabled", "no")]).contains("can log in again"));
    assert!(act(&mut alice, "quota", &[("quota_mib", "100")]).contains("of 100.0 MiB (0 %)"));
    assert!(act(&mut alice, "quota", &[("quota_mib", "")]).contains("The mailbox holds 0 B."));
    assert!(act(&mut alice, "second-factor-off", &[]).contains("has no second factor"));
    let link = path_in(&act(&mut alice, "link", &[]), "/password/");
    assert!(world.browser().get(&link).text.contains("carol@example.org"));
    let own = format!("/admin/accounts/{}", world.account(ALICE).id());
    alice.submit(&own, &format!("{own}/login"), &[("disabled", "yes")]);
    assert!(alice.get(&own).text.contains("cannot take that from yourself"));
    assert_eq!(alice.get("/admin/accounts/999").status, StatusCode::NOT_FOUND);
}

#[test]
fn domains_and_aliases_come_and_go() {
    let world = world();
    let mut alice = world.alice();
    let mut act = |path: &str, fields: &[(&str, &str)]| {
        alice.submit("/admin/addresses", path, fields);
        alice.get("/admin/addresses").text
    };
    assert!(act("/admin/domains", &[("domain", "bücher.example")]).contains("Mail for bücher.example is ours"));
    assert!(
        act("/admin/aliases", &[("alias", "team@bücher.example"), ("targets", &format!("{ALICE}, {BOB}"))])
            .contains("team@xn--bcher-kva.example")
    );
    assert!(act("/admin/domains/remove", &[("domain", "bücher.example")]).contains("remove them first"));
    let gone = act("/admin/aliases/remove", &[("alias", "team@bücher.example")]);
    assert!(gone.contains("leads nowhere any more"));
    assert!(act("/admin/domains/remove", &[("domain", "bücher.example")]).contains("is not ours any more"));
    assert!(act("/admin/domains", &[("domain", "<script>")]).contains("&#60;script&#62;"));
}

#[test]
fn what_the_doctor_found_stands_on_pages_and_in_data_and_for_administrators_only() {
    let world = world();
    let mut alice = world.alice();
    let page = alice.get("/admin/doctor").text;
    assert!(page.contains("1 of 2 checks were fine") && page.contains("&#60;b&#62;10"), "{page}");
    assert!(page.contains("Wrong") && page.contains("ask again later"), "{page}");
    let data = alice.get("/api/v1/admin/doctor").json();
    assert_eq!((&data["is_running"], &data["findings"][1]["state"]), (&false.into(), &"wrong".into()));
    let looked = alice.submit("/admin/doctor", "/admin/doctor", &[]);
    assert_eq!(looked.location(), "/admin/doctor", "{looked:?}");
    let records = alice.get("/admin/domains/records?domain=example.org").text;
    assert!(
        records.contains("<code>@</code>") && records.contains("example.org. 3600 IN MX 10 mail.example.org."),
        "{records}"
    );
    let mut bob = world.browser();
    bob.log_in(BOB, PASSWORD);
    for path in ["/admin/doctor", "/api/v1/admin/doctor", "/api/v1/admin/certificate"] {
        assert_ne!(bob.get(path).status, StatusCode::OK, "{path}");
    }
}

#[test]
fn the_integrity_of_all_mail_is_told_in_words_and_as_data() {
    let world = world();
    let mut alice = world.alice();
    assert!(alice.get("/admin/integrity").text.contains("Nobody has looked since the server was started."));
    assert_eq!(alice.submit("/admin/integrity", "/admin/integrity", &[]).location(), "/admin/integrity");
    let page = alice.get("/admin/integrity").text;
    assert!(page.contains("2 accounts were looked at on <time") && page.contains("and nothing was found."), "{page}");
    assert!(!page.contains(BOB) && !page.contains("Mail is safe."), "what is safe is not shown: {page}");
    // Bob's devices share a mailbox, and one of them deletes for all.
    let bob = world.account(BOB);
    for (protocol, removal) in [(Protocol::Imap, RemovalPolicy::Keep), (Protocol::Pop3, RemovalPolicy::Expunge)] {
        let (device, _) =
            world.auth.add_device(bob.id(), &format!("{protocol:?}"), Some(removal.into()), world.now()).unwrap();
        let address = "192.0.2.7".to_owned();
        bob.note_login(device, LastLogin { at: world.now(), protocol, address, tls: None, program: None }).unwrap();
    }
    alice.submit("/admin/integrity", "/admin/integrity", &[]);
    let page = alice.get("/admin/integrity").text;
    assert!(page.contains(BOB) && page.contains("A device takes mail from the others."), "{page}");
    assert!(page.contains("those that are not shown are safe.") && !page.contains("Mail is safe."), "{page}");
    let last = alice.get("/api/v1/admin/integrity/last").json();
    assert_eq!((&last["looked_at"], &last["accounts"][0]["light"]), (&2.into(), &"red".into()), "{last}");
    let report = alice.get("/api/v1/admin/integrity").json();
    assert_eq!(report["accounts"][0]["light"], "green");
    assert_eq!((&report["directory"], &report["next_after"]), (&serde_json::json!([]), &serde_json::Value::Null));
    assert_eq!(alice.get("/api/v1/admin/integrity?after=16").json()["accounts"][0]["address"], BOB);
    assert_eq!(alice.get("/api/v1/admin/accounts?search=alice").json()["accounts"][0]["admin"], true);
    assert_eq!(alice.get("/api/v1/account").json()["sessions"][0]["current"], true);
}

#[test]
fn requests_are_answered_by_calls_too() {
    let world = world();
    let mut stranger = world.browser();
    for address in ["carol", "dave"] {
        ask(&mut stranger, address);
    }
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    let accepted = alice.call("/api/v1/admin/requests/1/accept", "{}").json();
    assert!(accepted["password_url"].as_str().unwrap().starts_with("https://mail.example.org/password/"));
    let declined = alice.call("/api/v1/admin/requests/2/decline", r#"{"reason": "no"}"#).json();
    assert_eq!((&declined["address"], &declined["reason"]), (&"dave@example.org".into(), &"no".into()));
    assert_eq!(alice.call("/api/v1/admin/requests/2/accept", "{}").status, StatusCode::UNPROCESSABLE_ENTITY);
    let all = alice.get("/api/v1/admin/requests").json();
    assert_eq!((&all[0]["state"], &all[1]["state"]), (&"declined".into(), &"accepted".into()));
}

#[test]
fn accounts_addresses_and_links_are_managed_by_calls_too() {
    let world = world();
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    let made = alice.call("/api/v1/admin/accounts", r#"{"address": "carol@example.org", "name": "Carol"}"#).json();
    let number = world.account("carol@example.org").id();
    let path = format!("/api/v1/admin/accounts/{number}");
    assert!(made["url"].as_str().unwrap().contains("/password/"), "{made}");
    assert_eq!(alice.get(&path).json()["name"], "Carol");
    let mut says = |verb: &str, body: &str, expected: &str| {
        let said = alice.call(&format!("{path}/{verb}"), body).json();
        assert!(said["text"].as_str().is_some_and(|text| text.contains(expected)), "{verb} {body}: {said}");
    };
    says("login", r#"{"disabled": true}"#, "cannot log in any more");
    says("login", r#"{"disabled": false}"#, "can log in again");
    says("admin", r#"{"admin": true}"#, "is an administrator now");
    says("quota", r#"{"quota_mib": 100}"#, "of 100.0 MiB");
    says("link", "{}", "chooses a new password");
    assert_eq!(alice.call(&format!("{path}/second-factor-off"), "{}").status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(alice.get("/api/v1/admin/accounts/999").status, StatusCode::NOT_FOUND);

    alice.call("/api/v1/admin/domains", r#"{"domain": "example.net"}"#);
    alice.call("/api/v1/admin/aliases", r#"{"alias": "team@example.net", "targets": "carol@example.org"}"#);
    let addresses = alice.get("/api/v1/admin/addresses").json();
    assert_eq!(addresses["domains"], serde_json::json!(["example.net", "example.org"]));
    let alias = serde_json::json!([{ "alias": "team@example.net", "targets": ["carol@example.org"] }]);
    assert_eq!(addresses["aliases"], alias);
    alice.call("/api/v1/admin/aliases/remove", r#"{"alias": "team@example.net"}"#);
    alice.call("/api/v1/admin/domains/remove", r#"{"domain": "example.net"}"#);
    assert_eq!(alice.get("/api/v1/admin/addresses").json()["domains"], serde_json::json!(["example.org"]));

    let before = alice.get("/api/v1/admin/links").json().as_array().unwrap().len();
    let invited = alice.call("/api/v1/admin/invitations", r#"{"days": 3}"#).json();
    assert!(invited["url"].as_str().unwrap().contains("/invitation/"), "{invited}");
    let links = alice.get("/api/v1/admin/links").json();
    assert_eq!(links.as_array().unwrap().len(), before + 1);
    let id =
        links.as_array().unwrap().iter().find(|link| link["purpose"] == "to make an account").unwrap()["id"].clone();
    alice.call(&format!("/api/v1/admin/links/{}/remove", id.as_str().unwrap()), "{}");
    assert_eq!(alice.get("/api/v1/admin/links").json().as_array().unwrap().len(), before);
}

#[test]
fn sessions_are_ended_by_calls_too() {
    let world = world();
    let (mut here, mut there) = (world.alice(), world.alice());
    let token = here.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    here.extra = vec![("x-csrf-token", token)];
    assert_eq!(here.call("/api/v1/account/sessions/end", "{}").json()["ended"], 1);
    assert_eq!(there.get("/api/v1/session").status, StatusCode::UNAUTHORIZED);
    assert_eq!(here.call("/api/v1/account/sessions/0123456789abcdef/end", "{}").json()["ended"], 0);
    let own = here.get("/api/v1/account").json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(here.call(&format!("/api/v1/account/sessions/{own}/end"), "{}").json()["ended"], 1);
    assert_eq!(here.get("/api/v1/session").status, StatusCode::UNAUTHORIZED);
}

#[test]
fn an_owner_has_mail_forwarded_once_the_other_address_agrees() {
    let world = world();
    let mut alice = world.alice();
    let page = "/account/forward";
    let alices = world.account(ALICE).id();
    let forward = || world.auth.directory().forward(alices).unwrap();
    assert!(alice.get(page).text.contains("Your mail is not forwarded."));
    alice.submit(page, page, &[("address", "Ada@example.com"), ("keep", "instead")]);
    assert!(alice.get(page).text.contains("A letter with a code went to Ada@example.com"));
    let (to, letter) = world.letters.lock().unwrap().pop().unwrap();
    assert_eq!((to.as_str(), forward()), ("Ada@example.com", None));
    let code = letter.lines().find_map(|line| line.strip_prefix("    ")).unwrap().to_owned();
    alice.submit(page, "/account/forward/confirm", &[("code", "aaaaa-aaaaa")]);
    assert!(alice.get(page).text.contains("that is not the code") && forward().is_none());
    alice.submit(page, "/account/forward/confirm", &[("code", &code)]);
    assert_eq!(forward().map(|forward| (forward.address, forward.keeps_copy)), Some(("Ada@example.com".into(), false)));
    let (to, told) = world.letters.lock().unwrap().pop().unwrap();
    assert!(to == ALICE && told.contains("Your mail is forwarded to Ada@example.com"), "{to} {told}");
    let card = alice.get("/api/v1/forward").json();
    assert_eq!((card["address"].as_str(), card["keeps_copy"].as_bool()), (Some("Ada@example.com"), Some(false)));
    alice.submit(page, "/account/forward/remove", &[]);
    assert!(forward().is_none() && world.letters.lock().unwrap().pop().unwrap().1.contains("is not forwarded"));
}

#[test]
fn the_device_whose_password_may_be_stolen_is_named() {
    let world = world();
    let account = world.account(BOB);
    let actor = store::Actor { device: store::DeviceId(0), protocol: Protocol::Web, now: world.now() };
    let credential = store::device::Credential::ApplicationPassword { hash: [7; 32] };
    let phone = account.add_device(actor, "Bob's <phone>", credential, None).unwrap();
    let send = |device, people: std::ops::Range<u32>| {
        let to: Vec<smtp_proto::Rcpt> = people
            .map(|number| smtp_proto::ForwardPath::Mailbox(format!("p{number}@far.example").parse().unwrap()).into())
            .collect();
        let new = queue::NewEntry::new(smtp_proto::ReversePath::Null, to, std::sync::Arc::new(b"x".to_vec()));
        let new = queue::NewEntry { account: Some(account.id()), is_submitted: true, device: Some(device), ..new };
        world.queue.enqueue(new, world.now()).unwrap().waits
    };
    let pc = store::DeviceId(99);
    assert!(!send(pc, 0..5) && send(phone, 100..201) && !send(pc, 5..10));
    let mut browser = world.browser();
    browser.log_in(BOB, PASSWORD);
    let page = browser.get("/held").text;
    assert!(page.contains("It was sent by “Bob&#39;s &#60;phone&#62;”; other devices go on sending."), "{page}");
    let card = browser.get("/api/v1/sending").json();
    assert_eq!((card["waiting"].as_u64(), card["devices"][0].as_str()), (Some(1), Some("Bob's <phone>")));
    let mut alice = world.alice();
    assert_eq!(alice.get("/api/v1/admin/sending").json()[0]["devices"][0], "Bob's <phone>");
    browser.submit("/held", "/sending", &[("answer", "throw-away")]);
    assert!(world.queue.list(None, 9).unwrap().iter().all(|entry| !entry.held));
}

#[test]
fn what_waits_is_let_go_or_thrown_away_by_its_owner_or_an_administrator() {
    let world = world();
    let mut alice = world.alice();
    let bob = world.account(BOB).id();
    let mut browser = world.browser();
    browser.log_in(BOB, PASSWORD);
    let send = || {
        let to: Vec<smtp_proto::Rcpt> = (0..101)
            .map(|number| smtp_proto::ForwardPath::Mailbox(format!("p{number}@far.example").parse().unwrap()).into())
            .collect();
        let new = queue::NewEntry::new(smtp_proto::ReversePath::Null, to, std::sync::Arc::new(b"x".to_vec()));
        let new = queue::NewEntry { account: Some(bob), is_submitted: true, ..new };
        assert!(world.queue.enqueue(new, world.now()).unwrap().waits);
    };
    send();
    for page in ["/", "/held"] {
        assert!(browser.get(page).text.contains("Is this mail yours?"), "{page}");
        assert!(!alice.get(page).text.contains("Is this mail yours?"), "{page}");
    }
    assert_eq!(alice.get("/api/v1/admin/sending").json()[0]["address"], BOB);
    assert_eq!(browser.get("/api/v1/admin/sending").status, StatusCode::FORBIDDEN);
    browser.submit("/held", "/sending", &[("answer", "throw-away")]);
    assert!(
        browser.get("/held").text.contains("1 message was thrown away.")
            && world.queue.list(None, 9).unwrap().is_empty()
    );
    world.wait_millis(25 * 3_600_000);
    send();
    let mut alice = world.alice();
    let token = alice.get("/account").csrf();
    alice.extra = vec![("x-csrf-token", token)];
    let answer = alice.call("/api/v1/admin/sending/bob@example.org", r#"{"answer": "let-go"}"#);
    assert_eq!(answer.json()["text"], "1 message goes now.", "{}", answer.text);
    assert!(!world.queue.list(None, 9).unwrap()[0].held);
}
