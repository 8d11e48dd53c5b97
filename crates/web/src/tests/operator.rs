//! What the operator calls on the control socket: the endpoints of the pages' own API, and a few that nobody else has.

use crate::api;
use crate::operate::{Call, Failure};
use crate::site::IMPORTS_MAX;
use crate::testing::{ALICE, PASSWORD, World};
use serde_json::{Value, json};
use store::check::Depth;
use store::device::Credential;
use store::{Actor, DeviceId, Flags, NewMessage, PIECE_MESSAGES_MAX, Protocol, Target};

impl World {
    /// Over JSON and back, as the control socket has it.
    fn operate(&self, call: &Call) -> Result<Vec<Value>, Failure> {
        let call: Call = serde_json::from_str(&serde_json::to_string(call).unwrap()).unwrap();
        let mut parts = Vec::new();
        self.site.operate(&call, &mut |part| {
            parts.push(part);
            Ok(())
        })?;
        Ok(parts)
    }

    fn one(&self, call: &Call) -> Value {
        let mut parts = self.operate(call).unwrap();
        assert_eq!(parts.len(), 1, "{parts:?}");
        parts.pop().unwrap()
    }

    fn refused(&self, call: &Call, part: &str) {
        match self.operate(call) {
            Err(Failure::Refused(text)) => assert!(text.contains(part), "{text:?} lacks {part:?}"),
            other => panic!("not refused: {other:?}"),
        }
    }
}

fn account(endpoint: &str, id: &str) -> Call {
    Call::new(endpoint).at("id", id)
}

fn device(endpoint: &str, id: &str) -> Call {
    Call::new(endpoint).of(ALICE).at("id", id)
}

#[test]
fn an_account_from_its_beginning_to_its_end() {
    let world = World::new();
    let add = |address: &str| Call::new("POST /api/v1/operator/accounts").with("address", address);
    world.refused(&add("carol@example.net"), "domain add");
    world.operate(&Call::new("POST /api/v1/admin/domains").with("domain", "example.net")).unwrap();
    let carol = world.one(&add("Carol@Example.net").with("name", "Carol"));
    assert_eq!((&carol["address"], &carol["disabled"]), (&json!("carol@example.net"), &json!(false)));
    assert!(carol["password"].as_str().unwrap().len() > 16, "{carol}");
    let password = account("POST /api/v1/operator/accounts/{id}/password", "carol");
    world.refused(&password.clone().with("password", "short"), "password");
    assert_eq!(world.one(&password.clone().with("password", "long and secret"))["password"], Value::Null);
    world.one(&password);
    for (endpoint, field) in [("login", "disabled"), ("admin", "admin")] {
        let change = account(&format!("POST /api/v1/admin/accounts/{{id}}/{endpoint}"), "carol@example.net");
        for on in [true, false] {
            assert_eq!(world.one(&change.clone().with(field, on))["account"][field], on);
        }
    }
    world.refused(&account("POST /api/v1/admin/accounts/{id}/second-factor-off", "carol"), "has no second factor");
    let alias = Call::new("POST /api/v1/admin/aliases").with("alias", "@example.net");
    world.one(&alias.with("targets", "carol@example.net"));
    let page = world.one(&Call::new("GET /api/v1/admin/accounts").with("limit", 2));
    assert_eq!((page["accounts"].as_array().unwrap().len(), &page["next_after"]), (2, &json!("alice@example.org")));
    assert_eq!(page["accounts"][0]["name"], "Carol", "those of a domain stand together");
    let page = world.one(&Call::new("GET /api/v1/admin/accounts").with("after", "alice@example.org"));
    assert_eq!((&page["accounts"][0]["address"], &page["next_after"]), (&json!("bob@example.org"), &Value::Null));
    let shown = world.one(&account("GET /api/v1/operator/accounts/{id}", "carol"));
    assert_eq!((&shown["aliases"], &shown["mailboxes"][0]["name"]), (&json!(["@example.net"]), &json!("INBOX")));
    let remove = account("POST /api/v1/operator/accounts/{id}/remove", "carol");
    assert_eq!(world.operate(&remove).unwrap(), [Value::Null; 0]);
    world.refused(&remove, "there is no account carol; `pillarbox account list`");
    assert_eq!(world.operate(&Call::new("GET /api/v1/admin/aliases")).unwrap(), [Value::Null; 0], "it led there only");
    world.one(&Call::new("POST /api/v1/admin/domains/remove").with("domain", "example.net"));
    let domains = world.operate(&Call::new("GET /api/v1/admin/domains")).unwrap();
    assert_eq!((domains.len(), &domains[0]["postmasters"]), (1, &json!([ALICE])));
}

