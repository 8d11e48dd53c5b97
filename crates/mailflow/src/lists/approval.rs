//! Posts that wait for an owner of the list: who is asked, how they answer, and what whoever wrote it is told.
//!
//! The letter that asks has an address with a token to which it is answered. An answer counts only from an owner, with proof: the
//! token alone could have been passed on. Each post is answered once; what nobody answers is over after a week.

use super::form::{self, Author};
use super::letters;
use super::proof::Proof;
use crate::arrival::Arrival;
use crate::flow::MailFlow;
use crate::outcome::{Got, ListRefusal, RecipientOutcome};
use directory::{Approval, List};
use message::{Structure, encoded_word, header, section};
use posts::{Held, Post, PostId, Stage, Why, why_it_waits};
use queue::ReportError;
use store::{Claim, Error, Handover, Timestamp};
use tracing::{info, warn};

/// So long a post waits.
const HELD_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;
/// What could not be sent is tried again so much later.
const AGAIN_MILLIS: i64 = 10 * 60 * 1000;

/// What is to become of a post.
pub(super) enum Verdict {
    /// It goes out.
    Take,
    /// It waits for an owner: why, and whether whoever wrote it is known to have.
    Hold(Why, bool),
    Refuse(ListRefusal),
}

/// What is known of whoever wrote a post.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) is_owner: bool,
    pub(super) is_member: bool,
    /// They may write.
    pub(super) may: bool,
    /// Only with proof.
    pub(super) needs_proof: bool,
    pub(super) proof: Proof,
    /// They meant this list.
    pub(super) is_meant: bool,
}

impl Standing {
    /// Whether it is known that a member or an owner wrote it.
    pub(super) fn is_known(self) -> bool {
        self.proof != Proof::None && self.is_meant && (self.is_owner || self.is_member)
    }

    pub(super) fn verdict(self, approval: Approval) -> Verdict {
        let is_proven = self.proof != Proof::None && self.is_meant;
        let refusal = match self {
            Self { may: false, .. } => Some(ListRefusal::NotAllowed),
            Self { needs_proof: false, .. } => None,
            Self { proof: Proof::None, .. } => Some(ListRefusal::NotAllowed),
            Self { is_meant: false, .. } => Some(ListRefusal::NotMeant),
            Self { .. } => None,
        };
        let is_known = self.is_known();
        match (approval, refusal) {
            (Approval::Nobody, None) => Verdict::Take,
            (Approval::Nobody, Some(why)) => Verdict::Refuse(why),
            (Approval::All, None) if is_proven && self.is_owner => Verdict::Take,
            (Approval::Others, None) if is_known => Verdict::Take,
            (Approval::Others | Approval::All, _) if self.proof == Proof::None => Verdict::Hold(Why::Unproven, false),
            (Approval::Others | Approval::All, _) if !self.is_meant => Verdict::Hold(Why::NotMeant, false),
            (Approval::Others | Approval::All, Some(_)) => Verdict::Hold(Why::MayNotWrite, true),
            (Approval::Others, None) => Verdict::Hold(Why::NoMember, true),
            (Approval::All, None) => Verdict::Hold(Why::All, true),
        }
    }
}

/// How far a post is that waits from now on.
pub(super) fn waits(why: Why, now: Timestamp) -> Stage {
    Stage::Held(Held { until_millis: now.0.saturating_add(HELD_MILLIS), is_told: false, why: why.kept().to_owned() })
}

impl MailFlow {
    /// An answer to the question whether a post is to go out.
    pub(super) fn answer_by_mail(
        &self,
        arrival: &Arrival,
        (list, token): (&List, &str),
        content: &[u8],
        now: Timestamp,
    ) -> Got {
        let got = |outcome| (outcome, Vec::new());
        let refused = |why| got(RecipientOutcome::List(why));
        if arrival.envelope.reverse_path.mailbox().is_none() || form::is_automatic(content) {
            return refused(ListRefusal::Automatic);
        }
        let number = token.split('-').next().and_then(|number| number.parse().ok());
        let number =
            number.filter(|number| self.held_token(list, PostId(*number)).eq_ignore_ascii_case(token)).map(PostId);
        let (Some(id), Some(author)) = (number, Author::of(content)) else { return refused(ListRefusal::NotAllowed) };
        let door = format!("{}+held-{token}@{}", list.name(), list.domain());
        let standing = match self.standing(arrival, (list, &door), &author, content, now) {
            Ok(standing) => standing,
            Err(error) => return got(RecipientOutcome::from(&error)),
        };
        if !standing.is_owner || standing.proof == Proof::None || !standing.is_meant {
            return refused(ListRefusal::NotAllowed);
        }
        let Some(is_approved) = answer_in(content) else { return refused(ListRefusal::NoAnswer) };
        let answered = match is_approved {
            true => self.posts.approve(&list.address, id),
            false => self.posts.reject(&list.address, id, false),
        };
        match answered {
            Ok(true) => {
                info!(list = list.address, approved = is_approved, "post answered");
                got(RecipientOutcome::Delivered)
            }
            Ok(false) => refused(ListRefusal::Answered),
            Err(error) => got(RecipientOutcome::from(&error)),
        }
    }

