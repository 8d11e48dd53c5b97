//! Receipts of messages that were queued and whose clients may not know yet (`store::receipt`): a row `r` id each, written
//! with the message. What is queued is always answered with success; so receipts without an answer are what a crash, or a
//! client that went away, has left.

use crate::entry::QueueId;
use crate::error::Error;
use store::codec::{Corrupt, Reader, Writer};
use store::{Claims, Handover, Row, Table, TableTx, Timestamp};

/// So many receipts are kept; the oldest is forgotten first.
pub(crate) const RECEIPTS_MAX: usize = 1000;

const PREFIX: &[u8] = b"r";

/// The message, if it was queued before and its client had no answer; it is the caller's then.
pub(crate) fn known(
    tx: &TableTx<'_>,
    claims: &Claims,
    handover: &Handover,
    now: Timestamp,
) -> Result<Option<QueueId>, Error> {
    let rows = sound(tx.scan_before(PREFIX, &[], RECEIPTS_MAX))?;
    let is_it = |row: &&Row| read(row).is_ok_and(|known| known.digest == handover.digest && !known.is_old(now));
    let mut known = rows.iter().filter(is_it).map(number);
    Ok(known.find(|number| claims.take(*number)).map(QueueId))
}

/// Writes the receipt of a message that is queued now, and takes away those that were answered: their numbers.
pub(crate) fn note(tx: &mut TableTx<'_>, claims: &Claims, id: QueueId, handover: &Handover) -> Vec<u64> {
    let answered = claims.answered();
    answered.iter().for_each(|number| tx.delete(&key(*number)));
    tx.put(&key(id.0), value(handover));
    claims.take(id.0);
    answered
}

/// Takes away what was answered, is old, or is too much.
pub(crate) fn tidy(table: &Table, claims: &Claims, now: Timestamp) -> Result<(), Error> {
    let answered = claims.answered();
    let rows = sound(table.scan(PREFIX, &[], 2 * RECEIPTS_MAX))?;
    let too_many = rows.len().saturating_sub(RECEIPTS_MAX);
    let is_old = |row: &Row| read(row).map_or(true, |known| known.is_old(now));
    let goes = |(place, row): &(usize, &Row)| *place < too_many || answered.contains(&number(row)) || is_old(row);
    let gone: Vec<&Row> = rows.iter().enumerate().filter(goes).map(|(_, row)| row).collect();
    if !gone.is_empty() {
        table.change::<_, Error>(|tx| {
            gone.iter().for_each(|(key, _)| tx.delete(key));
            Ok(())
        })?;
    }
    claims.forget(&answered);
    Ok(())
}

/// What cannot be read tells nothing: a message that comes again is queued again then, which is better than that nobody
/// can send.
fn sound(rows: Result<Vec<Row>, store::Error>) -> Result<Vec<Row>, store::Error> {
    match rows {
        Err(store::Error::Damaged(_)) => Ok(Vec::new()),
        rows => rows,
    }
}

fn key(number: u64) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes()].concat()
}

fn number((key, _): &Row) -> u64 {
    u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default())
}

fn value(handover: &Handover) -> Vec<u8> {
    let mut value = Writer::default();
    value.raw(&handover.digest).raw(&handover.at.0.to_be_bytes()).raw(&handover.serial.to_be_bytes());
    value.0
}

fn read((_, value): &Row) -> Result<Handover, Corrupt> {
    let mut fields = Reader(value);
    let digest = fields.array()?;
    let (at, serial) = (Timestamp(i64::from_be_bytes(fields.array()?)), u32::from_be_bytes(fields.array()?));
    fields.end()?;
    Ok(Handover { digest, at, serial })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_has_the_octets_that_it_always_had() {
        let handover = Handover { digest: *b"0123456789abcdef", at: Timestamp(-2), serial: 7 };
        let octets = b"0123456789abcdef\xff\xff\xff\xff\xff\xff\xff\xfe\0\0\0\x07";
        assert_eq!(value(&handover), octets);
        assert_eq!(read(&(key(1), octets.to_vec())), Ok(handover));
        assert_eq!(read(&(key(1), octets[1..].to_vec())), Err(Corrupt));
    }
}