#[test]
fn devices_are_meant_by_number_or_name() {
    let world = World::new();
    let add = |policy: &str| {
        Call::new("POST /api/v1/operator/devices").of("alice").with("name", "old PC").with("policy", policy)
    };
    let added = world.one(&add("keep-when-shared"));
    assert!(added["password"].as_str().unwrap().len() > 28, "{added}");
    world.refused(&add("burn"), "keep-when-shared, keep, mark-read");
    world.refused(&add("keep"), "already");
    let policy = |name: &str| device("POST /api/v1/devices/{id}", name).with("policy", "expunge");
    for name in ["old PC", &added["id"].to_string()] {
        assert_eq!(world.one(&policy(name))["policy"], "expunge");
    }
    world.refused(&policy("phone"), "device list");
    for saved in [false, true] {
        let sent = device("POST /api/v1/devices/{id}", "old PC").with("saves_sent", saved);
        assert_eq!(world.one(&sent)["saves_sent"], saved);
    }
    for (on, whose) in [(false, Some("old PC")), (true, Some("old PC")), (false, None), (true, None)] {
        let defaults = Call::new("POST /api/v1/defaults").of(ALICE);
        let call = whose.map_or(defaults, |name| device("POST /api/v1/devices/{id}", name));
        assert_eq!(world.one(&call.with("brake", on))["brake"], on);
    }
    let revoke = device("POST /api/v1/devices/{id}/revoke", "old PC");
    assert!(world.one(&revoke)["revoked_at"].is_string());
    world.refused(&revoke, "revoked");
    let list = |revoked: bool| Call::new("GET /api/v1/devices").of(ALICE).with("revoked", revoked);
    assert_eq!([false, true].map(|revoked| world.operate(&list(revoked)).unwrap().len()), [0, 1]);
    world.refused(&Call::new("GET /api/v1/devices"), "which account");
}

fn queue_message(world: &World) -> u64 {
    let content = std::sync::Arc::new(b"Subject: x\r\n\r\nx\r\n".to_vec());
    let recipients = vec![smtp_proto::ForwardPath::Postmaster.into()];
    let new = queue::NewEntry::new(smtp_proto::ReversePath::Null, recipients, content);
    world.queue.enqueue(new, world.now()).unwrap().id.0
}

fn queued(endpoint: &str, id: u64) -> Call {
    Call::new(endpoint).at("id", id)
}

#[test]
fn a_queued_message_is_held_released_and_removed() {
    let world = World::new();
    let id = queue_message(&world);
    let check = |endpoint: &str, held: bool| {
        let message = world.one(&queued(endpoint, id));
        assert_eq!((&message["id"], &message["held"], &message["bytes"]), (&json!(id), &json!(held), &json!(17)));
        assert_eq!((message["next_at"].is_null(), &message["recipients"][0]["state"]), (held, &json!("waiting")));
    };
    check("POST /api/v1/admin/queue/{id}/hold", true);
    world.refused(&queued("POST /api/v1/admin/queue/{id}/retry", id), "queue release");
    check("POST /api/v1/admin/queue/{id}/release", false);
    check("POST /api/v1/admin/queue/{id}/retry", false);
    check("GET /api/v1/admin/queue/{id}", false);
    world.operate(&queued("POST /api/v1/admin/queue/{id}/remove", id)).unwrap();
    world.refused(&queued("GET /api/v1/admin/queue/{id}", id), "queue list");
    assert_eq!(world.one(&Call::new("GET /api/v1/admin/queue")), json!({"messages": [], "next_after": null}));
}

