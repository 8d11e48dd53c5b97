//! What is taken is there until it is done, once, and within limits.

use super::*;
use std::sync::Arc;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

const HOUR: i64 = 60 * 60 * 1000;

fn open(engine: &SimEngine) -> Posts {
    Posts::of(&Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())))
}

fn later(hours: i64) -> Timestamp {
    Timestamp(SIM_EPOCH.0 + hours * HOUR)
}

fn post(list: &str) -> Post {
    Post {
        id: PostId(0),
        list: list.into(),
        author: "ada@far.example".into(),
        at_millis: SIM_EPOCH.0,
        size_bytes: 0,
        keeps_author: false,
        requires_tls: false,
        way: Way {
            name: "1.2".into(),
            helo: "far.example".into(),
            client: [192, 0, 2, 1].into(),
            with: "ESMTPS".into(),
            tls: None,
            results: String::new(),
            digest: [1; 16],
            serial: 2,
        },
        stage: Stage::Going(Going::default()),
        next_millis: 0,
        is_proven: true,
        is_known: true,
        site: "far.example".into(),
        subject: String::new(),
        account: None,
        message_id: String::new(),
    }
}

fn take(posts: &Posts, list: &str, mark: u8, now: Timestamp) -> Result<Taken, Refused> {
    posts.take(
        NewPost { post: &post(list), content: &[b'x'; ROW_BYTES + 1], mark: [mark; 16], also: None, per_hour: 3 },
        now,
    )
}

#[test]
fn a_post_is_there_until_nobody_is_left_and_is_taken_once() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    let commits = || posts.table.version().unwrap().0;
    let before = commits();
    assert_eq!(take(&posts, "choir@x", 1, SIM_EPOCH), Ok(Taken::Now(PostId(1))));
    assert_eq!(commits() - before, 1);
    assert_eq!(take(&posts, "choir@x", 1, SIM_EPOCH), Ok(Taken::Before));
    assert_eq!(take(&posts, "other@x", 1, SIM_EPOCH), Ok(Taken::Now(PostId(2))));
    let posts = open(&engine.crash());
    let due = posts.due(SIM_EPOCH).unwrap();
    assert_eq!(due.iter().map(|post| (post.id.0, &*post.list)).collect::<Vec<_>>(), [(1, "choir@x"), (2, "other@x")]);
    assert_eq!(posts.content(&due[0]).unwrap().map(|content| content.len()), Some(ROW_BYTES + 1));
    let eve = vec![Goes::Outside("eve@y".into()), Goes::Account(16)];
    posts.left(PostId(1), eve.clone()).unwrap();
    posts.again(PostId(1), later(1)).unwrap();
    posts.left(PostId(2), Vec::new()).unwrap();
    assert_eq!((posts.due(SIM_EPOCH).unwrap().len(), posts.next_at().unwrap()), (0, Some(later(1))));
    let due = posts.due(later(1)).unwrap();
    let Stage::Going(going) = &due[0].stage else { panic!("it is on its way") };
    assert_eq!((going.to.as_ref(), going.tried), (Some(&eve), 1));
    posts.left(PostId(1), Vec::new()).unwrap();
    posts.left(PostId(1), eve).unwrap();
    assert_eq!((posts.next_at().unwrap(), posts.table.scan(b"b", &[], 9).unwrap().len()), (None, 0));
    // It is done, and is the same still.
    assert_eq!(take(&posts, "choir@x", 1, later(6 * 24)), Ok(Taken::Before));
    assert_eq!(take(&posts, "choir@x", 1, later(6 * 24 + 1)), Ok(Taken::Now(PostId(3))));
}

#[test]
fn a_list_takes_so_many_in_an_hour_and_so_many_that_are_not_done() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    for mark in 0..3 {
        assert!(take(&posts, "choir@x", mark, SIM_EPOCH).is_ok());
    }
    assert_eq!(take(&posts, "choir@x", 3, SIM_EPOCH), Err(Refused::TooMany));
    assert!(take(&posts, "other@x", 3, SIM_EPOCH).is_ok());
    for mark in 3..100 {
        assert!(take(&posts, "choir@x", mark, later(mark.into())).is_ok(), "{mark}");
    }
    assert_eq!(take(&posts, "choir@x", 100, later(100)), Err(Refused::Full));
    posts.left(PostId(1), Vec::new()).unwrap();
    assert!(take(&posts, "choir@x", 100, later(100)).is_ok());
}

