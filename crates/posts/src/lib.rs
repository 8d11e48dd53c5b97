//! Posts of lists: what was taken and is on its way to members, and what has come of late, so that nothing is taken twice.
//!
//! A post is taken with one commit, however many members the list has; then the client has its answer, and each member's copy
//! follows in the background. Who gets one, and what it looks like, is the business of `mailflow`.
//!
//! Rows of the table: `n` = the last number; `h`, `m`, `s` list = what has come of late (file `seen.rs`); `p` number = a [`Post`]; `b`
//! number piece = a part of its message; `x` number = a post that could not be read and was set aside, as it was; `w` account number =
//! what an account here has written (file `written.rs`); `l` = who hands posts on (file `term.rs`).
//!
//! Invariant: a post is there until each member has a copy or never gets one.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod post;
mod seen;
mod term;
#[cfg(test)]
mod tests;
mod why;
mod written;

pub use post::{Goes, Going, Held, Post, PostId, Stage, Way};
use seen::Seen;
use std::collections::BTreeMap;
use std::task::Waker;
use store::{AccountId, Error, Row, Store, Table, TableId, TableTx, Timestamp, Watch};
pub use why::{Why, why_it_waits};
pub use written::{Fate, Written};

/// Posts of all lists that are not done.
const POSTS_MAX: usize = 1_000;
/// The same of one list.
const LIST_POSTS_MAX: usize = 100;
/// Those of one list that wait for its owners.
const HELD_MAX: usize = 50;
/// Those of them of which nothing proves who wrote them: anybody can make as many, in anybody's name.
const HELD_UNPROVEN_MAX: usize = 25;
/// Those of them of strangers who are known to have written them: whoever has a domain has as many addresses as they like.
const HELD_OF_STRANGERS_MAX: usize = 15;
/// Of strangers of one domain, and all below it.
const HELD_OF_SITE_MAX: usize = 8;
/// Of one author, of each of both kinds.
const HELD_OF_AUTHOR_MAX: usize = 5;
/// Octets of all of them together.
const BYTES_MAX: u64 = 1 << 30;
/// Octets of those of one list that wait.
const HELD_BYTES_MAX: u64 = BYTES_MAX / 8;
/// A message is kept in rows of this length.
const ROW_BYTES: usize = 128 * 1024;

/// The posts of a store. Cheap to clone; all calls block until what they did is durable.
#[derive(Clone)]
pub struct Posts {
    table: Table,
    /// In which term of the one of several servers that hands them on; `None`: there is one server, or it is not for handing on.
    term: Option<u64>,
}

/// What is to be taken.
#[derive(Clone, Copy, Debug)]
pub struct NewPost<'a> {
    /// Its number is not asked.
    pub post: &'a Post,
    /// As it came.
    pub content: &'a [u8],
    /// The same when the same message comes again.
    pub mark: [u8; 16],
    /// If this one is known, it came before as well.
    pub also: Option<[u8; 16]>,
    /// The list takes so many in an hour.
    pub per_hour: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is on its way.
    Now(PostId),
    /// It came before.
    Before,
}

