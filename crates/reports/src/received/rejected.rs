//! Domains whose servers refuse our mail for good: what senders are told one by one, an administrator sees by domain.
//!
//! Rows: `x` domain, 0, status (RFC 3463) = [`Rejection`].

use super::{Received, row};
use crate::day::Day;
use queue::{LastReply, Matter, Notice, RecipientState};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::PoisonError;
use store::{Error, Timestamp};

/// Kinds of refusals that wait to be written down.
const WAITING_MAX: usize = 500;
/// Rows; those that were refused longest ago go first.
const ROWS_MAX: usize = 2_000;
/// For so long.
const KEPT_DAYS: u32 = 30;
/// So much of a reply is kept.
const TEXT_BYTES_MAX: usize = 300;

/// Mail that servers of a domain refused alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The domain.
    pub domain: String,
    /// RFC 3463: `5.7.1`.
    pub status: String,
    /// For how many recipients.
    pub times: u64,
    /// When, at last, in milliseconds since 1970.
    pub at: i64,
    /// The last reply.
    pub code: u16,
    /// Its text.
    pub reply: String,
    /// Which host said it; empty if that is not known.
    pub host: String,
}

pub(super) type Noted = HashMap<(String, String), Rejection>;

impl Received {
    /// Notes what a sender was told, where another server refused the mail and it is not for the one recipient: what says that
    /// there is no such mailbox, or that it is full, says nothing of us (RFC 3463 §3.2, §3.3). It costs nothing but memory;
    /// [`Self::write`] writes it down.
    pub fn rejected(&self, notice: &Notice<'_>) {
        let Notice::Report(report) = notice else { return };
        if report.matter != Matter::Failed {
            return;
        }
        let mut noted = self.0.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        for recipient in report.entry.to_report(Matter::Failed) {
            let RecipientState::Failed { reply, .. } = &recipient.state else { continue };
            let Some((_, domain)) = recipient.address.rsplit_once('@') else { continue };
            if !reply.by_smarthost || reply.code < 500 || ["5.1.", "5.2."].iter().any(|of| reply.status.starts_with(of))
            {
                continue;
            }
            let rejection = Rejection::of(domain.to_lowercase(), reply);
            let key = (rejection.domain.clone(), rejection.status.clone());
            if noted.len() < WAITING_MAX || noted.contains_key(&key) {
                let times = noted.get(&key).map_or(0, |known| known.times);
                noted.insert(key, rejection.after(times));
            }
        }
    }

    /// Writes down what was noted, in one commit.
    pub(super) fn write_rejected(&self) -> Result<(), Error> {
        let noted = std::mem::take(&mut *self.0.rejected.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.is_empty() {
            return Ok(());
        }
        self.0.table.takes_mail()?;
        self.0.table.change(|tx| {
            let mut known = HashMap::new();
            for (key, value) in tx.scan_before(b"x", b"x", usize::MAX)? {
                known.insert(key, row::decode::<Rejection>(&value)?);
            }
            for rejection in noted.values() {
                let key = rejection.key();
                let times = known.get(&key).map_or(0, |known| known.times);
                let rejection = rejection.clone().after(times);
                tx.put(&key, row::encode(&rejection));
                known.insert(key, rejection);
            }
            let mut oldest: Vec<(i64, Vec<u8>)> = known.into_iter().map(|(key, row)| (row.at, key)).collect();
            oldest.sort();
            let too_many = oldest.len().saturating_sub(ROWS_MAX);
            oldest.iter().take(too_many).for_each(|(_, key)| tx.delete(key));
            Ok(())
        })
    }

    /// Keys of what was refused too long ago.
    pub(super) fn old_rejections(&self, now: Timestamp) -> Result<Vec<Vec<u8>>, Error> {
        let oldest = Day(Day::of(now).0.saturating_sub(KEPT_DAYS)).begin().0;
        let rows = self.0.table.scan(b"x", b"x", usize::MAX)?.into_iter();
        Ok(rows
            .filter(|(_, row)| row::decode::<Rejection>(row).map_or(true, |row| row.at < oldest))
            .map(|(key, _)| key)
            .collect())
    }

    /// What was refused in the last days, 30 at most; the last one first.
    ///
    /// # Errors
    /// Faults.
    pub fn rejections(&self, days: u32, now: Timestamp) -> Result<Vec<Rejection>, Error> {
        let oldest = Day(Day::of(now).0.saturating_sub(days.min(KEPT_DAYS))).begin().0;
        let rows = self.0.table.scan(b"x", b"x", usize::MAX)?;
        let mut found: Vec<Rejection> = rows.iter().map(|(_, row)| row::decode(row)).collect::<Result<_, _>>()?;
        found.retain(|rejection| rejection.at >= oldest);
        found.sort_by_key(|rejection| std::cmp::Reverse(rejection.at));
        Ok(found)
    }
}

impl Rejection {
    fn of(domain: String, reply: &LastReply) -> Self {
        let cut = |text: &str| text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned();
        let LastReply { at, code, status, text, host, .. } = reply;
        let host = cut(host.as_deref().unwrap_or_default());
        Self { domain, status: cut(status), times: 1, at: at.0, code: *code, reply: cut(text), host }
    }

