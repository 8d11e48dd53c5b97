//! Adding a device, and what programs find by themselves.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const PAGE: &str = "/devices/add";

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}"));
    rest.split_once(after).unwrap().0
}

#[test]
fn a_device_is_added_and_its_password_is_shown_once() {
    let world = World::new();
    let mut alice = world.alice();
    let choose = alice.get(PAGE);
    for program in ["iphone", "android", "thunderbird", "outlook", "other"] {
        assert!(choose.text.contains(&format!("/devices/add?program={program}")), "{}", choose.text);
    }
    let form = alice.get("/devices/add?program=thunderbird");
    let imap = form.text.find("value=\"imap\" checked").unwrap();
    assert!(imap < form.text.find("value=\"pop3\"").unwrap(), "IMAP is offered first, and chosen");
    assert!(form.text.contains("value=\"Thunderbird\""), "{}", form.text);
    let fields = [("program", "thunderbird"), ("name", "<b>My PC</b>"), ("access", "imap")];
    let done = alice.submit("/devices/add?program=thunderbird", PAGE, &fields);
    assert_eq!((done.status, done.header("cache-control")), (StatusCode::OK, "no-store"), "{}", done.text);
    assert!(!done.text.contains("<b>My PC"), "a name is no markup");
    let password = between(&done.text, "<code class=\"secret\">", "</code>").to_owned();
    for text in ["mail.example.org", "<code>993</code>", "<code>465</code>", ALICE, "Add Mail Account"] {
        assert!(done.text.contains(text), "{text}: {}", done.text);
    }
    let devices = world.account(ALICE).devices().unwrap();
    let device = devices.values().find(|device| device.name == "<b>My PC</b>").unwrap();
    let page = alice.get(&format!("/devices/{}", device.id));
    assert!(!page.text.contains(&password));
    let again = alice.get("/devices/add?program=thunderbird");
    assert!(again.text.contains("value=\"Thunderbird\""), "that name is free");
}

#[test]
fn a_pop_device_begins_with_the_policy_that_was_chosen() {
    let world = World::new();
    let mut alice = world.alice();
    let fields = [("program", "outlook"), ("name", "Outlook"), ("access", "pop3"), ("policy", "trash")];
    let done = alice.submit("/devices/add?program=outlook", PAGE, &fields);
    assert!(done.text.contains("<code>995</code>") && done.text.contains("choose POP"), "{}", done.text);
    let policy = || {
        let devices = world.account(ALICE).devices().unwrap();
        devices.values().find(|device| device.name == "Outlook").unwrap().pop.removal.to_string()
    };
    assert_eq!(policy(), "trash");
    let twice = alice.submit("/devices/add?program=outlook", PAGE, &fields);
    assert_eq!((twice.status, twice.header("location")), (StatusCode::SEE_OTHER, "/devices/add?program=outlook"));
    let told = alice.get("/devices/add?program=outlook");
    assert!(told.text.contains("there is a device") && told.text.contains("value=\"Outlook 2\""), "{}", told.text);
    let before = world.account(ALICE).devices().unwrap().len();
    for (access, policy) in [("telnet", "keep"), ("pop3", "shred")] {
        let wrong = [("program", "outlook"), ("name", "x"), ("access", access), ("policy", policy)];
        let refused = alice.submit("/devices/add?program=outlook", PAGE, &wrong);
        assert_eq!(refused.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(world.account(ALICE).devices().unwrap().len(), before, "nothing is left behind");
}

#[test]
fn a_token_is_made_on_the_page_of_a_device_and_shown_once() {
    let world = World::new();
    let mut alice = world.alice();
    let fields = [("program", "other"), ("name", "script"), ("access", "imap")];
    let done = alice.submit("/devices/add?program=other", PAGE, &fields);
    let devices = world.account(ALICE).devices().unwrap();
    let page = format!("/devices/{}", devices.values().find(|device| device.name == "script").unwrap().id);
    assert!(done.text.contains(&format!("href=\"{page}#token\"")), "{}", done.text);
    let make = |alice: &mut crate::testing::Browser<'_>, days: &str| {
        alice.submit(&page, &format!("{page}/token"), &[("days", days)])
    };
    let made = make(&mut alice, "7");
    assert_eq!((made.status, made.header("cache-control")), (StatusCode::OK, "no-store"), "{}", made.text);
    let token = between(&made.text, "<code class=\"secret\">", "</code>").to_owned();
    let account = world.account(ALICE).id();
    let attempt = auth::Attempt {
        user: ALICE,
        password: &token,
        protocol: store::Protocol::Imap,
        address: "192.0.2.1".parse().unwrap(),
        fingerprint: None,
        tls: None,
        now: world.now(),
        turn: None,
    };
    assert_eq!(world.auth.log_in_by_token(&attempt).unwrap().account, account);
    let shown = alice.get(&page).text;
    assert!(shown.contains("or a token until") && !shown.contains(&token), "{shown}");
    for (days, why) in [("0", "1 to 366 days"), ("367", "1 to 366 days")] {
        let refused = make(&mut alice, days);
        assert_eq!((refused.status, refused.header("location")), (StatusCode::SEE_OTHER, page.as_str()));
        let told = alice.get(&page).text;
        assert!(told.contains(why), "{days}: {told}");
    }
}

#[test]
fn an_iphone_gets_its_profile_by_a_link_that_works_once() {
    let world = World::new();
    let mut alice = world.alice();
    let make = |alice: &mut crate::testing::Browser<'_>, name: &str| {
        let fields = [("program", "iphone"), ("name", name), ("access", "imap")];
        alice.submit("/devices/add?program=iphone", PAGE, &fields).text
    };
    let page = make(&mut alice, "iPhone");
    let (path, password) =
        (between(&page, "<a class=\"button\" href=\"", "\""), between(&page, "<code class=\"secret\">", "</code>"));
    assert!(page.contains("<svg class=\"qr\"") && path.starts_with("/setup/") && path.len() > 40);
    // The phone is not logged in.
    let mut phone = world.browser();
    assert_eq!(phone.send("HEAD", path, Vec::new()).status, StatusCode::OK, "a look ahead uses nothing up");
    let profile = phone.get(path);
    assert_eq!(profile.header("content-type"), "application/x-apple-aspen-config");
    assert_eq!(profile.header("cache-control"), "no-store");
    assert!(profile.text.contains(&format!("<string>{password}</string>")), "{}", profile.text);
    assert_eq!(phone.get(path).status, StatusCode::NOT_FOUND);
    assert_eq!(phone.get("/setup/guessed").status, StatusCode::NOT_FOUND);
    let page = make(&mut alice, "iPad");
    world.wait_millis(10 * 60 * 1000);
    let late = phone.get(between(&page, "<a class=\"button\" href=\"", "\""));
    assert_eq!(late.status, StatusCode::NOT_FOUND);
}

