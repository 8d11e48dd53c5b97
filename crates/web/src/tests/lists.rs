//! Lists: the way out for everybody, and who may say who is a member.

use crate::testing::{ALICE, Browser, World};
use axum::http::StatusCode;
use directory::{By, Posting};
use store::sim::SIM_EPOCH as NOW;
use store::{Actor, DeviceId, Flags, NewMessage, Protocol, Target};

const CHOIR: &str = "choir@example.org";
const BOB: &str = "bob@example.org";
const ADA: &str = "ada@far.example";

/// Bob owns the choir; Ada is a member.
fn world() -> World {
    let world = World::new();
    let directory = world.auth.directory();
    directory.add_list(CHOIR, "Our choir", Posting::Members, &[BOB]).unwrap();
    directory.join_list(CHOIR, ADA, (By::Owner, NOW)).unwrap();
    world
}

fn members(world: &World) -> Vec<String> {
    let directory = world.auth.directory();
    let list = directory.list(CHOIR).unwrap().unwrap();
    directory.members(&list).unwrap().into_iter().map(|member| member.address).collect()
}

/// As a mail program does it: without a cookie, as RFC 8058 §3.2 writes the body.
fn one_click(browser: &mut Browser<'_>, path: &str) -> StatusCode {
    browser.extra.push(("content-type", "multipart/form-data; boundary=x".to_owned()));
    let body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    let status = browser.send("POST", path, body.into()).status;
    browser.extra.pop();
    status
}

#[test]
fn one_click_leaves_a_list_and_looking_does_not() {
    let world = world();
    let directory = world.auth.directory();
    let list = directory.list(CHOIR).unwrap().unwrap();
    let token = directory.list_token(&list, &list.members[0]);
    let path = format!("/lists/{CHOIR}/leave/{token}");
    let mut browser = world.browser();
    let page = browser.get(&path);
    assert!(page.status.is_success() && page.text.contains("Leave it") && !page.text.contains(ADA), "{}", page.text);
    assert!(one_click(&mut browser, &format!("/lists/{CHOIR}/leave/aaaaaaaaaaaaaaaaaaaa")).is_success());
    assert_eq!(one_click(&mut browser, &format!("/lists/other@example.org/leave/{token}")), StatusCode::NOT_FOUND);
    assert_eq!(members(&world), [ADA], "the wrong token, or that of another list");
    assert!(one_click(&mut browser, &path).is_success());
    assert_eq!(members(&world), [""; 0]);
    // Twice is once, and the button of the page does the same.
    assert!(one_click(&mut browser, &path).is_success());
    directory.join_list(CHOIR, ADA, (By::Owner, NOW)).unwrap();
    let answer = browser.post(&path, &[("List-Unsubscribe", "One-Click")]);
    assert!(answer.text.contains("nothing of this list any more"), "{}", answer.text);
    assert_eq!(members(&world), [""; 0]);
}

