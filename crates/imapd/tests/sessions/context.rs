//! RFC 5267: whoever applies what is told of a context has what the search would find, whatever others do meanwhile.

use crate::harness::{Client, Server};
use proptest::prelude::*;

/// A search and what the client believes that it finds.
struct Model {
    tag: &'static str,
    /// The command behind `RETURN (…)`.
    command: &'static str,
    keys: &'static str,
    results: Vec<u32>,
}

const MODELS: [(&str, &str, &str); 5] = [
    ("w1", "UID SEARCH", "UNSEEN"),
    ("w2", "SEARCH", "NOT FLAGGED"),
    ("w3", "UID SORT", "(SUBJECT) UTF-8 FLAGGED"),
    ("w4", "SORT", "(REVERSE SUBJECT SIZE) UTF-8 UNSEEN"),
    ("w5", "UID SEARCH", "OR BODY \"body 3\" SUBJECT b"),
];

fn set(text: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    text.split(',').flat_map(range).collect()
}

/// What stands in the parentheses behind a word: positions and sets.
fn placed(line: &str, word: &str) -> Vec<(usize, Vec<u32>)> {
    let Some((_, rest)) = line.split_once(&format!(" {word} (")) else { return Vec::new() };
    let words: Vec<&str> = rest.split(')').next().unwrap().split(' ').collect();
    words.chunks(2).map(|pair| (pair[0].parse().unwrap(), set(pair[1]))).collect()
}

impl Model {
    fn ask(&self, client: &mut Client, tag: &str, returns: &str) -> Vec<u32> {
        let answer = client.send(&format!("{tag} {} RETURN ({returns}) {}", self.command, self.keys));
        assert!(answer.contains(&format!("{tag} OK")), "{answer}");
        let line = answer.lines().find(|line| line.starts_with(&format!("* ESEARCH (TAG \"{tag}\")")));
        let all = line.and_then(|line| line.split_once(" ALL ")).map(|(_, all)| all.to_owned());
        all.map_or(Vec::new(), |all| set(all.split(' ').next().unwrap()))
    }

    fn hear(&mut self, line: &str) {
        let numbered = !self.command.starts_with("UID");
        if let Some(number) = line.strip_prefix("* ").and_then(|line| line.strip_suffix(" EXPUNGE"))
            && numbered
        {
            let gone: u32 = number.parse().unwrap();
            assert!(!self.results.contains(&gone), "{}: {line} before its REMOVEFROM", self.tag);
            self.results.iter_mut().filter(|number| **number > gone).for_each(|number| *number -= 1);
        }
        if !line.starts_with(&format!("* ESEARCH (TAG \"{}\")", self.tag)) {
            return;
        }
        for (position, numbers) in placed(line, "REMOVEFROM") {
            for number in numbers {
                let at = self.results.iter().position(|one| *one == number).expect(line);
                assert!(position == 0 || at + 1 == position, "{line}: {:?}", self.results);
                self.results.remove(at);
            }
        }
        for (position, numbers) in placed(line, "ADDTO") {
            for (at, number) in numbers.into_iter().enumerate() {
                assert!(!self.results.contains(&number), "{line}: {:?}", self.results);
                match position {
                    0 => {
                        let place = self.results.partition_point(|one| *one < number);
                        self.results.insert(place, number);
                    }
                    position => self.results.insert(position - 1 + at, number),
                }
            }
        }
    }
}

fn act(actor: &mut Client, what: u8, number: u8) {
    let subject = ["a", "b", "c"][usize::from(number) % 3];
    let number = number % 6 + 1;
    match what {
        0 | 1 => drop(actor.append("INBOX", &format!("Subject: {subject}\r\n\r\nbody {number}\r\n"))),
        2 => drop(actor.send(&format!("a UID STORE {number}:{} +FLAGS.SILENT (\\Seen)", number + 1))),
        3 => drop(actor.send(&format!("a UID STORE {number} -FLAGS.SILENT (\\Seen)"))),
        4 => drop(actor.send(&format!("a UID STORE {number}:* +FLAGS.SILENT (\\Flagged)"))),
        5 => drop(actor.send(&format!("a UID STORE {number} -FLAGS.SILENT (\\Flagged)"))),
        _ => {
            actor.send(&format!("a UID STORE {number} +FLAGS.SILENT (\\Deleted)"));
            actor.send("b EXPUNGE");
        }
    }
}