    /// The same with so many before it.
    fn after(self, times: u64) -> Self {
        Self { times: self.times.saturating_add(times), ..self }
    }

    fn key(&self) -> Vec<u8> {
        [&b"x"[..], self.domain.as_bytes(), b"\0", self.status.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY_MILLIS, received};
    use super::*;
    use queue::{NewEntry, Policy, Queue};
    use smtp_proto::ReversePath;
    use std::sync::Arc;
    use store::objects::Shared;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
    use store::{Handover, Store};

    /// An entry of the queue, as real as it comes.
    fn entry(address: &str, code: u16, status: &str, by_smarthost: bool) -> queue::Entry {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let queue = Queue::open(&store, Policy::default());
        let content: Shared = Arc::new(message::content::Content::new(b"x\r\n".to_vec()));
        let new = NewEntry::new(
            ReversePath::Mailbox("me@example.org".parse().unwrap()),
            vec![smtp_proto::ForwardPath::Mailbox(address.parse().unwrap()).into()],
            content,
        );
        let id = queue.enqueue(new, SIM_EPOCH).unwrap().id;
        let mut entry = queue.show(id).unwrap();
        let (text, host) = ("spam from you".to_owned(), Some("mx.example.net".to_owned()));
        let reply = LastReply { at: SIM_EPOCH, code, status: status.into(), text, by_smarthost, host, tls: false };
        entry.recipients[0].state = RecipientState::Failed { reply, reported: false };
        entry
    }

    fn note(received: &Received, entry: &queue::Entry) {
        let report = queue::Report {
            matter: Matter::Failed,
            entry,
            original: b"",
            other_server: "",
            expires_at: SIM_EPOCH,
            handover: Handover::new(&[], SIM_EPOCH, 0),
        };
        received.rejected(&Notice::Report(report));
    }

    #[test]
    fn domains_that_refuse_us_are_told_and_addresses_that_do_not_exist_are_not() {
        let received = received();
        let refused = entry("a@Example.net", 554, "5.7.1", true);
        note(&received, &refused);
        note(&received, &refused);
        for (address, code, status, by_other) in [
            ("b@example.com", 550, "5.1.1", true),
            ("c@example.com", 552, "5.2.2", true),
            ("d@example.com", 550, "5.4.4", false),
            ("e@example.com", 451, "4.7.1", true),
        ] {
            note(&received, &entry(address, code, status, by_other));
        }
        received.write(SIM_EPOCH).unwrap();
        note(&received, &refused);
        received.write(SIM_EPOCH).unwrap();
        let found = received.rejections(7, SIM_EPOCH).unwrap();
        let [rejection] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((rejection.domain.as_str(), rejection.times, rejection.code), ("example.net", 3, 554));
        assert_eq!((rejection.reply.as_str(), rejection.host.as_str()), ("spam from you", "mx.example.net"));
        received.tidy(Timestamp(SIM_EPOCH.0 + 31 * DAY_MILLIS)).unwrap();
        assert_eq!(received.rejections(30, SIM_EPOCH).unwrap(), []);
    }

    #[test]
    fn who_writes_to_many_domains_that_refuse_fills_a_bounded_table() {
        let received = received();
        let entry = entry("a@example.net", 554, "5.7.1", true);
        for number in 0..=ROWS_MAX {
            let mut entry = entry.clone();
            entry.recipients[0].address = format!("a@n{number}.example");
            note(&received, &entry);
            if number % 400 == 0 {
                received.write(SIM_EPOCH).unwrap();
            }
        }
        received.write(SIM_EPOCH).unwrap();
        assert_eq!(received.rejections(7, SIM_EPOCH).unwrap().len(), ROWS_MAX);
        for number in 0..=WAITING_MAX {
            let mut entry = entry.clone();
            entry.recipients[0].address = format!("a@m{number}.example");
            note(&received, &entry);
        }
        assert_eq!(received.0.rejected.lock().unwrap().len(), WAITING_MAX);
    }
}
