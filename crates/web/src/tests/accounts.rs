//! Many accounts: found, paged through, and made from a list.

use crate::operate::Call;
use crate::serve::{BODY_BYTES_MAX, LONG_BODY_BYTES_MAX};
use crate::testing::{ALICE, PASSWORD, World};
use axum::http::StatusCode;
use session::testing::TestJobs;

const BOB: &str = "bob@example.org";
const LIST: &str = "address,name,hash,aliases\n\
    carol@example.org,Carol,{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux,c@example.org\n\
    dave@example.org,Dave,{MD5}AAAA,\n\
    bob@example.org,Bob,{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux,\n";

fn world() -> World {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    world
}

#[test]
fn accounts_are_found_and_paged_through() {
    let world = world();
    for n in 0..60 {
        let address = format!("user{n:02}@example.org");
        world.auth.directory().add_account(&address, PASSWORD, "Chris <b>", world.now()).unwrap();
    }
    let mut alice = world.alice();
    let first = alice.get("/admin").text;
    assert!(first.contains("user47@") && !first.contains("user48@") && !first.contains("<b>"), "{first}");
    assert!(first.contains("/admin?search=&#38;after=user47%40example.org"), "{first}");
    let second = alice.get("/admin?search=&after=user47%40example.org").text;
    assert!(second.contains("user59@") && !second.contains("More accounts") && second.contains("From the beginning"));
    let found = alice.get("/admin?search=CHRIS+r5").text;
    assert!(found.contains("user50@") && !found.contains(BOB) && !found.contains("user49@"));
    assert!(alice.get("/admin?search=%3Cscript%3E").text.contains("No account has “<bdi>&#60;script&#62;"));
    let page = alice.get("/api/v1/admin/accounts?search=user&limit=2").json();
    assert_eq!((page["accounts"].as_array().unwrap().len(), &page["next_after"]), (2, &"user01@example.org".into()));
    assert!(page["accounts"][0]["last_seen_at"].is_null());
    let alices = alice.get("/api/v1/admin/accounts?search=alice").json();
    assert!(alices["accounts"][0]["last_seen_at"].is_string(), "she is here: {alices}");
}

#[test]
fn a_list_is_tried_then_done_then_there() {
    let world = world();
    let mut alice = world.alice();
    let here = "/admin/accounts/import";
    let mut send = |dry_run: &str| alice.submit(here, here, &[("csv", LIST), ("dry_run", dry_run)]).text;
    let dry = send("true");
    assert!(dry.contains("Nothing was done yet. 1 to be added, 1 there already, 1 to be refused."), "{dry}");
    assert!(
        dry.contains("gives passwords away") && dry.contains("carol@example.org,Carol"),
        "the list is there to be sent"
    );
    assert!(world.auth.directory().account("carol@example.org").unwrap().is_none());
    let done = send("false");
    assert!(done.contains("1 added, 1 there already, 1 refused.") && !done.contains(",Carol"), "{done}");
    assert!(send("false").contains("0 added, 2 there already, 1 refused."));
    let mut carol = world.browser();
    assert_eq!(carol.log_in("carol@example.org", PASSWORD).status, StatusCode::SEE_OTHER);
    let record = world.auth.directory().who_logs_in("carol").unwrap().unwrap().1;
    assert!(!record.has_imported_password(), "it is hashed anew");
    assert_eq!(world.browser().log_in("carol@example.org", PASSWORD).status, StatusCode::SEE_OTHER);
    alice.submit(here, here, &[("csv", "nonsense")]);
    assert!(alice.get(here).text.contains("the first line must name the columns"));
}