/// Why a post is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The list has had as many as it takes in an hour.
    TooMany,
    /// As many as there can be are not done.
    Full,
    /// The store's answer.
    Store(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Posts {
    /// Those of `store`.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self { table: store.table(TableId::Posts), term: None }
    }

    /// Takes responsibility for a post, in one commit: it is durable when this returns. One that came before is not taken twice.
    ///
    /// # Errors
    /// [`Refused`]; nothing was changed.
    pub fn take(&self, new: NewPost<'_>, now: Timestamp) -> Result<Taken, Refused> {
        self.table.takes_mail()?;
        let NewPost { post, content, mark, also, per_hour } = new;
        self.change_table(|tx| {
            let seen = Seen::read(tx, &post.list, now)?;
            for known in [Some(mark), also].into_iter().flatten() {
                if seen.has(tx, &known)? {
                    return Ok(Taken::Before);
                }
            }
            // Anybody can make one that waits and that nothing proves; it takes no place of a member's in the hour.
            let counts = !post.stage.is_held() || post.is_proven;
            if seen.is_full() || counts && seen.within_an_hour() >= per_hour {
                return Err(Refused::TooMany);
            }
            check_room(tx, post, content.len() as u64)?;
            seen.add(tx, &mark, counts);
            let id = PostId(last_number(tx)?.0 + 1);
            tx.put(b"n", id.0.to_be_bytes().to_vec());
            let post = Post { id, size_bytes: content.len() as u64, ..post.clone() };
            put(tx, &post)?;
            written::note(tx, &post)?;
            for (number, row) in content.chunks(ROW_BYTES).enumerate() {
                tx.put(&body_key(id, number), row.to_vec());
            }
            Ok(Taken::Now(id))
        })
    }

    /// Posts for which there is something to do, in the order in which they came.
    ///
    /// # Errors
    /// Faults.
    pub fn due(&self, now: Timestamp) -> Result<Vec<Post>, Error> {
        let mut posts = self.all()?;
        posts.retain(|post| post.due_at() <= now);
        Ok(posts)
    }

    /// When there is something to do next.
    ///
    /// # Errors
    /// Faults.
    pub fn next_at(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.all()?.iter().map(Post::due_at).min())
    }

    /// The message of a post; `None`: it is not all there any more, and never will be.
    ///
    /// # Errors
    /// Faults.
    pub fn content(&self, post: &Post) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.table.scan(&body_key(post.id, 0)[..9], &[], usize::MAX)?;
        let content: Vec<u8> = rows.into_iter().flat_map(|(_, row)| row).collect();
        Ok((content.len() as u64 == post.size_bytes).then_some(content))
    }

    /// Sets posts aside that cannot be read, so that the others go on; which, and why. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn set_aside(&self) -> Result<Vec<(PostId, String)>, Error> {
        let mut unread = self.table.scan(b"p", &[], usize::MAX)?;
        unread.retain(|(key, value)| Post::decode(key, value).is_err());
        if unread.is_empty() {
            return Ok(Vec::new());
        }
        self.change_table(|tx| {
            for (key, value) in &unread {
                tx.delete(key);
                tx.put(&[b"x", key.get(1..).unwrap_or_default()].concat(), value.clone());
            }
            Ok::<_, Error>(())
        })?;
        let why = |(key, value): &Row| {
            let error = Post::decode(key, value).err().map(|error| error.to_string()).unwrap_or_default();
            (post::id_of(key), error)
        };
        Ok(unread.iter().map(why).collect())
    }

    /// Takes away what is remembered of posts that cannot come again, also of lists that are none any more, and what became of those
    /// that accounts here have written long ago.
    ///
    /// # Errors
    /// Faults.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        written::forget(&self.table, now)?;
        seen::forget(&self.table, now)
    }

    /// What an account here has written to lists of late, newest first: 500 posts of 30 days at most.
    ///
    /// # Errors
    /// Faults.
    pub fn written(&self, account: AccountId) -> Result<Vec<Written>, Error> {
        written::of(&self.table, account)
    }

    /// These are left; nobody: the post is done. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn left(&self, id: PostId, to: Vec<Goes>) -> Result<(), Error> {
        self.change_table(|tx| {
            let Some(mut post) = read(tx, id)? else { return Ok(()) };
            if to.is_empty() {
                delete(tx, &post);
                return Ok(());
            }
            let Stage::Going(going) = &mut post.stage else { return Ok(()) };
            going.to = Some(to.clone());
            put(tx, &post)
        })
    }

    /// What is to be done is to be tried at a time. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn again(&self, id: PostId, at: Timestamp) -> Result<(), Error> {
        self.change(id, |post| {
            post.next_millis = at.0;
            if let Stage::Going(going) = &mut post.stage {
                going.tried = going.tried.saturating_add(1);
            }
            true
        })
        .map(drop)
    }

    /// A post is done. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn remove(&self, id: PostId) -> Result<(), Error> {
        self.change_table(|tx| {
            if let Some(post) = read(tx, id)? {
                delete(tx, &post);
            }
            Ok(())
        })
    }

    /// Posts of a list that wait for its owners, in the order in which they came.
    ///
    /// # Errors
    /// Faults.
    pub fn held(&self, list: &str) -> Result<Vec<Post>, Error> {
        let mut posts = self.all()?;
        posts.retain(|post| post.list == list && post.stage.is_held());
        Ok(posts)
    }

    /// How many posts wait, by list.
    ///
    /// # Errors
    /// Faults.
    pub fn held_by_list(&self) -> Result<BTreeMap<String, usize>, Error> {
        let mut held = BTreeMap::new();
        for post in self.all()?.into_iter().filter(|post| post.stage.is_held()) {
            *held.entry(post.list).or_default() += 1;
        }
        Ok(held)
    }

    /// The owners of a list have been written to. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn told(&self, id: PostId) -> Result<(), Error> {
        self.change(id, |post| {
            if let Stage::Held(held) = &mut post.stage {
                held.is_told = true;
            }
            true
        })
        .map(drop)
    }

    /// A post of a list that waits goes out. Whether it waited. Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn approve(&self, list: &str, id: PostId) -> Result<bool, Error> {
        self.settle(list, id, &Stage::Going(Going::default()))
    }

    /// A post of a list that waits goes to nobody, because an owner says so, or (`is_over`) nobody answered. Whether it waited.
    /// Durable when it returns.
    ///
    /// # Errors
    /// Faults.
    pub fn reject(&self, list: &str, id: PostId, is_over: bool) -> Result<bool, Error> {
        self.settle(list, id, &Stage::Refused { is_over })
    }

    fn settle(&self, list: &str, id: PostId, stage: &Stage) -> Result<bool, Error> {
        self.change(id, |post| {
            if post.list != list || !post.stage.is_held() {
                return false;
            }
            (post.stage, post.next_millis) = (stage.clone(), 0);
            true
        })
    }

    fn change(&self, id: PostId, change: impl Fn(&mut Post) -> bool) -> Result<bool, Error> {
        self.change_table(|tx| {
            let Some(mut post) = read(tx, id)? else { return Ok(false) };
            let is_changed = change(&mut post);
            if is_changed {
                put(tx, &post)?;
                written::renew(tx, &post)?;
            }
            Ok(is_changed)
        })
    }

    /// Wakes `waker` after every change, as long as the result lives.
    #[must_use]
    pub fn watch(&self, waker: Waker) -> Watch {
        self.table.watch(waker)
    }

    fn all(&self) -> Result<Vec<Post>, Error> {
        Ok(readable(&self.table.scan(b"p", &[], usize::MAX)?))
    }
}