fn follow(actions: &[Vec<(u8, u8)>]) {
    let server = Server::new();
    server.alice().fill(3);
    let (mut client, mut actor) = (server.alice_in_inbox(), server.alice_in_inbox());
    let mut models = MODELS.map(|(tag, command, keys)| Model { tag, command, keys, results: Vec::new() });
    for model in &mut models {
        model.results = model.ask(&mut client, model.tag, "UPDATE ALL");
    }
    for round in actions {
        round.iter().for_each(|(what, number)| act(&mut actor, *what, *number));
        let news = client.send("n NOOP");
        for line in news.lines() {
            models.iter_mut().for_each(|model| model.hear(line));
        }
        for model in &models {
            assert_eq!(model.results, model.ask(&mut client, "x", "ALL"), "{} after {round:?}: {news}", model.keys);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whoever_applies_what_is_told_has_what_a_search_finds(
        actions in prop::collection::vec(prop::collection::vec((0..7_u8, 0..30_u8), 0..5), 1..6),
    ) {
        follow(&actions);
    }
}

#[test]
fn more_contexts_than_a_connection_may_have_are_refused_and_answered() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    for number in 0..8 {
        let answer = client.send(&format!("u{number} SEARCH RETURN (UPDATE COUNT) ALL"));
        assert!(!answer.contains("NOUPDATE"), "{answer}");
    }
    let answer = client.send("u8 SEARCH RETURN (UPDATE COUNT) ALL");
    assert!(answer.starts_with("* ESEARCH (TAG \"u8\") COUNT 0\r\n* NO [NOUPDATE \"u8\"] "), "{answer}");
    assert!(answer.ends_with("u8 OK SEARCH done\r\n"), "{answer}");
    client.check("a CANCELUPDATE \"u1\" \"u2\"", &["a OK CANCELUPDATE done"]);
    assert!(!client.send("u9 UID SORT RETURN (UPDATE) (DATE) UTF-8 ALL").contains("NOUPDATE"));
}

#[test]
fn a_context_begun_before_uidonly_went_on_with_message_numbers() {
    let server = Server::new();
    server.alice().fill(2);
    let mut client = server.alice_in_inbox();
    client.send("a UID STORE 1 +FLAGS.SILENT (\\Deleted)");
    client.send("u SEARCH RETURN (UPDATE COUNT) ALL");
    client.send("s SORT RETURN (UPDATE COUNT) (ARRIVAL) UTF-8 ALL");
    client.send("b EXPUNGE");
    client.check("c ENABLE UIDONLY", &["* ENABLED UIDONLY", "c OK ENABLE done"]);
    server.alice().fill(1);
    let news = client.send("d NOOP");
    for tag in ["u", "s"] {
        assert!(news.contains(&format!("* ESEARCH (TAG \"{tag}\") UID ADDTO (")), "{news}");
    }
    assert!(news.contains(" 3)") && !news.contains(" 2)"), "{news}");
}

#[test]
fn a_context_that_cannot_be_read_on_is_given_up_and_says_so() {
    let server = Server::new();
    let (mut client, mut actor) = (server.alice_in_inbox(), server.alice());
    assert!(client.send("u SEARCH RETURN (UPDATE COUNT) BODY x").contains("u OK"));
    actor.fill(1);
    server.fail_read(1);
    let news = client.send("a NOOP");
    assert!(news.contains("* NO [NOUPDATE \"u\"]"), "{news}");
    server.use_up_read_errors();
    actor.fill(1);
    assert!(!client.send("b NOOP").contains("ESEARCH"));
}
