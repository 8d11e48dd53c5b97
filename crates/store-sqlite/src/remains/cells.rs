//! The rows that stand in a page of a tree (<https://www.sqlite.org/fileformat2.html>, 1.6 and 2.1).
//!
//! A row is taken for what it is by the types of its columns; whether it is what was written, its checksum says, not this. What
//! cannot be a row is passed over. Of a page whose octets do not add up, also what its header does not name is looked at, but only
//! where a row must begin: right behind another. Octets inside of a row are never taken for rows, because strangers choose them.

use super::pages::{Image, PAGE, Pages};
use std::collections::{BTreeMap, BTreeSet};
use store::engine::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// What a page has in its first octet.
const INDEX_INSIDE: u8 = 2;
const TABLE_INSIDE: u8 = 5;
const INDEX_LEAF: u8 = 10;
const TABLE_LEAF: u8 = 13;
/// What a row has beside key and value.
const ROW_BYTES_MAX: usize = VALUE_BYTES_MAX + KEY_BYTES_MAX + 64;
/// A row's header has one number for each of at most five columns, and its own length.
const COLUMNS_MAX: usize = 5;

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Of `heads`.
    Head { account: u32, ver: i64, sum: Option<i64> },
    /// Of `records`; without a key the one before all keys, without sums (or with two zeros) one of format version 1.
    Record { account: u32, key: Option<Vec<u8>>, value: Value, sums: Option<(i64, i64)> },
    /// Of `large`: its number, and where it is.
    Large { number: i64, at: usize },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Here(Vec<u8>),
    /// The number in `large`.
    There(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Null,
    Integer(i64),
    /// Eight octets of zeros, which SQLite never writes for a number: something overwrote it.
    Zeroed,
    Blob(Vec<u8>),
    Other,
}

/// Takes a row, and whether the page says where it is: else it may be one that stood there once.
pub(super) type VisitRow<'a> = &'a mut dyn FnMut(Row, bool);

/// Visits the rows of a page. Whether the page is a tree's, and all of it adds up; `None`: it is something else.
pub(super) fn rows(pages: &Pages, (image, page): (Image, &[u8; PAGE]), visit: VisitRow<'_>) -> Option<bool> {
    let start = if image == Image::Page(1) { 100 } else { 0 };
    let kind = page[start];
    // Pages that go on with a long value begin with 0.
    if kind == 0 {
        return None;
    }
    let is_inside = matches!(kind, INDEX_INSIDE | TABLE_INSIDE);
    let pointers = start + if is_inside { 12 } else { 8 };
    let mut seen = Seen { page, covered: Vec::new() };
    let kinds = match kind {
        INDEX_INSIDE | TABLE_INSIDE | INDEX_LEAF | TABLE_LEAF => vec![kind],
        _ => vec![INDEX_LEAF, TABLE_LEAF, INDEX_INSIDE],
    };
    let count = usize::from(short(page, start + 3));
    let mut all = kinds.len() == 1 && pointers + 2 * count <= PAGE;
    let places: Vec<usize> =
        (0..count.min((PAGE - pointers) / 2)).map(|n| usize::from(short(page, pointers + 2 * n))).collect();
    let extent = |at: &usize| kinds.iter().find_map(|kind| Cell::at(page, *kind, *at)).map(|cell| (*at, cell.bytes));
    let extents: BTreeMap<usize, usize> = places.iter().filter(|at| **at > pointers).filter_map(extent).collect();
    all &= extents.len() == places.len();
    for at in extents.keys() {
        let row = seen.row(pages, &kinds, *at);
        all &= row.is_some();
        // What begins inside of another row may be a stranger's octets.
        let is_inside = extents.range(..at).any(|(from, bytes)| from + bytes > *at);
        if let Some(Some(row)) = row {
            visit(row, !is_inside);
        }
    }
    let adds_up = all && seen.adds_up(start, pointers + 2 * count);
    if !adds_up {
        seen.uncovered(pages, &kinds, (start, pointers), visit);
    }
    Some(adds_up)
}

/// The value of a row of `large`.
pub(super) fn large(pages: &Pages, image: Image, at: usize) -> Option<Vec<u8>> {
    let mut page = [0; PAGE];
    if !pages.read(image, &mut page) {
        return None;
    }
    let cell = Cell::at(&page, TABLE_LEAF, at)?;
    match <[Column; 2]>::try_from(columns(&cell.payload(pages, &page)?)?) {
        Ok([Column::Null, Column::Blob(value)]) => Some(value),
        _ => None,
    }
}

/// What of a page is known.
struct Seen<'a> {
    page: &'a [u8; PAGE],
    /// From, to.
    covered: Vec<(usize, usize)>,
}