fn remembered(posts: &Posts) -> usize {
    [b"h", b"m", b"s"].iter().map(|prefix| posts.table.scan(*prefix, &[], usize::MAX).unwrap().len()).sum()
}

#[test]
fn what_is_remembered_is_bounded_in_an_hour() {
    let posts = open(&SimEngine::new());
    let held = |post: Post| Post { is_proven: false, stage: Stage::Refused { is_over: false }, ..post };
    let take = |number: usize, now: Timestamp| {
        let mark = (number as u128).to_le_bytes();
        let taken = posts
            .take(NewPost { post: &held(post("choir@x")), content: b"", mark, also: None, per_hour: u32::MAX }, now);
        posts.left(PostId(number as u64), Vec::new()).unwrap();
        taken
    };
    for number in 1..=seen::HOUR_MAX {
        assert!(take(number, SIM_EPOCH).is_ok(), "{number}");
    }
    assert_eq!(take(seen::HOUR_MAX + 1, SIM_EPOCH), Err(Refused::TooMany));
    assert!(take(seen::HOUR_MAX + 1, later(1)).is_ok());
}

/// A list that took 500 an hour wrote 864 KB for each.
#[test]
fn what_is_remembered_was_written_anew_with_each_post() {
    let posts = open(&SimEngine::new());
    let largest = || {
        let rows = [b"h", b"m", b"s"].map(|prefix| posts.table.scan(prefix, &[], usize::MAX).unwrap());
        rows.iter().flatten().map(|(_, value)| value.len()).max().unwrap_or(0)
    };
    for mark in 0..200 {
        assert!(take(&posts, "choir@x", mark, later(i64::from(mark) / 3)).is_ok());
        posts.left(PostId(u64::from(mark) + 1), Vec::new()).unwrap();
    }
    assert!(largest() <= 3 * 12, "{}", largest());
}

#[test]
fn a_list_that_was_removed_left_what_it_had_for_ever() {
    let posts = open(&SimEngine::new());
    for (hours, mark) in [(0, 1), (0, 2), (5, 3)] {
        assert!(take(&posts, "choir@x", mark, later(hours)).is_ok());
    }
    assert!(take(&posts, "choir2@x", 1, SIM_EPOCH).is_ok());
    let all = remembered(&posts);
    posts.tidy(later(6 * 24)).unwrap();
    assert_eq!(remembered(&posts), all, "six days, and no less");
    posts.tidy(later(6 * 24 + 2)).unwrap();
    assert_eq!(remembered(&posts), 2, "what came five hours later counts still");
    assert_eq!(take(&posts, "choir@x", 3, later(6 * 24 + 2)), Ok(Taken::Before));
    posts.tidy(later(7 * 24)).unwrap();
    assert_eq!(remembered(&posts), 0);
}

