//! Mail for a list (`directory::List`): what is written to it goes to each member, with a way out and an envelope of its own.
//!
//! ```text
//! choir@example.org                 to all members, if whoever writes may
//! choir+owner@example.org           to its owners
//! choir+join@example.org            whoever proves to be the author is a member from now on, if the list is open
//! choir+accept-TOKEN@example.org    whoever was invited with that token is a member from now on
//! choir+leave-TOKEN@example.org     the member of that token leaves
//! choir+bounce-TOKEN@example.org    where mail for that member comes back to
//! choir+held-TOKEN@example.org      an owner says whether the post of that token goes out
//! ```
//! A post is taken in one commit, however many members there are, and handed to each of them afterwards (`round`). What a stranger wrote leaves under the name of the list, whose domain signs it, so that no policy of the author's
//! domain (DMARC) has it refused; what an account here wrote keeps its author.
//!
//! Invariant: nothing is distributed that this list has distributed, or that a program wrote by itself: no circle.

mod approval;
mod form;
mod letters;
mod proof;
mod round;
#[cfg(test)]
mod tests;

use crate::arrival::Arrival;
use crate::flow::MailFlow;
use crate::inbound::Put;
use crate::onward::outcome;
use crate::outcome::{Got, ListRefusal, RecipientOutcome};
use crate::route::{Door, Recipient, Route, ToList, Unroutable};
use approval::{Standing, Verdict};
use directory::{Bounced, By, List, Member, Posting, Resolution, Whose};
use form::Author;
use message::delivery_report::{Action, DeliveryReport, Reported};
use message::structure::Structure;
use posts::{Going, NewPost, Post, PostId, Refused, Stage, Taken, Way};
use proof::Proof;
use sender_auth::organisational;
use smtp_proto::{Domain, Mailbox, RcptReports, ReversePath};
use std::sync::Arc;
use store::{AccountId, Error, Handover, Place, Protocol, Timestamp};
use tracing::{info, warn};

/// All copies of a post together have at most so many octets.
const POST_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Members of one domain and all below it may join by mail until there are so many; others the owners take in.
const JOINED_PER_DOMAIN_MAX: usize = 50;
/// What is to go out counts in the queue for the list (`queue::Limits`): numbers that no account has, nor what is passed on.
const SHARES: u32 = 0xa000_0000;

impl MailFlow {
    /// Where mail for an address of a list goes.
    pub(crate) fn route_of_list(&self, address: String, list: Arc<List>, detail: Option<&str>) -> Route {
        let reports = RcptReports::default();
        let word = |word: &str| {
            let (start, token) = detail.and_then(|detail| detail.split_at_checked(word.len()))?;
            start.eq_ignore_ascii_case(word).then(|| token.to_owned())
        };
        let door = if detail.is_some_and(|detail| detail.eq_ignore_ascii_case("owner")) {
            let accounts: Vec<AccountId> = self.owners_who_stay(&list).collect();
            return match accounts.is_empty() {
                true => Route::Refused(Unroutable::NoSuchUser),
                false => Route::Local(Recipient { address, accounts, onward: None, list: None, reports }),
            };
        } else if detail.is_some_and(|detail| list.is_open && detail.eq_ignore_ascii_case("join")) {
            Door::Join
        } else if let Some(token) = word("accept-") {
            Door::Accept(token)
        } else if let Some(token) = word("leave-") {
            Door::Leave(token)
        } else if let Some(token) = word("bounce-") {
            Door::Bounce(token)
        } else if let Some(token) = word("held-") {
            Door::Held(token)
        } else if list.members.iter().all(Member::is_paused) {
            return Route::Refused(Unroutable::NoSuchUser);
        } else {
            Door::Post
        };
        Route::Local(Recipient {
            address,
            accounts: Vec::new(),
            onward: None,
            list: Some(ToList { list, door }),
            reports,
        })
    }

