//! What keeps strangers out: tokens of forms, origins, hosts, methods, limits, headers.

use crate::asset;
use crate::route::{Handler, Route, Verb};
use crate::serve::{self, BODY_BYTES_MAX};
use crate::testing::{ALICE, Answered, HOSTNAME, PASSWORD, World, script_tag};
use axum::http::StatusCode;

fn check_headers(answer: &Answered, what: &str) {
    let policy = answer.header("content-security-policy");
    // What is refused in the frame of a message is said in it.
    let ancestors = format!("frame-ancestors '{}'", if what.contains("/sent ") { "self" } else { "none" });
    for part in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", &ancestors] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    // One script, by its hash, and no other from anywhere.
    assert!(!policy.contains("unsafe") && policy.matches("script-src").count() == 1, "{what}: {policy}");
    let script = format!("script-src '{}';", asset::script_hash());
    assert!(policy.contains(&script) && script.contains("'sha256-"), "{what}: {policy}");
    let expected = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), value, "{what}");
    }
}

/// A path that a route answers to.
fn filled(path: &str) -> String {
    path.replace("{id}", "1")
        .replace("{entry}", "1")
        .replace("{name}", "x")
        .replace("{token}", "x")
        .replace("{message}", "x")
        .replace("{list}", "x")
}

#[test]
fn every_answer_has_the_headers_of_security_whoever_asks_for_whatever() {
    let world = World::new();
    let (mut alice, mut stranger) = (world.alice(), world.browser());
    let mut seen = 0;
    for route in serve::routes() {
        let path = filled(route.path);
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            for (who, browser) in [("alice", &mut alice), ("a stranger", &mut stranger)] {
                let answer = browser.send(method, &path, Vec::new());
                let what = format!("{method} {path} by {who}: {}", answer.status);
                check_headers(&answer, &what);
                assert!(answer.status != StatusCode::INTERNAL_SERVER_ERROR, "{what}: {}", answer.text);
                assert!(method != "HEAD" || answer.text.is_empty(), "{what}");
                let is_html = answer.header("content-type").starts_with("text/html");
                let scripts = answer.text.matches("<script").count();
                let ours = script_tag();
                assert!(!is_html || answer.text.matches(ours.as_str()).count() == scripts, "{what}: {}", answer.text);
                assert!(!is_html || scripts <= 1 && !answer.text.contains(" style="), "{what}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 50, "{seen}");
    check_headers(&alice.get("/nowhere"), "404");
}

#[test]
fn nothing_changes_without_the_token_of_ones_own_session() {
    let world = World::new();
    let mut bob = world.browser();
    bob.log_in("bob@example.org", PASSWORD);
    let bobs = bob.get("/").csrf();
    let visitors = world.browser().get("/login").csrf();
    let mut alice = world.alice();
    // What needs none has an address that nobody can guess.
    let needs_one = |route: &Route| route.method == Verb::Post && !matches!(route.handler, Handler::Bearer(_));
    for route in serve::routes().into_iter().filter(needs_one) {
        let path = filled(route.path);
        let is_api = path.starts_with("/api/");
        for token in ["", "x", &bobs, &visitors] {
            let answer = match is_api {
                true => {
                    alice.extra = vec![("x-csrf-token", token.to_owned())];
                    let answer = alice.call(&path, "{}");
                    alice.extra.clear();
                    answer
                }
                false => alice.post(&path, &[("csrf", token)]),
            };
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} with {token:?}: {}", answer.text);
        }
    }
    assert_eq!(alice.get("/").status, StatusCode::OK, "still logged in");
}

#[test]
fn a_form_of_ones_own_changes_what_it_says_and_the_next_page_tells_so_once() {
    let world = World::new();
    let mut alice = world.alice();
    let account = world.account(ALICE);
    let (device, _) = world.auth.add_device(account.id(), "old PC", None, world.now()).unwrap();
    let path = format!("/devices/{device}");
    let answer = alice.submit(&path, &path, &[("policy", "trash")]);
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, path.as_str()));
    assert_eq!(account.devices().unwrap()[&device].pop.removal.to_string(), "trash");
    let page = alice.get(&path);
    assert!(page.text.contains("what it deletes goes to the trash"), "{}", page.text);
    assert!(!alice.get("/").text.contains("role=\"status\""), "once");
    alice.submit(&path, &path, &[("policy", "<script>")]);
    let page = alice.get(&path);
    assert!(page.text.contains("&#60;script&#62;") && !page.plain().contains("<script"), "{}", page.text);
    assert_eq!(alice.get("/devices/99").status, StatusCode::NOT_FOUND);
    assert_eq!(alice.get("/devices/x").status, StatusCode::NOT_FOUND);
}

