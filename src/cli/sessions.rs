//! `pillarbox sessions`: who is connected now, and the end of one session.

use clap::Args;
use console::{Done, SESSIONS_PER_PAGE_MAX, SessionLine, SessionsPage};
use web::Call;

use super::place::Place;
use super::show::{Format, bytes};
use super::{Outcome, say, warn};

/// Show who is connected now: mail programs and hosts, what each does, since when; end one of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sessions {
    #[command(flatten)]
    format: Format,
    /// Only sessions of this account; alice is enough where there is one only
    account: Option<String>,
    /// Only of imap, pop3, submission, smtp or lmtp, or of a service: imaps, pop3s, submissions
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// Only from this address or network
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// At most so many lines
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: usize,
    /// Only those that began before this one
    #[arg(long, value_name = "SESSION")]
    before: Option<String>,
    /// End this session instead, as soon as what its client waits for is done
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["account", "protocol", "from", "before"])]
    end: Option<String>,
}

const EXAMPLES: &str = "\
The one that came last first. A session is called as in the log (session=674b2f10.1a). Browsers on the pages are none, and
of several servers on one database each knows its own. Whoever is ended hears that from its program, and may come again:
`pillarbox device revoke` and `pillarbox account disable` keep somebody out.

Examples:
  pillarbox sessions                                     who is connected?
  pillarbox sessions alice --protocol imap               which of Alice's programs, from where?
  pillarbox sessions --from 192.0.2.0/24
  pillarbox sessions --end 674b2f10.1a
  pillarbox sessions --json --limit 100000 | jq -r .account | sort | uniq -c";

impl Sessions {
    pub(super) fn run(self, place: &Place) -> Outcome {
        // It could not know of any, and need not be made for that.
        place.must_run("sessions are those of a server that runs")?;
        if let Some(session) = self.end {
            let call = Call::new("POST /api/v1/admin/sessions/{id}/end").at("id", session);
            return place.call(&call, &mut |done: Done| self.format.show(&done, |done| format!("{}\n", done.text)));
        }
        let (format, mut left) = (self.format, self.limit.max(1));
        let (mut before, mut count, mut node) = (self.before.clone(), 0, None);
        // As many pages as that takes.
        while left > 0 {
            let call = self.page(before.take(), left.min(SESSIONS_PER_PAGE_MAX));
            let Some(page) = place.all::<SessionsPage>(&call)?.pop() else { break };
            page.sessions.iter().try_for_each(|session| format.show(session, told))?;
            (count, node) = (count + page.sessions.len(), page.node);
            left = left.saturating_sub(page.sessions.len());
            before = page.next_before;
            if before.is_none() {
                break;
            }
        }
        // Beside lines of JSON there is standard error for it.
        let aside = |text: &str| if format.json { warn(text) } else { say(&format!("{text}\n")) };
        if count == 0 && !format.json {
            say("Nobody is connected.\n");
        }
        if let Some(before) = before {
            aside(&format!("There are more; --before {before} shows them."));
        }
        if let Some(node) = node {
            aside(&format!("Only those of this server, {node}: each of the others shows its own."));
        }
        Ok(())
    }

    fn page(&self, before: Option<String>, limit: usize) -> Call {
        Call::new("GET /api/v1/admin/sessions")
            .with("account", self.account.clone())
            .with("protocol", self.protocol.clone())
            .with("address", self.from.clone())
            .with("before", before)
            .with("limit", limit)
    }
}

fn told(session: &SessionLine) -> String {
    let SessionLine { session: id, service, address, port, since, text, .. } = session;
    let who = session.account.as_deref().unwrap_or("nobody");
    let device = session.device.as_ref().map(|device| format!(" ({device})")).unwrap_or_default();
    let tls = if session.tls { "TLS" } else { "no TLS" };
    let (came, went) = (bytes(session.received_bytes), bytes(session.sent_bytes));
    let host = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    format!("{since}  {id}  {who}{device}\n    {service}, {tls}, from {host}; {came} came, {went} went. {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_takes_two_lines() {
        let session = SessionLine {
            session: "674b2f10.1a".into(),
            account: Some("alice@example.org".into()),
            device: Some("phone".into()),
            service: "imaps".into(),
            protocol: "imap".into(),
            address: "2001:db8::7".into(),
            port: 50_000,
            tls: true,
            since: "2026-11-22T22:36:40Z".into(),
            command: Some("IDLE".into()),
            quiet_seconds: 61,
            received_bytes: 100,
            sent_bytes: 2048,
            ending: false,
            text: "It waits for news (IDLE), for 1 min 1 s.".into(),
        };
        let expected = "2026-11-22T22:36:40Z  674b2f10.1a  alice@example.org (phone)\n    imaps, TLS, from [2001:db8::7]:50000; \
                        100 B came, 2.0 KiB went. It waits for news (IDLE), for 1 min 1 s.\n";
        assert_eq!(told(&session), expected);
        let stranger = SessionLine { account: None, device: None, address: "192.0.2.7".into(), tls: false, ..session };
        let told = told(&stranger);
        assert!(told.contains("  nobody\n") && told.contains("no TLS, from 192.0.2.7:50000;"), "{told}");
    }
}
