//! The keys of an account: a letter for the kind, then big-endian numbers, so that a scan comes in their order.
//!
//! | letter | then | value |
//! |---|---|---|
//! | `A` | | [`crate::record::AccountRecord`] |
//! | `B` | mailbox | [`crate::record::MailboxRecord`] |
//! | `C` | mailbox, uid | a copy into the mailbox that has not come to its end: what it has brought so far |
//! | `D` | device | [`crate::device::Device`] |
//! | `E` | email | [`crate::record::EmailRecord`], with the places where it is |
//! | `F` | modseq | an undo or a clearing, from that entry on, that has not come to its end |
//! | `G` | modseq | [`crate::journal::Emails`]: the journal entry of that modseq changes flags of many messages |
//! | `H` | email, modseq | nothing: the journal entry of that modseq is about the message, and is neither its arrival nor in `G` |
//! | `I` | name, email | [`crate::identity::Own`]: the message is found by that name |
//! | `J` | modseq | [`crate::journal::JournalEntry`] |
//! | `K` | mailbox | header of the packed index, a disposable cache |
//! | `L` | mailbox, number | a piece of the packed index |
//! | `M` | mailbox, uid | [`crate::record::MessageRecord`] |
//! | `N` | UIDL | the message that has this UIDL of another server |
//! | `O` | hold | [`crate::hold::Hold`] |
//! | `P` | device, email | [`crate::maildrop::Taken`] |
//! | `Q` | hold, number | [`crate::hold::Batch`]: messages of a hold that is not answered |
//! | `R` | removal time, email | by which device; a message that is in no mailbox and still restorable |
//! | `S` | the beginning of a name's BLAKE3 | [`crate::record::Subscription`]: a name on the list of subscriptions that no mailbox has |
//! | `T` | email | its cached summary ([`message::Summary`]) |
//! | `U` | email | [`crate::shown::Shown`], where POP3 shows the message otherwise than it is |
//! | `V` | device | [`crate::brake::Pace`]; 0: how fast all devices of the main password together remove |
//! | `W` | device | [`crate::device::Forgotten`]: the name that it had |
//! | `X` | 0, or 1 and a number, or 2 and email | what the junk filter has learnt ([`crate::Training`]): up to which entry of the journal; a page of it; as what a message was taught |
//! | `X` | 8, mailbox, number | [`crate::flag_block::FlagBlock`]: flags of the messages of a block of UIDs |
//! | `X` | 20, mailbox (0: of the account) | [`crate::Annotation`]s |
//! | `X` | 40, mailbox | the key with which addresses of its messages are authorized ([`crate::Account::authorize_address`]) |
//! | `X` | 60, mailbox, account | the modseq of the last mark that a guest made there |
//! | `X` | 61, mailbox, account, number | [`crate::seen::SeenBlock`]: what a guest has seen of a block of UIDs |
//! | `X` | 62, account | nothing: that account may have shared a mailbox with this one |
//! | `X` | 80, device | which session of which of several nodes has its maildrop ([`crate::maildrops::LockRow`]) |
//! | `X` | 120, device, folder | how many rows follow: what an import has taken of a folder elsewhere ([`crate::Imported`]) |
//! | `X` | 120, device, folder, number | a row of it |
//! | `Y` | email | its body, or where the body lies |
//! | `Z` | | how many octets the journal takes with `G` and `H` |

use crate::codec::{Corrupt, Reader};
use crate::identity::Name;
use crate::ids::{AccountId, DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid};

