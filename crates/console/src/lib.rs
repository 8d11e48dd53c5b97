//! What the owner of an account, and an administrator, see and ask for: devices, timeline, undo, offers, what is held.
//!
//! Pages, the JSON API and the command line ask here, so that all of them say the same. Every answer is data with words
//! beside it ([`words`]), ready to be shown or sent as JSON; subjects and senders are what strangers wrote, and whoever
//! shows them escapes them. No HTTP, no clock, no waiting: the time comes with [`store::Actor`], all calls block.
//!
//! Invariant: an [`AccountConsole`] reads and changes its own account only; who may do what with it, and who gets an
//! [`Administration`] or [`Operations`], is decided by [`Party::may`]; over what a [`DomainAdministration`] is, by [`Party::scope`].

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod account;
mod administration;
mod as_sent;
mod audit;
mod backing_up;
mod backup_places;
mod bulk;
mod certificate;
mod checking;
mod choices;
mod devices;
mod domain_administration;
mod done;
mod error;
mod exporting;
mod find;
mod finding;
mod forwards;
mod held;
mod help;
mod importing;
mod junk_filter;
mod language;
mod letters;
mod lists;
mod moment;
mod names;
mod operations;
mod party;
mod passed;
mod people;
mod queue;
mod read;
mod refused;
mod removals;
mod reported;
mod restoring;
mod returned;
mod scheduled;
mod scope;
mod sending;
mod sessions;
mod setup_guide;
mod shares;
mod size;
mod status;
mod survey;
mod switch;
mod test_mail;
mod timeline;
mod uidl;
mod undo;
mod usage;
pub mod words;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use account::AccountConsole;
pub use administration::{
    ACCOUNTS_PER_PAGE_MAX, AccountLine, AccountReport, AccountsAsk, AccountsPage, Administration, IntegrityReport,
    PopDeviceLine, REPORT_ACCOUNTS_MAX,
};
pub use as_sent::Pictures;
pub use audit::{AUDIT_LINES_MAX, AuditLine, AuditPage};
pub use backing_up::{BackupAsk, BackupStep, LAST_BACKUP_FILE, last_backup};
pub use backup_places::backups;
pub use bulk::{BULK_LINES_MAX, BulkAnswer, BulkAsk, BulkLine, BulkPart, bulk_parts};
pub use certificate::{CertificateCard, CertificateKey, tlsa};
pub use checking::{CheckStep, Steps};
pub use choices::{AddedDevice, Choice, Defaults, NewToken, PopChoice, PopChoices, TOKEN_DAYS};
pub use devices::{DeviceCard, Light, Offer, Traffic};
pub use domain_administration::DomainAdministration;
pub use done::{AliasLine, DomainLine, Done, InvitedLine, ListLine, MemberLine, MembershipLine};
pub use error::Error;
pub use exporting::{ExportStep, export_mail};
pub use find::{FindAsk, FoundMessage, FoundPage, words_of};
pub use finding::{Examination, Finding, State};
pub use forwards::{ForwardCard, ForwardLetters};
pub use held::{HeldAnswer, HeldAsk, HeldCard, HeldMailbox, HeldOutcome, HeldThen};
pub use help::{HelpCard, HelpDesk, HelpFor, HelpedMessage, HelpedPage, LookLine};
pub use importing::{ImportAsk, ImportStep};
pub use junk_filter::JunkFilterCard;
pub use language::{LanguageCard, LanguageLine};
pub use letters::Letterhead;
pub use lists::{PostLine, answer_post, invitation, waiting_posts};
pub use moment::{parse_moment, shown};
pub use names::MessageLine;
pub use operations::{AccountDetails, AccountWithPassword, MailboxLine, Operations};
pub use party::{Act, Party, Role};
pub use passed::PassedLine;
pub use people::{AcceptedRequest, Answering, DeclinedRequest, LinkLine, RequestLine};
pub use queue::{
    QUEUE_LINES_MAX, QueueChanged, QueueConsole, QueueDestination, QueueDestinations, QueueLine, QueuePage,
    QueueRecipient, QueueView,
};
pub use read::{Download, FileLine, MessageText};
pub use refused::{RefusedLine, RefusedPage};
pub use removals::RemovalLine;
pub use reported::{
    ComplaintLine, MailReports, REPORT_DAYS_MAX, RejectionLine, ReporterLine, ReportsPage, SourceLine, TlsReports,
    TlsTroubleLine,
};
pub use reports::Wanted;
pub use restoring::{ALL_HERE, HERE, RestoreAsk};
pub use scheduled::{ScheduledCard, ScheduledLine};
pub use scope::{Scope, domains_in};
pub use sending::{SendingAnswer, SendingCard, WaitingLine};
pub use sessions::{SESSIONS_PER_PAGE_MAX, SessionLine, SessionsAsk, SessionsPage, connected_devices};
pub use setup_guide::{Access, SetupGuide, SetupProgram, setup_guide};
pub use shares::{ShareCard, ShareCards};
pub use size::parse_quota;
pub use status::{Connected, DiskStatus, HintsStatus, Jobs, QueueStatus, StandbyStatus, Status, duration};
pub use survey::{Stretch, Survey, SurveyPage};
pub use switch::{SwitchGuide, SwitchServers, switch_guide};
pub use test_mail::TestMailCard;
pub use timeline::{MessageStory, StoryLine, Timeline, TimelineAsk, TimelineLine};
pub use uidl::{KeptUidl, MessageMark, UIDLS_MAX, UidlResult, mark_of};
pub use undo::{UndoAnswer, UndoAsk};
pub use usage::{ClearAnswer, ClearAsk, Clearable, HistoryCard, RetainedCard, UsageCard};