#[test]
fn nobody_adds_a_device_for_another() {
    let world = World::new();
    let fields = [("program", "other"), ("name", "x"), ("access", "imap")];
    assert_eq!(world.browser().post(PAGE, &fields).header("location"), "/login");
    let mut alice = world.alice();
    assert_eq!(alice.post(PAGE, &fields).status, StatusCode::FORBIDDEN, "without the token of the form");
    let before = world.account(ALICE).devices().unwrap().len();
    let token = alice.get(PAGE).csrf();
    alice.extra = vec![("x-csrf-token", token)];
    let made = alice.call("/api/v1/devices", r#"{"program":"android","name":"phone","access":"imap"}"#);
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let made = made.json();
    assert!(made["password"].as_str().unwrap().len() > 15 && made["qr"].is_null(), "{made}");
    assert_eq!((&made["access"], made["settings"][2]["value"].as_str()), (&"imap".into(), Some("993")));
    assert_eq!(world.account(ALICE).devices().unwrap().len(), before + 1);
    let mut program = world.browser();
    let user = format!("{ALICE}:{}", made["password"].as_str().unwrap());
    program.extra = vec![("authorization", format!("Basic {}", BASE64_STANDARD.encode(user)))];
    let refused = program.call("/api/v1/devices", r#"{"name":"another"}"#);
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "a password that was lost makes no others: {}", refused.text);
}

#[test]
fn administrators_read_what_to_publish() {
    let world = World::new();
    let mut alice = world.alice();
    let path = "/admin/domains/records?domain=example.org";
    assert_eq!(alice.get(path).status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    let page = alice.get(path);
    assert!(page.text.contains("0 1 993 mail.example.org.") && page.text.contains("_ua-auto-config"), "{}", page.text);
    assert!(alice.get("/admin/addresses").text.contains(path));
    assert_eq!(alice.get("/admin/domains/records?domain=%3Cb%3E").status, StatusCode::NOT_FOUND);
    let data = alice.get("/api/v1/admin/records?domain=Example.org").json();
    assert_eq!(data[0]["kind"], "MX");
    assert!(data[2]["name"].as_str().unwrap().ends_with("-rsa._domainkey.example.org."), "{data}");
    assert_eq!(alice.get("/api/v1/admin/records?domain=Example.org").json(), data, "the keys are those that were made");
}

#[test]
fn other_servers_read_that_mail_comes_under_tls_only() {
    let world = World::new();
    let mut server = world.browser();
    let path = "/.well-known/mta-sts.txt";
    assert_eq!(server.get(path).status, StatusCode::NOT_FOUND, "under the name of the host");
    server.host = "mta-sts.example.com".to_owned();
    assert_eq!(server.get(path).status, StatusCode::NOT_FOUND);
    server.host = "mta-sts.example.org".to_owned();
    let policy = server.get(path);
    assert_eq!((policy.status, policy.header("content-type")), (StatusCode::OK, "text/plain"));
    assert_eq!(policy.text, "version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\nmax_age: 604800\r\n");
}

#[test]
fn programs_find_their_settings_and_learn_nothing_of_who_is_there() {
    let world = World::new();
    let mut program = world.browser();
    let mut both = |path: &str| {
        let answers = [ALICE, "nobody@example.org"].map(|address| program.get(&path.replace("{}", address)));
        let [there, not_there] = answers;
        assert_eq!(there.status, StatusCode::OK, "{path}: {}", there.text);
        assert_eq!(there.text.replace(ALICE, ""), not_there.text.replace("nobody@example.org", ""), "{path}");
        there
    };
    for path in ["/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml"] {
        let found = both(&format!("{path}?emailaddress={{}}"));
        assert!(
            found.text.contains("<emailProvider id=\"example.org\">")
                && found.header("content-type").starts_with("text/xml")
        );
    }
    let json = both("/autodiscover/autodiscover.json?Email={}&Protocol=Autodiscoverv1");
    assert_eq!(json.json()["Url"], "https://mail.example.org/autodiscover/autodiscover.xml");
    assert_eq!(both("/autodiscover/autodiscover.json/v1.0/{}?Protocol=Autodiscoverv1").json(), json.json());

    let mut ask = |path: &str, address: &str| {
        let request = format!("<Autodiscover><Request><EMailAddress>{address}</EMailAddress></Request></Autodiscover>");
        program.send("POST", path, request.into_bytes()).text
    };
    for path in crate::setup::AUTODISCOVER_PATHS {
        let found = ask(path, ALICE);
        assert!(found.contains("<Type>IMAP</Type>"), "{found}");
        assert_eq!(found.replace(ALICE, ""), ask(path, "nobody@example.org").replace("nobody@example.org", ""));
        for wrong in ["alice@elsewhere.example", "</EMailAddress><script>", "&xxe;@example.org"] {
            let refused = ask(path, wrong);
            assert!(refused.contains("<ErrorCode>600</ErrorCode>") && !refused.contains("script"), "{refused}");
        }
    }
}

#[test]
fn a_program_asks_under_the_name_of_the_domain() {
    let world = World::new();
    let mut program = world.browser();
    program.host = "ua-auto-config.example.org".to_owned();
    let found = program.get("/.well-known/user-agent-configuration.json");
    assert_eq!(found.json()["protocols"]["imap"]["host"], "mail.example.org");
    program.host = "autoconfig.example.org:443".to_owned();
    assert!(program.get("/mail/config-v1.1.xml").text.contains("<domain>example.org</domain>"));
    program.host = "autoconfig.elsewhere.example".to_owned();
    assert_eq!(program.get("/mail/config-v1.1.xml").status, StatusCode::NOT_FOUND);
    for wrong in ["x%00@example.org", "%3Cscript%3E@example.org", "alice@", "alice"] {
        let path = format!("/mail/config-v1.1.xml?emailaddress={wrong}");
        let answer = program.get(&path);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{wrong}");
        assert!(!answer.plain().contains("script>"), "{}", answer.text);
    }
}

#[test]
fn a_mailbox_that_fills_up_says_so_on_the_start_page_and_is_cleared_with_one_click() {
    let world = World::new();
    let account = world.account(ALICE);
    let actor = store::Actor { device: store::DeviceId(0), protocol: store::Protocol::Cli, now: world.now() };
    let (device, _) = world.auth.add_device(account.id(), "pc", None, world.now()).unwrap();
    let protocol = store::Protocol::Pop3;
    let login =
        store::device::LastLogin { at: world.now(), protocol, address: "::1".to_owned(), tls: None, program: None };
    account.note_login(device, login).unwrap();
    let message =
        store::NewMessage { body: vec![b'x'; 900], flags: store::Flags::default(), internal_date: world.now() };
    account.append(actor, store::Target::Inbox, message).unwrap();
    let maildrop = account.open_maildrop(device, &store::MaildropOptions::default(), world.now()).unwrap();
    let all = maildrop.messages().iter().map(|message| message.email).collect();
    account.close_maildrop(store::Actor { device, protocol, ..actor }, &maildrop, all, Vec::new()).unwrap();
    drop(maildrop);
    let mut alice = world.alice();
    assert!(!alice.get("/").text.contains("fills up"));
    account.set_quota(actor, store::Quota::of_bytes(1000)).unwrap();
    let home = alice.get("/");
    assert!(home.text.contains("Your mailbox fills up") && home.text.contains("href=\"/storage\""), "{}", home.text);
    let page = alice.get("/storage?older_than_days=0");
    for text in ["900 B of 1000 B (90 %)", "taken by every POP device", "1 message (900 B): removed from the mailbox"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(alice.get("/storage?older_than_days=30").text.contains("There is nothing of that kind"));
    let done = alice.submit("/storage?older_than_days=0", "/storage/clear", &[("older_than_days", "0")]);
    assert_eq!(done.header("location"), "/storage");
    assert_eq!(account.usage().unwrap().bytes, 0);
    assert!(alice.get("/storage").text.contains("1 message can be put back, 900 B"));
    assert_eq!(alice.get("/api/v1/storage").json()["used_bytes"], 0);
    let (_, password) = world.auth.add_device(account.id(), "script", None, world.now()).unwrap();
    let mut program = world.browser();
    program.extra = vec![("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("{ALICE}:{password}"))))];
    assert_eq!(program.get("/api/v1/storage").status, StatusCode::OK);
    let refused = program.call("/api/v1/storage/clear", "{}");
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "no program goes round the brake: {}", refused.text);
}
