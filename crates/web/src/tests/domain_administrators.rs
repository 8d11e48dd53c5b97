//! Administrators of domains: what they do in theirs, and that of another domain they neither see nor change anything, whichever
//! door they try.

use crate::route::{Handler, Verb};
use crate::serve;
use crate::testing::{ALICE, Answered, Browser, PASSWORD, World};
use axum::http::StatusCode;
use directory::{By, DomainLimits, Help, Posting};
use queue::NewEntry;
use reports::{About, Received, Refusal, Refusals, Whose};
use serde_json::{Map, Value, json};
use smtp_proto::{ForwardPath, ReversePath};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{
    AccountId, Actor, DeviceId, Expunge, Flags, NewMessage, Protocol, Row, SystemFlag, TableId, Target, Timestamp,
};

const OWN: &str = "example.org";
const OTHER: &str = "other.example";
const ROOT: &str = "root@third.example";
/// What only the other domain has.
const MARKS: [&str; 9] = ["other.example", "Viktoria", "Tribal", "vera", "lars@", "bait@", "tribe@", "wanda", "Zebra"];

/// What there is in a domain, by the names that calls have for it.
struct Things(Vec<(&'static str, String)>);

impl Things {
    fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// A text with what stands in it for things.
    fn fill(&self, text: &str, before: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(&format!("{{{before}{name}}}"), value);
        self.0.iter().fold(text.to_owned(), fill)
    }
}

/// A domain with one of everything.
fn furnish(world: &World, domain: &str, names: [&str; 5], words: [&str; 3]) -> Things {
    // What is written down in a millisecond has a number of its own in one process only.
    world.wait_millis(1);
    let (directory, now) = (world.auth.directory(), world.now());
    let [user, leaver, alias, list, wish] = names.map(|name| format!("{name}@{domain}"));
    let [owner, title, subject] = words;
    let user_id = directory.add_account(&user, PASSWORD, owner, now).unwrap();
    let leaver_id = directory.add_account(&leaver, PASSWORD, owner, now).unwrap();
    directory.leave(&leaver, now).unwrap();
    directory.add_alias(&alias, &[&user]).unwrap();
    directory.add_list(&list, title, Posting::Members, &[&user]).unwrap();
    directory.join_list(&list, &user, (By::Owner, now)).unwrap();
    let invited = format!("invited@far-{domain}");
    directory.invite_to_list(&list, &invited, now).unwrap();
    let request = auth::NewRequest {
        name: owner,
        address: &wish,
        reason: subject,
        contact: &format!("contact@far-{domain}"),
        from: "198.51.100.7".parse().unwrap(),
        now,
    };
    let request = world.auth.requests().ask(&request).unwrap().number;
    let link = directory.invite(None, &[domain], 7, now).unwrap().info.id;
    directory.password_link(&user, now).unwrap();
    let to = ForwardPath::Mailbox(invited.parse().unwrap());
    let content = Arc::new(format!("Subject: {subject}\r\n\r\nx\r\n").into_bytes());
    let from = ReversePath::Mailbox(user.parse().unwrap());
    let new = NewEntry { account: Some(user_id), ..NewEntry::new(from, vec![to.into()], content) };
    let message = world.queue.enqueue(new, now).unwrap().id.0;
    let mail = lost(world, user_id, subject);
    let moment = session::Moment { unix_millis: now.0, monotonic_millis: 0 };
    let from = "198.51.100.9".parse().unwrap();
    let session = world.roster.add(Some((user_id.0.into(), 1)), from, moment).to_string();
    refuse(world, &format!("nobody@{domain}"), subject);
    report(world, domain);
    Things(vec![
        ("domain", domain.to_owned()),
        ("user", user_id.to_string()),
        ("address", user),
        ("leaver", leaver_id.to_string()),
        ("alias", alias),
        ("list", list),
        ("invited", invited),
        ("request", request.to_string()),
        ("link", link),
        ("message", message.to_string()),
        ("mail", mail),
        ("session", session),
    ])
}

/// A mail that was removed, of somebody who asks for help and lets texts be read.
fn lost(world: &World, account: AccountId, subject: &str) -> String {
    let (now, with_texts) = (world.now(), true);
    let help = Help { until: Timestamp(now.0 + 3_600_000), with_texts };
    world.auth.directory().ask_help(account, Some(help), now).unwrap();
    let account = world.auth.store().account(account);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now };
    let body = format!("Subject: lost {subject}\r\nContent-Type: text/html\r\n\r\n<p>{subject}\r\n").into_bytes();
    let new = NewMessage { body, flags: Flags::system(&[SystemFlag::Deleted]), internal_date: now };
    let email = account.append(actor, Target::Inbox, new).unwrap().email;
    let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let (device, _) = world.auth.add_device(account.id(), "phone", None, now).unwrap();
    account.expunge(Actor { device, ..actor }, inbox, Expunge::AllDeleted).unwrap();
    email.text()
}

fn refuse(world: &World, to: &str, subject: &str) {
    let refusals = Refusals::new(world.auth.store(), world.auth.directory().clone());
    let about = About { subject: subject.to_owned(), author: "shop@example.com".into(), ..About::default() };
    let refusal = Refusal {
        at: world.now(),
        times: 1,
        protocol: "smtp".into(),
        client: "198.51.100.7".parse().unwrap(),
        from: "bounce@example.com".into(),
        to: to.to_owned(),
        code: 550,
        reply: "no such user".into(),
        id: "1.2".into(),
        about,
    };
    refusals.note(Whose::Recipient, refusal);
    refusals.write(world.now()).unwrap();
}

/// Of mail in the name of a domain, of TLS with its hosts, and a complaint about mail of its account.
fn report(world: &World, domain: &str) {
    let received = Received::new(world.auth.store(), world.auth.directory().clone());
    let begin = world.now().0 / 1000 - 24 * 3600;
    let dmarc = format!(
        "Subject: Report domain: {domain}\r\nContent-Type: text/xml\r\n\r\n<feedback><report_metadata><date_range><begin>{begin}\
         </begin></date_range></report_metadata><policy_published><domain>{domain}</domain><p>none</p></policy_published>\
         <record><row><source_ip>203.0.113.7</source_ip><count>412</count><policy_evaluated><dkim>fail</dkim></policy_evaluated>\
         </row></record></feedback>\r\n"
    );
    let accounts = world.auth.directory().accounts().unwrap().into_iter();
    let who = accounts.filter(|info| !info.disabled).find(|info| info.address.ends_with(domain)).unwrap();
    let complaint = format!(
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         Message-ID: <sale@{domain}>\r\nFrom: {}\r\nSubject: Sale of {domain}\r\n\r\nx\r\n--b--\r\n",
        who.address
    );
    for report in [dmarc, complaint] {
        let by = Some(reports::By { domain: "big.example".to_owned(), is_checked: true });
        received.take(report.as_bytes(), || by, world.now());
    }
    received.write(world.now()).unwrap();
}

/// Alice administers her domain; root the server; in her domain are people with more rights than she has.
fn world() -> (World, Things, Things) {
    let world = World::new();
    let directory = world.auth.directory();
    for domain in [OTHER, "third.example"] {
        directory.add_domain(domain).unwrap();
    }
    directory.add_account(ROOT, PASSWORD, "Root", world.now()).unwrap();
    directory.set_admin(ROOT, true).unwrap();
    let own = furnish(&world, OWN, ["ursula", "oldie", "sales", "choir", "wendy"], ["Ursula", "Choir", "Apple"]);
    let other = furnish(&world, OTHER, ["vera", "lars", "bait", "tribe", "wanda"], ["Viktoria", "Tribal", "Zebra"]);
    let directory = world.auth.directory();
    directory.set_administers("vera@other.example", &[OTHER]).unwrap();
    directory.set_domain_limits(OTHER, DomainLimits { accounts: Some(7), quota_bytes: None }).unwrap();
    directory.password_link("vera@other.example", world.now()).unwrap();
    directory.set_administers(ALICE, &[OWN]).unwrap();
    // Both are in the audit.
    for address in ["ursula@example.org", "vera@other.example"] {
        let mut root = session(&world, ROOT);
        let path = format!("/api/v1/admin/accounts/{address}/login");
        assert_eq!(root.call(&path, r#"{"disabled": false}"#).status, StatusCode::OK);
    }
    (world, own, other)
}

/// Somebody who is logged in, with the token that a POST needs.
fn session<'a>(world: &'a World, address: &str) -> Browser<'a> {
    let mut browser = world.browser();
    assert_eq!(browser.log_in(address, PASSWORD).status, StatusCode::SEE_OTHER, "{address}");
    let token = browser.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    browser.extra.push(("x-csrf-token", token));
    browser
}

/// Fields of a call.
type Given = &'static [(&'static str, &'static str)];

/// A route, what `{id}` is in it, and what is sent.
type Entry = (&'static str, &'static str, Given);

/// What an administrator of a domain does in it.
const OF_DOMAINS: &[Entry] = &[
    ("GET /api/v1/admin/accounts", "", &[("limit", "500"), ("search", "{domain}")]),
    ("POST /api/v1/admin/accounts", "", &[("address", "new@{domain}"), ("name", "New")]),
    ("POST /api/v1/admin/accounts/import", "", &[("csv", "address,password\nnew@{domain},correct horse\n")]),
    ("GET /api/v1/admin/accounts/{id}", "{user}", &[]),
    ("GET /api/v1/admin/accounts/{id}", "{address}", &[]),
    ("POST /api/v1/admin/accounts/{id}/login", "{user}", &[("disabled", "true")]),
    ("POST /api/v1/admin/accounts/{id}/login", "{address}", &[("disabled", "true")]),
    ("POST /api/v1/admin/accounts/{id}/quota", "{user}", &[("quota_mib", "5")]),
    ("POST /api/v1/admin/accounts/{id}/rename", "{user}", &[("address", "renamed@{domain}")]),
    ("POST /api/v1/admin/accounts/{id}/remove", "{user}", &[("confirm", "{address}")]),
    ("POST /api/v1/admin/accounts/{id}/keep", "{leaver}", &[]),
    ("POST /api/v1/admin/accounts/{id}/link", "{user}", &[]),
    ("POST /api/v1/admin/accounts/{id}/second-factor-off", "{user}", &[]),
    ("GET /api/v1/admin/accounts/{id}/messages", "{user}", &[("text", "lost")]),
    ("GET /api/v1/admin/accounts/{id}/messages/{message}", "{user}", &[("message", "{mail}")]),
    ("POST /api/v1/admin/accounts/{id}/messages/{message}/bring-back", "{user}", &[("message", "{mail}")]),
    ("GET /api/v1/admin/addresses", "", &[]),
    ("GET /api/v1/admin/domains", "", &[]),
    ("GET /api/v1/admin/aliases", "", &[]),
    ("GET /api/v1/admin/records", "", &[("domain", "{domain}")]),
    ("POST /api/v1/admin/aliases", "", &[("alias", "new@{domain}"), ("targets", "{address}")]),
    ("POST /api/v1/admin/aliases/remove", "", &[("alias", "{alias}")]),
    ("GET /api/v1/lists", "", &[]),
    ("GET /api/v1/lists", "", &[("list", "{list}")]),
    ("POST /api/v1/lists/join", "", &[("list", "{list}"), ("member", "{address}")]),
    ("POST /api/v1/lists/leave", "", &[("list", "{list}"), ("member", "{address}")]),
    ("POST /api/v1/lists/invite", "", &[("list", "{list}"), ("member", "someone@far.example")]),
    ("POST /api/v1/lists/withdraw", "", &[("list", "{list}"), ("member", "{invited}")]),
    ("POST /api/v1/lists/rules", "", &[("list", "{list}"), ("posting", "owners")]),
    ("GET /api/v1/lists/posts", "", &[("list", "{list}")]),
    ("POST /api/v1/lists/posts", "", &[("list", "{list}"), ("post", "1"), ("answer", "approve")]),
    ("POST /api/v1/admin/lists", "", &[("list", "n@{domain}"), ("owners", "{address}"), ("posting", "members")]),
    ("POST /api/v1/admin/lists/posting", "", &[("list", "{list}"), ("posting", "owners")]),
    ("POST /api/v1/admin/lists/joining", "", &[("list", "{list}"), ("joining", "open")]),
    ("POST /api/v1/admin/lists/remove", "", &[("list", "{list}")]),
    ("GET /api/v1/admin/requests", "", &[]),
    ("POST /api/v1/admin/requests/{id}/accept", "{request}", &[]),
    ("POST /api/v1/admin/requests/{id}/accept", "{request}", &[("address", "instead@{domain}")]),
    ("POST /api/v1/admin/requests/{id}/decline", "{request}", &[("reason", "no")]),
    ("POST /api/v1/admin/invitations", "", &[("domain", "{domain}")]),
    ("POST /api/v1/admin/invitations", "", &[("address", "new@{domain}")]),
    ("GET /api/v1/admin/links", "", &[]),
    ("POST /api/v1/admin/links/{id}/remove", "{link}", &[]),
    ("GET /api/v1/admin/refused", "", &[]),
    ("GET /api/v1/admin/reports", "", &[("days", "30")]),
    ("GET /api/v1/admin/audit", "", &[("kind", "changes")]),
    ("GET /api/v1/admin/audit", "", &[("kind", "logins")]),
    ("GET /api/v1/admin/audit", "", &[("kind", "failures")]),
    ("GET /api/v1/admin/sessions", "", &[]),
    ("GET /api/v1/admin/sessions", "", &[("account", "{address}")]),
    ("GET /api/v1/admin/sessions", "", &[("before", "{session}")]),
    ("POST /api/v1/admin/sessions/{id}/end", "{session}", &[]),
    ("GET /api/v1/admin/queue", "", &[]),
    ("GET /api/v1/admin/queue/{id}", "{message}", &[]),
    ("GET /admin", "", &[]),
    ("POST /admin/accounts", "", &[("address", "new@{domain}")]),
    ("GET /admin/accounts/import", "", &[]),
    ("POST /admin/accounts/import", "", &[("csv", "address,password\nnew@{domain},correct horse\n")]),
    ("GET /admin/accounts/{id}", "{user}", &[]),
    ("POST /admin/accounts/{id}/login", "{user}", &[("disabled", "yes")]),
    ("POST /admin/accounts/{id}/quota", "{user}", &[("quota_mib", "5")]),
    ("POST /admin/accounts/{id}/rename", "{user}", &[("address", "renamed@{domain}")]),
    ("POST /admin/accounts/{id}/remove", "{user}", &[("confirm", "{address}")]),
    ("POST /admin/accounts/{id}/keep", "{leaver}", &[]),
    ("POST /admin/accounts/{id}/link", "{user}", &[]),
    ("POST /admin/accounts/{id}/second-factor-off", "{user}", &[]),
    ("GET /admin/accounts/{id}/find", "{user}", &[("text", "lost")]),
    ("GET /admin/accounts/{id}/messages/{message}", "{user}", &[("message", "{mail}")]),
    ("GET /admin/accounts/{id}/messages/{message}/sent", "{user}", &[("message", "{mail}")]),
    ("POST /admin/accounts/{id}/messages/{message}/bring-back", "{user}", &[("message", "{mail}")]),
    ("GET /admin/addresses", "", &[]),
    ("GET /admin/domains/records", "", &[("domain", "{domain}")]),
    ("POST /admin/aliases", "", &[("alias", "new@{domain}"), ("targets", "{address}")]),
    ("POST /admin/aliases/remove", "", &[("alias", "{alias}")]),
    ("GET /admin/lists", "", &[]),
    ("POST /admin/lists", "", &[("list", "n@{domain}"), ("owners", "{address}"), ("posting", "members")]),
    ("POST /admin/lists/posting", "", &[("list", "{list}"), ("posting", "owners")]),
    ("POST /admin/lists/joining", "", &[("list", "{list}"), ("joining", "open")]),
    ("POST /admin/lists/join", "", &[("list", "{list}"), ("member", "{address}")]),
    ("POST /admin/lists/leave", "", &[("list", "{list}"), ("member", "{address}")]),
    ("POST /admin/lists/remove", "", &[("list", "{list}")]),
    ("GET /lists/{list}", "", &[("list", "{list}")]),
    ("POST /lists/{list}/invite", "", &[("list", "{list}"), ("member", "someone@far.example")]),
    ("POST /lists/{list}/withdraw", "", &[("list", "{list}"), ("member", "{invited}")]),
    ("POST /lists/{list}/join", "", &[("list", "{list}"), ("member", "{address}")]),
    ("POST /lists/{list}/leave", "", &[("list", "{list}"), ("member", "{address}")]),
    ("POST /lists/{list}/rules", "", &[("list", "{list}"), ("posting", "owners")]),
    ("POST /lists/{list}/posts", "", &[("list", "{list}"), ("post", "1"), ("answer", "approve")]),
    ("GET /admin/people", "", &[]),
    ("POST /admin/requests/{id}/accept", "{request}", &[]),
    ("POST /admin/requests/{id}/decline", "{request}", &[("reason", "no")]),
    ("POST /admin/invitations", "", &[("domain", "{domain}")]),
    ("POST /admin/links/{id}/remove", "{link}", &[]),
    ("GET /admin/refused", "", &[]),
    ("GET /admin/reports", "", &[]),
    ("GET /admin/audit", "", &[("kind", "changes")]),
    ("GET /admin/sessions", "", &[]),
    ("GET /admin/sessions", "", &[("account", "{address}")]),
    ("POST /admin/sessions/{id}/end", "{session}", &[]),
    ("GET /admin/queue/messages", "", &[]),
];

/// What cannot be done in one's own domain either, as it is furnished, and why.
const CANNOT: &[(&str, &str)] = &[
    ("second-factor-off", "has no second factor"),
    ("/lists/posts", "was answered already"),
    ("choir@example.org/posts", "was answered already"),
];

/// What only administrators of the server do, with what would be right for it.
const OF_THE_SERVER: &[Entry] = &[
    ("POST /api/v1/admin/accounts/{id}/admin", "{user}", &[("admin", "true")]),
    ("POST /api/v1/admin/accounts/{id}/domains", "{user}", &[("domains", "{domain}")]),
    ("POST /api/v1/admin/domains", "", &[("domain", "new.example")]),
    ("POST /api/v1/admin/domains/remove", "", &[("domain", "{domain}")]),
    ("POST /api/v1/admin/domains/rotate", "", &[("domain", "{domain}")]),
    ("POST /api/v1/admin/domains/limits", "", &[("domain", "{domain}"), ("accounts", "5")]),
    ("GET /api/v1/admin/certificate", "", &[]),
    ("POST /api/v1/admin/certificate/renew", "", &[]),
    ("GET /api/v1/admin/doctor", "", &[]),
    ("POST /api/v1/admin/doctor/look", "", &[]),
    ("GET /api/v1/admin/status", "", &[]),
    ("GET /api/v1/admin/integrity", "", &[]),
    ("GET /api/v1/admin/integrity/last", "", &[]),
    ("POST /api/v1/admin/integrity/look", "", &[]),
    ("GET /api/v1/admin/test-mail", "", &[]),
    ("POST /api/v1/admin/test-mail", "", &[("account", "{address}"), ("to", "x@far.example")]),
    ("GET /api/v1/admin/sending", "", &[]),
    ("POST /api/v1/admin/sending/{id}", "{user}", &[("answer", "let-go")]),
    ("GET /api/v1/admin/destinations", "", &[]),
    ("POST /api/v1/admin/destinations/retry", "", &[("domain", "far-{domain}")]),
    ("POST /api/v1/admin/destinations/hold", "", &[("domain", "far-{domain}")]),
    ("POST /api/v1/admin/destinations/release", "", &[("domain", "far-{domain}")]),
    ("POST /api/v1/admin/queue/{id}/retry", "{message}", &[]),
    ("POST /api/v1/admin/queue/{id}/hold", "{message}", &[]),
    ("POST /api/v1/admin/queue/{id}/release", "{message}", &[]),
    ("POST /api/v1/admin/queue/{id}/remove", "{message}", &[]),
    ("POST /admin/accounts/{id}/admin", "{user}", &[("admin", "yes")]),
    ("POST /admin/accounts/{id}/domains", "{user}", &[("domains", "{domain}")]),
    ("POST /admin/domains", "", &[("domain", "new.example")]),
    ("POST /admin/domains/remove", "", &[("domain", "{domain}")]),
    ("POST /admin/domains/limits", "", &[("domain", "{domain}"), ("accounts", "5")]),
    ("GET /admin/doctor", "", &[]),
    ("POST /admin/doctor", "", &[]),
    ("GET /admin/integrity", "", &[]),
    ("POST /admin/integrity", "", &[]),
    ("GET /admin/test-mail", "", &[]),
    ("POST /admin/test-mail", "", &[("account", "{address}"), ("to", "x@far.example")]),
    ("GET /admin/queue", "", &[]),
    ("POST /admin/queue/retry", "", &[("domain", "far-{domain}")]),
    ("POST /admin/queue/hold", "", &[("domain", "far-{domain}")]),
    ("POST /admin/queue/release", "", &[("domain", "far-{domain}")]),
    ("POST /admin/queue/messages/{id}/retry", "{message}", &[]),
    ("POST /admin/queue/messages/{id}/hold", "{message}", &[]),
    ("POST /admin/queue/messages/{id}/release", "{message}", &[]),
    ("POST /admin/queue/messages/{id}/remove", "{message}", &[]),
];

/// What is about the own account of whoever is logged in, whatever they administer.
const OF_THEMSELVES: &[&str] = &[
    "GET /",
    "GET /account",
    "GET /account/forward",
    "GET /account/scheduled",
    "GET /account/second-factor",
    "GET /account/shares",
    "GET /account/test-mail",
    "GET /api/v1/account",
    "GET /api/v1/defaults",
    "GET /api/v1/defaults/choices",
    "GET /api/v1/devices",
    "GET /api/v1/devices/{id}",
    "GET /api/v1/devices/{id}/choices",
    "GET /api/v1/devices/{id}/imap",
    "GET /api/v1/forward",
    "GET /api/v1/help",
    "GET /api/v1/held",
    "GET /api/v1/junk-filter",
    "GET /api/v1/language",
    "GET /api/v1/lists/mine",
    "GET /api/v1/messages",
    "GET /api/v1/messages/{message}",
    "GET /api/v1/offers",
    "GET /api/v1/refused",
    "GET /api/v1/removals",
    "GET /api/v1/scheduled",
    "GET /api/v1/sending",
    "GET /api/v1/session",
    "GET /api/v1/shares",
    "GET /api/v1/storage",
    "GET /api/v1/storage/clear",
    "GET /api/v1/test-mail",
    "GET /api/v1/timeline",
    "GET /api/v1/undo",
    "GET /defaults",
    "GET /devices",
    "GET /devices/add",
    "GET /devices/{id}",
    "GET /devices/{id}/imap",
    "GET /devices/{id}/revoke",
    "GET /find",
    "GET /held",
    "GET /lists",
    "GET /messages/{message}",
    "GET /messages/{message}/files/{id}",
    "GET /messages/{message}/read",
    "GET /messages/{message}/sent",
    "GET /messages/{message}/source",
    "GET /refused",
    "GET /storage",
    "GET /timeline",
    "GET /undo",
    "POST /account/forward",
    "POST /account/forward/confirm",
    "POST /account/forward/remove",
    "POST /account/help",
    "POST /account/help/end",
    "POST /account/junk-filter",
    "POST /account/language",
    "POST /account/password",
    "POST /account/scheduled/{id}/cancel",
    "POST /account/scheduled/{id}/send",
    "POST /account/second-factor",
    "POST /account/second-factor/confirm",
    "POST /account/second-factor/off",
    "POST /account/sessions",
    "POST /account/sessions/{id}",
    "POST /account/shares",
    "POST /account/test-mail",
    "POST /api/v1/account/sessions/end",
    "POST /api/v1/account/sessions/{id}/end",
    "POST /api/v1/defaults",
    "POST /api/v1/devices",
    "POST /api/v1/devices/{id}",
    "POST /api/v1/devices/{id}/one-program",
    "POST /api/v1/devices/{id}/revoke",
    "POST /api/v1/devices/{id}/seen",
    "POST /api/v1/devices/{id}/token",
    "POST /api/v1/forward",
    "POST /api/v1/forward/confirm",
    "POST /api/v1/forward/remove",
    "POST /api/v1/help",
    "POST /api/v1/help/end",
    "POST /api/v1/held/{id}",
    "POST /api/v1/junk-filter",
    "POST /api/v1/language",
    "POST /api/v1/lists/mine",
    "POST /api/v1/messages/{message}/bring-back",
    "POST /api/v1/offers/{id}",
    "POST /api/v1/scheduled/{id}/cancel",
    "POST /api/v1/scheduled/{id}/send",
    "POST /api/v1/sending",
    "POST /api/v1/shares",
    "POST /api/v1/storage/clear",
    "POST /api/v1/test-mail",
    "POST /api/v1/undo",
    "POST /defaults",
    "POST /devices/add",
    "POST /devices/{id}",
    "POST /devices/{id}/one-program",
    "POST /devices/{id}/revoke",
    "POST /devices/{id}/seen",
    "POST /devices/{id}/token",
    "POST /find/{message}/bring-back",
    "POST /held/{id}",
    "POST /lists",
    "POST /logout",
    "POST /offers/{id}",
    "POST /removals/{id}",
    "POST /sending",
    "POST /storage/clear",
    "POST /undo",
];

/// A call of a route with what stands in it, and what was typed into it.
fn ask(browser: &mut Browser<'_>, route: &str, id: &str, fields: &[(String, String)]) -> (Answered, Vec<String>) {
    let (method, path) = route.split_once(' ').unwrap();
    let named = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str());
    let (list, message) = (named("list"), named("message"));
    let path = path.replace("{id}", &crate::path::encoded(id)).replace("{list}", list).replace("{message}", message);
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let typed = fields.iter().map(|(_, value)| value.clone()).chain([id.to_owned()]).collect();
    let answer = match (method, path.starts_with("/api/")) {
        ("GET", _) => {
            let query: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={}", crate::path::encoded(v))).collect();
            browser.get(&format!("{path}?{}", query.join("&")))
        }
        (_, true) => {
            let body: Map<String, Value> = pairs.iter().map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
            browser.call(&path, &Value::Object(body).to_string())
        }
        (_, false) => browser.post(&path, &pairs),
    };
    (answer, typed)
}

