//! `pillarbox promote`: a standby goes on in place of its server.

use clap::Args;
use serde_json::{Value, json};
use server::standby::{Promoted, promote};

use super::place::Place;
use super::show::{Format, counted};
use super::{Failure, Outcome, progress};

/// Make a standby go on in place of its server, which is gone for good
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Promote {
    /// Let the old server go on if it can be reached: for a drill, on a machine that nobody else reaches
    #[arg(long)]
    without_telling: bool,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
The standby must be stopped. What the server acknowledged in its last moments may be lost, and it is said until when
everything is there; no UID, MODSEQ or UIDL that was given since is used again. Mail programs read their mailboxes anew
once (the mailboxes get another UIDVALIDITY), POP devices download nothing twice, and whoever was logged in on the pages
logs in again. Mail that waited for other servers is sent, and what the old server sent in its last moments may be sent
a second time.

The old server is told to stop, if it can be reached, and then does not start again: a drill stops the live server,
unless --without-telling is given. If it cannot be reached, see that nobody starts it: two servers would each take
mail that the other one never has.

Examples:
  pillarbox promote --config /etc/pillarbox.toml
  pillarbox promote --data-dir /srv/drill --without-telling";

impl Promote {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if place.config.is_none() && place.data_dir.is_none() {
            return Err(Failure::Usage("--data-dir or --config says which standby is meant".to_owned()));
        }
        let config = place.load()?;
        let promoted =
            promote(&config, !self.without_telling, &mut |done, total| progress(done, total, "accounts and tables"))?;
        self.format.show(&data(&promoted), |_| shown(&promoted, &config.data_dir.display().to_string()))
    }
}

fn data(promoted: &Promoted) -> Value {
    let Promoted { whole_at, accounts, behind, empty, damaged, origin, not_told } = promoted;
    json!({
        "accounts": accounts,
        "whole_at": whole_at,
        "behind": behind,
        "empty": empty,
        "damaged": damaged,
        "old": format!("{}:{}", origin.host, origin.port),
        "not_told": not_told,
    })
}

fn shown(promoted: &Promoted, place: &str) -> String {
    let Promoted { whole_at, accounts, behind, empty, damaged, origin, not_told } = promoted;
    let old = format!("{}:{}", origin.host, origin.port);
    let go_on = counted(*accounts, "account goes on", "accounts go on");
    let mut text = match whole_at {
        Some(at) => format!(
            "{go_on}, with everything that {old} had acknowledged until {at}; later mail may be here as well, or \
             lost.\n",
        ),
        None => format!("{go_on}.\n"),
    };
    for (what, names) in [
        ("They have changed earlier in a way that had not arrived yet, and are as they were before that", behind),
        ("They were new, nothing of them had arrived, and they are empty now", empty),
        ("They are damaged here, and are left as they are for `pillarbox salvage`", damaged),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("{what}: {}.\n", names.join(", ")));
        }
    }
    text.push_str(&match not_told {
        None => format!("{old} was told to stop, and does not start again.\n"),
        Some(why) => format!(
            "{old} COULD NOT BE TOLD TO STOP ({why}). See that nobody starts it again, or remove its data first: two servers \
             would each take mail that the other one never has.\n"
        ),
    });
    text.push_str(&format!("Start the server on {place} now, and point the DNS here.\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use server::standby::Origin;

    #[test]
    fn it_says_what_may_be_lost_and_what_to_do_with_the_old_server() {
        let origin = Origin { host: "old.example".into(), port: 8425, token_file: "t".into(), authority: None };
        let promoted = Promoted {
            whole_at: None,
            accounts: 3,
            behind: vec!["a@example.org".into()],
            empty: Vec::new(),
            damaged: Vec::new(),
            origin,
            not_told: Some("no connection".into()),
        };
        let text = shown(&promoted, "/data");
        for part in ["3 accounts go on", "before that: a@example.org.", "old.example:8425 COULD NOT", "on /data now"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let program = data(&promoted);
        assert_eq!((&program["accounts"], &program["old"]), (&json!(3), &json!("old.example:8425")), "{program}");
        assert_eq!((&program["behind"], &program["not_told"]), (&json!(["a@example.org"]), &json!("no connection")));
        let told = shown(&Promoted { not_told: None, behind: Vec::new(), ..promoted }, "/data");
        assert!(told.contains("was told to stop") && !told.contains("before that"), "{told}");
    }
}