fn key(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(letter);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(crate) fn account() -> Vec<u8> {
    key(b'A', &[])
}

pub(crate) fn mailbox(id: MailboxId) -> Vec<u8> {
    key(b'B', &[&id.0.to_be_bytes()])
}

pub(crate) fn copying(to: MailboxId, first: Uid) -> Vec<u8> {
    key(b'C', &[&to.0.to_be_bytes(), &first.0.to_be_bytes()])
}

pub(crate) fn device(id: DeviceId) -> Vec<u8> {
    key(b'D', &[&id.0.to_be_bytes()])
}

pub(crate) fn email(id: EmailId) -> Vec<u8> {
    key(b'E', &[&id.0.to_be_bytes()])
}

pub(crate) fn act(first: ModSeq) -> Vec<u8> {
    key(b'F', &[&first.0.to_be_bytes()])
}

pub(crate) fn bulk(modseq: ModSeq) -> Vec<u8> {
    key(b'G', &[&modseq.0.to_be_bytes()])
}

pub(crate) fn history_bytes() -> Vec<u8> {
    key(b'Z', &[])
}

pub(crate) fn forgotten(id: DeviceId) -> Vec<u8> {
    key(b'W', &[&id.0.to_be_bytes()])
}

pub(crate) fn history(email: EmailId, modseq: ModSeq) -> Vec<u8> {
    key(b'H', &[&email.0.to_be_bytes(), &modseq.0.to_be_bytes()])
}

/// All history of a message.
pub(crate) fn history_of(email: EmailId) -> (Vec<u8>, Vec<u8>) {
    all(&key(b'H', &[&email.0.to_be_bytes()]))
}

pub(crate) fn named(name: Name, email: EmailId) -> Vec<u8> {
    key(b'I', &[&name.0.to_be_bytes(), &email.0.to_be_bytes()])
}

/// All messages of a name.
pub(crate) fn all_named(name: Name) -> (Vec<u8>, Vec<u8>) {
    all(&key(b'I', &[&name.0.to_be_bytes()]))
}

pub(crate) fn journal(modseq: ModSeq) -> Vec<u8> {
    key(b'J', &[&modseq.0.to_be_bytes()])
}

pub(crate) fn pack(mailbox: MailboxId) -> Vec<u8> {
    key(b'K', &[&mailbox.0.to_be_bytes()])
}

pub(crate) fn pack_piece(mailbox: MailboxId, number: u32) -> Vec<u8> {
    key(b'L', &[&mailbox.0.to_be_bytes(), &number.to_be_bytes()])
}

pub(crate) fn message(mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    key(b'M', &[&mailbox.0.to_be_bytes(), &uid.0.to_be_bytes()])
}

pub(crate) fn hold(id: HoldId) -> Vec<u8> {
    key(b'O', &[&id.0.to_be_bytes()])
}

pub(crate) fn held_batch(hold: HoldId, number: u32) -> Vec<u8> {
    key(b'Q', &[&hold.0.to_be_bytes(), &number.to_be_bytes()])
}

pub(crate) fn pace(device: DeviceId) -> Vec<u8> {
    key(b'V', &[&device.0.to_be_bytes()])
}

pub(crate) fn taken(device: DeviceId, email: EmailId) -> Vec<u8> {
    key(b'P', &[&device.0.to_be_bytes(), &email.0.to_be_bytes()])
}

pub(crate) fn retained(removed_at: Timestamp, email: EmailId) -> Vec<u8> {
    key(b'R', &[&removed_at.0.max(0).to_be_bytes(), &email.0.to_be_bytes()])
}

pub(crate) fn summary(email: EmailId) -> Vec<u8> {
    key(b'T', &[&email.0.to_be_bytes()])
}

/// By a hash: a name may be longer than a key.
pub(crate) fn subscription(name: &str) -> Vec<u8> {
    let hash = blake3::hash(name.as_bytes());
    key(b'S', &[hash.as_bytes().get(..16).unwrap_or_default()])
}

pub(crate) fn shown(email: EmailId) -> Vec<u8> {
    key(b'U', &[&email.0.to_be_bytes()])
}

pub(crate) fn uidl(uidl: &str) -> Vec<u8> {
    key(b'N', &[uidl.as_bytes()])
}

/// Kinds that share a letter, and a number tells them apart.
fn sub_kind(kind: u8, parts: &[u8]) -> Vec<u8> {
    key(b'X', &[&[kind], parts])
}

/// The lock of a device's maildrop.
pub(crate) fn maildrop_lock(device: DeviceId) -> Vec<u8> {
    sub_kind(80, &device.0.to_be_bytes())
}

/// The flags of a block of messages.
pub(crate) fn flag_block(mailbox: MailboxId, number: u32) -> Vec<u8> {
    let mut key = flag_blocks(mailbox).0;
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Those of a mailbox.
pub(crate) fn flag_blocks(mailbox: MailboxId) -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(8, &mailbox.0.to_be_bytes()))
}

/// Those of all mailboxes.
pub(crate) fn all_flag_blocks() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(8, &[]))
}

/// The annotations of a mailbox, or of the account.
pub(crate) fn annotations(of: Option<MailboxId>) -> Vec<u8> {
    sub_kind(20, &of.map_or(0, |mailbox| mailbox.0).to_be_bytes())
}

/// Those of all mailboxes and of the account.
pub(crate) fn all_annotations() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(20, &[]))
}

/// The key with which addresses of messages of a mailbox are authorized.
pub(crate) fn url_key(mailbox: MailboxId) -> Vec<u8> {
    sub_kind(40, &mailbox.0.to_be_bytes())
}

/// Whether it is one of these.
pub(crate) fn is_url_key(key: &[u8]) -> bool {
    key.starts_with(&sub_kind(40, &[]))
}

/// Those of all mailboxes.
pub(crate) fn all_url_keys() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(40, &[]))
}

/// Up to which entry of the journal the junk filter has learnt.
pub(crate) fn learnt_to() -> Vec<u8> {
    sub_kind(0, &[])
}