#[test]
fn what_waits_for_a_domain_is_shown_held_and_released_together() {
    let world = World::new();
    let ids = [queue_message(&world), queue_message(&world)];
    let of = |verb: &str, domain: &str| Call::new(verb).with("domain", domain);
    let shown = || world.one(&Call::new("GET /api/v1/admin/destinations"))["destinations"][0].clone();
    let all = |destination: &Value| (destination["domain"].clone(), destination["messages"].clone());
    assert_eq!((all(&shown()), &shown()["why"]), ((json!("postmaster"), json!(2)), &json!("new")));
    let held = world.one(&of("POST /api/v1/admin/destinations/hold", "postmaster"));
    assert_eq!(held, json!({"domain": "postmaster", "messages": 2}));
    assert_eq!((&shown()["why"], &shown()["held"], &shown()["next_at"]), (&json!("held"), &json!(2), &Value::Null));
    world.one(&of("POST /api/v1/admin/destinations/release", "postmaster"));
    world.one(&of("POST /api/v1/admin/destinations/retry", "postmaster"));
    assert!(shown()["next_at"].is_string() && ids[1] > ids[0]);
    world.refused(&of("POST /api/v1/admin/destinations/hold", "x.example"), "queue destinations");
}

#[test]
fn a_long_queue_comes_in_pages_with_what_is_damaged_on_the_last() {
    let world = World::new();
    let first = queue_message(&world);
    (0..console::QUEUE_LINES_MAX).for_each(|_| assert!(queue_message(&world) > first));
    let damaged = world.auth.store().table(store::TableId::Queue).change::<_, store::Error>(|tx| {
        tx.put(&[&b"e"[..], &first.to_be_bytes()].concat(), b"?".to_vec());
        Ok(())
    });
    damaged.unwrap();
    let page = |after: Value| world.one(&Call::new("GET /api/v1/admin/queue").with("after", after));
    let mut ids = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = page(after);
        ids.extend(page["messages"].as_array().unwrap().iter().map(|m| (m["id"].clone(), m.get("damaged").is_some())));
        after = page["next_after"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(ids.len(), console::QUEUE_LINES_MAX + 1);
    assert_eq!(ids.last().unwrap(), &(json!(first), true));
    assert!(ids[..ids.len() - 1].iter().all(|(_, is_damaged)| !is_damaged));
    world.refused(&queued("GET /api/v1/admin/queue/{id}", first), "queue remove");
}

#[test]
fn a_check_tells_how_far_it_is_and_finds_nothing() {
    let world = World::new();
    let check = |account: Option<&str>| {
        let call = Call::new("GET /api/v1/operator/check").with("account", account).with("bodies", true);
        world.operate(&call).unwrap()
    };
    let checked =
        |place: &str, done: usize, total: usize| json!({"checked": {"place": place, "done": done, "total": total}});
    let all =
        [checked("files", 1, 4), checked("directory", 2, 4), checked(ALICE, 3, 4), checked("bob@example.org", 4, 4)];
    assert_eq!(check(None), all);
    assert_eq!(check(Some("alice")), [checked(ALICE, 1, 1)]);
    assert_eq!(store::check::all(world.auth.store(), Depth::Bodies).unwrap(), []);
}

#[test]
fn a_check_ends_when_nobody_listens() {
    let world = World::new();
    let mut heard = 0;
    let outcome = world.site.operate(&Call::new("GET /api/v1/operator/check"), &mut |_| {
        heard += 1;
        Err(std::io::ErrorKind::BrokenPipe.into())
    });
    assert!(matches!(outcome, Err(Failure::Fault(text)) if text.contains("nobody listens")));
    assert_eq!(heard, 1);
}

#[test]
fn a_stranger_asks_and_an_operator_answers() {
    let world = World::new();
    let asks = |name: &'static str, from: &str| {
        let request = auth::NewRequest {
            name,
            address: "carol@example.org",
            reason: "I sing\nin the choir",
            contact: "carol@example.com",
            from: from.parse().unwrap(),
            now: world.now(),
        };
        world.auth.requests().ask(&request).unwrap().number
    };
    let [first, second] = [asks("Carol", "192.0.2.1"), asks("Eve", "192.0.2.2")];
    let accept = |number: u32| Call::new("POST /api/v1/admin/requests/{id}/accept").at("id", number);
    let accepted = world.one(&accept(first));
    assert_eq!((&accepted["contact"], &accepted["mailed"]), (&json!("carol@example.com"), &json!(true)));
    let url = accepted["password_url"].as_str().unwrap();
    assert!(url.starts_with("https://mail.example.org/password/") && accepted["expires_at"].is_string(), "{accepted}");
    world.refused(&accept(first), "answered already");
    world.refused(&accept(second), "is an account already");
    let decline = Call::new("POST /api/v1/admin/requests/{id}/decline").at("id", second);
    world.one(&decline.with("reason", "Only one Carol"));
    let requests = world.operate(&Call::new("GET /api/v1/admin/requests")).unwrap();
    assert_eq!(requests[0]["answer"], "Only one Carol");
}

