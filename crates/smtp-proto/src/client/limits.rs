//! How much one connection and one transaction take: what the server says (LIMITS, RFC 9422), and what every server must take.

use crate::{ForwardPath, Rcpt};
use std::collections::VecDeque;

/// RFC 5321 §4.5.3.1.8: so many recipients every server takes in one transaction.
const RECIPIENTS_SURE: usize = 100;
/// So many are sent in one transaction, whatever a server says that it takes.
const RECIPIENTS_MAX: usize = 1000;

/// What the server announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// Transactions over one connection.
    pub(super) mail_max: Option<usize>,
    /// Recipients of one transaction.
    pub(super) recipients_max: Option<usize>,
    /// Domains of the recipients of one transaction.
    pub(super) domains_max: Option<usize>,
}

impl Limits {
    /// RFC 9422 §3: names and values; those that are not known, or make no sense, say nothing.
    pub(super) fn of<'a>(mut words: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            let value = value.parse().ok().filter(|value| *value > 0);
            match name {
                "MAILMAX" => found.mail_max = value,
                "RCPTMAX" => found.recipients_max = value,
                "RCPTDOMAINMAX" => found.domains_max = value,
                _ => {}
            }
        }
        found
    }

    /// Whether there may be one more transaction over a connection that had so many.
    pub(super) fn allow_another(&self, transactions: usize) -> bool {
        self.mail_max.is_none_or(|max| transactions < max)
    }

    /// Takes the recipients of the next transaction off those that wait for one.
    pub(super) fn take(&self, waiting: &mut VecDeque<usize>, recipients: &[Rcpt]) -> Vec<usize> {
        let max = self.recipients_max.unwrap_or(RECIPIENTS_SURE).min(RECIPIENTS_MAX);
        let (mut taken, mut domains) = (Vec::new(), Vec::new());
        let mut left = VecDeque::new();
        for index in waiting.drain(..) {
            let domain = recipients.get(index).map(|rcpt| domain(&rcpt.forward_path));
            let is_known = domains.contains(&domain);
            if taken.len() >= max || (!is_known && self.domains_max.is_some_and(|max| domains.len() >= max)) {
                left.push_back(index);
                continue;
            }
            // Without such a limit nobody asks which they are.
            if !is_known && self.domains_max.is_some() {
                domains.push(domain);
            }
            taken.push(index);
        }
        *waiting = left;
        taken
    }
}

fn domain(path: &ForwardPath) -> String {
    match path {
        ForwardPath::Postmaster => String::new(),
        ForwardPath::Mailbox(mailbox) => mailbox.domain().to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limits: &str, recipients: &[&str], expected: &[&[usize]]) {
        let limits = Limits::of(limits.split([' ', '=']));
        let recipients: Vec<Rcpt> =
            recipients.iter().map(|text| ForwardPath::Mailbox(text.parse().unwrap()).into()).collect();
        let mut waiting: VecDeque<usize> = (0..recipients.len()).collect();
        let mut found = Vec::new();
        while !waiting.is_empty() {
            found.push(limits.take(&mut waiting, &recipients));
        }
        assert_eq!(found, expected, "{limits:?}");
    }

    #[test]
    fn recipients_are_parted_as_the_server_wants_them() {
        let recipients = ["a@x", "b@y", "c@X", "d@z"];
        check("", &recipients, &[&[0, 1, 2, 3]]);
        check("RCPTMAX=3 MAILMAX=0 FOO=1", &recipients, &[&[0, 1, 2], &[3]]);
        check("RCPTDOMAINMAX=1", &recipients, &[&[0, 2], &[1], &[3]]);
        check("RCPTDOMAINMAX=2 RCPTMAX=2", &recipients, &[&[0, 1], &[2, 3]]);
        check("RCPTMAX=0", &recipients, &[&[0, 1, 2, 3]]);
        let many: Vec<&str> = vec!["a@x"; RECIPIENTS_SURE + 1];
        let all: Vec<usize> = (0..many.len()).collect();
        check("", &many, &[&all[..RECIPIENTS_SURE], &all[RECIPIENTS_SURE..]]);
        let many: Vec<&str> = vec!["a@x"; RECIPIENTS_MAX + 1];
        let all: Vec<usize> = (0..many.len()).collect();
        check("RCPTMAX=5000", &many, &[&all[..RECIPIENTS_MAX], &all[RECIPIENTS_MAX..]]);
    }

    #[test]
    fn a_connection_takes_so_many_transactions() {
        let limits = Limits::of("MAILMAX=2".split('='));
        assert!(limits.allow_another(1) && !limits.allow_another(2));
        assert!(Limits::default().allow_another(usize::MAX));
    }
}