/// A page says on the next one what became of a form.
fn followed(browser: &mut Browser<'_>, answer: Answered) -> Answered {
    if answer.status != StatusCode::SEE_OTHER {
        return answer;
    }
    let location = answer.location().to_owned();
    browser.get(&location)
}

fn filled(things: &Things, before: &str, entry: &Entry) -> (String, Vec<(String, String)>) {
    let (_, id, fields) = entry;
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), things.fill(value, before)));
    (things.fill(id, before), fields.collect())
}

/// All that is kept of addresses, requests and the queue, and how much accounts hold.
fn kept(world: &World) -> (Vec<Row>, Vec<Option<u64>>) {
    let of_kind = |id, kind: u8| world.auth.store().table(id).scan(&[kind], &[kind], usize::MAX).unwrap();
    let rows = |id| (0..=u8::MAX).flat_map(move |kind| of_kind(id, kind));
    let accounts = world.auth.directory().accounts().unwrap();
    let quota = |id: AccountId| world.auth.store().account(id).usage().unwrap().quota.bytes;
    let rows: Vec<Row> = [TableId::Directory, TableId::People, TableId::Queue].into_iter().flat_map(rows).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    (rows, accounts.into_iter().map(|info| quota(info.id)).collect())
}

/// Whether something of the other domain is in an answer, beside what was typed.
fn gives_away(answer: &Answered, typed: &[String]) -> Option<&'static str> {
    let mut text = answer.text.to_lowercase();
    let parts = typed.iter().flat_map(|typed| typed.split([',', '\n']).chain([typed.as_str()]));
    let parts = parts.filter(|part| !part.is_empty() && part.parse::<u64>().is_err());
    let mut typed: Vec<String> = parts.map(str::to_lowercase).collect();
    typed.sort_by_key(|typed| std::cmp::Reverse(typed.len()));
    for typed in typed {
        for form in [typed.clone(), crate::path::encoded(&typed).to_lowercase()] {
            text = text.replace(&form, "");
        }
    }
    MARKS.into_iter().find(|mark| text.contains(&mark.to_lowercase()))
}

