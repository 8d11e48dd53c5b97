//! `pillarbox certificate`: the certificate that an authority gives by itself.

use clap::{Args, Subcommand};
use console::{CertificateCard, CertificateKey};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, counted};

/// Show the TLS certificate that an authority gives by itself (tls.acme), and have it renewed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Certificate {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Option<Verb>,
}

const EXAMPLES: &str = "\
It is renewed without this, at two thirds of its life. What the authority refuses is tried again later and later, up
to a day; when the reason is mended, `renew` has it tried at once. Mind that authorities count: Let's Encrypt refuses
a host name after five failures within an hour, and after five certificates for the same names within a week.

Examples:
  pillarbox certificate          names, days that are left, the next renewal, the last error, its keys
  pillarbox certificate renew    ask now";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show how it stands (also without a word)
    Show,
    /// Ask the authority now
    Renew,
}

impl Certificate {
    pub(super) fn run(self, place: &Place) -> Outcome {
        match self.verb {
            None | Some(Verb::Show) => {
                self.format.each(place, &Call::new("GET /api/v1/admin/certificate"), shown).map(drop)
            }
            Some(Verb::Renew) => self.format.done(
                place,
                &Call::new("POST /api/v1/admin/certificate/renew"),
                "The authority is asked within some seconds, or when the server is started.\n",
            ),
        }
    }
}

fn shown(card: &CertificateCard) -> String {
    let CertificateCard { authority, names, expires_at, days_left, next_at, failures, last_error, keys } = card;
    let Some(authority) = authority else {
        return "No authority was asked for a certificate yet; `tls.acme` in the configuration names one.\n".to_owned();
    };
    let mut rows = vec![("authority", authority.clone())];
    match (expires_at, days_left) {
        (Some(at), Some(days)) => rows.push(("good until", format!("{at}, {}", counted(*days, "day", "days")))),
        (_, _) => rows.push(("good until", "there is none yet; that of the own authority is in use".to_owned())),
    }
    rows.extend(names.iter().map(|name| ("for", name.clone())));
    rows.push(("asked again", next_at.clone().unwrap_or_else(|| "at once".to_owned())));
    if let Some(error) = last_error {
        rows.push(("refused", format!("{}, the last time because: {error}", counted(*failures, "time", "times"))));
    }
    let key =
        |CertificateKey { tlsa, state, made_at }: &CertificateKey| format!("{state}, made {made_at}, TLSA {tlsa}");
    rows.extend(keys.iter().map(|kept| ("key", key(kept))));
    rows.into_iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}