fn guest_in(mailbox: MailboxId, guest: Option<AccountId>) -> Vec<u8> {
    let mut parts = mailbox.0.to_be_bytes().to_vec();
    parts.extend(guest.into_iter().flat_map(|guest| guest.0.to_be_bytes()));
    parts
}

/// When a guest made the last mark.
pub(crate) fn marked(mailbox: MailboxId, guest: AccountId) -> Vec<u8> {
    sub_kind(60, &guest_in(mailbox, Some(guest)))
}

/// What a guest has seen of a block.
pub(crate) fn seen_block(mailbox: MailboxId, guest: AccountId, number: u32) -> Vec<u8> {
    let mut key = seen_blocks(mailbox, Some(guest)).0;
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// What a guest, or all guests, have seen of a mailbox.
pub(crate) fn seen_blocks(mailbox: MailboxId, guest: Option<AccountId>) -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(61, &guest_in(mailbox, guest)))
}

/// When guests made their last marks in a mailbox.
pub(crate) fn all_marked(mailbox: MailboxId) -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(60, &guest_in(mailbox, None)))
}

/// All marks in all mailboxes.
pub(crate) fn all_marks() -> [(Vec<u8>, Vec<u8>); 2] {
    [60, 61].map(|kind| all(&sub_kind(kind, &[])))
}

/// That another account may have shared something with this one.
pub(crate) fn owner(owner: AccountId) -> Vec<u8> {
    sub_kind(62, &owner.0.to_be_bytes())
}

pub(crate) fn owners() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(62, &[]))
}

/// How many rows say what an import has taken of a folder.
pub(crate) fn imported(device: DeviceId, folder: u64) -> Vec<u8> {
    sub_kind(120, &[&device.0.to_be_bytes()[..], &folder.to_be_bytes()].concat())
}

/// One of these rows.
pub(crate) fn imported_row(device: DeviceId, folder: u64, number: u32) -> Vec<u8> {
    let mut key = imported(device, folder);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// All rows of an import.
pub(crate) fn all_imported_by(device: DeviceId) -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(120, &device.0.to_be_bytes()))
}

/// All rows of all imports.
pub(crate) fn all_imported() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(120, &[]))
}

pub(crate) fn training_page(number: u8) -> Vec<u8> {
    sub_kind(1, &[number])
}

/// All pages of what the junk filter has learnt.
pub(crate) fn training_pages() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(1, &[]))
}

pub(crate) fn taught(email: EmailId) -> Vec<u8> {
    sub_kind(2, &email.0.to_be_bytes())
}

/// All messages that the junk filter was taught.
pub(crate) fn all_taught() -> (Vec<u8>, Vec<u8>) {
    all(&sub_kind(2, &[]))
}

pub(crate) fn body(email: EmailId) -> Vec<u8> {
    key(b'Y', &[&email.0.to_be_bytes()])
}

/// The bounds of every key that begins with `prefix`. `prefix` must not be all 0xff; ours begin with a letter.
pub(crate) fn all(prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    (prefix.to_vec(), end)
}

/// All keys of one kind.
pub(crate) fn kind(letter: u8) -> (Vec<u8>, Vec<u8>) {
    all(&[letter])
}

/// The range of one key.
pub(crate) fn only(key: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let end = [&key[..], &[0]].concat();
    (key, end)
}

/// All keys of one kind that belong to a mailbox or device.
pub(crate) fn kind_of(letter: u8, number: u32) -> (Vec<u8>, Vec<u8>) {
    all(&key(letter, &[&number.to_be_bytes()]))
}

/// Takes the number off a key that has been scanned.
pub(crate) fn number_at(key: &[u8], at: usize) -> Result<u32, Corrupt> {
    let mut r = Reader(key.get(at..).ok_or(Corrupt)?);
    r.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Corrupt)
}

/// Takes the long number off a key that has been scanned.
pub(crate) fn long_at(key: &[u8], at: usize) -> Result<u64, Corrupt> {
    let mut r = Reader(key.get(at..).ok_or(Corrupt)?);
    r.take(8)?.try_into().map(u64::from_be_bytes).map_err(|_| Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_a_prefix_hold_all_that_begin_with_it_and_nothing_else() {
        let (from, to) = kind_of(b'M', u32::MAX);
        let inside = message(MailboxId(u32::MAX), Uid(u32::MAX));
        assert!(from <= inside && inside < to);
        assert!(pack(MailboxId(0)) < from && retained(Timestamp(0), EmailId(0)) >= to);
        let (from, to) = kind_of(b'M', 7);
        assert!(from <= message(MailboxId(7), Uid(0)) && message(MailboxId(8), Uid(0)) >= to);
    }
}