    /// A message has come for a list.
    pub(crate) fn to_list(&self, arrival: &Arrival, to: &ToList, content: &[u8], put: &Put) -> Got {
        let done = match &to.door {
            Door::Post => return self.post_to_list(arrival, &to.list, content, put),
            Door::Join => return self.join_by_mail(arrival, &to.list, content, put),
            Door::Held(token) => return self.answer_held(arrival, (&to.list, token), content, put),
            Door::Accept(token) => return self.accept_by_mail(arrival, (&to.list, token), content, put),
            Door::Leave(token) => self.leave(&to.list, token, put.now),
            Door::Bounce(token) => self.came_back(&to.list, token, content, put.now),
        };
        match done {
            Ok(()) => (RecipientOutcome::Delivered, Vec::new()),
            Err(error) => (RecipientOutcome::from(&error), Vec::new()),
        }
    }

    /// A letter of this server has come for a list: a report on what the queue could not hand over. Whether it was one.
    pub(crate) fn report_to_list(&self, to: &ToList, content: &[u8], now: Timestamp) -> Result<bool, Error> {
        match &to.door {
            Door::Bounce(token) => self.came_back(&to.list, token, content, now).map(|()| true),
            Door::Post | Door::Join | Door::Accept(_) | Door::Held(_) | Door::Leave(_) => Ok(false),
        }
    }

    /// Only with proof that the author wants it, or anybody could have mail sent to anybody. Told is whoever was no member.
    fn join_by_mail(&self, arrival: &Arrival, list: &List, content: &[u8], put: &Put) -> Got {
        let refused = |why| (RecipientOutcome::List(why), Vec::new());
        if put.place == Place::Junk {
            return (RecipientOutcome::SenderRefused, Vec::new());
        }
        if arrival.envelope.reverse_path.mailbox().is_none() || form::is_automatic(content) {
            return refused(ListRefusal::Automatic);
        }
        let Some(author) = Author::of(content) else { return refused(ListRefusal::NotAllowed) };
        let door = format!("{}+join@{}", list.name(), list.domain());
        match Proof::of(arrival, &author, content, &self.hostname) {
            Proof::None => return refused(ListRefusal::NotAllowed),
            proof if !proof.means(&door, content, put.now) => return refused(ListRefusal::NotMeant),
            Proof::Own | Proof::Brought | Proof::Signed => {}
        }
        let (directory, member) = (self.auth.directory(), author.address.to_string());
        let joined = directory.members(list).map_err(directory::Error::Store).and_then(|members| {
            let is_new = !members.iter().any(|known| !known.is_paused && known.address.eq_ignore_ascii_case(&member));
            // Whoever has a domain has as many addresses as they like.
            let own = site(&author.address.domain().to_string());
            let is_of_same = |domain: &str| site(domain) == own;
            let (of_site, turn) =
                ((JOINED_PER_DOMAIN_MAX, &is_of_same as &dyn Fn(&str) -> bool), (By::Member, put.now));
            directory.join_list_among(&list.address, &member, of_site, turn).map(|()| is_new)
        });
        match joined {
            Ok(is_new) => {
                if is_new {
                    info!(list = list.address, member, "joined a list");
                    let write = || letters::joined(list, &member, &self.hostname, put.now);
                    let letter = self.writing_to(&member, write);
                    let _is_sent = self.send_letter(&member, &letter, put.now);
                }
                (RecipientOutcome::Delivered, Vec::new())
            }
            // Another address of an account here, or no room.
            Err(directory::Error::Refused(why)) => {
                warn!(list = list.address, member, why, "did not join a list");
                refused(ListRefusal::NotAllowed)
            }
            Err(directory::Error::Store(error)) => (RecipientOutcome::from(&error), Vec::new()),
        }
    }

    /// Who was invited says yes. The token proves that they read what was sent to the address; that no program answers by itself
    /// has to be looked at.
    fn accept_by_mail(&self, arrival: &Arrival, (list, token): (&List, &str), content: &[u8], put: &Put) -> Got {
        let refused = |outcome| (outcome, Vec::new());
        if put.place == Place::Junk {
            return refused(RecipientOutcome::SenderRefused);
        }
        if arrival.envelope.reverse_path.mailbox().is_none() || form::is_automatic(content) {
            return refused(RecipientOutcome::List(ListRefusal::Automatic));
        }
        match self.auth.directory().accept_invitation(list, token, put.now) {
            Ok(Some(member)) => {
                info!(list = list.address, member, "joined a list");
                let write = || letters::joined(list, &member, &self.hostname, put.now);
                let letter = self.writing_to(&member, write);
                let _is_sent = self.send_letter(&member, &letter, put.now);
                refused(RecipientOutcome::Delivered)
            }
            Ok(None) | Err(directory::Error::Refused(_)) => refused(RecipientOutcome::List(ListRefusal::NotAllowed)),
            Err(directory::Error::Store(error)) => refused(RecipientOutcome::from(&error)),
        }
    }