#[test]
fn what_an_earlier_version_remembers_counts_until_its_time_is_over() {
    let posts = open(&SimEngine::new());
    let minute = (SIM_EPOCH.0 / 60_000) as u32;
    let entry = |mark: u8, at: u32| [&[mark; 8][..], &at.to_be_bytes()].concat();
    let value = [entry(1, minute), entry(2, minute), entry(3, minute | 1 << 31)].concat();
    posts
        .table
        .change(|tx| {
            tx.put(b"schoir@x", value.clone());
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(take(&posts, "choir@x", 1, SIM_EPOCH), Ok(Taken::Before));
    assert_eq!(take(&posts, "choir@x", 4, SIM_EPOCH), Ok(Taken::Now(PostId(1))), "two of three an hour were had");
    assert_eq!(take(&posts, "choir@x", 5, SIM_EPOCH), Err(Refused::TooMany));
    posts.tidy(later(6 * 24)).unwrap();
    assert_eq!(take(&posts, "choir@x", 2, later(6 * 24)), Ok(Taken::Before));
    posts.tidy(later(6 * 24 + 1)).unwrap();
    assert_eq!(posts.table.scan(b"s", &[], 9).unwrap(), []);
    assert_eq!(take(&posts, "choir@x", 2, later(6 * 24 + 1)), Ok(Taken::Now(PostId(2))));
}

#[test]
fn one_post_that_could_not_be_read_stopped_all_lists() {
    let posts = open(&SimEngine::new());
    assert!(take(&posts, "choir@x", 1, SIM_EPOCH).is_ok());
    posts
        .table
        .change(|tx| {
            tx.put(&post::key(PostId(1)), b"{".to_vec());
            Ok::<_, Error>(())
        })
        .unwrap();
    assert!(take(&posts, "other@x", 2, SIM_EPOCH).is_ok());
    let due = |posts: &Posts| posts.due(SIM_EPOCH).unwrap().into_iter().map(|post| post.id.0).collect::<Vec<_>>();
    assert_eq!(due(&posts), [2]);
    let aside = posts.set_aside().unwrap();
    assert_eq!((aside.len(), aside[0].0), (1, PostId(1)));
    assert!(aside[0].1.contains("cannot be read"), "{}", aside[0].1);
    assert_eq!(posts.set_aside(), Ok(Vec::new()), "once");
    assert_eq!(posts.table.scan(b"x", &[], 9).unwrap()[0].1, b"{");
}

/// Ten addresses of one domain, five posts each.
#[test]
fn a_stranger_with_proof_took_all_places_in_which_posts_wait() {
    let posts = open(&SimEngine::new());
    let held = Held { until_millis: later(1).0, is_told: false, why: "x".into() };
    let wait = |mark: u8, author: &str, site: &str, is_known: bool| {
        let stage = Stage::Held(held.clone());
        let post =
            Post { stage, author: format!("{author}{mark}@{site}"), site: site.into(), is_known, ..post("choir@x") };
        posts.take(NewPost { post: &post, content: b"x", mark: [mark; 16], also: None, per_hour: 500 }, SIM_EPOCH)
    };
    for mark in 0..8 {
        assert!(wait(mark, "a", "spam.example", false).is_ok());
    }
    assert_eq!(wait(8, "a", "spam.example", false), Err(Refused::Full));
    for mark in 8..15 {
        assert!(wait(mark, "a", &format!("s{mark}.example"), false).is_ok());
    }
    assert_eq!(wait(15, "a", "other.example", false), Err(Refused::Full), "of all strangers");
    for mark in 15..50 {
        assert!(wait(mark, "a", "spam.example", true).is_ok(), "members have the rest");
    }
    assert_eq!(wait(50, "a", "far.example", true), Err(Refused::Full));
}

#[test]
fn a_post_that_waits_is_answered_once() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    let held = Held { until_millis: later(1).0, is_told: false, why: "x".into() };
    let wait = |mark: u8, author: &str| {
        let post = Post { stage: Stage::Held(held.clone()), author: author.into(), ..post("choir@x") };
        posts.take(NewPost { post: &post, content: b"x", mark: [mark; 16], also: None, per_hour: 500 }, SIM_EPOCH)
    };
    for mark in 1..=5 {
        assert!(wait(mark, "ada@far.example").is_ok());
    }
    assert_eq!(wait(6, "Ada@far.example"), Err(Refused::Full));
    for mark in 6..=50 {
        assert!(wait(mark, &format!("m{mark}@far.example")).is_ok());
    }
    assert_eq!(wait(51, "zoe@far.example"), Err(Refused::Full));
    assert!(take(&posts, "other@x", 51, SIM_EPOCH).is_ok(), "that is another list");
    let one = posts.held("choir@x").unwrap()[0].id;
    assert_eq!((posts.approve("other@x", one), posts.held("other@x").unwrap().len()), (Ok(false), 0));
    posts.told(one).unwrap();
    assert!(posts.due(SIM_EPOCH).unwrap().iter().all(|post| post.id != one));
    assert!(posts.due(later(1)).unwrap().iter().any(|post| post.id == one), "its time is over");
    assert_eq!([posts.approve("choir@x", one), posts.approve("choir@x", one)], [Ok(true), Ok(false)]);
    assert_eq!(posts.reject("choir@x", one, false), Ok(false));
    let next = posts.held("choir@x").unwrap()[0].id;
    assert_eq!([posts.reject("choir@x", next, false), posts.approve("choir@x", next)], [Ok(true), Ok(false)]);
    assert_eq!(open(&engine.crash()).held("choir@x").unwrap().len(), 48);
}

#[test]
fn forged_posts_kept_members_from_having_theirs_wait() {
    let posts = open(&SimEngine::new());
    let held = Held { until_millis: later(1).0, is_told: false, why: "x".into() };
    let wait = |mark: u8, author: &str, is_proven: bool| {
        let post = Post { stage: Stage::Held(held.clone()), author: author.into(), is_proven, ..post("choir@x") };
        let new = NewPost { post: &post, content: b"x", mark: [mark; 16], also: None, per_hour: 2 };
        posts.take(new, SIM_EPOCH)
    };
    for mark in 0..5 {
        assert!(wait(mark, "ada@far.example", false).is_ok());
    }
    assert_eq!(wait(5, "ada@far.example", false), Err(Refused::Full));
    for mark in 5..25 {
        assert!(wait(mark, &format!("m{mark}@far.example"), false).is_ok());
    }
    assert_eq!(wait(25, "zoe@far.example", false), Err(Refused::Full));
    assert!(wait(26, "ada@far.example", true).is_ok());
    assert!(wait(27, "zoe@far.example", true).is_ok());
    assert_eq!(wait(28, "eve@far.example", true), Err(Refused::TooMany));
}

/// Twenty large ones of strangers, or a few of each of many lists, filled the room of all lists for a week.
#[test]
fn what_waits_left_no_room_for_posts_of_other_lists() {
    let held = Stage::Held(Held { until_millis: later(1).0, is_told: true, why: "x".into() });
    let waiting = |posts: &Posts, list: usize, size_bytes: u64| {
        let post = Post { stage: held.clone(), size_bytes, ..post(&format!("l{list}@x")) };
        posts.table.change(|tx| -> Result<(), Error> {
            let id = PostId(last_number(tx)?.0 + 1);
            tx.put(b"n", id.0.to_be_bytes().to_vec());
            put(tx, &Post { id, ..post.clone() })
        })
    };
    let asks = |posts: &Posts, list: &str, mark: u8| {
        let post = Post { stage: held.clone(), author: "zoe@far.example".into(), ..post(list) };
        posts.take(NewPost { post: &post, content: b"x", mark: [mark; 16], also: None, per_hour: 9 }, SIM_EPOCH)
    };
    let posts = open(&SimEngine::new());
    waiting(&posts, 0, HELD_BYTES_MAX).unwrap();
    assert_eq!(asks(&posts, "l0@x", 1), Err(Refused::Full));
    assert!(take(&posts, "l0@x", 2, SIM_EPOCH).is_ok());
    assert!(asks(&posts, "other@x", 3).is_ok());
    (1..4).for_each(|list| waiting(&posts, list, HELD_BYTES_MAX).unwrap());
    assert_eq!(asks(&posts, "other@x", 4), Err(Refused::Full));
    assert!(take(&posts, "other@x", 5, SIM_EPOCH).is_ok());
    let posts = open(&SimEngine::new());
    (0..500).for_each(|list| waiting(&posts, list, 1).unwrap());
    assert_eq!(asks(&posts, "other@x", 6), Err(Refused::Full));
    assert!(take(&posts, "other@x", 7, SIM_EPOCH).is_ok());
}

#[test]
fn a_damaged_row_of_what_a_list_has_had_stopped_all_its_posts() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    assert_eq!(take(&posts, "choir@x", 1, SIM_EPOCH), Ok(Taken::Now(PostId(1))));
    let spoil = |prefix: &[u8]| {
        let rows = posts.table.scan(prefix, &[], 9).unwrap();
        assert!(!rows.is_empty());
        rows.iter().for_each(|(key, _)| engine.spoil(TableId::Posts, key));
    };
    spoil(b"h");
    assert_eq!(take(&posts, "choir@x", 1, SIM_EPOCH), Ok(Taken::Before), "it is known by its mark");
    assert_eq!(take(&posts, "choir@x", 2, SIM_EPOCH), Ok(Taken::Now(PostId(2))));
    spoil(b"m");
    assert_eq!(take(&posts, "choir@x", 2, SIM_EPOCH), Ok(Taken::Before), "twice is worse than not at all");
    assert_eq!(take(&posts, "choir@x", 3, SIM_EPOCH), Ok(Taken::Now(PostId(3))));
}

