//! Test mail: one that an owner sends, out by the usual way or through this server's own port, to be told how it goes; and what came
//! back of it. What is kept of it and how it is read: `reports`.

use crate::arrival::Arrival;
use crate::flow::MailFlow;
use crate::inbound::Put;
use crate::outgoing::Top;
use crate::route::{Reach, Route};
use letter::wrapped;
use message::content::Content;
use message::date::format_rfc5322;
use message::header;
use queue::NewEntry;
use reports::{Arrived, TestMail};
use smtp_proto::{ForwardPath, MailReports, Mailbox, Return, ReversePath};
use std::sync::Arc;
use store::{AccountId, Place, Timestamp};
use tracing::{info, warn};
use wording::tr;

/// A line of a test has at most so many columns, unless one word is longer.
const COLUMNS_MAX: usize = 78;

impl MailFlow {
    /// Sends a test from an account's address to another one; one that has a mailbox here it reaches from outside, through this
    /// server's own port. Gives the token of the test.
    ///
    /// # Errors
    /// Why none is sent, in words.
    pub fn send_test(&self, account: AccountId, from: &str, to: &str, now: Timestamp) -> Result<String, String> {
        let mailbox =
            |text: &str| text.trim().parse::<Mailbox>().map_err(|_| tr!("“{text}” is no address", text = text));
        let (from, to) = (mailbox(from)?, mailbox(to)?);
        let queue =
            self.queue.as_ref().ok_or(tr!("this server has no way out configured, so there is nothing to test"))?;
        let path = ForwardPath::Mailbox(to.clone());
        let sender = ReversePath::Mailbox(from.clone());
        let is_loop = match self.route(&path, Reach::Everywhere, &sender, now).map_err(|error| error.to_string())? {
            Route::Local(recipient) if recipient.accounts.is_empty() => {
                return Err(tr!("{to} has no mailbox of its own here", to = to));
            }
            Route::Local(_) => true,
            Route::Relay(_) => false,
            Route::Refused(_) => {
                return Err(tr!("{to} gets no mail: here is nobody of that name, or mail goes not there", to = to));
            }
        };
        queue.check(account, 1, 0, now).map_err(|error| error.to_string())?;
        let begun = self.tests.begin(account, (&from.to_string(), &to.to_string()), is_loop, now);
        let test = begun.map_err(|why| why.to_string())?;
        let entry = |content| NewEntry {
            smtputf8: !test.from.is_ascii() || !test.to.is_ascii(),
            reports: MailReports { ret: Some(Return::Header), envelope_id: Some(test.mark()) },
            account: Some(account),
            may_come_back: is_loop,
            ..NewEntry::new(sender, vec![path.into()], content)
        };
        let content = Arc::new(Content::new(letter(&test, &self.hostname, now)));
        let sent = match self.send_out(content, Top::signed(Vec::new()), entry, now) {
            Ok(Some(sent)) => Ok(sent.id.0),
            Ok(None) => Err(tr!("this server has no way out configured").to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let noted =
            sent.and_then(|id| self.tests.sent(&test.token, id).map(|()| id).map_err(|error| error.to_string()));
        let TestMail { token, from, to, .. } = test;
        match noted {
            Ok(queue) => {
                info!(queue, from, to, "test sent");
                Ok(token)
            }
            Err(why) => {
                if let Err(error) = self.tests.withdraw(&token) {
                    warn!(%error, "a test that was not sent cannot be forgotten");
                }
                Err(why)
            }
        }
    }

    /// Mail was delivered that may be a test, or answer one. What cannot be noted is lost: the mail is in its mailbox.
    pub(crate) fn note_test(&self, arrival: &Arrival, content: &[u8], put: &Put) {
        let results = header::find(&put.results, "Authentication-Results").map(|field| field.unfolded().into_owned());
        let results = results.map(|value| String::from_utf8_lossy(&value).trim().to_owned()).unwrap_or_default();
        let arrived = Arrived {
            hostname: &self.hostname,
            results: &results,
            is_tls: arrival.envelope.source.tls.is_some(),
            is_junk: put.place == Place::Junk,
        };
        match self.tests.take(content, &arrived, put.now) {
            Ok(true) => info!(id = arrival.id, from = arrival.from, "a test came back"),
            Ok(false) => {}
            Err(error) => warn!(id = arrival.id, %error, "what came back of a test is not noted"),
        }
    }
}

/// The test. It is written to people: whoever gets it is to send it back.
fn letter(test: &TestMail, hostname: &str, now: Timestamp) -> Vec<u8> {
    let TestMail { from, to, is_loop, .. } = test;
    let (mark, date) = (test.mark(), format_rfc5322(now.unix_seconds()));
    let domain = from.rsplit_once('@').map_or(hostname, |(_, domain)| domain);
    let text = match is_loop {
        true => tr!(
            "This is a test: {hostname} sent it to itself, as another server would. Nothing is to be done with it; the result is \
             where it was asked for.",
            hostname = hostname
        ),
        false => [
            tr!("This is a test of mail from {from}.", from = from),
            tr!(
                "Please send it back, best as an attachment (\"Forward as attachment\"): then {hostname} reads in it what your server \
                 found out about it (SPF, DKIM, DMARC, TLS), and tells that to whoever sent it. The source of this message, copied \
                 into an answer, does as well. A plain answer says that it has arrived.",
                hostname = hostname
            ),
        ]
        .join("\n\n"),
    };
    let text = wrapped(&text, COLUMNS_MAX).replace('\n', "\r\n");
    let subject = letter::subject(&tr!("Test of mail from {domain} ({mark})", domain = domain, mark = mark));
    let language = letter::language_field();
    let content = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: <{mark}@{domain}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n{language}\r\n{text}"
    );
    content.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;
    use queue::{Policy, Queue};
    use store::sim::SIM_EPOCH;

    #[test]
    fn a_test_goes_out_or_comes_back_and_what_cannot_be_tested_leaves_nothing() {
        let without = world().flow;
        let alice = without.auth.directory().account("alice@example.org").unwrap().unwrap().id;
        let send = |flow: &MailFlow, to: &str| flow.send_test(alice, "alice@example.org", to, SIM_EPOCH);
        assert!(send(&without, "carol@example.com").unwrap_err().contains("no way out"));
        let queue = Queue::open(without.auth.store(), Policy::default());
        let with = MailFlow { queue: Some(queue.clone()), ..without.clone() };
        for (to, why) in [("nonsense", "no address"), ("nobody@example.org", "nobody of that name")] {
            let refused = send(&with, to).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        assert_eq!((with.tests.list(None).unwrap().len(), queue.list(None, 9).unwrap().len()), (0, 0));
        for (to, is_loop) in [("carol@example.com", false), ("alice@example.org", true)] {
            let token = send(&with, to).unwrap();
            let test = with.tests.list(None).unwrap().into_iter().find(|test| test.token == token).unwrap();
            let entry = queue.show(queue::QueueId(test.queue.unwrap())).unwrap();
            assert_eq!((test.is_loop, entry.may_come_back), (is_loop, is_loop));
            assert_eq!((entry.envelope_id, entry.account), (Some(test.mark()), Some(alice.0)));
            let content = queue.content(entry.id).unwrap();
            let head = String::from_utf8_lossy(&content).into_owned();
            assert!(head.contains(&format!("Message-ID: <{}@example.org>\r\n", test.mark())), "{head}");
        }
    }
}
