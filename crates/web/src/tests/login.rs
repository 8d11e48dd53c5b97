//! Logging in and out: sessions, enumeration, fixation.

use crate::testing::{ALICE, PASSWORD, World};
use auth::SESSION_IDLE_MAX_MILLIS;
use axum::http::StatusCode;
use session::testing::TestJobs;
use tower::ServiceExt;

#[test]
fn a_session_begins_with_a_token_of_its_own_and_ends_with_it() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.get("/").location(), "/login");
    assert_eq!(browser.get("/devices/3?x=1").location(), "/login?next=%2Fdevices%2F3%3Fx%3D1");
    let answer = browser.log_in(ALICE, PASSWORD);
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"));
    let set = answer.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap();
    for part in ["__Host-pillarbox=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(set.contains(part), "{set} lacks {part}");
    }
    assert!(!set.contains("Domain") && browser.cookie("__Host-pillarbox-visitor").is_none());
    let home = browser.get("/");
    assert!(home.status == StatusCode::OK && home.text.contains(ALICE));
    assert_eq!(browser.get("/login").location(), "/", "logged in already");
    let token = browser.cookie("__Host-pillarbox").unwrap().to_owned();
    assert_eq!(browser.submit("/", "/logout", &[]).location(), "/login");
    assert!(browser.cookie("__Host-pillarbox").is_none());
    browser.set_cookie("__Host-pillarbox", &token);
    assert_eq!(browser.get("/").location(), "/login", "the token is worth nothing any more");
}

#[test]
fn a_session_ends_when_it_is_not_used_for_two_weeks() {
    let world = World::new();
    let mut browser = world.alice();
    world.wait_millis(SESSION_IDLE_MAX_MILLIS - 1);
    assert_eq!(browser.get("/").status, StatusCode::OK);
    world.wait_millis(SESSION_IDLE_MAX_MILLIS);
    assert_eq!(browser.get("/").location(), "/login");
}

#[test]
fn a_token_that_somebody_planted_is_never_made_a_session() {
    let world = World::new();
    let planted = "a".repeat(64);
    let mut browser = world.browser();
    browser.set_cookie("__Host-pillarbox", &planted);
    browser.set_cookie("__Host-pillarbox-visitor", &planted);
    browser.log_in(ALICE, PASSWORD);
    assert_ne!(browser.cookie("__Host-pillarbox"), Some(planted.as_str()));
    let mut other = world.browser();
    other.set_cookie("__Host-pillarbox", &planted);
    assert_eq!(other.get("/").location(), "/login");
    // Logging in again makes another one.
    let first = browser.cookie("__Host-pillarbox").unwrap().to_owned();
    let mut again = world.browser();
    again.log_in(ALICE, PASSWORD);
    assert_ne!(again.cookie("__Host-pillarbox"), Some(first.as_str()));
}

#[test]
fn nobody_learns_who_has_an_account() {
    let world = World::new();
    world.auth.directory().set_disabled("bob@example.org", true).unwrap();
    let says = |user: &str, password: &str| {
        let mut browser = world.browser();
        let answer = browser.log_in(user, password);
        let text = answer.text.replace(user, "USER");
        // The token is another one each time.
        let token = answer.csrf();
        (answer.status, text.replace(&token, "TOKEN"), answer.headers.len())
    };
    let known = says(ALICE, "wrong");
    assert_eq!(known.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(known.1.contains("The name, the password or the code is not right."));
    for (user, password) in
        [("nobody@example.org", "wrong"), ("bob@example.org", PASSWORD), ("x@elsewhere.example", "wrong")]
    {
        assert_eq!(says(user, password), known, "{user}");
    }
}

#[test]
fn wrong_passwords_are_throttled_and_application_passwords_open_no_page() {
    let world = World::new();
    let mut browser = world.browser();
    let statuses: Vec<StatusCode> = (0..30).map(|n| browser.log_in(ALICE, &format!("wrong {n}")).status).collect();
    assert_eq!(statuses[0], StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(statuses[29], StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(browser.log_in(ALICE, PASSWORD).status, StatusCode::TOO_MANY_REQUESTS, "even the right one, from there");
    let account = world.account(ALICE).id();
    let (_, password) = world.auth.add_device(account, "phone", None, world.now()).unwrap();
    let mut browser = world.browser();
    world.wait_millis(3_600_000);
    assert_eq!(browser.log_in(ALICE, &password).status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.cookie("__Host-pillarbox").is_none());
}

#[test]
fn after_logging_in_one_comes_to_where_one_was_going_and_nowhere_else() {
    let world = World::new();
    for (next, expected) in [
        ("/devices", "/devices"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let mut browser = world.browser();
        let page = browser.get(&format!("/login?next={}", crate::path::encoded(next)));
        assert!(page.text.contains(&format!("name=\"next\" value=\"{expected}\"")), "{next:?}");
        let fields = [("user", ALICE), ("password", PASSWORD), ("next", next)];
        let answer = browser.submit("/login", "/login", &fields);
        assert_eq!((answer.location(), answer.header("a")), (expected, ""), "{next:?}");
    }
}

/// The one thread for handlers is free for pages while all of them stand in line.
#[test]
fn a_login_on_the_pages_waited_on_a_thread() {
    const LOGINS: usize = 20;
    let jobs = TestJobs::held();
    let world = World::with_jobs(jobs.clone());
    let mut browser = world.browser();
    let token = browser.get("/login").csrf();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
    let form = format!("user=alice%40example.org&password={}&csrf={token}", PASSWORD.replace(' ', "%20"));
    browser.extra.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    let statuses = runtime.block_on(async {
        let log_in =
            || tokio::spawn(world.router.clone().oneshot(browser.request("POST", "/login", form.clone().into())));
        let logins: Vec<_> = (0..LOGINS).map(|_| log_in()).collect();
        while jobs.waiting() < LOGINS {
            tokio::task::yield_now().await;
        }
        let page = world.router.clone().oneshot(browser.request("GET", "/login", Vec::new())).await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        jobs.release();
        let mut statuses = Vec::new();
        for login in logins {
            statuses.push(login.await.unwrap().unwrap().status());
        }
        statuses
    });
    assert_eq!(statuses, [StatusCode::SEE_OTHER; LOGINS]);
}

#[test]
fn who_finds_the_line_full_is_told_to_come_again() {
    let world = World::with_jobs(TestJobs::full());
    let answer = world.browser().log_in(ALICE, PASSWORD);
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.text.contains("Nothing is wrong with your password"), "{}", answer.text);
}
