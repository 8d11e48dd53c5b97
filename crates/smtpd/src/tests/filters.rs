//! What filters beside us say of mail from other hosts.

use super::*;
use scan::{Opinion, Question, Reserved, Scanner, Verdict};
use std::pin::Pin;
use std::sync::Mutex;

/// A filter that says what it is told to say, and keeps what it was asked.
#[derive(Default)]
struct Says {
    opinion: Opinion,
    is_full: bool,
    asked: Mutex<Vec<Option<Question>>>,
}

impl Scanner for Says {
    fn reserve(&self, _bytes: u64) -> Option<Reserved> {
        (!self.is_full).then(Reserved::default)
    }

    fn ask(self: Arc<Self>, asked: Option<(Question, Reserved)>) -> Pin<Box<dyn Future<Output = Opinion> + Send>> {
        self.asked.lock().unwrap().push(asked.map(|(question, _)| question));
        let opinion = self.opinion.clone();
        Box::pin(async { opinion })
    }
}

fn opinion(verdict: Verdict) -> Opinion {
    Opinion { verdict, reason: "It has a worm".into(), edits: Vec::new() }
}

fn filtering(says: &Arc<Says>) -> World {
    let world = world();
    let common = Common { scanner: Some(Arc::clone(says) as _), ..world.common.clone() };
    world.auth.directory().add_alias("postmaster@example.org", &["alice@example.org"]).unwrap();
    World { common, ..world }
}

fn play(verdict: Verdict, to: &str, reply: &str) -> World {
    let says = || Arc::new(Says { opinion: opinion(verdict), ..Says::default() });
    check_in(|| filtering(&says()), World::mx, &mail(to, reply))
}

fn mail(to: &str, reply: &str) -> String {
    format!(
        "S: 220
         C: HELO mail.client.example
         S: 250
         C: MAIL FROM:<a@client.example>
         S: 250
         C: RCPT TO:<{to}>
         S: 250
         C: DATA
         S: 354
         C: X-Pillarbox-Junk: no; forged
         C: Subject: hello
         C:
         C: text
         C: .
         S: {reply}"
    )
}

#[test]
fn what_a_filter_refuses_is_refused_with_its_reason_but_the_postmaster_is_reached() {
    let world = play(Verdict::Refuse, "alice@example.org", "550 5.7.1 It has a worm");
    assert!(world.mailbox("alice").is_empty() && world.messages("alice", "Junk").is_empty());
    let world = play(Verdict::Refuse, "postmaster@example.org", "250");
    assert_eq!(world.mailbox("alice").len(), 1);
}

#[test]
fn what_a_filter_puts_off_comes_again() {
    let world = play(Verdict::Later, "alice@example.org", "451 4.7.1 It has a worm");
    assert!(world.mailbox("alice").is_empty());
}

#[test]
fn what_a_filter_takes_for_junk_is_in_junk_and_all_else_is_not() {
    let world = play(Verdict::Junk, "alice@example.org", "250");
    assert_eq!((world.mailbox("alice").len(), world.messages("alice", "Junk").len()), (0, 1));
    let world = play(Verdict::Deliver, "alice@example.org", "250");
    assert_eq!((world.mailbox("alice").len(), world.messages("alice", "Junk").len()), (1, 0));
}

#[test]
fn a_filter_sees_what_came_without_what_was_written_in_our_name() {
    let says = Arc::<Says>::default();
    let world = filtering(&says);
    world.mx().play(&mail("alice@example.org", "250"), usize::MAX);
    let asked = says.asked.lock().unwrap();
    let [Some(question)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(question.content, b"Subject: hello\r\n\r\ntext\r\n");
    let (address, mail_from) = (question.address.to_string(), question.mail_from.as_str());
    assert_eq!(
        (address.as_str(), question.helo.as_str(), mail_from),
        ("192.0.2.1", "mail.client.example", "a@client.example")
    );
    assert_eq!(question.recipients, ["alice@example.org"]);
}

#[test]
fn a_filter_is_told_the_name_that_was_found_for_the_address() {
    let says = Arc::<Says>::default();
    let world = filtering(&says);
    let table = sender_auth::testing::Table::default().ptr("192.0.2.1", "mx.client.example");
    let table = Arc::new(table.address("mx.client.example", "192.0.2.1"));
    let world = World { common: Common { verifier: Some(table as _), ..world.common.clone() }, ..world };
    world.mx().play(&mail("alice@example.org", "250"), usize::MAX);
    let asked = says.asked.lock().unwrap();
    let [Some(question)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(question.name.as_deref(), Some("mx.client.example"));
}

#[test]
fn mail_of_this_machine_and_over_lmtp_is_shown_to_no_filter() {
    let says = Arc::new(Says { opinion: opinion(Verdict::Refuse), ..Says::default() });
    let world = filtering(&says);
    Client::new(SmtpService::mx(world.common.clone()), "127.0.0.1", false)
        .play(&mail("alice@example.org", "250"), usize::MAX);
    let hello = ["PIPE", "SIZE", "8BIT", "SMTPUTF8", "ENH", "CHUNK", "DSN", "LIMITS", "STARTTLS"];
    let hello: String = hello.iter().map(|_| "\n         S: 250").collect();
    let over_lmtp =
        mail("alice@example.org", "250").replace("HELO mail.client.example", &format!("LHLO client{hello}"));
    world.lmtp().play(&over_lmtp, usize::MAX);
    assert_eq!((world.mailbox("alice").len(), says.asked.lock().unwrap().len()), (2, 0));
}

#[test]
fn where_too_much_waits_the_filter_is_as_if_it_were_down() {
    let says = Arc::new(Says { is_full: true, ..Says::default() });
    let world = filtering(&says);
    world.mx().play(&mail("alice@example.org", "250"), usize::MAX);
    assert_eq!(*says.asked.lock().unwrap(), [None]);
    assert_eq!(world.mailbox("alice").len(), 1);
}
