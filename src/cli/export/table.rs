//! Tables beside the mail, which an import reads (`import::notes`).

use super::super::failure::Failure;
use csv::Writer;

/// A table, row by row.
pub(super) struct Table(Writer<Vec<u8>>);

impl Table {
    /// A table with these columns.
    pub(super) fn new(columns: &[&str]) -> Result<Self, Failure> {
        let mut table = Self(Writer::from_writer(Vec::new()));
        table.row(columns)?;
        Ok(table)
    }

    pub(super) fn row(&mut self, fields: &[&str]) -> Result<(), Failure> {
        self.0.write_record(fields).map_err(|error| Failure::Fault(format!("a table cannot be written: {error}")))
    }

    pub(super) fn end(self) -> Result<Vec<u8>, Failure> {
        self.0.into_inner().map_err(|error| Failure::Fault(format!("a table cannot be written: {error}")))
    }
}