#[test]
fn an_account_gets_another_address_and_its_owner_stays_logged_in() {
    let world = world();
    let mut alice = world.alice();
    let mut bob = world.browser();
    bob.log_in(BOB, PASSWORD);
    let number = world.account(BOB).id();
    let page = format!("/admin/accounts/{number}");
    let mut rename = |address: &str, keep: &[(&str, &str)]| {
        let fields = [&[("address", address), ("keep_old", "false")][..], keep].concat();
        alice.submit(&page, &format!("{page}/rename"), &fields);
        alice.get(&page).text
    };
    let said = rename("robert@example.org", &[("keep_old", "true")]);
    assert!(
        said.contains("bob@example.org is robert@example.org now.") && said.contains("goes on to arrive"),
        "{said}"
    );
    assert_eq!(bob.get("/").status, StatusCode::OK);
    assert_eq!(world.account("robert@example.org").id(), number);
    assert!(world.auth.directory().may_send_as(number, BOB).unwrap());
    assert_eq!(world.browser().log_in("robert@example.org", PASSWORD).status, StatusCode::SEE_OTHER);
    assert_eq!(world.browser().log_in(BOB, PASSWORD).status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(rename("rob@example.org", &[]).contains("leads nowhere any more"));
    assert!(!world.auth.directory().is_taken("robert@example.org").unwrap());
    assert!(rename(ALICE, &[]).contains("is an account already"));
}

#[test]
fn passwords_of_a_list_were_hashed_beside_the_line_of_those_who_log_in() {
    let jobs = TestJobs::at_once();
    let world = World::with_jobs(jobs.clone());
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    let csv = "address,password,hash\\ncarol@example.org,long enough,\\n\
        dave@example.org,,{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux\\n";
    let mut send = || {
        let answer = alice.call("/api/v1/admin/accounts/import", &format!(r#"{{"csv": "{csv}"}}"#)).json();
        answer["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    jobs.refuse();
    let said: Vec<String> = send();
    assert!(said[0].starts_with("too many passwords are being verified"), "{said:?}");
    assert_eq!(said[1], "was added", "a hash takes no turn");
    jobs.release();
    assert_eq!(send(), ["was added", "is there already; nothing of it is changed"]);
    assert_eq!(world.browser().log_in("carol@example.org", "long enough").status, StatusCode::SEE_OTHER);
}

#[test]
fn single_passwords_were_hashed_beside_the_line_of_those_who_log_in() {
    let jobs = TestJobs::at_once();
    let world = World::with_jobs(jobs.clone());
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    let operate = |call: Call| world.site.operate(&call, &mut |_| Ok(()));
    let add = |name: &str| Call::new("POST /api/v1/operator/accounts").with("address", format!("{name}@example.org"));
    let set =
        || Call::new("POST /api/v1/operator/accounts/{id}/password").at("id", BOB).with("password", "long enough");
    jobs.refuse();
    let said = alice.call("/api/v1/admin/accounts", r#"{"address": "carol@example.org", "name": ""}"#);
    assert_eq!(said.status, StatusCode::TOO_MANY_REQUESTS, "{}", said.text);
    for call in [add("dave"), set()] {
        let said = operate(call).unwrap_err();
        assert!(matches!(&said, crate::Failure::Refused(why) if why.contains("nothing was done")), "{said:?}");
    }
    assert!(
        !["carol", "dave"].iter().any(|name| world.auth.directory().is_taken(&format!("{name}@example.org")).unwrap())
    );
    jobs.release();
    let said = alice.call("/api/v1/admin/accounts", r#"{"address": "carol@example.org", "name": ""}"#);
    assert_eq!(said.status, StatusCode::OK, "{}", said.text);
    operate(add("dave")).unwrap();
    operate(set()).unwrap();
    assert_eq!(world.browser().log_in(BOB, "long enough").status, StatusCode::SEE_OTHER);
}

#[test]
fn an_account_is_removed_with_its_address_typed_and_kept_by_a_button() {
    let world = world();
    let mut alice = world.alice();
    let page = format!("/admin/accounts/{}", world.account(BOB).id());
    let mut bob = world.browser();
    assert_eq!(bob.log_in(BOB, PASSWORD).status, StatusCode::SEE_OTHER);
    let mut submit = |what: &str, fields: &[(&str, &str)]| {
        alice.submit(&page, &format!("{page}/{what}"), fields);
        alice.get(&page).text
    };
    assert!(
        submit("remove", &[("confirm", "bob")]).contains("Nothing was done. To remove the account, type its address")
    );
    let ended = submit("remove", &[("confirm", "Bob@example.org")]);
    assert!(ended.contains("This account is being removed") && ended.contains("Keep the account"), "{ended}");
    assert!(!ended.contains("Remove the account") && ended.contains("no; mail is refused"), "{ended}");
    assert_eq!(bob.get("/devices").status, StatusCode::SEE_OTHER, "his session has ended");
    let kept = submit("keep", &[]);
    assert!(kept.contains("stays, with all its mail, as it was.") && kept.contains("Remove the account"), "{kept}");
    assert_eq!(world.browser().log_in(BOB, PASSWORD).status, StatusCode::SEE_OTHER);
    let own = format!("/admin/accounts/{}", world.account(ALICE).id());
    assert!(!alice.get(&own).text.contains("Remove the account"));
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    let refused = alice.call(&format!("/api/v1{own}/remove"), r#"{"confirm": "alice@example.org"}"#);
    assert!(refused.text.contains("You cannot take that from yourself"), "{}", refused.text);
}

#[test]
fn what_administrators_and_the_operator_do_is_written_down_without_secrets() {
    let world = world();
    let mut alice = world.alice();
    let page = format!("/admin/accounts/{}", world.account(BOB).id());
    alice.submit(&page, &format!("{page}/link"), &[]);
    alice.submit(&page, &format!("{page}/login"), &[("disabled", "yes")]);
    let own = format!("/admin/accounts/{}", world.account(ALICE).id());
    alice.submit(&own, &format!("{own}/login"), &[("disabled", "yes")]);
    let import = "/admin/accounts/import";
    alice.submit(import, import, &[("csv", LIST), ("dry_run", "true")]);
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token)];
    alice.call("/api/v1/admin/aliases", r#"{"alias": "info@example.org", "targets": "alice@example.org"}"#);
    alice.call("/api/v1/admin/aliases", r#"{"alias": "info@example.org", "targets": "alice@example.org"}"#);
    alice.call("/api/v1/admin/requests/1/accept", "{}");
    let call = Call::new("POST /api/v1/operator/accounts/{id}/password").at("id", BOB).with("password", "very secret");
    world.site.operate(&call, &mut |_| Ok(())).unwrap();
    let acts = alice.get("/api/v1/admin/audit").json();
    let said: Vec<String> = acts["acts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| format!("{}, {}: {}", act["who"], act["from"], act["text"]).replace('"', ""))
        .collect();
    let expected = [
        "operator, command line: called /api/v1/operator/accounts/bob@example.org/password",
        "alice@example.org, 192.0.2.7: info@example.org leads to alice@example.org now.",
        "alice@example.org, 192.0.2.7: bob@example.org cannot log in any more; mail goes on to arrive.",
        "alice@example.org, 192.0.2.7: With this link the owner of bob@example.org chooses",
    ];
    assert_eq!(said.len(), expected.len(), "what was refused or only tried is not there: {said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
        assert!(!said.contains("http") && !said.contains("secret"), "{said}");
    }
    let shown = alice.get("/admin/audit?search=INFO").text;
    assert!(shown.contains("leads to alice@example.org now") && !shown.contains("cannot log in"), "{shown}");
    assert!(alice.get("/admin/audit?search=%3Cb%3E").text.contains("Nothing was found."));
    for (kind, title) in [("logins", "Who logged in?"), ("failures", "Who failed to log in?")] {
        let shown = alice.get(&format!("/admin/audit?kind={kind}")).text;
        assert!(shown.contains(title) && shown.contains("Nothing was found."), "{shown}");
        let heading = format!("<a href=\"/admin/audit?kind={kind}\" aria-current=\"page\">");
        assert!(shown.contains(&heading), "{shown}");
    }
    assert_eq!(alice.get("/api/v1/admin/audit?kind=x").status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn only_an_administrator_sends_more_than_others_and_within_a_limit() {
    let world = world();
    let path = "/api/v1/admin/accounts/import";
    let body = |bytes: usize| {
        let (head, tail) = (r#"{"csv": "address,hash\n"#, r#""}"#);
        format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()))
    };
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra = vec![("x-csrf-token", token.clone())];
    for (bytes, status) in [
        (BODY_BYTES_MAX + 1, StatusCode::OK),
        (LONG_BODY_BYTES_MAX, StatusCode::OK),
        (LONG_BODY_BYTES_MAX + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(alice.call(path, &body(bytes)).status, status, "{bytes}");
    }
    assert_eq!(alice.call("/api/v1/admin/aliases", &body(BODY_BYTES_MAX + 1)).status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut bob = world.browser();
    bob.log_in(BOB, PASSWORD);
    for browser in [&mut bob, &mut world.browser()] {
        assert_eq!(browser.call(path, &body(BODY_BYTES_MAX + 1)).status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