#[test]
fn a_page_of_another_site_can_send_nothing() {
    let world = World::new();
    let mut alice = world.alice();
    let token = alice.get("/").csrf();
    for (name, value, status) in [
        ("origin", "https://evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("origin", "https://mail.example.org.evil.example", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "cross-site", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "same-site", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "same-origin", StatusCode::SEE_OTHER),
        ("origin", "https://mail.example.org", StatusCode::SEE_OTHER),
    ] {
        alice.extra = vec![(name, value.to_owned())];
        assert_eq!(alice.post("/logout", &[("csrf", &token)]).status, status, "{name}: {value}");
        if status == StatusCode::SEE_OTHER {
            alice = world.alice();
            let fresh = alice.get("/").csrf();
            assert_ne!(fresh, token);
            break;
        }
    }
}

#[test]
fn another_name_is_not_served_and_not_repeated() {
    let world = World::new();
    for (host, status) in [
        (HOSTNAME, StatusCode::OK),
        ("MAIL.example.org:8443", StatusCode::OK),
        ("example.org", StatusCode::OK),
        ("www.example.org", StatusCode::OK),
        ("localhost:8080", StatusCode::OK),
        ("192.0.2.1", StatusCode::OK),
        ("[2001:db8::1]:443", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("mail.example.org.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("org", StatusCode::MISDIRECTED_REQUEST),
        ("\"><script>", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
    ] {
        let mut browser = world.browser();
        browser.host = host.to_owned();
        let answer = browser.get("/login");
        assert_eq!(answer.status, status, "{host}");
        assert!(!answer.text.contains("evil") && !answer.plain().contains("<script"), "{host}: {}", answer.text);
    }
}

#[test]
fn tls_is_asked_for_from_then_on_only_under_the_own_name() {
    let world = World::new();
    let hsts = |host: &str, tls: bool| {
        let mut browser = world.browser();
        browser.host = host.to_owned();
        browser.peer.tls = browser.peer.tls.filter(|_| tls);
        browser.get("/login").header("strict-transport-security").to_owned()
    };
    assert_eq!(hsts(HOSTNAME, true), "max-age=31536000");
    assert_eq!([hsts("localhost", true), hsts("192.0.2.1", true), hsts(HOSTNAME, false)], ["", "", ""]);
}

#[test]
fn only_a_proxy_on_this_machine_says_whom_it_speaks_for() {
    let world = World::new();
    let mut proxied = world.browser();
    proxied.peer.tls = None;
    proxied.peer.address = "127.0.0.1".parse().unwrap();
    proxied.extra =
        vec![("x-forwarded-proto", "https".to_owned()), ("x-forwarded-for", "10.0.0.1, 198.51.100.9".to_owned())];
    assert_eq!(proxied.log_in(ALICE, PASSWORD).status, StatusCode::SEE_OTHER);
    assert!(proxied.cookie("__Host-pillarbox").is_some(), "the browser speaks TLS");
    let seen_from = || {
        let devices = world.account(ALICE).devices().unwrap();
        devices.values().find_map(|device| device.last_login.as_ref()).unwrap().address.clone()
    };
    assert_eq!(seen_from(), "198.51.100.9");
    let world = World::new();
    let mut stranger = world.browser();
    stranger.extra = vec![("x-forwarded-for", "198.51.100.9".to_owned())];
    stranger.log_in(ALICE, PASSWORD);
    let devices = world.account(ALICE).devices().unwrap();
    let login = devices.values().find_map(|device| device.last_login.as_ref()).unwrap();
    assert_eq!(login.address, "192.0.2.7");
}

#[test]
fn what_is_too_long_or_of_another_kind_is_refused() {
    let world = World::new();
    let mut browser = world.browser();
    let mut send = |media_type: &str, len: usize| {
        browser.extra = vec![("content-type", media_type.to_owned())];
        browser.send("POST", "/login", vec![b'a'; len]).status
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(send(form, BODY_BYTES_MAX + 1), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(form, BODY_BYTES_MAX), StatusCode::FORBIDDEN, "read, and found to have no token");
    assert_eq!(send("text/plain", 3), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(send("application/json", 3), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let answer = browser.send("DELETE", "/login", Vec::new());
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.header("allow").contains("GET") && answer.header("allow").contains("POST"), "{:?}", answer.headers);
    assert!(answer.text.contains("Not like this"), "a person can read it");
}

#[test]
fn assets_are_kept_for_ever_and_pages_never() {
    let world = World::new();
    let mut browser = world.browser();
    let page = browser.get("/login");
    assert_eq!(page.header("cache-control"), "no-store");
    let style = page.text.split("href=\"/assets/style.").nth(1).unwrap().split('"').next().unwrap();
    let answer = browser.get(&format!("/assets/style.{style}"));
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(browser.get("/assets/style.0.css").status, StatusCode::NOT_FOUND);
}