#[test]
fn every_route_is_said_to_be_of_a_domain_of_the_server_or_of_oneself() {
    let mut told: Vec<&str> = [OF_DOMAINS, OF_THE_SERVER].into_iter().flatten().map(|(route, ..)| *route).collect();
    told.dedup();
    told.extend(OF_THEMSELVES);
    let told: BTreeSet<String> = told.into_iter().map(str::to_owned).collect();
    let of_somebody = |handler: &Handler| match handler {
        Handler::Owner(_) | Handler::Api(_) | Handler::Watched(_) => true,
        // Who asks is not known there.
        Handler::Anybody(_) | Handler::Bearer(_) | Handler::Document(_) => false,
    };
    let routes = serve::routes().into_iter().filter(|route| of_somebody(&route.handler));
    let there: BTreeSet<String> = routes
        .map(|route| format!("{} {}", if route.method == Verb::Get { "GET" } else { "POST" }, route.path))
        .collect();
    let (new, gone): (Vec<_>, Vec<_>) = (there.difference(&told).collect(), told.difference(&there).collect());
    assert!(new.is_empty(), "say in this file what an administrator of a domain may do there: {new:?}");
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn of_another_domain_nothing_is_told_and_nothing_changed() {
    let (world, _, other) = world();
    let mut alice = session(&world, ALICE);
    let before = kept(&world);
    for entry in OF_DOMAINS.iter().chain(OF_THE_SERVER) {
        let (id, fields) = filled(&other, "", entry);
        let (answer, typed) = ask(&mut alice, entry.0, &id, &fields);
        let (status, is_api) = (answer.status, entry.0.contains("/api/"));
        let what = format!("{} {id} {fields:?}", entry.0);
        let answer = followed(&mut alice, answer);
        assert_eq!(gives_away(&answer, &typed), None, "{what}: {}", answer.text);
        assert!(status != StatusCode::BAD_REQUEST && !status.is_server_error(), "{what}: {status} {}", answer.text);
        let is_a_list = entry.0.starts_with("GET") || entry.0.ends_with("/import");
        let is_refused = status.is_client_error() || !is_api && answer.text.contains("notice bad");
        assert!(is_a_list || is_refused, "{what}: {status} {}", answer.text);
        if OF_THE_SERVER.contains(entry) {
            assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
        }
        if entry.0.ends_with("/import") && entry.0.starts_with("POST") {
            assert!(answer.text.contains("in none of the domains"), "{what}: {}", answer.text);
        }
        assert!(kept(&world) == before, "{what} changed something");
    }
    assert!(world.letters.lock().unwrap().is_empty());
}

#[test]
fn what_is_in_another_domain_is_told_as_what_is_not_there() {
    let (world, _, other) = world();
    let mut alice = session(&world, ALICE);
    let missing = Things(
        [("user", "99999"), ("leaver", "99999"), ("request", "99999"), ("message", "99999")]
            .into_iter()
            .chain([("link", "0123456789abcdef"), ("address", "nobody@other.example"), ("alias", "no@other.example")])
            .chain([
                ("mail", "M000000000000"),
                ("session", "7fffffff.1"),
                ("list", "no@other.example"),
                ("domain", "nowhere.example"),
                ("invited", "x@far.example"),
            ])
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
    );
    let mut compared = 0;
    for entry in OF_DOMAINS.iter().filter(|entry| entry.0.contains("/api/") && !entry.0.ends_with("/import")) {
        let told = [&other, &missing].map(|things| {
            let (id, fields) = filled(things, "", entry);
            let (answer, mut typed) = ask(&mut alice, entry.0, &id, &fields);
            typed.sort_by_key(|typed| std::cmp::Reverse(typed.len()));
            let detail = answer.json()["detail"].as_str().map_or(answer.text.clone(), str::to_owned);
            let plain = typed.iter().filter(|typed| !typed.is_empty()).fold(detail, |text, t| text.replace(t, "…"));
            (answer.status, plain)
        });
        assert_eq!(told[0], told[1], "{entry:?}");
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn what_is_in_ones_own_domain_can_be_seen_and_changed() {
    // As it is before each: one takes away what another needs.
    for entry in OF_DOMAINS {
        let (world, own, _) = world();
        let mut alice = session(&world, ALICE);
        let (before, (id, fields)) = (kept(&world), filled(&own, "", entry));
        let (answer, _) = ask(&mut alice, entry.0, &id, &fields);
        let what = format!("{} {id} {fields:?}", entry.0);
        let status = answer.status;
        let path = entry.0.replace("{list}", own.get("list"));
        let answer = followed(&mut alice, answer);
        if let Some((_, why)) = CANNOT.iter().find(|(end, _)| path.ends_with(end) && path.starts_with("POST")) {
            assert!(answer.text.contains(why), "{what}: {}", answer.text);
            continue;
        }
        assert!(answer.status.is_success() && !answer.text.contains("notice bad"), "{what}: {status} {}", answer.text);
        assert_eq!(gives_away(&answer, &[]), None, "{what}: {}", answer.text);
        // What they change is not in the directory.
        let joins = ["/join", "/bring-back", "/end"].iter().any(|end| entry.0.ends_with(end));
        assert!(entry.0.starts_with("GET") || joins || kept(&world) != before, "{what} changed nothing");
    }
}

#[test]
fn lists_have_what_is_in_the_own_domain() {
    let (world, own, _) = world();
    let mut alice = session(&world, ALICE);
    for (path, expected) in [
        ("/api/v1/admin/accounts", "ursula@example.org"),
        ("/api/v1/admin/aliases", "sales@example.org"),
        ("/api/v1/admin/domains", OWN),
        ("/api/v1/lists", "choir@example.org"),
        ("/api/v1/admin/requests", "wendy@example.org"),
        ("/api/v1/admin/links", own.get("link")),
        ("/api/v1/admin/refused", "nobody@example.org"),
        ("/api/v1/admin/reports", "Sale of example.org"),
        ("/api/v1/admin/audit", "ursula@example.org can log in again."),
        ("/api/v1/admin/queue", "invited@far-example.org"),
        ("/admin/queue/messages", "invited@far-example.org"),
        ("/admin", "ursula@example.org"),
        ("/admin/people", "wendy@example.org"),
        ("/api/v1/admin/sessions", "ursula@example.org"),
        ("/admin/sessions", "ursula@example.org"),
    ] {
        let answer = alice.get(path);
        assert!(answer.text.contains(expected), "{path}: {}", answer.text);
        assert_eq!(gives_away(&answer, &[]), None, "{path}: {}", answer.text);
    }
    let all = session(&world, ROOT).get("/api/v1/admin/reports").text;
    assert!(all.contains("Sale of example.org") && all.contains("Sale of other.example"), "{all}");
    let reports = alice.get("/api/v1/admin/reports").json();
    assert_eq!((reports["mail"].as_array().unwrap().len(), &reports["mail"][0]["domain"]), (1, &json!(OWN)));
    let nav = alice.get("/admin").text;
    assert!(
        nav.contains("/admin/queue/messages") && !nav.contains("/admin/doctor") && !nav.contains("/admin/integrity")
    );
}

#[test]
fn neither_into_ones_domain_nor_out_of_it() {
    let (world, own, other) = world();
    let mut alice = session(&world, ALICE);
    let before = kept(&world);
    let mixed: &[Entry] = &[
        ("POST /api/v1/admin/accounts/{id}/rename", "{own.user}", &[("address", "moved@{other.domain}")]),
        ("POST /api/v1/admin/accounts/{id}/rename", "{other.user}", &[("address", "moved@{own.domain}")]),
        (
            "POST /api/v1/admin/accounts/{id}/rename",
            "{own.user}",
            &[("address", "moved"), ("domain", "{other.domain}")],
        ),
        ("POST /api/v1/admin/accounts", "", &[("address", "new"), ("domain", "{other.domain}")]),
        ("POST /api/v1/admin/aliases", "", &[("alias", "@{other.domain}"), ("targets", "{own.address}")]),
        ("POST /api/v1/admin/aliases", "", &[("alias", "x@OTHER.example"), ("targets", "{own.address}")]),
        ("POST /api/v1/admin/aliases", "", &[("alias", "x@nowhere.example"), ("targets", "{own.address}")]),
        (
            "POST /api/v1/admin/lists",
            "",
            &[("list", "n@{own.domain}"), ("owners", "{other.address}"), ("posting", "members")],
        ),
        (
            "POST /api/v1/admin/lists",
            "",
            &[("list", "n@{own.domain}"), ("owners", "{own.address},{other.address}"), ("posting", "members")],
        ),
        ("POST /api/v1/lists/join", "", &[("list", "{own.list}"), ("member", "{other.address}")]),
        ("POST /api/v1/lists/join", "", &[("list", "{own.list}"), ("member", "nobody@{other.domain}")]),
        ("POST /api/v1/lists/join", "", &[("list", "{own.list}"), ("member", "someone@far.example")]),
        ("POST /api/v1/admin/requests/{id}/accept", "{own.request}", &[("address", "x@{other.domain}")]),
        ("POST /api/v1/admin/requests/{id}/accept", "{other.request}", &[("address", "x@{own.domain}")]),
        ("POST /api/v1/admin/invitations", "", &[("domain", "{own.domain},{other.domain}")]),
        ("POST /api/v1/admin/invitations", "", &[("address", "x@{other.domain}"), ("domain", "{own.domain}")]),
    ];
    for entry in mixed {
        let (id, fields) = filled(&own, "own.", entry);
        let id = other.fill(&id, "other.");
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, other.fill(&value, "other."))).collect();
        let (answer, typed) = ask(&mut alice, entry.0, &id, &fields);
        assert!(
            answer.status.is_client_error() && answer.status != StatusCode::BAD_REQUEST,
            "{entry:?}: {}",
            answer.text
        );
        assert_eq!(gives_away(&answer, &typed), None, "{entry:?}: {}", answer.text);
        assert!(kept(&world) == before, "{entry:?}");
    }
    let csv = "address,password,aliases,quota\nnew@example.org,correct horse,new@other.example,\nn@other.example,correct horse,,\n\
               n@example.org,correct horse,good@example.org,\n";
    let answer = alice.call("/api/v1/admin/accounts/import", &json!({ "csv": csv }).to_string()).json();
    let lines: Vec<&str> = answer["lines"].as_array().unwrap().iter().map(|l| l["outcome"].as_str().unwrap()).collect();
    assert_eq!(lines, ["refused", "refused", "added"], "{answer}");
    assert!(answer["lines"][0]["text"].as_str().unwrap().contains("new@other.example is in none of the domains"));
    // "*" is all of theirs.
    let link = alice.call("/api/v1/admin/invitations", r#"{"domain": "*"}"#);
    assert_eq!(link.status, StatusCode::OK, "{}", link.text);
    let links = alice.get("/api/v1/admin/links").json();
    assert_eq!(links[0]["domains"], json!([OWN]));
}

#[test]
fn an_alias_leads_to_another_domain_and_tells_nothing_of_it() {
    let (world, ..) = world();
    let mut alice = session(&world, ALICE);
    let mut add = |alias: &str, target: &str| {
        alice.call("/api/v1/admin/aliases", &json!({ "alias": alias, "targets": target }).to_string())
    };
    for (alias, target) in [("a@example.org", "vera@other.example"), ("b@example.org", "nobody@other.example")] {
        assert_eq!(add(alias, target).status, StatusCode::OK, "whether it is there is not told");
    }
    assert!(add("c@example.org", "nobody@example.org").text.contains("is not an account here"));
    let vera = world.auth.directory().account("vera@other.example").unwrap().unwrap().id;
    let resolved = |name: &str| world.auth.directory().resolve(name, OWN).unwrap();
    assert!(matches!(resolved("a"), directory::Resolution::Local { accounts, .. } if accounts[0].account == vera));
    assert_eq!(resolved("b"), directory::Resolution::NoSuchUser);
}

#[test]
fn nobody_is_changed_who_may_do_more() {
    let (world, ..) = world();
    let directory = world.auth.directory();
    let admins = [("boss@example.org", true, &[""; 0][..]), ("both@example.org", false, &[OWN, OTHER])];
    for (address, is_admin, domains) in admins {
        directory.add_account(address, PASSWORD, "", world.now()).unwrap();
        directory.set_admin(address, is_admin).unwrap();
        directory.set_administers(address, domains).unwrap();
        directory.password_link(address, world.now()).unwrap();
    }
    directory.add_account("peer@example.org", PASSWORD, "", world.now()).unwrap();
    directory.set_administers("peer@example.org", &[OWN]).unwrap();
    let mut alice = session(&world, ALICE);
    let changes: [(&str, Value); 7] = [
        ("login", json!({ "disabled": true })),
        ("quota", json!({ "quota_mib": 1 })),
        ("rename", json!({ "address": "other@example.org" })),
        ("remove", json!({ "confirm": "{address}" })),
        ("keep", json!({})),
        ("link", json!({})),
        ("second-factor-off", json!({})),
    ];
    let before = kept(&world);
    for (address, ..) in admins {
        assert_eq!(alice.get(&format!("/api/v1/admin/accounts/{address}")).status, StatusCode::OK, "she sees it");
        for (change, body) in &changes {
            let body = body.to_string().replace("{address}", address);
            let answer = alice.call(&format!("/api/v1/admin/accounts/{address}/{change}"), &body);
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{address} {change}: {}", answer.text);
            assert!(!answer.text.contains(OTHER), "{}", answer.text);
        }
        // Nor is mail for a part of their address led elsewhere, in any way.
        let detail = address.replace('@', "+bank@");
        let alias = json!({ "alias": detail, "targets": ALICE }).to_string();
        assert_eq!(alice.call("/api/v1/admin/aliases", &alias).status, StatusCode::FORBIDDEN);
        let csv = format!("address,password,aliases\nspy@example.org,correct horse,{detail}\n");
        let bulk = alice.call("/api/v1/admin/accounts/import", &json!({ "csv": csv }).to_string()).json();
        assert_eq!(bulk["refused"], 1, "{bulk}");
        let page = alice.get("/admin?search=").text;
        assert!(page.contains(address));
    }
    assert!(kept(&world) == before);
    let links = alice.get("/api/v1/admin/links").json();
    assert!(!links.to_string().contains("boss@") && !links.to_string().contains("both@"), "{links}");
    let line = alice.get("/api/v1/admin/accounts/both@example.org").json();
    assert_eq!(line["administers"], json!([OWN]), "of what else nothing is told");
    let answer = alice.call("/api/v1/admin/accounts/peer@example.org/login", r#"{"disabled": true}"#);
    assert_eq!(answer.status, StatusCode::OK, "whoever may do no more than she: {}", answer.text);
    let herself = alice.call(&format!("/api/v1/admin/accounts/{ALICE}/login"), r#"{"disabled": true}"#);
    assert_eq!(herself.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", herself.text);
    let page = alice.get(&format!("/admin/accounts/{}", world.account("boss@example.org").id())).text;
    assert!(
        page.contains("may do more on this server than you") && !page.contains("Link for a new password"),
        "{page}"
    );
}

#[test]
fn an_administrator_of_the_server_gives_the_role_and_takes_it() {
    let (world, own, _) = world();
    let (mut root, mut ursula) = (session(&world, ROOT), session(&world, "ursula@example.org"));
    assert_eq!(ursula.get("/admin").status, StatusCode::FORBIDDEN);
    let page = format!("/admin/accounts/{}", own.get("user"));
    root.post(&format!("{page}/domains"), &[("domains", "example.org, third.example")]);
    let text = root.get(&page).text;
    assert!(
        text.contains("ursula@example.org administers example.org, third.example now, and no other domain."),
        "{text}"
    );
    assert!(text.contains("<dd>of example.org, third.example</dd>"), "{text}");
    assert!(ursula.get("/").text.contains("Administration"), "from the next request on");
    let accounts = ursula.get("/admin").text;
    assert!(accounts.contains(ROOT) && accounts.contains(ALICE) && !accounts.contains("vera"), "{accounts}");
    root.post(&format!("{page}/domains"), &[("domains", "nowhere.example")]);
    assert!(root.get(&page).text.contains("nowhere.example is not a local domain"));
    let taken = root.call(&format!("/api/v1/admin/accounts/{}/domains", own.get("user")), r#"{"domains": ""}"#);
    assert_eq!(taken.json()["text"], "ursula@example.org administers no domain any more.");
    for path in ["/admin", "/api/v1/admin/accounts", "/api/v1/admin/queue", "/admin/audit"] {
        assert_eq!(ursula.get(path).status, StatusCode::FORBIDDEN, "{path}");
    }
    let audit = root.get("/api/v1/admin/audit").text;
    for what in ["administers example.org, third.example now", "administers no domain any more", ROOT] {
        assert!(audit.contains(what), "{audit}");
    }
}

#[test]
fn an_application_password_of_an_administrator_of_a_domain_administers_nothing() {
    let (world, ..) = world();
    let (_, password) = world.auth.add_device(world.account(ALICE).id(), "script", None, world.now()).unwrap();
    let mut program = world.browser();
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{ALICE}:{password}"));
    program.extra.push(("authorization", format!("Basic {basic}")));
    assert_eq!(program.get("/api/v1/devices").status, StatusCode::OK);
    for path in ["accounts", "audit", "links", "queue", "requests", "refused"] {
        assert_eq!(program.get(&format!("/api/v1/admin/{path}")).status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(program.get("/api/v1/lists").json(), json!([]));
}

#[test]
fn what_is_done_is_in_the_audit_of_those_whom_it_concerns() {
    let (world, ..) = world();
    let (mut alice, mut vera, mut root) =
        (session(&world, ALICE), session(&world, "vera@other.example"), session(&world, ROOT));
    let quota = alice.call("/api/v1/admin/accounts/ursula@example.org/quota", r#"{"quota_mib": 7}"#);
    assert_eq!(quota.status, StatusCode::OK, "{}", quota.text);
    alice.call("/api/v1/admin/invitations", r#"{"domain": "example.org"}"#);
    root.call("/api/v1/admin/aliases", r#"{"alias": "x@example.org", "targets": "vera@other.example"}"#);
    root.call("/api/v1/admin/certificate/renew", "{}");
    let texts = |browser: &mut Browser<'_>, search: &str| -> Vec<(String, String)> {
        let page = browser.get(&format!("/api/v1/admin/audit?search={search}")).json();
        let acts = page["acts"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        acts.map(|act| (text(&act["who"]), text(&act["text"]))).collect()
    };
    let (alices, veras, all) = (texts(&mut alice, ""), texts(&mut vera, ""), texts(&mut root, ""));
    let has = |acts: &[(String, String)], part: &str| acts.iter().any(|(_, text)| text.contains(part));
    assert!(has(&alices, "new quota") && has(&alices, "Whoever gets this link"), "{alices:?}");
    assert!(!has(&alices, "vera") && !has(&alices, "authority"), "{alices:?}");
    assert!(!has(&veras, "example.org") && !has(&veras, "Whoever gets this link") && has(&veras, "vera@"), "{veras:?}");
    assert!(has(&all, "vera@other.example now") && has(&all, "authority") && has(&all, "new quota"), "{all:?}");
    assert!(alices.iter().any(|(who, text)| who == ALICE && text.contains("new quota")), "{alices:?}");
    let log_in = alices.iter().find(|(_, text)| text.contains("can log in again")).unwrap();
    assert_eq!(log_in.0, "whoever administers the server");
    assert!(texts(&mut alice, "root").is_empty() && !texts(&mut alice, "192.0.2").is_empty());
    assert!(!has(&texts(&mut alice, "192.0.2"), "can log in again"), "nor is it found by where root was");
}

/// Who reads it may speak another language than who did it.
#[test]
fn the_audit_is_in_english_whatever_was_said_to_whom() {
    let (world, ..) = world();
    let (mut root, mut german) = (session(&world, ROOT), session(&world, ROOT));
    german.extra.push(("accept-language", "de".to_owned()));
    let calls = [
        ("accounts/ursula@example.org/quota", r#"{"quota_mib": 7}"#),
        ("domains/limits", r#"{"domain": "example.org", "accounts": 5, "quota_mib": 10}"#),
        ("domains/limits", r#"{"domain": "example.org"}"#),
    ];
    for (path, body) in calls {
        let said = |browser: &mut Browser<'_>| {
            let answer = browser.call(&format!("/api/v1/admin/{path}"), body);
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            answer.json()["text"].as_str().unwrap().to_owned()
        };
        let (english, other) = (said(&mut root), said(&mut german));
        assert_ne!(english, other, "{path}");
        let acts = root.get("/api/v1/admin/audit").json();
        // Numbers stay as they were said.
        let text = |act: &Value| act["text"].as_str().unwrap().replace(",0 MiB", ".0 MiB");
        let last: Vec<String> = acts["acts"].as_array().unwrap().iter().map(text).take(2).collect();
        assert_eq!(last, [english.as_str(); 2], "{path}: {other}");
    }
}

#[test]
fn the_limits_of_a_domain_hold_for_whoever_administers_it() {
    let (world, ..) = world();
    let (mut alice, mut root) = (session(&world, ALICE), session(&world, ROOT));
    let limits =
        root.call("/api/v1/admin/domains/limits", r#"{"domain": "example.org", "accounts": 5, "quota_mib": 10}"#);
    assert_eq!(limits.json()["text"], "example.org: 5 accounts at most, 10.0 MiB for each at most");
    let quota = |browser: &mut Browser<'_>, body: &str| {
        browser.call("/api/v1/admin/accounts/ursula@example.org/quota", body).status
    };
    assert_eq!(quota(&mut alice, r#"{"quota_mib": 10}"#), StatusCode::OK);
    assert_eq!(quota(&mut alice, r#"{"quota_mib": 11}"#), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(quota(&mut alice, "{}"), StatusCode::UNPROCESSABLE_ENTITY, "no limit is more than the limit");
    assert_eq!(quota(&mut root, "{}"), StatusCode::OK);
    let csv = "address,password,quota\nbig@example.org,correct horse,1GB\nall@example.org,correct horse,none\n\
               ok@example.org,correct horse,\nfull@example.org,correct horse,\n";
    let answer = alice.call("/api/v1/admin/accounts/import", &json!({ "csv": csv }).to_string()).json();
    let lines: Vec<&str> = answer["lines"].as_array().unwrap().iter().map(|l| l["outcome"].as_str().unwrap()).collect();
    // Alice, Bob, Ursula and who leaves are there.
    assert_eq!(lines, ["refused", "refused", "added", "refused"], "{answer}");
    assert_eq!(world.account("ok@example.org").usage().unwrap().quota.bytes, Some(10 << 20));
    let more = alice.call("/api/v1/admin/accounts", r#"{"address": "more@example.org"}"#);
    assert!(more.text.contains("as many accounts as it may have"), "{}", more.text);
    let domains = alice.get("/api/v1/admin/domains").json();
    assert_eq!((&domains[0]["accounts_max"], &domains[0]["administrators"]), (&json!(5), &json!([ALICE])));
    assert_eq!(domains[0]["postmasters"], json!([]), "whoever reads it is elsewhere");
}

#[test]
fn links_for_passwords_do_not_outlive_a_role() {
    let (world, ..) = world();
    let (mut alice, mut root) = (session(&world, ALICE), session(&world, ROOT));
    let link = alice.call("/api/v1/admin/accounts/ursula@example.org/link", "{}").json();
    let path = link["url"].as_str().unwrap().split_once("/password/").unwrap().1.to_owned();
    let page = format!("/password/{path}");
    assert!(world.browser().get(&page).text.contains("new_password") || world.browser().get(&page).status.is_success());
    root.call("/api/v1/admin/accounts/ursula@example.org/domains", r#"{"domains": "other.example"}"#);
    let mut browser = world.browser();
    let answer = browser.get(&page);
    assert!(!answer.status.is_success() || answer.text.contains("not good any more"), "{}", answer.text);
    assert_eq!(alice.call("/api/v1/admin/accounts/ursula@example.org/link", "{}").status, StatusCode::FORBIDDEN);
}

#[test]
fn links_that_somebody_made_end_with_their_role_and_the_answer_says_so() {
    let (world, own, _) = world();
    let (mut alice, mut root) = (session(&world, ALICE), session(&world, ROOT));
    let made: Vec<String> = [
        ("/api/v1/admin/accounts/ursula@example.org/link".to_owned(), "{}"),
        ("/api/v1/admin/invitations".to_owned(), r#"{"domain": "example.org", "days": 90}"#),
        (format!("/api/v1/admin/requests/{}/accept", own.get("request")), "{}"),
    ]
    .into_iter()
    .map(|(path, body)| {
        let answer = alice.call(&path, body).json();
        let url = answer["url"].as_str().or(answer["password_url"].as_str()).unwrap_or_else(|| panic!("{answer}"));
        url.rsplit_once('/').unwrap().1.to_owned()
    })
    .collect();
    let good =
        || made.iter().filter(|token| world.auth.directory().link(token, world.now()).unwrap().is_some()).count();
    assert_eq!(good(), 3);
    let path = format!("/api/v1/admin/accounts/{ALICE}/domains");
    let taken = root.call(&path, r#"{"domains": ""}"#).json();
    let text = taken["text"].as_str().unwrap();
    assert!(
        text.ends_with("administers no domain any more. 3 links that they had made are not good any more."),
        "{text}"
    );
    assert_eq!(good(), 0);
}

#[test]
fn mail_for_somebody_who_may_do_more_is_led_nowhere_else() {
    let (world, ..) = world();
    let directory = world.auth.directory();
    directory.add_account("boss@example.org", PASSWORD, "", world.now()).unwrap();
    directory.set_admin("boss@example.org", true).unwrap();
    for alias in ["chef@example.org", "@example.org"] {
        directory.add_alias(alias, &["boss@example.org", "ursula@example.org"]).unwrap();
    }
    directory.add_alias("plain@example.org", &["ursula@example.org"]).unwrap();
    let mut alice = session(&world, ALICE);
    let before = kept(&world);
    let csv = "address,password,aliases\nspy@example.org,correct horse,chef+bank@example.org\n";
    for (path, body) in [
        ("aliases/remove", json!({ "alias": "Chef@example.org" })),
        ("aliases/remove", json!({ "alias": "@example.org" })),
        ("aliases", json!({ "alias": "chef+bank@example.org", "targets": ALICE })),
        ("lists", json!({ "list": "chef+bank@example.org", "owners": ALICE, "posting": "members" })),
        ("accounts/import", json!({ "csv": csv })),
    ] {
        let answer = alice.call(&format!("/api/v1/admin/{path}"), &body.to_string());
        let is_refused = answer.status == StatusCode::FORBIDDEN || answer.json()["refused"] == 1;
        assert!(is_refused && answer.text.contains("may do more"), "{path} {body}: {}", answer.text);
        assert!(kept(&world) == before, "{path} {body}");
    }
    let detail = json!({ "alias": "plain+x@example.org", "targets": ALICE }).to_string();
    assert_eq!(alice.call("/api/v1/admin/aliases", &detail).status, StatusCode::OK, "of somebody who may not");
    assert_eq!(alice.call("/api/v1/admin/aliases/remove", r#"{"alias": "plain@example.org"}"#).status, StatusCode::OK);
}

#[test]
fn an_account_that_has_something_of_another_domain_is_changed_by_the_server_only() {
    type Give = fn(&directory::Directory);
    let ursula = "ursula@example.org";
    let gives: [(&str, Give, StatusCode); 4] = [
        ("nothing", |_| {}, StatusCode::OK),
        (
            "its catch-all",
            |directory| directory.add_alias("@other.example", &["ursula@example.org"]).unwrap(),
            StatusCode::FORBIDDEN,
        ),
        (
            "a list",
            |directory| {
                let owners = ["vera@other.example", "ursula@example.org"];
                directory.add_list("news@other.example", "", Posting::Owners, &owners).unwrap();
            },
            StatusCode::FORBIDDEN,
        ),
        (
            "an alias that only its own administrator made",
            |directory| {
                let domains = BTreeSet::from([OTHER.to_owned()]);
                directory.add_alias_within("x@other.example", &["ursula@example.org"], &domains).unwrap();
            },
            StatusCode::OK,
        ),
    ];
    for (what, give, expected) in gives {
        let (world, ..) = world();
        give(world.auth.directory());
        let (mut alice, mut root) = (session(&world, ALICE), session(&world, ROOT));
        let path = format!("/api/v1/admin/accounts/{ursula}/link");
        let answer = alice.call(&path, "{}");
        assert_eq!(answer.status, expected, "{what}: {}", answer.text);
        assert_eq!(gives_away(&answer, &[]), None, "{what}: {}", answer.text);
        let links = alice.get("/api/v1/admin/links").text;
        assert_eq!(links.contains(ursula), expected == StatusCode::OK, "{what}: {links}");
        assert_eq!(root.call(&path, "{}").status, StatusCode::OK, "{what}");
    }
}

#[test]
fn an_account_takes_no_more_room_along_than_its_new_domain_lets_it() {
    let (world, ..) = world();
    world.auth.directory().set_administers(ALICE, &[OWN, OTHER]).unwrap();
    let limits = DomainLimits { accounts: None, quota_bytes: Some(10 << 20) };
    world.auth.directory().set_domain_limits(OTHER, limits).unwrap();
    let mut alice = session(&world, ALICE);
    let mut call = |address: &str, what: &str, body: Value| {
        alice.call(&format!("/api/v1/admin/accounts/{address}/{what}"), &body.to_string()).status
    };
    let rename = |to: &str| json!({ "address": to, "keep_old": false });
    let full = StatusCode::UNPROCESSABLE_ENTITY;
    assert_eq!(call("ursula@example.org", "quota", json!({ "quota_mib": 11 })), StatusCode::OK);
    assert_eq!(call("ursula@example.org", "rename", rename("ursula@other.example")), full);
    assert_eq!(call("ursula@example.org", "rename", rename("ulla@example.org")), StatusCode::OK, "in its domain");
    assert_eq!(call("ulla@example.org", "quota", json!({ "quota_mib": 10 })), StatusCode::OK);
    assert_eq!(call("ulla@example.org", "rename", rename("ulla@other.example")), StatusCode::OK);
}

#[test]
fn whoever_finds_an_administrator_logged_in_gets_no_password_of_theirs() {
    let (world, ..) = world();
    for address in [ALICE, ROOT] {
        let mut browser = session(&world, address);
        for what in ["link", "second-factor-off"] {
            let answer = browser.call(&format!("/api/v1/admin/accounts/{address}/{what}"), "{}");
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {}", answer.text);
            assert!(answer.text.contains("your own account"), "{what}: {}", answer.text);
        }
        let links = browser.get("/api/v1/admin/links").text;
        assert!(!links.contains(address), "{links}");
    }
}

#[test]
fn an_owner_of_a_list_makes_members_of_accounts_in_its_domain_only() {
    let (world, ..) = world();
    // Whoever administers the domain may not join others either, and gains nothing by owning the list as somebody else.
    let mut ursula = session(&world, "ursula@example.org");
    let mut join = |member: &str| {
        ursula.call("/api/v1/lists/join", &json!({ "list": "choir@example.org", "member": member }).to_string())
    };
    let (there, missing) = (join("vera@other.example"), join("nobody@other.example"));
    assert_eq!((there.status, missing.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(there.text.replace("vera", "…"), missing.text.replace("nobody", "…"));
    assert!(there.text.contains("invite them"), "{}", there.text);
    assert_eq!(join(ALICE).status, StatusCode::OK);
    let list = world.auth.directory().list("choir@example.org").unwrap().unwrap();
    assert_eq!(list.members.len(), 2);
}

#[test]
fn what_takes_long_ends_with_the_role() {
    let (world, own, _) = world();
    let party = console::Party::Person {
        account: world.account(ALICE).id(),
        role: console::Role::of(false, &Arc::new(BTreeSet::from([OWN.to_owned()]))),
    };
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: world.now() };
    let administration = console::DomainAdministration::of(&party, world.auth.clone(), actor).unwrap();
    let ask = console::BulkAsk {
        csv: "address,password\none@example.org,correct horse\ntwo@example.org,correct horse\n",
        first_line: None,
        dry_run: false,
    };
    // Between the first password and the second.
    let in_turn = |password: directory::ToHash| {
        world.auth.directory().set_administers(ALICE, &["third.example"]).unwrap();
        password.hash()
    };
    let answer = administration.import(&ask, &in_turn).unwrap();
    let lines: Vec<&str> = answer.lines.iter().map(|line| line.outcome.as_str()).collect();
    assert_eq!(lines, ["added", "refused"], "{answer:?}");
    let number = own.get("request").parse().unwrap();
    let (password_url, send) = (|_: &str| String::new(), |_: &str, _: &[u8]| true);
    let (hostname, language) = ("mail.example.org", wording::Language::default());
    let answering = console::Answering { hostname, language, password_url: &password_url, send: &send };
    assert!(matches!(administration.accept(number, None, &answering), Err(console::Error::Forbidden(_))));
    assert_eq!(world.auth.directory().account("wendy@example.org").unwrap(), None);
}

#[test]
fn the_audit_tells_of_no_other_domain_and_has_what_administrators_did_with_lists() {
    let (world, ..) = world();
    let (mut alice, mut root, mut ursula) =
        (session(&world, ALICE), session(&world, ROOT), session(&world, "ursula@example.org"));
    let texts = |browser: &mut Browser<'_>| browser.get("/api/v1/admin/audit").text;
    for domains in ["example.org, other.example", "third.example", "example.org"] {
        let body = json!({ "domains": domains }).to_string();
        assert_eq!(root.call("/api/v1/admin/accounts/ursula@example.org/domains", &body).status, StatusCode::OK);
    }
    let told = texts(&mut alice);
    assert!(told.contains("administers example.org now") && !told.contains(OTHER), "{told}");
    assert!(!told.contains("third.example"), "{told}");
    assert_eq!(texts(&mut root).matches("ursula@example.org administers").count(), 3);

    let list = "choir@example.org";
    let path = |what: &str| format!("/api/v1/lists/{what}");
    let join = |member: &str| json!({ "list": list, "member": member }).to_string();
    assert_eq!(ursula.call(&path("join"), &join("bob@example.org")).status, StatusCode::OK);
    assert!(!texts(&mut alice).contains("bob@example.org"), "its owner");
    assert_eq!(alice.call(&path("join"), &join("bob@example.org")).status, StatusCode::OK);
    alice.post(&format!("/lists/{list}/leave"), &[("list", list), ("member", "bob@example.org")]);
    let told = texts(&mut alice);
    assert!(told.contains("bob@example.org gets what is written to choir@example.org"), "{told}");
    assert!(told.contains("bob@example.org gets nothing of choir@example.org any more"), "{told}");
    assert_eq!(told.matches("bob@example.org gets").count(), 2, "{told}");
}
