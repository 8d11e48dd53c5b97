//! `pillarbox standby`: a second machine that is kept seconds behind.

use std::path::PathBuf;

use clap::Args;
use console::duration;
use server::standby::{Origin, StandbyState, follow, new_token};

use super::place::Place;
use super::show::{Format, counted};
use super::{Failure, Outcome};

/// Follow a running server on this second machine, until SIGTERM or Ctrl-C; serves nobody
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Standby {
    /// The server to follow: its name and the port of its `listen.standby`
    #[arg(long, value_name = "HOST:PORT", required_unless_present_any = ["new_token", "status", "json"], requires = "token_file", conflicts_with = "json")]
    of: Option<String>,
    /// A file of which the first line is the token of that server's `standby.token_file`
    #[arg(long, value_name = "FILE", requires = "of")]
    token_file: Option<PathBuf>,
    /// Certificates that vouch for that server, such as its `tls/ca.pem` [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "of")]
    authority: Option<PathBuf>,
    /// Write a new token into a file instead, for its owner only; both machines have the same file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["of", "token_file", "authority", "json"])]
    new_token: Option<PathBuf>,
    /// Say instead how the standby with this data directory stands; so does --json alone
    #[arg(long, conflicts_with_all = ["of", "token_file", "authority", "new_token"])]
    status: bool,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
The data directory is empty or not there at first; stopped and started again it goes on where it was. The log says how
far it is, and so does `pillarbox status` on the server. Whoever has the token gets all mail and all secrets: only the
server's user may read it.

When the server is gone for good, stop this and call `pillarbox promote`.

Exit status of --status: 0 it runs, and had everything within the last minute, 1 something needs a person, 3 it could not
look, or no standby is there.

Examples:
  pillarbox standby --new-token /etc/pillarbox-standby-token
  pillarbox standby --of mail.example.org:8425 --token-file /etc/pillarbox-standby-token --data-dir /var/lib/pillarbox
  pillarbox standby --status --data-dir /var/lib/pillarbox
  pillarbox standby --json --config /etc/pillarbox.toml | jq .needs";

impl Standby {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if let Some(file) = self.new_token {
            return Ok(new_token(&file)?);
        }
        let whom = self.of.zip(self.token_file);
        if place.config.is_none() && place.data_dir.is_none() {
            return Err(Failure::Usage("--data-dir or --config says where all is to be kept".to_owned()));
        }
        let Some((of, token_file)) = whom else {
            return match self.status || self.format.json {
                true => status(self.format, place),
                false => Err(Failure::Usage("--of and --token-file say whom to follow".to_owned())),
            };
        };
        let split = of.rsplit_once(':').map(|(host, port)| (host.trim_matches(['[', ']']), port.parse::<u16>()));
        let Some((host, Ok(port))) = split.filter(|(host, _)| !host.is_empty()) else {
            return Err(Failure::Usage(format!("{of} is not HOST:PORT")));
        };
        // Kept for the promotion, which may be called from elsewhere.
        let absolute = |file: PathBuf| std::path::absolute(&file).unwrap_or(file);
        let (token_file, authority) = (absolute(token_file), self.authority.map(absolute));
        Ok(follow(&place.load()?, Origin { host: host.to_owned(), port, token_file, authority })?)
    }
}

fn status(format: Format, place: &Place) -> Outcome {
    // Whoever watches can tell a slip from a standby that needs somebody.
    let config = place.load().map_err(|failure| Failure::Fault(failure.to_string()))?;
    let state = StandbyState::of(&config.data_dir).map_err(|error| Failure::Fault(error.to_string()))?;
    format.show(&state, shown)?;
    match state.needs.len() {
        0 => Ok(()),
        some => Err(Failure::Refused(format!("{} a person", counted(some, "thing needs", "things need")))),
    }
}

fn shown(state: &StandbyState) -> String {
    let whole = match (&state.whole_at, state.whole) {
        (Some(_), true) => "everything that the server has".to_owned(),
        (Some(at), false) => format!("everything that the server had at {at}"),
        (None, _) => "not everything yet: it is brought for the first time".to_owned(),
    };
    let lacking = |commits: u64, to_bring: usize| {
        let to_bring = counted(to_bring as u64, "account or table", "accounts and tables");
        format!("{}, and {to_bring} to bring as a whole", counted(commits, "commit", "commits"))
    };
    let behind = match (state.behind_commits.zip(state.to_bring), state.last_known) {
        (Some((commits, to_bring)), _) => lacking(commits, to_bring),
        (None, Some(last)) => format!("not known now; last known: {}", lacking(last.behind_commits, last.to_bring)),
        (None, None) => "not known".to_owned(),
    };
    let reached = state.reached_at.clone().unwrap_or_else(|| "never".to_owned());
    let noted = state.noted_seconds.map_or("not known".to_owned(), |seconds| format!("{} ago", duration(seconds)));
    let mut rows = vec![
        ("standby of", state.of.clone()),
        ("runs", if state.running { "yes" } else { "NO" }.to_owned()),
        ("has", whole),
        ("lacks", behind),
        ("in touch", reached),
        ("noted", noted),
    ];
    rows.extend(state.trouble.iter().map(|why| ("trouble", why.clone())));
    rows.extend(state.needs.iter().map(|need| ("TO DO", need.clone())));
    rows.into_iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use server::standby::LastKnown;

    use super::*;

    #[test]
    fn how_a_standby_stands_is_said_in_a_few_lines() {
        let state = StandbyState {
            of: "mail.example.org:8425".to_owned(),
            running: true,
            noted_seconds: Some(1),
            whole: false,
            reached_at: Some("2026-11-22T22:36:41Z".to_owned()),
            whole_at: Some("2026-11-22T22:36:40Z".to_owned()),
            behind_commits: Some(1),
            to_bring: Some(2),
            lag_millis: Some(9),
            last_known: Some(LastKnown { behind_commits: 1, to_bring: 2, lag_millis: 9 }),
            ended: None,
            trouble: Some("nobody answers".to_owned()),
            needs: vec!["Look.".to_owned()],
        };
        let text = shown(&state);
        for line in [
            "standby of   mail.example.org:8425",
            "runs         yes",
            "has          everything that the server had at 2026-11-22T22:36:40Z",
            "lacks        1 commit, and 2 accounts and tables to bring as a whole",
            "in touch     2026-11-22T22:36:41Z",
            "noted        1 s ago",
            "trouble      nobody answers",
            "TO DO        Look.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let text = shown(&StandbyState { running: false, behind_commits: None, to_bring: None, ..state });
        let lacks = "lacks        not known now; last known: 1 commit, and 2 accounts and tables to bring as a whole";
        assert!(text.lines().any(|found| found == lacks), "{text}");
    }
}