    fn held_token(&self, list: &List, id: PostId) -> String {
        format!("{}-{}", id.0, self.auth.directory().post_token(list, id.0))
    }

    /// A post that waits: its owners are asked, or its time is over.
    pub(super) fn ask_owners(&self, post: &Post, held: &Held, now: Timestamp) -> Result<(), Error> {
        let list = self.auth.directory().list(&post.list)?;
        let Some(list) = list.filter(|_| held.until_millis > now.0) else {
            return self.posts.reject(&post.list, post.id, true).map(drop);
        };
        let Some(content) = self.posts.content(post)? else { return self.lost(post, now) };
        let token = self.held_token(&list, post.id);
        let (mut claims, mut is_asked, mut is_later) = (Vec::new(), false, false);
        for owner in self.owners_who_stay(&list) {
            let Some(to) = self.auth.directory().account_by_id(owner)? else { continue };
            let letter = self.writing_to(&to.address, || {
                let question = letters::Question {
                    list: &list,
                    to: &to.address,
                    post,
                    why: why_it_waits(&held.why),
                    token: &token,
                    pages: self.pages.as_deref(),
                    content: &content,
                };
                question.letter(&self.hostname)
            });
            match self.post(&to.address, &letter, letter_of(post, b"asked", &to.address, now), now) {
                Ok(sent) => {
                    is_asked = true;
                    claims.extend(sent);
                }
                Err(ReportError::Never(why)) => {
                    warn!(list = list.address, to = to.address, why, "an owner is not asked")
                }
                Err(ReportError::Later(why)) => {
                    warn!(list = list.address, to = to.address, why, "an owner is not asked yet");
                    is_later = true;
                }
            }
        }
        // One is enough, and who was asked is not asked again because of another whose mailbox is full.
        if is_later && !is_asked {
            return self.posts.again(post.id, Timestamp(now.0 + AGAIN_MILLIS));
        }
        self.posts.told(post.id)?;
        claims.into_iter().for_each(Claim::answered);
        Ok(())
    }

    /// A post that goes to nobody: whoever wrote it is told, if they are known to have.
    pub(super) fn tell_author(&self, post: &Post, is_over: bool, now: Timestamp) -> Result<(), Error> {
        let mut claims = Vec::new();
        if post.is_proven {
            let letter = self.writing_to(&post.author, || letters::refused(post, is_over, &self.hostname));
            match self.post(&post.author, &letter, letter_of(post, b"refused", &post.author, now), now) {
                Ok(sent) => claims = sent,
                Err(ReportError::Never(why)) => warn!(list = post.list, to = post.author, why, "an author is not told"),
                Err(ReportError::Later(why)) => {
                    warn!(list = post.list, to = post.author, why, "an author is not told yet");
                    return self.posts.again(post.id, Timestamp(now.0 + AGAIN_MILLIS));
                }
            }
        }
        self.posts.remove(post.id)?;
        claims.into_iter().for_each(Claim::answered);
        Ok(())
    }
}

/// A letter about a post is the same when it is sent again. Its receipt is of now: of the time of a post that has waited it would be
/// too old to count (`store::receipt`).
fn letter_of(post: &Post, what: &[u8], to: &str, now: Timestamp) -> Handover {
    Handover::new(&[what, post.list.as_bytes(), &post.id.0.to_be_bytes(), to.as_bytes()], now, 0)
}

/// What an owner answers: the first word that is their own, or a subject that is nothing else.
fn answer_in(content: &[u8]) -> Option<bool> {
    let subject = header::find(content, "Subject").map(|field| encoded_word::decode(&field.unfolded()));
    let structure = Structure::parse(content);
    let text = structure.root.walk().find(|part| part.is("text", "plain"));
    let text = text.and_then(|part| section::decoded(part, content).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('>'));
    let first = lines.next().and_then(|line| line.split(|c: char| !c.is_ascii_alphabetic()).next());
    first.and_then(meaning).or_else(|| meaning(subject.as_deref().unwrap_or_default().trim()))
}

fn meaning(word: &str) -> Option<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    match (is_one_of(&["approve", "yes", "ok"]), is_one_of(&["reject", "no"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_ones_own_is_the_answer() {
        let check = |content: &str, expected: Option<bool>| {
            assert_eq!(answer_in(content.replace('\n', "\r\n").as_bytes()), expected, "{content}");
        };
        check("Subject: Re: Approve? x\n\nApprove\n\nOn Monday you wrote:\n> reject\n", Some(true));
        check("Subject: Re: Approve? x\n\n> approve\n\n  reject, please.\n", Some(false));
        check("Subject: approve\n\n", Some(true));
        check("Subject: REJECT\n\n-- \nBob\n", Some(false));
        check("Subject: Re: Approve? x\n\nI do not know.\napprove\n", None);
        check("Subject: Re: approve\n\n", None);
        let encoded =
            "Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n\n=4Fk=\n\n";
        check(encoded, Some(true));
    }
}