    fn leave(&self, list: &List, token: &str, now: Timestamp) -> Result<(), Error> {
        if let Some(member) = self.auth.directory().leave_by_token(list, token, now)? {
            info!(list = list.address, member, "left a list");
            let letter = self.writing_to(&member, || letters::left(list, &member, &self.hostname, now));
            let _is_sent = self.send_letter(&member, &letter, now);
        }
        Ok(())
    }

    /// Mail for a member came back. Only what says that it will never be delivered counts: vacation notices come here, too.
    fn came_back(&self, list: &List, token: &str, content: &[u8], now: Timestamp) -> Result<(), Error> {
        let report = DeliveryReport::of(content, &Structure::parse(content));
        let failed = report.and_then(|report| report.recipients.into_iter().find(is_about_member));
        match failed {
            Some(failed) => self.count_bounce(list, token, &failed.reason, now),
            None => Ok(()),
        }
    }

    fn count_bounce(&self, list: &List, token: &str, reason: &str, now: Timestamp) -> Result<(), Error> {
        let (bounced, member) = self.auth.directory().note_bounce(list, token, now)?;
        let Some(member) = member else { return Ok(()) };
        info!(
            list = list.address,
            member,
            paused = (bounced == Bounced::Paused).then_some(true),
            "list mail came back"
        );
        if bounced == Bounced::Paused {
            self.write_to_owners(list, now, |to| letters::paused(list, (to, &member), reason, &self.hostname, now));
        }
        Ok(())
    }

    fn post_to_list(&self, arrival: &Arrival, list: &List, content: &[u8], put: &Put) -> Got {
        let refused = |outcome| (outcome, Vec::new());
        if form::is_of(list, content) {
            warn!(id = arrival.id, list = list.address, "not distributed again: it runs in a circle");
            return refused(RecipientOutcome::Loop);
        }
        if put.place == Place::Junk {
            return refused(RecipientOutcome::SenderRefused);
        }
        if arrival.envelope.reverse_path.mailbox().is_none() || form::is_automatic(content) {
            return refused(RecipientOutcome::List(ListRefusal::Automatic));
        }
        let Some(author) = Author::of(content) else {
            return refused(RecipientOutcome::List(ListRefusal::NotAllowed));
        };
        if list.post_bytes_max().is_some_and(|max| content.len() as u64 > max) {
            return refused(RecipientOutcome::List(ListRefusal::TooLarge));
        }
        let standing = match self.standing(arrival, (list, &list.address), &author, content, put.now) {
            Ok(standing) => standing,
            Err(error) => return refused(RecipientOutcome::from(&error)),
        };
        let (stage, is_proven) = match standing.verdict(list.approval) {
            Verdict::Take => (Stage::Going(Going::default()), true),
            Verdict::Hold(why, is_proven) => (approval::waits(why, put.now), is_proven),
            Verdict::Refuse(why) => return refused(RecipientOutcome::List(why)),
        };
        let members: Vec<&Member> = list.members.iter().filter(|member| !member.is_paused()).collect();
        if content.len().saturating_mul(members.len()) > POST_BYTES_MAX {
            return refused(RecipientOutcome::List(ListRefusal::TooLarge));
        }
        let outside = members.iter().filter(|member| matches!(member.whose, Whose::Outside(_))).count();
        if let Some(queue) = self.queue.as_ref().filter(|_| outside > 0)
            && let Err(error) = queue.check(share(list), outside, content.len() * outside, put.now)
        {
            warn!(id = arrival.id, list = list.address, %error, "post not taken");
            return refused(outcome(&error));
        }
        self.take_post(arrival, list, (&author, is_proven, standing.is_known()), (content, stage), put)
    }