impl Seen<'_> {
    /// `None`: no row stands there; `Some(None)`: one that is none of ours.
    fn row(&mut self, pages: &Pages, kinds: &[u8], at: usize) -> Option<Option<Row>> {
        for kind in kinds {
            let Some(cell) = Cell::at(self.page, *kind, at) else { continue };
            // It may be large; whoever wants it reads it then.
            let row = match cell.rowid {
                Some(number) if cell.is_large(self.page) => Some(Row::Large { number, at }),
                _ if *kind == TABLE_INSIDE => None,
                rowid => cell.payload(pages, self.page).and_then(|payload| row(rowid, columns(&payload)?)),
            };
            if row.is_some() || kinds.len() == 1 {
                self.covered.push((at, at + cell.bytes));
                return Some(row);
            }
        }
        None
    }

    /// Whether rows, what is free between them, and header are all of the page.
    fn adds_up(&mut self, start: usize, pointers_end: usize) -> bool {
        let content = match usize::from(short(self.page, start + 5)) {
            0 => 1 << 16,
            content => content,
        };
        let (mut next, mut blocks) = (usize::from(short(self.page, start + 1)), 0);
        while next != 0 && blocks < PAGE / 4 {
            if next + 4 > PAGE || next < content {
                return false;
            }
            let bytes = usize::from(short(self.page, next + 2));
            self.covered.push((next, next + bytes));
            (blocks, next) = (blocks + 1, usize::from(short(self.page, next)));
        }
        self.covered.sort_unstable();
        let apart = self.covered.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        let rows: usize = self.covered.iter().map(|(from, to)| to - from).sum::<usize>();
        let fragments = usize::from(self.page[start + 7]);
        apart && content >= pointers_end && content <= PAGE && content + rows + fragments == PAGE
    }

    /// Rows that nothing leads to any more.
    fn uncovered(&mut self, pages: &Pages, kinds: &[u8], (start, pointers): (usize, usize), visit: VisitRow<'_>) {
        self.covered.sort_unstable();
        let mut starts = Vec::new();
        // The pointers behind those that are counted; and where the content begins.
        for at in (pointers..pointers + 1024).step_by(2).take_while(|at| at + 2 <= PAGE) {
            starts.push(usize::from(short(self.page, at)));
        }
        starts.push(usize::from(short(self.page, start + 5)));
        // The ends of rows are looked at first.
        starts.extend(self.covered.iter().map(|(_, to)| *to));
        while let Some(at) = starts.pop() {
            let is_known = self.covered.iter().any(|(from, to)| (*from..*to).contains(&at));
            if at < pointers || at >= PAGE || is_known {
                continue;
            }
            match self.row(pages, kinds, at) {
                Some(Some(row)) => {
                    visit(row, false);
                    starts.extend(self.covered.last().map(|(_, to)| *to));
                }
                // What is no row hides none.
                Some(None) => drop(self.covered.pop()),
                None => {}
            }
        }
    }
}

/// A row as it lies in a page.
struct Cell {
    rowid: Option<i64>,
    /// Where its octets begin, how many there are, and how many of them are in this page.
    payload: (usize, usize, usize),
    /// What it takes of the page.
    bytes: usize,
}

impl Cell {
    fn at(page: &[u8; PAGE], kind: u8, start: usize) -> Option<Self> {
        let mut at = start;
        if matches!(kind, INDEX_INSIDE | TABLE_INSIDE) {
            at += 4;
        }
        if kind == TABLE_INSIDE {
            let (rowid, length) = varint(page.get(at..)?)?;
            return Some(Self { rowid: Some(rowid), payload: (at, 0, 0), bytes: at + length - start });
        }
        let (size, length) = varint(page.get(at..)?)?;
        let size = usize::try_from(size).ok().filter(|size| *size > 0 && *size <= ROW_BYTES_MAX)?;
        at += length;
        let mut rowid = None;
        if kind == TABLE_LEAF {
            let (number, length) = varint(page.get(at..)?)?;
            (rowid, at) = (Some(number), at + length);
        }
        let here_max = if kind == TABLE_LEAF { PAGE - 35 } else { (PAGE - 12) * 64 / 255 - 23 };
        let here = if size <= here_max {
            size
        } else {
            let least = (PAGE - 12) * 32 / 255 - 23;
            let here = least + (size - least) % (PAGE - 4);
            if here <= here_max { here } else { least }
        };
        let end = at + here + if here < size { 4 } else { 0 };
        let bytes = (end - start).max(4);
        (start + bytes <= PAGE).then_some(Self { rowid, payload: (at, size, here), bytes })
    }

    /// All of its octets.
    fn payload(&self, pages: &Pages, page: &[u8; PAGE]) -> Option<Vec<u8>> {
        let (at, size, here) = self.payload;
        let mut payload = page.get(at..at + here)?.to_vec();
        let mut next = if here < size { long(page, at + here) } else { 0 };
        let (mut more, mut seen) = ([0; PAGE], BTreeSet::new());
        while payload.len() < size {
            // A page that comes twice is of no value.
            if next == 0 || !seen.insert(next) || !pages.read(Image::Page(next), &mut more) {
                return None;
            }
            let wanted = (size - payload.len()).min(PAGE - 4);
            payload.extend_from_slice(&more[4..4 + wanted]);
            next = long(&more, 0);
        }
        Some(payload)
    }

