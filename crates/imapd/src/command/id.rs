//! ID (RFC 2971): the program names itself, which tells devices of the main password apart.

use crate::connection::ImapSession;
use crate::state::State;
use crate::tagged::Tagged;
use imap_proto::command::IdField;
use store::Timestamp;

/// A fingerprint is at most this long, in characters.
const FINGERPRINT_CHARS_MAX: usize = 60;

impl ImapSession {
    pub(super) fn identify(&mut self, fields: &[IdField], output: &mut Vec<u8>) -> Tagged {
        match (&mut self.state, fingerprint(fields)) {
            (State::NotAuthenticated(stranger), Some(fingerprint)) => stranger.fingerprint = Some(fingerprint),
            (State::Authenticated(user), Some(fingerprint)) => {
                let now = Timestamp(self.now.unix_millis);
                // Under which name the journal shows a device is not worth an error; the store has logged it.
                if let Ok(login) = self.service.auth.identify(user.presence.login(), &fingerprint, now)
                    && login != *user.presence.login()
                {
                    user.be(user.presence.identified_as(login));
                }
            }
            (State::Logout, _) | (_, None) => {}
        }
        // RFC 2971 §3.3: no version, which would help strangers only.
        self.encoder(output).id(&[("name", "Pillarbox")]);
        Tagged::ok("ID done")
    }
}

/// The program's name and the system that it runs on: stable over updates of both.
fn fingerprint(fields: &[IdField]) -> Option<String> {
    let value = |wanted: &str| {
        let field = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        let value: String = field.1.as_ref()?.chars().filter(|c| !c.is_control()).take(FINGERPRINT_CHARS_MAX).collect();
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let name = value("name")?;
    let full = match value("os") {
        Some(os) => format!("{name} ({os})"),
        None => name,
    };
    Some(full.chars().take(FINGERPRINT_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, Option<&str>)], expected: Option<&str>) {
        let fields: Vec<IdField> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        assert_eq!(fingerprint(&fields).as_deref(), expected);
    }

    #[test]
    fn a_program_is_known_by_its_name_not_its_version() {
        check(&[("name", Some("Thunderbird")), ("version", Some("140.1"))], Some("Thunderbird"));
        check(
            &[("NAME", Some("iPhone Mail")), ("os", Some("iOS")), ("os-version", Some("19"))],
            Some("iPhone Mail (iOS)"),
        );
        check(&[("version", Some("1"))], None);
        check(&[("name", None)], None);
        check(&[("name", Some(" \r\n"))], None);
        check(&[("name", Some(&"x".repeat(500)))], Some(&"x".repeat(FINGERPRINT_CHARS_MAX)));
    }
}