    /// It is as good as delivered once this is done: each member's copy follows ([`MailFlow::distribute`]).
    fn take_post(
        &self,
        arrival: &Arrival,
        list: &List,
        (author, is_proven, is_known): (&Author, bool, bool),
        (content, stage): (&[u8], Stage),
        put: &Put,
    ) -> Got {
        let (envelope, source) = (&arrival.envelope, &arrival.envelope.source);
        let way = Way {
            name: arrival.id.clone(),
            helo: source.helo.clone(),
            client: source.client,
            with: source.with.to_owned(),
            tls: source.tls.clone(),
            results: String::from_utf8_lossy(&put.results).into_owned(),
            digest: arrival.handover.digest,
            serial: arrival.handover.serial,
        };
        let post = Post {
            id: PostId::default(),
            list: list.address.clone(),
            author: author.address.to_string(),
            at_millis: put.now.0,
            size_bytes: content.len() as u64,
            keeps_author: source.protocol == Protocol::Submission,
            requires_tls: envelope.requires_tls,
            way,
            stage,
            next_millis: 0,
            is_proven,
            is_known,
            site: site(&author.address.domain().to_string()),
            subject: form::subject(content),
            account: arrival.account.map(|account| account.0),
            message_id: form::message_id(content),
        };
        let per_hour = u32::from(list.posts_per_hour);
        // What somebody else sent in the author's name does not make that the author's is taken to have come before.
        let own = mark(arrival, author, content);
        let is_said = post.stage.is_held() && !is_proven;
        let (mark, also) = if is_said { (said(&own), Some(own)) } else { (own, None) };
        let new = NewPost { post: &post, content, mark, also, per_hour };
        let (id, from, list) = (&arrival.id, &arrival.from, &list.address);
        let waits = post.stage.is_held().then_some(true);
        let outcome = match self.posts.take(new, put.now) {
            Ok(Taken::Now(_)) => {
                info!(id, from, list, waits, "post taken");
                RecipientOutcome::Delivered
            }
            Ok(Taken::Before) => {
                info!(id, from, list, "post taken before");
                RecipientOutcome::Delivered
            }
            Err(Refused::TooMany) => RecipientOutcome::ListBusy,
            Err(Refused::Full) => RecipientOutcome::NoSpace,
            Err(Refused::Store(error)) => RecipientOutcome::from(&error),
        };
        if outcome != RecipientOutcome::Delivered {
            warn!(id, list, ?outcome, "post not taken");
        }
        (outcome, Vec::new())
    }

    /// What is taken for one that is to be removed would be thrown away.
    pub(super) fn owners_who_stay(&self, list: &List) -> impl Iterator<Item = AccountId> {
        let leaves = |owner| self.auth.directory().goes_at(owner).is_ok_and(|at| at.is_some());
        list.owners.iter().copied().filter(move |owner| !leaves(*owner))
    }

    fn write_to_owners(&self, list: &List, now: Timestamp, letter: impl Fn(&str) -> Vec<u8>) {
        for owner in self.owners_who_stay(list) {
            if let Ok(Some(to)) = self.auth.directory().account_by_id(owner) {
                let written = self.writing_to(&to.address, || letter(&to.address));
                let _is_sent = self.send_letter(&to.address, &written, now);
            }
        }
    }

    fn answer_held(&self, arrival: &Arrival, held: (&List, &str), content: &[u8], put: &Put) -> Got {
        match put.place {
            Place::Junk => (RecipientOutcome::SenderRefused, Vec::new()),
            Place::Inbox => self.answer_by_mail(arrival, held, content, put.now),
        }
    }

