//! `pillarbox reports`: what others report about mail in the names of our domains and TLS with our hosts, and complaints.

use clap::Args;
use console::{MailReports, ReportsPage, TlsReports};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show what other servers report about mail in your domains' names, and about TLS with your hosts
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Reports {
    #[command(flatten)]
    format: Format,
    /// Only about this domain, and what is below it
    domain: Option<String>,
    /// About so many days, 90 at most
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u32,
}

const EXAMPLES: &str = "\
Reports come by mail to the address that the published records name (rua), stay in its mailbox, and are read some
seconds later.

Examples:
  pillarbox reports                      who sends as us, and is it signed?
  pillarbox reports example.org --days 7";

impl Reports {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = Call::new("GET /api/v1/admin/reports").with("days", Some(self.days));
        let Some(mut page) = place.all::<ReportsPage>(&call)?.pop() else { return Ok(()) };
        if let Some(domain) = &self.domain {
            let is_below = |name: &str| name == domain || name.ends_with(&format!(".{domain}"));
            page.mail.retain(|mail| is_below(&mail.domain));
            page.tls.retain(|tls| is_below(&tls.domain));
            page.complaints.clear();
            page.rejections.clear();
        }
        self.format.show(&page, told)
    }
}

fn told(page: &ReportsPage) -> String {
    let complaints = page.complaints.iter().map(|line| format!("{}  {}\n", line.at, line.text));
    let rejections = page.rejections.iter().map(|line| format!("{}  {}\n", line.at, line.text));
    let seen = page.mail.iter().map(mail).chain(page.tls.iter().map(tls));
    let parts: Vec<String> = seen.chain(complaints).chain(rejections).collect();
    if parts.is_empty() { "No report has come.\n".to_owned() } else { parts.concat() }
}

fn mail(mail: &MailReports) -> String {
    let sources = mail.sources.iter().map(|source| format!("    {}\n", source.text));
    format!("{}\n{}", mail.text, sources.collect::<String>())
}

fn tls(tls: &TlsReports) -> String {
    let troubles = tls.troubles.iter().map(|trouble| format!("    {}\n", trouble.text));
    format!("{}\n{}", tls.text, troubles.collect::<String>())
}