#[test]
fn links_are_made_listed_and_taken_back() {
    let world = World::new();
    let invite = |address: &str| Call::new("POST /api/v1/admin/invitations").with("address", address).with("days", 3);
    world.one(&invite("carol@example.org"));
    world.refused(&invite(ALICE), "already");
    let made = world.one(&account("POST /api/v1/admin/accounts/{id}/link", "alice"));
    assert!(made["url"].is_string() && made["expires_at"].is_string(), "{made}");
    let links = world.operate(&Call::new("GET /api/v1/admin/links")).unwrap();
    assert!(links.len() == 2 && links.iter().all(|link| link.get("url").is_none()), "{links:?}");
    let take_back = Call::new("POST /api/v1/admin/links/{id}/remove").at("id", links[0]["id"].clone());
    world.one(&take_back);
    world.refused(&take_back, "there is no link");
    assert_eq!(world.operate(&Call::new("GET /api/v1/admin/links")).unwrap().len(), 1);
}

#[test]
fn a_quota_is_set_and_shown_and_what_every_pop_device_has_is_cleared() {
    let world = World::new();
    let quota =
        |bytes: Option<u64>| account("POST /api/v1/admin/accounts/{id}/quota", "alice").with("quota_bytes", bytes);
    assert_eq!(world.one(&quota(Some(5_000)))["account"]["quota_bytes"], 5_000);
    let usage = world.one(&Call::new("GET /api/v1/storage").of("alice"));
    assert_eq!(usage["text"], "The mailbox holds 0 B of 4.9 KiB (0 %).");
    let cleared = world.one(&Call::new("POST /api/v1/storage/clear").of(ALICE).with("older_than_days", 30));
    assert_eq!((&cleared["messages"], &cleared["entry"]), (&json!(0), &Value::Null));
    assert_eq!(world.one(&quota(None))["account"]["quota_bytes"], Value::Null);
    world.refused(&account("POST /api/v1/admin/accounts/{id}/quota", "zoe@example.org"), "there is no account");
}

#[test]
fn uidls_are_kept_line_by_line() {
    let world = World::new();
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let body = b"Message-ID: <a@b>\r\n\r\nx\r\n".to_vec();
    let message = NewMessage { body, flags: Flags::default(), internal_date: world.now() };
    world.account(ALICE).append(actor, Target::Inbox, message).unwrap();
    let mark = world.one(&Call::new("GET /api/v1/operator/messages").of(ALICE));
    assert_eq!(mark["message_id"], "<a@b>");
    let id = mark["id"].as_str().unwrap();
    let keep = |lines: String| Call::new("POST /api/v1/operator/uidls").of(ALICE).with("uidls", lines);
    let kept = |dry_run: bool| world.one(&keep(format!("{id}\t0001\n")).with("dry_run", dry_run))["outcome"].clone();
    assert_eq!([kept(true), kept(false), kept(false)], ["kept", "kept", "same"]);
    world.refused(&keep(format!("{id} 0001\n")), "EMAILID, tab, UIDL");
    world.refused(&keep("nonsense\t0001\n".to_owned()), "is not an EMAILID");
    world.refused(&keep(format!("{id}\tx\n").repeat(console::UIDLS_MAX + 1)), "at most 2000");
}