    /// Who writes to an address of a list.
    fn standing(
        &self,
        arrival: &Arrival,
        (list, door): (&List, &str),
        author: &Author,
        content: &[u8],
        now: Timestamp,
    ) -> Result<Standing, Error> {
        let accounts = match author.address.domain() {
            Domain::Name(domain) => match self.auth.directory().resolve(author.address.local_part(), domain)? {
                Resolution::Local { accounts, .. } => Some(accounts),
                Resolution::List(..) | Resolution::NoSuchUser => Some(Vec::new()),
                Resolution::NotLocal => None,
            },
            Domain::Address(_) => None,
        };
        let writes_as = |whose: &Whose| match (&accounts, whose) {
            (Some(accounts), Whose::Account(id)) => accounts.iter().any(|delivery| delivery.account == *id),
            (None, Whose::Outside(address)) => proof::is_same(&author.address.to_string(), address),
            (Some(_), Whose::Outside(_)) | (None, Whose::Account(_)) => false,
        };
        // What an owner says is not said by whoever shares an alias with one.
        let owns = |account| list.owners.contains(account);
        let is_owner_alone = accounts
            .as_ref()
            .is_some_and(|accounts| !accounts.is_empty() && accounts.iter().all(|delivery| owns(&delivery.account)));
        // Who sends it with a login here is no other, whoever shares the address.
        let has_login = |account: &AccountId| {
            let is_theirs =
                accounts.as_ref().is_some_and(|all| all.iter().any(|delivery| delivery.account == *account));
            is_theirs && list.owners.contains(account)
        };
        let is_owner = is_owner_alone || arrival.account.as_ref().is_some_and(has_login);
        let is_member = list.members.iter().any(|member| writes_as(&member.whose));
        // From one of our domains only whoever is it.
        let (may, needs_proof) = match list.posting {
            Posting::Owners => (is_owner, true),
            Posting::Members => (is_owner || is_member, true),
            Posting::Anybody => (true, accounts.is_some()),
        };
        let proof = Proof::of(arrival, author, content, &self.hostname);
        let is_meant = proof.means(door, content, now);
        Ok(Standing { is_owner, is_member, may, needs_proof, proof, is_meant })
    }
}

/// Whether a report says that a member's address is not good. What is the matter with the message (RFC 3463 §3.7), or with who may
/// send it (§3.8), or that it is too large (X.2.3, X.3.4), says nothing of the member: a post would pause half of a list.
fn is_about_member(reported: &Reported) -> bool {
    let status: Vec<&str> = reported.status.split('.').skip(1).collect();
    reported.action == Action::Failed
        && !matches!(status.as_slice(), ["6" | "7", _] | ["2", "3" | "4"] | ["3", "4"] | ["5", _])
}

/// The same when the same message comes again, also where somebody sends it again in its author's name (RFC 5322 §3.6.4: a
/// Message-ID is that of one message).
fn mark(arrival: &Arrival, author: &Author, content: &[u8]) -> [u8; 16] {
    let id = message::header::find(content, "Message-ID").map(|field| field.unfolded().into_owned());
    let id: Vec<u8> = id.unwrap_or_default().into_iter().filter(|octet| octet.is_ascii_graphic()).collect();
    let author = author.address.to_string().to_ascii_lowercase();
    match id.is_empty() {
        true => Handover::new(&[b"post", &arrival.handover.digest], Timestamp(0), 0).digest,
        false => Handover::new(&[b"post", author.as_bytes(), &id], Timestamp(0), 0).digest,
    }
}

/// A domain and all below it.
fn site(domain: &str) -> String {
    organisational(&domain.to_ascii_lowercase()).to_owned()
}

/// The mark of what may not come from its author.
fn said(mark: &[u8; 16]) -> [u8; 16] {
    Handover::new(&[b"said", mark], Timestamp(0), 0).digest
}

/// Where mail for a member comes back to.
fn bounces_to(list: &List, token: &str) -> ReversePath {
    let mailbox = |domain: Domain| Mailbox::new(format!("{}+bounce-{token}", list.name()), domain).ok();
    list.domain().parse().ok().and_then(mailbox).map_or(ReversePath::Null, ReversePath::Mailbox)
}

fn share(list: &List) -> AccountId {
    let digest = Handover::new(&[list.address.as_bytes()], Timestamp(0), 0).digest;
    let number = u32::from_be_bytes(digest.first_chunk().copied().unwrap_or_default());
    AccountId(SHARES | (number & 0x1fff_ffff))
}