/// Of a key that is not there an engine may say the same as of a damaged row: that something is wrong beside it.
#[test]
fn a_post_was_taken_and_thrown_away_where_a_mark_beside_its_own_was_damaged() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    assert_eq!(take(&posts, "choir@x", 1, SIM_EPOCH), Ok(Taken::Now(PostId(1))));
    engine.spoil(TableId::Posts, &[&b"mchoir@x\0"[..], &[2; 8]].concat());
    assert_eq!(take(&posts, "choir@x", 2, SIM_EPOCH), Ok(Taken::Now(PostId(2))));
    assert_eq!(take(&posts, "choir@x", 2, SIM_EPOCH), Ok(Taken::Before));
}

/// Takes what an account has written.
fn take_of(posts: &Posts, account: u32, mark: u32, stage: Stage, at: Timestamp) -> PostId {
    let post = Post { account: Some(account), stage, at_millis: at.0, subject: format!("{mark}"), ..post("choir@x") };
    let mut whole = [0; 16];
    whole[..4].copy_from_slice(&mark.to_be_bytes());
    let new = NewPost { post: &post, content: b"x", mark: whole, also: None, per_hour: u32::MAX };
    match posts.take(new, at).unwrap() {
        Taken::Now(id) => id,
        Taken::Before => panic!("{mark} came before"),
    }
}