    /// Whether its columns are those of `large`.
    fn is_large(&self, page: &[u8; PAGE]) -> bool {
        let (at, size, here) = self.payload;
        let Some(types) = page.get(at..at + here).and_then(types) else { return false };
        let (from, types) = types;
        matches!(types[..], [0, blob] if is_blob(blob) && from + (blob as usize - 12) / 2 == size)
    }
}

fn is_blob(kind: i64) -> bool {
    kind >= 12 && kind % 2 == 0
}

/// Where the columns begin, and what they are.
fn types(payload: &[u8]) -> Option<(usize, Vec<i64>)> {
    let (length, mut at) = varint(payload)?;
    let end = usize::try_from(length).ok().filter(|end| *end <= payload.len() && *end <= 1 + 9 * COLUMNS_MAX)?;
    let mut types = Vec::new();
    while at < end {
        let (kind, length) = varint(payload.get(at..)?)?;
        types.push(kind);
        at += length;
    }
    (at == end && types.len() <= COLUMNS_MAX).then_some((end, types))
}

fn columns(payload: &[u8]) -> Option<Vec<Column>> {
    let (mut at, types) = types(payload)?;
    let mut columns = Vec::new();
    for kind in types {
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            12.. => usize::try_from(kind - 12).ok()? / 2,
            _ => return None,
        };
        let octets = payload.get(at..at.checked_add(bytes)?)?;
        at += bytes;
        columns.push(match kind {
            0 => Column::Null,
            8 | 9 => Column::Integer(kind - 8),
            6 if octets.iter().all(|octet| *octet == 0) => Column::Zeroed,
            1..=6 => {
                let start = if octets.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
                Column::Integer(octets.iter().fold(start, |number, octet| number << 8 | i64::from(*octet)))
            }
            kind if is_blob(kind) => Column::Blob(octets.to_vec()),
            _ => Column::Other,
        });
    }
    (at == payload.len()).then_some(columns)
}

fn row(rowid: Option<i64>, columns: Vec<Column>) -> Option<Row> {
    use Column::{Blob, Integer, Null};
    let account = |number: i64| u32::try_from(number).ok();
    let mut columns = columns.into_iter();
    let row = match (rowid, columns.next(), columns.next(), columns.next(), columns.next(), columns.next()) {
        (Some(id), Some(Null), Some(Integer(ver)), sum @ (None | Some(Integer(_))), None, None) => {
            let sum = if let Some(Integer(sum)) = sum { Some(sum) } else { None };
            Row::Head { account: account(id)?, ver, sum }
        }
        (None, Some(Integer(id)), Some(key), Some(value), sum, link) => Row::Record {
            account: account(id)?,
            key: match key {
                Integer(0) => None,
                Blob(key) if key.len() <= KEY_BYTES_MAX => Some(key),
                _ => return None,
            },
            value: match value {
                Blob(value) => Value::Here(value),
                Integer(number) => Value::There(number),
                _ => return None,
            },
            sums: match (sum, link) {
                (None, None) | (Some(Integer(0)), Some(Integer(0))) => None,
                (Some(sum), Some(link)) => Some((sum_in(sum)?, sum_in(link)?)),
                _ => return None,
            },
        },
        _ => return None,
    };
    Some(row)
}

fn sum_in(column: Column) -> Option<i64> {
    match column {
        Column::Integer(sum) => Some(sum),
        Column::Zeroed => Some(0),
        Column::Null | Column::Blob(_) | Column::Other => None,
    }
}

fn short(page: &[u8; PAGE], at: usize) -> u16 {
    page.get(at..at + 2).and_then(|octets| octets.try_into().ok()).map_or(0, u16::from_be_bytes)
}

fn long(page: &[u8; PAGE], at: usize) -> u32 {
    page.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// A number of one to nine octets, and how many.
fn varint(octets: &[u8]) -> Option<(i64, usize)> {
    let mut number = 0u64;
    for (at, octet) in octets.iter().take(9).enumerate() {
        if at == 8 {
            return Some(((number << 8 | u64::from(*octet)).cast_signed(), 9));
        }
        number = number << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            return Some((number.cast_signed(), at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Row, Value, columns, row};

    #[test]
    fn a_checksum_that_was_overwritten_with_zeros_is_not_one_that_was_never_there() {
        let sums_of = |types: [u8; 2], octets: &[u8]| {
            let payload = [&[6, 1, 14, 14, types[0], types[1], 16, b'k', b'v'], octets].concat();
            let Some(Row::Record { account: 16, value: Value::Here(_), sums, .. }) = row(None, columns(&payload)?)
            else {
                return None;
            };
            Some(sums)
        };
        // Two numbers 0 have no octets.
        assert_eq!(sums_of([8, 8], &[]), Some(None));
        assert_eq!(sums_of([6, 6], &[0; 16]), Some(Some((0, 0))));
        assert_eq!(sums_of([6, 8], &[1, 0, 0, 0, 0, 0, 0, 0]), Some(Some((1 << 56, 0))));
    }
}