#[test]
fn what_only_the_operator_does_is_not_reached_over_http() {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    for path in ["/api/v1/operator/check", "/api/v1/operator/messages", "/api/v1/operator/accounts/alice"] {
        assert_eq!(alice.get(path).status, 404, "{path}");
    }
    assert!(api::endpoints().any(|endpoint| endpoint.path.contains("/operator/")));
    assert!(api::routes().all(|route| !route.path.contains("/operator/")));
    assert_eq!(alice.get("/api/v1/admin/queue").status, 200);
    let mut bob = world.browser();
    bob.log_in("bob@example.org", PASSWORD);
    assert_eq!(bob.get("/api/v1/admin/queue").status, 403);
    assert_eq!(bob.get("/api/v1/admin/accounts").status, 403);
}

#[test]
fn an_endpoint_that_is_not_there_tells_of_the_upgrade() {
    World::new().refused(&Call::new("GET /api/v9/devices"), "restart it if Pillarbox was upgraded");
}

#[test]
fn whoever_waits_for_a_long_undo_is_told_how_far_it_is() {
    let world = World::new();
    let account = world.account(ALICE);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: world.now() };
    let phone = account.add_device(actor, "phone", Credential::ApplicationPassword { hash: [3; 32] }, None).unwrap();
    let mailboxes = account.mailboxes().unwrap();
    let of = |name: &str| mailboxes.by_name(name).unwrap().id;
    let all = PIECE_MESSAGES_MAX + 1;
    let uids = (0..all).map(|_| {
        let message =
            NewMessage { body: b"Subject: x\r\n\r\nx".to_vec(), flags: Flags::default(), internal_date: world.now() };
        account.append(actor, Target::Mailbox(of("INBOX")), message).unwrap().uid
    });
    let uids = uids.collect();
    account.move_messages(Actor { device: phone, ..actor }, of("INBOX"), uids, of("Archive")).unwrap();
    let undo = Call::new("POST /api/v1/undo").of(ALICE).with("device", "phone").with("since", "yesterday");
    let parts = world.operate(&undo).unwrap();
    assert_eq!(parts[0], json!({"progress": {"done": PIECE_MESSAGES_MAX, "total": all}}));
    assert_eq!((parts.len(), &parts[1]["moved"]), (2, &json!(all)));
}

/// An import from a port where nobody listens.
fn import_from_nobody() -> Call {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let call = Call::new("POST /api/v1/operator/import").of(ALICE).with("password", "secret");
    call.with("from", format!("imap://alice@127.0.0.1:{port}")).with("no_tls", true)
}

#[test]
fn an_import_that_breaks_off_is_written_down() {
    let world = World::new();
    world.refused(&import_from_nobody(), "cannot be reached");
    let audit = world.one(&Call::new("GET /api/v1/admin/audit"));
    let text = audit["acts"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("called /api/v1/operator/import (alice@example.org), which broke off: 127.0.0.1"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn imports_leave_places_to_others() {
    let world = World::new();
    let mut under_way: Vec<_> = (0..IMPORTS_MAX).map(|_| world.site.begin_import().unwrap()).collect();
    world.refused(&import_from_nobody(), "4 imports are under way");
    under_way.pop();
    world.refused(&import_from_nobody(), "cannot be reached");
    under_way.push(world.site.begin_import().unwrap());
    assert!(world.site.begin_import().is_none(), "one that failed has given its place back");
}
