//! What waits for the owners of lists, and the letter to whom they invite.

use crate::error::Error;
use crate::letters::{self, Sender};
use crate::moment::shown;
use posts::{PostId, Posts, Stage, why_it_waits};
use serde::{Deserialize, Serialize};
use store::Timestamp;
use wording::tr;

/// A post that waits for an owner of its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostLine {
    /// The list.
    pub list: String,
    /// Its number.
    pub post: u64,
    /// Who wrote it, or is said to have.
    pub author: String,
    /// What it is about.
    pub subject: String,
    /// Why it waits.
    pub why: String,
    /// When it came.
    pub at: String,
    /// When its time is over.
    pub until: String,
    /// Octets.
    pub bytes: u64,
}

/// The posts of a list that wait, in the order in which they came.
///
/// # Errors
/// Faults.
pub fn waiting_posts(posts: &Posts, list: &str) -> Result<Vec<PostLine>, store::Error> {
    let line = |post: posts::Post| {
        let Stage::Held(held) = post.stage else { return None };
        Some(PostLine {
            list: post.list,
            post: post.id.0,
            author: post.author,
            subject: post.subject,
            why: why_it_waits(&held.why).to_owned(),
            at: shown(Timestamp(post.at_millis)),
            until: shown(Timestamp(held.until_millis)),
            bytes: post.size_bytes,
        })
    };
    Ok(posts.held(list)?.into_iter().filter_map(line).collect())
}

/// The letter to somebody who is asked whether they want to be a member. `by`: which owner asks; `page`: where they say so; `mail`: to
/// which address they send a mail instead.
#[must_use]
pub fn invitation(
    (list, title): (&str, &str),
    (to, by): (&str, &str),
    (page, mail): (&str, &str),
    (hostname, now): (&str, Timestamp),
) -> Vec<u8> {
    letters::list_invitation_letter((list, title), (to, by), (page, mail), &Sender { hostname, now })
}

/// Says whether a post of a list goes out. Durable when it returns.
///
/// # Errors
/// [`Error::Refused`]: it does not wait (any more); faults.
pub fn answer_post(posts: &Posts, list: &str, number: u64, is_approved: bool) -> Result<(), Error> {
    let is_done = match is_approved {
        true => posts.approve(list, PostId(number))?,
        false => posts.reject(list, PostId(number), false)?,
    };
    match is_done {
        true => Ok(()),
        false => Err(Error::refused(tr!("That was answered already, or its time is over."))),
    }
}