/// One that cannot be read stops no other ([`Posts::set_aside`]).
fn readable(rows: &[Row]) -> Vec<Post> {
    rows.iter().filter_map(|(key, value)| Post::decode(key, value).ok()).collect()
}

fn check_room(tx: &TableTx<'_>, new: &Post, bytes: u64) -> Result<(), Refused> {
    let posts = readable(&tx.scan_before(b"p", &[], POSTS_MAX)?);
    let of_list = || posts.iter().filter(|post| post.list == new.list);
    let held = || of_list().filter(|post| post.stage.is_held());
    let alike = || held().filter(|post| post.is_proven == new.is_proven);
    let of_author = alike().filter(|post| post.author.eq_ignore_ascii_case(&new.author));
    let strangers = || alike().filter(|post| post.is_proven && !post.is_known);
    let of_site = strangers().filter(|post| post.site == new.site);
    let is_stranger = new.is_proven && !new.is_known;
    let bytes_of = |posts: &mut dyn Iterator<Item = &Post>| posts.map(|post| post.size_bytes).sum::<u64>() + bytes;
    // What waits for a week leaves half of the room to what is on its way.
    let all_held = || posts.iter().filter(|post| post.stage.is_held());
    let is_too_much = all_held().count() >= POSTS_MAX / 2
        || bytes_of(&mut all_held()) > BYTES_MAX / 2
        || bytes_of(&mut held()) > HELD_BYTES_MAX
        || held().count() >= HELD_MAX
        || of_author.count() >= HELD_OF_AUTHOR_MAX
        || !new.is_proven && alike().count() >= HELD_UNPROVEN_MAX
        || is_stranger && (strangers().count() >= HELD_OF_STRANGERS_MAX || of_site.count() >= HELD_OF_SITE_MAX);
    let waits = new.stage.is_held() && is_too_much;
    let is_full =
        posts.len() >= POSTS_MAX || of_list().count() >= LIST_POSTS_MAX || bytes_of(&mut posts.iter()) > BYTES_MAX;
    if waits || is_full { Err(Refused::Full) } else { Ok(()) }
}

fn last_number(tx: &TableTx<'_>) -> Result<PostId, Error> {
    let value = tx.get(b"n")?;
    Ok(PostId(value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes)))
}

fn read(tx: &TableTx<'_>, id: PostId) -> Result<Option<Post>, Error> {
    let key = post::key(id);
    tx.get(&key)?.map(|value| Post::decode(&key, &value)).transpose()
}

fn put(tx: &mut TableTx<'_>, post: &Post) -> Result<(), Error> {
    tx.put(&post::key(post.id), post.encode()?);
    Ok(())
}

fn delete(tx: &mut TableTx<'_>, post: &Post) {
    tx.delete(&post::key(post.id));
    let rows = usize::try_from(post.size_bytes).unwrap_or(usize::MAX).div_ceil(ROW_BYTES);
    (0..rows).for_each(|number| tx.delete(&body_key(post.id, number)));
}

fn body_key(id: PostId, number: usize) -> Vec<u8> {
    [&b"b"[..], &id.0.to_be_bytes(), &u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()].concat()
}
