//! A view: a table that a leaf publishes, as data. Leaves talk by events and views, never by import.

use types::ValueType;

/// One published table over a collection of documents. Additive only: another meaning is another version.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Name, such as `alarms.active`.
    pub name: &'static str,
    /// Raised when a column changes its meaning.
    pub version: u16,
    /// One line, English.
    pub summary: &'static str,
    /// The collection behind it; a row is a document, and its organisation is the collection's.
    pub collection: &'static str,
    /// The collection's indexes.
    pub indexes: &'static [types::Index],
    /// Only documents with this number in this index.
    pub only: Option<(&'static str, i64)>,
    /// By which index its rows are ordered; by birth without one.
    pub order: Option<(&'static str, types::Direction)>,
    /// Columns, left to right. `id` is always there before them.
    pub columns: &'static [Column],
}

/// One column of a view.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type of its values; `null` where the document has none.
    pub value_type: ColumnType,
    /// UCUM code; empty when a unit has no meaning here.
    pub unit: &'static str,
    /// Where it stands in the document, as a JSON pointer.
    pub path: &'static str,
}

/// Types of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// A scalar.
    Scalar(ValueType),
    /// A time, RFC 3339.
    Time,
    /// An object id.
    Id,
}
