//! Tables beside the mail, which an import reads (`import::notes`).

use super::super::failure::Failure;
use csv::Writer;
use import::notes::may_be_formula;

/// A table, row by row.
pub(super) struct Table(Writer<Vec<u8>>);

impl Table {
    /// A table with these columns.
    pub(super) fn new(columns: &[&str]) -> Result<Self, Failure> {
        let mut table = Self(Writer::from_writer(Vec::new()));
        table.row(columns)?;
        Ok(table)
    }

    /// A row. No cell is a formula to a spreadsheet.
    pub(super) fn row(&mut self, fields: &[&str]) -> Result<(), Failure> {
        let fields = fields.iter().map(|field| format!("{}{field}", if may_be_formula(field) { "'" } else { "" }));
        self.0.write_record(fields).map_err(|error| Failure::Fault(format!("a table cannot be written: {error}")))
    }

    pub(super) fn end(self) -> Result<Vec<u8>, Failure> {
        self.0.into_inner().map_err(|error| Failure::Fault(format!("a table cannot be written: {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let mut table = Table::new(&["place", "mailbox"]).unwrap();
        table.row(&["=HYPERLINK(\"http://x\")", "'own"]).unwrap();
        table.row(&["a=b", "-1"]).unwrap();
        let text = String::from_utf8(table.end().unwrap()).unwrap();
        assert_eq!(text, "place,mailbox\n\"'=HYPERLINK(\"\"http://x\"\")\",''own\na=b,'-1\n");
    }
}
