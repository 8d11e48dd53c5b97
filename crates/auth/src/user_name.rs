//! What a POP3 client may write around its user name: `recent:` before it, as at Gmail, and `+Mailbox` in it.

use store::MaildropOptions;

/// A user name and what was written around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserName {
    /// `alice@example.org` or `alice`.
    pub(crate) user: String,
    pub(crate) options: MaildropOptions,
}

impl UserName {
    /// Without what was written around it. `is_known`: an account whose name has a `+` in it is meant by that name.
    pub(crate) fn parse(text: &str, is_known: impl Fn(&str) -> bool) -> Self {
        let text = text.trim();
        let marked = text.split_at_checked("recent:".len()).filter(|(mark, _)| mark.eq_ignore_ascii_case("recent:"));
        let (recent, name) = marked.map_or((false, text), |(_, name)| (true, name.trim_start()));
        let whole =
            || Self { user: name.to_owned(), options: MaildropOptions { recent, ..MaildropOptions::default() } };
        if is_known(name) {
            return whole();
        }
        let (local_part, domain) = match name.rsplit_once('@') {
            Some((local_part, domain)) => (local_part, Some(domain)),
            None => (name, None),
        };
        match local_part.split_once('+').filter(|(user, mailbox)| !user.is_empty() && !mailbox.is_empty()) {
            Some((user, mailbox)) => Self {
                user: domain.map_or_else(|| user.to_owned(), |domain| format!("{user}@{domain}")),
                options: MaildropOptions { recent, mailbox: Some(mailbox.to_owned()), program: None },
            },
            None => whole(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_name_is_taken_off() {
        let check = |text: &str, user: &str, recent: bool, mailbox: Option<&str>| {
            let options = MaildropOptions { recent, mailbox: mailbox.map(str::to_owned), program: None };
            let parsed = UserName::parse(text, |name| name == "c++@example.org");
            assert_eq!(parsed, UserName { user: user.to_owned(), options }, "{text:?}");
        };
        check(" alice@example.org ", "alice@example.org", false, None);
        check("recent:alice@example.org", "alice@example.org", true, None);
        check("Recent: alice", "alice", true, None);
        check("alice+Archive@example.org", "alice@example.org", false, Some("Archive"));
        check("recent:alice+Archive/2026", "alice", true, Some("Archive/2026"));
        check("alice+a+b", "alice", false, Some("a+b"));
        check("c++@example.org", "c++@example.org", false, None);
        check("recent:c++@example.org", "c++@example.org", true, None);
        for whole in ["+Archive@example.org", "alice+@example.org", "recent", "émile", ""] {
            check(whole, whole, false, None);
        }
    }
}