#[test]
fn an_administrator_makes_lists_and_an_owner_says_who_of_here_is_a_member() {
    let world = world();
    let mut bob = world.browser();
    assert_eq!(bob.log_in(BOB, crate::testing::PASSWORD).status, StatusCode::SEE_OTHER);
    let mut alice = world.alice();
    let token = |browser: &mut Browser<'_>| {
        let token = browser.get("/account/forward").csrf();
        browser.extra.push(("x-csrf-token", token));
    };
    token(&mut bob);
    token(&mut alice);
    let member = |name: &str| format!(r#"{{"list": "{CHOIR}", "member": "{name}"}}"#);
    assert_eq!(alice.get("/api/v1/lists").json().as_array().unwrap().len(), 0);
    assert_eq!(bob.get("/api/v1/lists").json()[0]["members"][0]["address"], ADA);
    assert_eq!(alice.call("/api/v1/lists/join", &member(ALICE)).status, StatusCode::FORBIDDEN);
    assert_eq!(bob.call("/api/v1/lists/join", &member("eve@far.example")).status, StatusCode::FORBIDDEN);
    assert_eq!(bob.call("/api/v1/lists/join", &member(ALICE)).status, StatusCode::OK);
    assert_eq!(bob.call("/api/v1/lists/leave", &member(ADA)).status, StatusCode::OK);
    assert_eq!(members(&world), [ALICE]);
    let news = r#"{"list": "news@example.org", "posting": "owners", "owners": "bob@example.org", "title": "News"}"#;
    assert_eq!(bob.call("/api/v1/admin/lists", news).status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    assert_eq!(alice.call("/api/v1/admin/lists", news).status, StatusCode::OK);
    assert_eq!(
        alice.call("/api/v1/admin/lists", &news.replace("owners\", ", "all\", ")).status,
        StatusCode::BAD_REQUEST
    );
    let posting = r#"{"list": "news@example.org", "posting": "anybody"}"#;
    assert_eq!(alice.call("/api/v1/admin/lists/posting", posting).status, StatusCode::OK);
    assert_eq!(alice.call("/api/v1/lists/join", &member("eve@far.example")).status, StatusCode::OK);
    let joining = r#"{"list": "news@example.org", "joining": "open"}"#;
    assert_eq!(alice.call("/api/v1/admin/lists/joining", joining).status, StatusCode::OK);
    assert_eq!(alice.call("/api/v1/admin/lists/joining", posting).status, StatusCode::BAD_REQUEST);
    let lists = alice.get("/api/v1/lists").json();
    assert_eq!((&lists[0]["open"], &lists[1]["open"]), (&false.into(), &true.into()));
    assert_eq!((&lists[0]["list"], &lists[1]["posting"]), (&CHOIR.into(), &"anybody".into()));
    assert_eq!(alice.call("/api/v1/admin/lists/remove", posting).status, StatusCode::OK);
    assert_eq!(alice.get("/api/v1/lists").json().as_array().unwrap().len(), 1);
}

#[test]
fn an_administrator_keeps_a_list_on_its_page() {
    let world = world();
    let mut alice = world.alice();
    assert_eq!(alice.get("/admin/lists").status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let page = "/admin/lists";
    assert!(alice.get(page).text.contains(ADA));
    alice.submit(page, "/admin/lists/join", &[("list", CHOIR), ("member", "eve@far.example")]);
    alice.submit(page, "/admin/lists/leave", &[("list", CHOIR), ("member", ADA)]);
    assert_eq!(members(&world), ["eve@far.example"]);
    alice.submit(page, "/admin/lists/posting", &[("list", CHOIR), ("posting", "owners")]);
    alice.submit(page, "/admin/lists/joining", &[("list", CHOIR), ("joining", "open")]);
    let list = world.auth.directory().list(CHOIR).unwrap().unwrap();
    assert_eq!((list.posting, list.is_open), (Posting::Owners, true));
    alice.submit(page, page, &[("list", "news@example.org"), ("owners", "nobody@example.org"), ("posting", "owners")]);
    assert!(alice.get(page).text.contains("is not an account here"));
    alice.submit(page, page, &[("list", "news@example.org"), ("owners", ALICE), ("posting", "owners")]);
    alice.submit(page, "/admin/lists/remove", &[("list", CHOIR)]);
    let left: Vec<String> = world.auth.directory().lists().unwrap().iter().map(|list| list.address.clone()).collect();
    assert_eq!(left, ["news@example.org"]);
}

/// A post that waits, as the server takes it; `account`: which has written it.
fn wait(world: &World, number: u8, account: Option<u32>) -> u64 {
    let way = posts::Way {
        name: "1.2".into(),
        helo: "far.example".into(),
        client: [192, 0, 2, 1].into(),
        with: "ESMTPS".into(),
        tls: None,
        results: String::new(),
        digest: [number; 16],
        serial: 2,
    };
    let held = posts::Held { until_millis: i64::MAX, is_told: true, why: "who wrote it is no member".into() };
    let post = posts::Post {
        id: posts::PostId(0),
        list: CHOIR.into(),
        author: "zoe@far.example".into(),
        at_millis: 0,
        size_bytes: 0,
        keeps_author: false,
        requires_tls: false,
        way,
        stage: posts::Stage::Held(held),
        next_millis: 0,
        is_proven: true,
        is_known: false,
        site: "far.example".into(),
        subject: format!("<b>{number}</b>"),
        account,
        message_id: "<1@example.org>".into(),
    };
    let new = posts::NewPost { post: &post, content: b"x", mark: [number; 16], also: None, per_hour: 9 };
    match posts::Posts::of(world.auth.store()).take(new, store::sim::SIM_EPOCH).unwrap() {
        posts::Taken::Now(id) => id.0,
        posts::Taken::Before => panic!("it is new"),
    }
}

#[test]
fn whoever_writes_to_a_list_sees_what_became_of_it() {
    let world = world();
    let account = world.auth.directory().account(ALICE).unwrap().unwrap().id;
    let body = b"Message-ID: <1@example.org>\r\nSubject: 1\r\n\r\nx\r\n".to_vec();
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let message = NewMessage { body, flags: Flags::default(), internal_date: world.now() };
    let email = world.auth.store().account(account).append(actor, Target::Inbox, message).unwrap().email;
    let [approved, refused, _] = [1, 2, 3].map(|number| wait(&world, number, Some(account.0)));
    let mut alice = world.alice();
    let texts = |alice: &mut Browser<'_>, query: &str| -> Vec<String> {
        let timeline = alice.get(&format!("/api/v1/timeline?search=choir{query}")).json();
        let lines = timeline["lines"].as_array().unwrap().iter();
        lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let waits = "written to choir@example.org: it waits for an owner of the list, because who wrote it is no member";
    let all = ["3", "2", "1"].map(|number| format!("“<b>{number}</b>” was {waits}"));
    assert_eq!(texts(&mut alice, ""), all);
    assert!(alice.get("/timeline").text.contains("“&#60;b&#62;1&#60;/b&#62;” was written to"));
    let story = |alice: &mut Browser<'_>| alice.get(&format!("/messages/{}", email.text())).text;
    assert!(story(&mut alice).contains(waits));
    let posts = posts::Posts::of(world.auth.store());
    assert!(posts.approve(CHOIR, posts::PostId(approved)).unwrap());
    assert!(posts.reject(CHOIR, posts::PostId(refused), false).unwrap());
    let became = texts(&mut alice, "");
    assert!(became[1].ends_with("an owner of the list has refused it; it goes to nobody"), "{became:?}");
    assert!(became[2].ends_with("an owner of the list has approved it, and it goes to the members"), "{became:?}");
    assert!(story(&mut alice).contains("has approved it"));
    // Page by page there is each of them once, although they are of the same moment.
    let (mut pages, mut query) = (Vec::new(), String::new());
    for _ in 0..30 {
        let page = alice.get(&format!("/api/v1/timeline?limit=1{query}")).json();
        pages.extend(page["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_u64() else { break };
        let passed = page["next_passed"].as_u64().map(|next| format!("&before_passed={next}")).unwrap_or_default();
        query = format!("&before={next}{passed}");
    }
    pages.retain(|text| text.contains("written to"));
    assert_eq!(pages, became);
    let mut bob = world.browser();
    assert_eq!(bob.log_in(BOB, crate::testing::PASSWORD).status, StatusCode::SEE_OTHER);
    assert_eq!(texts(&mut bob, ""), [""; 0], "nobody else sees it");
}

#[test]
fn an_owner_looks_after_a_list_on_its_page_and_nobody_else_does() {
    let world = world();
    let (first, second) = (wait(&world, 1, None), wait(&world, 2, None));
    let mut bob = world.browser();
    assert_eq!(bob.log_in(BOB, crate::testing::PASSWORD).status, StatusCode::SEE_OTHER);
    let mut alice = world.alice();
    let page = format!("/lists/{CHOIR}");
    assert!(bob.get("/lists").text.contains(CHOIR) && !alice.get("/lists").text.contains(CHOIR));
    assert!(!alice.get(&page).status.is_success() && !alice.get(&page).text.contains(ADA));
    let shown = bob.get(&page).text;
    assert!(shown.contains(ADA) && shown.contains("is no member") && !shown.contains("<b>1"), "{shown}");
    let waiting = |world: &World| posts::Posts::of(world.auth.store()).held(CHOIR).unwrap().len();
    let answer =
        |number: u64, answer: &str| format!(r#"{{"list": "{CHOIR}", "post": "{number}", "answer": "{answer}"}}"#);
    let token = |browser: &mut Browser<'_>| {
        let token = browser.get("/account/forward").csrf();
        browser.extra.push(("x-csrf-token", token));
    };
    token(&mut alice);
    assert_eq!(alice.call("/api/v1/lists/posts", &answer(first, "approve")).status, StatusCode::FORBIDDEN);
    assert_eq!(alice.get(&format!("/api/v1/lists/posts?list={CHOIR}")).status, StatusCode::FORBIDDEN);
    assert_eq!(alice.call("/api/v1/lists/rules", &format!(r#"{{"list": "{CHOIR}"}}"#)).status, StatusCode::FORBIDDEN);
    assert_eq!(waiting(&world), 2);
    bob.submit(
        &page,
        &format!("{page}/posts"),
        &[("list", CHOIR), ("post", &first.to_string()), ("answer", "approve")],
    );
    assert_eq!(waiting(&world), 1);
    bob.submit(&page, &format!("{page}/join"), &[("list", CHOIR), ("member", ALICE)]);
    bob.submit(&page, &format!("{page}/leave"), &[("list", CHOIR), ("member", ADA)]);
    assert_eq!(members(&world), [ALICE]);
    let rules = [
        ("posting", "anybody"),
        ("approval", "all"),
        ("joining", "open"),
        ("posts_per_hour", "5"),
        ("post_kib_max", "9"),
    ];
    bob.submit(&page, &format!("{page}/rules"), &[&[("list", CHOIR)][..], &rules].concat());
    let list = world.auth.directory().list(CHOIR).unwrap().unwrap();
    let found = (list.posting, list.approval, list.is_open, list.posts_per_hour, list.post_kib_max);
    assert_eq!(found, (Posting::Anybody, directory::Approval::All, true, 5, 9));
    token(&mut bob);
    let refused = format!(r#"{{"list": "{CHOIR}", "posting": "owners", "posts_per_hour": 0}}"#);
    assert!(!bob.call("/api/v1/lists/rules", &refused).status.is_success());
    assert_eq!(world.auth.directory().list(CHOIR).unwrap().unwrap().posting, Posting::Anybody, "all or none");
    let line = bob.get(&format!("/api/v1/lists/posts?list={CHOIR}")).json();
    assert_eq!((&line[0]["post"], &line[0]["author"]), (&second.into(), &"zoe@far.example".into()));
    assert_eq!(bob.call("/api/v1/lists/posts", &answer(second, "perhaps")).status, StatusCode::BAD_REQUEST);
    assert_eq!(bob.call("/api/v1/lists/posts", &answer(second, "reject")).status, StatusCode::OK);
    assert!(!bob.call("/api/v1/lists/posts", &answer(second, "approve")).status.is_success());
    assert_eq!(waiting(&world), 0);
}

/// Only an administrator could, though the letter says that an owner can.
#[test]
fn an_owner_could_not_have_a_paused_member_elsewhere_get_mail_again() {
    let world = world();
    let directory = world.auth.directory();
    let list = directory.list(CHOIR).unwrap().unwrap();
    let token = directory.list_token(&list, &list.members[0]);
    for day in 0..3 {
        directory.note_bounce(&list, &token, store::Timestamp(1 + day * 24 * 60 * 60 * 1000)).unwrap();
    }
    let is_paused = || directory.list(CHOIR).unwrap().unwrap().members[0].is_paused();
    assert!(is_paused());
    let mut bob = world.browser();
    assert_eq!(bob.log_in(BOB, crate::testing::PASSWORD).status, StatusCode::SEE_OTHER);
    let page = format!("/lists/{CHOIR}");
    bob.submit(&page, &format!("{page}/join"), &[("list", CHOIR), ("member", ADA)]);
    assert!(!is_paused());
}

#[test]
fn the_owner_of_a_new_list_saw_what_was_written_to_an_earlier_one_of_its_address() {
    let world = world();
    wait(&world, 1, None);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    assert!(alice.get("/api/v1/lists").json()[0]["waiting"] == 1);
    alice.submit("/admin/lists", "/admin/lists/remove", &[("list", CHOIR)]);
    world.auth.directory().add_list(CHOIR, "", Posting::Members, &[ALICE]).unwrap();
    let posts = posts::Posts::of(world.auth.store());
    assert_eq!(posts.held(CHOIR).unwrap(), []);
    let due = posts.due(store::sim::SIM_EPOCH).unwrap();
    assert_eq!(due[0].stage, posts::Stage::Refused { is_over: true }, "whoever wrote it is told");
}

#[test]
fn an_owner_invites_and_whoever_has_the_letter_is_a_member_when_they_say_so() {
    let world = world();
    let mut bob = world.browser();
    bob.log_in(BOB, crate::testing::PASSWORD);
    let page = format!("/lists/{CHOIR}");
    bob.submit(&page, &format!("{page}/invite"), &[("list", CHOIR), ("member", "eve@other.example")]);
    let shown = bob.get(&page).text;
    assert!(shown.contains("eve@other.example is asked") && shown.contains("Asked, and no answer yet"), "{shown}");
    assert_eq!(members(&world), [ADA]);
    let (to, letter) = world.letters.lock().unwrap().pop().unwrap();
    assert_eq!(to, "eve@other.example");
    assert!(letter.contains("bob@example.org asks whether") && letter.contains("choir+accept-"), "{letter}");
    let path = letter.lines().find_map(|line| line.trim().strip_prefix("https://mail.example.org")).unwrap().to_owned();
    let mut eve = world.browser();
    let asked = eve.get(&path);
    assert!(asked.status.is_success() && asked.text.contains("Yes, I want that"), "{}", asked.text);
    assert_eq!(members(&world), [ADA], "looking changes nothing");
    assert!(asked.text.contains("Our choir"));
    let guessed = eve.get(&format!("{page}/join/aaaaaaaaaaaaaaaaaaaa")).text;
    assert!(guessed.contains("not good any more") && !guessed.contains("Our choir"), "{guessed}");
    assert!(eve.post(&path, &[("answer", "yes")]).text.contains("from now on"));
    assert_eq!(members(&world), [ADA, "eve@other.example"]);
    assert!(eve.post(&path, &[("answer", "yes")]).text.contains("not good any more"));
    bob.submit(&page, &format!("{page}/invite"), &[("list", CHOIR), ("member", "eve@other.example")]);
    assert!(bob.get(&page).text.contains("is a member of"));
    // One that was wrong is taken back.
    bob.submit(&page, &format!("{page}/invite"), &[("list", CHOIR), ("member", "zoe@other.example")]);
    bob.submit(&page, &format!("{page}/withdraw"), &[("list", CHOIR), ("member", "zoe@other.example")]);
    assert!(!bob.get(&page).text.contains("Asked, and no answer yet"));
    // Nobody else invites.
    let mut alice = world.alice();
    let token = alice.get("/account/forward").csrf();
    alice.extra.push(("x-csrf-token", token));
    let body = format!(r#"{{"list": "{CHOIR}", "member": "zoe@other.example"}}"#);
    assert_eq!(alice.call("/api/v1/lists/invite", &body).status, StatusCode::FORBIDDEN);
}

#[test]
fn who_joins_and_leaves_lists_reads_it_in_their_timeline_with_who_wanted_it() {
    let world = world();
    let mut alice = world.alice();
    let texts = |browser: &mut Browser<'_>, query: &str| -> Vec<String> {
        let timeline = browser.get(&format!("/api/v1/timeline?{query}")).json();
        let lines = timeline["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned());
        lines.filter(|text| text.contains("the list")).collect()
    };
    let mut bob = world.browser();
    bob.log_in(BOB, crate::testing::PASSWORD);
    let token = bob.get("/account/forward").csrf();
    bob.extra.push(("x-csrf-token", token));
    let joined = bob.call("/api/v1/lists/join", &format!(r#"{{"list": "{CHOIR}", "member": "{ALICE}"}}"#));
    assert!(joined.status.is_success());
    let made = "this account was made a member of the list choir@example.org, by an owner of it or an administrator";
    assert_eq!(texts(&mut alice, ""), [made]);
    assert!(alice.get("/timeline").text.contains(made));
    let list = world.auth.directory().list(CHOIR).unwrap().unwrap();
    let own = list.members.iter().find(|member| matches!(member.whose, directory::Whose::Account(_))).unwrap();
    let token = world.auth.directory().list_token(&list, own);
    world.wait_millis(1000);
    assert!(one_click(&mut world.browser(), &format!("/lists/{CHOIR}/leave/{token}")).is_success());
    let left = "this account left the list choir@example.org";
    assert_eq!(texts(&mut alice, ""), [left, made]);
    assert_eq!(texts(&mut alice, "search=LEFT%20the"), [left]);
    assert_eq!(texts(&mut alice, "removals=true"), [""; 0]);
    // It is nobody else's.
    assert_eq!(texts(&mut bob, ""), [""; 0]);
}

#[test]
fn a_member_sees_what_lists_there_are_and_pauses_and_leaves() {
    let world = world();
    world.auth.directory().join_list(CHOIR, ALICE, (By::Owner, NOW)).unwrap();
    let mut alice = world.alice();
    let page = alice.get("/lists").text;
    assert!(page.contains("mailto:choir@example.org") && page.contains("Send me nothing for a while"), "{page}");
    alice.submit("/lists", "/lists", &[("list", CHOIR), ("wish", "pause")]);
    let page = alice.get("/lists").text;
    assert!(page.contains("until you say otherwise") && page.contains("Send me its mail again"), "{page}");
    assert_eq!(alice.get("/api/v1/lists/mine").json()[0]["rests"], true);
    // Whoever looks after it sees that, and is not offered to change it.
    let mut bob = world.browser();
    bob.log_in(BOB, crate::testing::PASSWORD);
    let shown = bob.get(&format!("/lists/{CHOIR}")).text;
    assert!(shown.contains("wants nothing for now") && !shown.contains("Send to it again"), "{shown}");
    alice.submit("/lists", "/lists", &[("list", CHOIR), ("wish", "resume")]);
    assert!(!world.auth.directory().list(CHOIR).unwrap().unwrap().members[1].is_paused());
    alice.submit("/lists", "/lists", &[("list", CHOIR), ("wish", "leave")]);
    assert_eq!(members(&world), [ADA]);
    assert!(alice.get("/lists").text.contains("You are a member of no list."));
    alice.submit("/lists", "/lists", &[("list", CHOIR), ("wish", "pause")]);
    assert!(alice.get("/lists").text.contains("you are no member of"));
}
