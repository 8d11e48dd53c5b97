//! Letters that the server itself writes to people: into a mailbox here, or through the smarthost.

use auth::Auth;
use mailflow::MailFlow;
use queue::{NewEntry, Queue};
use smtp_proto::{ForwardPath, ReversePath};
use store::{Claim, Handover, Timestamp};
use tracing::warn;

use crate::config::Config;

/// The way out for letters. Cheap to clone.
#[derive(Clone)]
pub struct Post {
    auth: Auth,
    delivery: MailFlow,
    /// Only with a smarthost.
    queue: Option<Queue>,
    hostname: String,
}

impl Post {
    /// Mail for outside addresses goes into `queue` if there is a smarthost.
    #[must_use]
    pub fn new(auth: &Auth, queue: &Queue, config: &Config) -> Self {
        Self {
            delivery: MailFlow::new(auth.clone(), &config.hostname),
            auth: auth.clone(),
            queue: config.smarthost.as_ref().map(|_| queue.clone()),
            hostname: config.hostname.clone(),
        }
    }

    /// The name of the server that writes.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Sends a letter. Whether it is under way: not without a smarthost to an outside address, and not when something
    /// fails, which is logged. Nothing comes back: its reverse path is null (RFC 5321 §4.5.5).
    #[must_use]
    pub fn send(&self, to: &str, content: &[u8], now: Timestamp) -> bool {
        match self.try_to_send(to, content, now) {
            Ok(sent) => sent,
            Err(why) => {
                warn!(to, why, "a letter cannot be sent");
                false
            }
        }
    }

    fn try_to_send(&self, to: &str, content: &[u8], now: Timestamp) -> Result<bool, String> {
        let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
        if self.auth.directory().is_local_domain(domain).map_err(|error| error.to_string())? {
            let letter = Handover::new(&[b"letter", to.as_bytes(), content], now, 0);
            return match self.delivery.deliver_report(to, content, letter, now) {
                Ok(claims) => {
                    claims.into_iter().for_each(Claim::answered);
                    Ok(true)
                }
                Err(refused) => Err(format!("{refused:?}")),
            };
        }
        let Some(queue) = &self.queue else { return Ok(false) };
        let path = to.parse::<smtp_proto::Mailbox>().map(ForwardPath::Mailbox).map_err(|error| format!("{error:?}"))?;
        let (smtputf8, content) = (!to.is_ascii(), content.to_vec());
        let entry = NewEntry {
            reverse_path: ReversePath::Null,
            recipients: vec![path],
            content,
            smtputf8,
            account: None,
            handover: None,
        };
        queue.enqueue(entry, now).map(|_| true).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Smarthost;
    use crate::lifecycle::DataDir;
    use crate::stores::Stores;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_letter_goes_into_a_mailbox_here_or_out_through_the_smarthost() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::trial(dir.path().join("data"));
        let data_dir = DataDir::open(&config.data_dir).unwrap();
        let stores = Stores::open(&data_dir, &config).unwrap();
        let directory = stores.auth.directory();
        directory.add_domain("example.org").unwrap();
        let alice = directory.add_account("alice@example.org", "correct horse", "", NOW).unwrap();
        let letter = b"Subject: x\r\n\r\nx\r\n";
        let queued = || stores.queue.list(None, 10).unwrap().len();
        let without = Post::new(&stores.auth, &stores.queue, &config);
        assert!(!without.send("carol@example.com", letter, NOW));
        assert!(!without.send("nobody@example.org", letter, NOW) && !without.send("nonsense", letter, NOW));
        assert!(without.send("alice@example.org", letter, NOW));
        let inbox = stores.store.account(alice).mailboxes().unwrap().iter().next().unwrap().counts.messages;
        assert_eq!((inbox, queued()), (1, 0));
        let config = Config { smarthost: Some(Smarthost::default()), ..config };
        let with = Post::new(&stores.auth, &stores.queue, &config);
        assert!(with.send("carol@example.com", letter, NOW));
        assert!(!with.send("a b@example.com", letter, NOW));
        assert_eq!(queued(), 1);
    }
}