fn held(why: &str) -> Stage {
    Stage::Held(Held { until_millis: i64::MAX, is_told: false, why: why.into() })
}

#[test]
fn whoever_wrote_to_a_list_could_not_see_what_became_of_it() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    let commits = posts.table.version().unwrap().0;
    let taken = take_of(&posts, 20, 1, Stage::Going(Going::default()), SIM_EPOCH);
    let [approved, rejected, over, waits] = [2, 3, 4, 5].map(|mark| take_of(&posts, 20, mark, held("why"), SIM_EPOCH));
    take_of(&posts, 21, 6, held("why"), SIM_EPOCH);
    assert!(posts.approve("choir@x", approved).unwrap());
    assert!(posts.reject("choir@x", rejected, false).unwrap() && posts.reject("choir@x", over, true).unwrap());
    posts.told(waits).unwrap();
    assert_eq!(posts.table.version().unwrap().0 - commits, 6 + 3 + 1, "no commit more");
    // Once it is with everybody, and over a crash.
    posts.again(approved, later(1)).unwrap();
    posts.left(approved, Vec::new()).unwrap();
    posts.left(taken, Vec::new()).unwrap();
    posts.remove(rejected).unwrap();
    let posts = open(&engine.crash());
    let written = posts.written(AccountId(20)).unwrap();
    let fates: Vec<(PostId, Fate)> = written.into_iter().map(|written| (written.id, written.fate)).collect();
    assert_eq!(
        fates,
        [
            (waits, Fate::Waits { why: "why".into() }),
            (over, Fate::Refused { is_over: true }),
            (rejected, Fate::Refused { is_over: false }),
            (approved, Fate::Approved),
            (taken, Fate::Taken),
        ]
    );
    assert_eq!(posts.written(AccountId(22)).unwrap(), []);
}

#[test]
fn an_account_keeps_so_many_of_what_it_wrote_and_no_longer() {
    let engine = SimEngine::new();
    let posts = open(&engine);
    let subjects = |posts: &Posts| -> Vec<String> {
        posts.written(AccountId(20)).unwrap().into_iter().map(|written| written.subject).collect()
    };
    for mark in 0..=written::KEPT_MAX as u32 {
        // Those before must not count any more as of an hour.
        let id = take_of(&posts, 20, mark, Stage::Going(Going::default()), later(i64::from(mark) / 100));
        posts.left(id, Vec::new()).unwrap();
        assert_eq!(subjects(&posts).len(), (mark as usize + 1).min(written::KEPT_MAX));
    }
    assert_eq!(subjects(&posts).last().unwrap(), "1");
    let end = Timestamp(later(0).0 + written::KEPT_MILLIS);
    posts.tidy(end).unwrap();
    assert_eq!(subjects(&posts).len(), written::KEPT_MAX);
    posts.tidy(Timestamp(end.0 + 1)).unwrap();
    assert_eq!(subjects(&posts).last().unwrap(), "100", "those of the first hour");
}

#[test]
fn who_leads_no_more_notes_nothing_of_a_post() {
    let engine = SimEngine::new();
    let (doors, other) = (open(&engine), open(&engine));
    let first = doors.lead(1).unwrap();
    assert_eq!(take(&doors, "choir@x", 1, SIM_EPOCH), Ok(Taken::Now(PostId(1))));
    assert_eq!((first.must_lead(), first.again(PostId(1), later(1))), (Ok(()), Ok(())));
    let second = other.lead(2).unwrap();
    let refused = |done: Result<(), Error>| matches!(done, Err(Error::Fault(why)) if why.contains("another server"));
    assert!(refused(first.must_lead()) && refused(first.left(PostId(1), Vec::new())));
    assert!(refused(first.remove(PostId(1))) && refused(first.again(PostId(1), later(2))));
    assert!(refused(doors.lead(1).map(drop)), "terms only grow");
    assert_eq!(second.due(later(1)).unwrap().len(), 1);
    // What comes is nobody's term.
    assert_eq!(take(&doors, "choir@x", 2, SIM_EPOCH), Ok(Taken::Now(PostId(2))));
    assert_eq!(second.left(PostId(1), Vec::new()), Ok(()));
    assert_eq!(second.due(later(1)).unwrap().len(), 1);
}
