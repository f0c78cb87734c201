//! A CSV file as rows of known columns: separator, heading row, blank rows. Pure.

use std::collections::HashMap;

use types::{Fault, codes};

use super::IMPORT_BYTES_MAX;
use super::cell::unguarded;
use super::column::Column;

/// A file whose headings were understood.
pub(crate) struct Table {
    /// Columns that the file has.
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<TableRow>,
    /// Numbers may be written `1,5`.
    pub(crate) decimal_comma: bool,
    /// What was passed over.
    pub(crate) faults: Vec<Fault>,
}

/// One row that is not blank.
pub(crate) struct TableRow {
    /// Where it starts, from 1.
    pub(crate) line: u64,
    cells: HashMap<Column, String>,
}

impl TableRow {
    /// Trimmed; empty also when the row is too short or the column is not there.
    pub(crate) fn cell(&self, column: Column) -> &str {
        self.cells.get(&column).map_or("", String::as_str)
    }
}

/// Where a fault lies.
pub(crate) fn place(line: u64, column: Column) -> String {
    format!("line {line}, column {}", column.heading())
}

impl Table {
    /// # Errors
    /// When nothing of the file can be used: too large, not UTF-8, no column with names.
    pub(crate) fn read(bytes: &[u8]) -> Result<Table, Fault> {
        if bytes.len() > IMPORT_BYTES_MAX {
            let detail = format!(
                "the file has {} bytes, the limit is {IMPORT_BYTES_MAX}: import it in parts",
                bytes.len()
            );
            return Err(Fault::new(codes::LIMIT, detail).arg("limit", IMPORT_BYTES_MAX));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            let detail = "the file is not UTF-8: save it as `CSV UTF-8` in the spreadsheet and import that";
            Fault::new("point-list.not-utf8", detail).at(format!("line {line}"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let separator = separator(text);
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .trim(::csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let mut faults = Vec::new();
        let headings = loop {
            match records.next() {
                None => return Err(no_names()),
                Some(Ok(record)) if record.iter().all(str::is_empty) => {}
                Some(Ok(record)) => break columns(&record, &mut faults),
                Some(Err(error)) => return Err(unreadable(&error)),
            }
        };
        let columns: Vec<_> = headings.iter().flatten().copied().collect();
        if !columns.contains(&Column::Name) {
            return Err(no_names());
        }
        let mut rows = Vec::new();
        for record in records {
            let record = record.map_err(|error| unreadable(&error))?;
            if record.iter().all(str::is_empty) {
                continue;
            }
            let line = record.position().map_or(0, |at| line_of(text, at));
            let cells = headings.iter().zip(&record).filter_map(|(column, cell)| {
                column.filter(|_| !cell.is_empty()).map(|column| (column, unguarded(cell).to_string()))
            });
            rows.push(TableRow { line, cells: cells.collect() });
        }
        Ok(Table { columns, rows, decimal_comma: separator == b';', faults })
    }

    pub(crate) fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }
}

/// The reader's position is before the blank lines that it steps over.
fn line_of(text: &str, at: &::csv::Position) -> u64 {
    let start = usize::try_from(at.byte()).ok().and_then(|byte| text.as_bytes().get(byte..));
    let blank = start.unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    at.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// What the first line has most of; a comma where it has none.
fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: u8| first.bytes().filter(|byte| *byte == separator).count();
    [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

/// The column under each heading; unknown and repeated ones are passed over with one fault each kind.
fn columns(record: &::csv::StringRecord, faults: &mut Vec<Fault>) -> Vec<Option<Column>> {
    let (mut columns, mut unknown) = (Vec::new(), Vec::new());
    for heading in record {
        let column = Column::of_heading(heading).filter(|column| !columns.contains(&Some(*column)));
        if column.is_none() && !heading.is_empty() {
            unknown.push(heading.chars().take(40).collect::<String>());
        }
        columns.push(column);
    }
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        let detail = format!(
            "these columns are not known or are there twice and were left out: {unknown}; rename or remove them"
        );
        faults.push(Fault::new("point-list.unknown-columns", detail).arg("columns", unknown).at("line 1"));
    }
    columns
}

fn no_names() -> Fault {
    let detail = "the file has no column `name` (名称): give its first row headings such as name, device, address, type, unit";
    Fault::new("point-list.no-names", detail).at("line 1")
}

fn unreadable(error: &::csv::Error) -> Fault {
    let line = error.position().map_or(1, ::csv::Position::line);
    let detail = format!("the file is not CSV ({error}): correct it, or save it again from the spreadsheet");
    Fault::new(codes::INVALID, detail).at(format!("line {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_as_spreadsheets_write_them() {
        let cases: [(&str, &[&str]); 5] = [
            ("name,unit\na,bar\n", &["2 a bar"]),
            ("\u{feff}单位;名称\r\n\r\nbar;a\r\n;\r\n;b\r\n", &["3 a bar", "5 b "]),
            ("\n\nname\tunit\na\tbar\n", &["4 a bar"]),
            ("name,unit,remark\na\nb,%,\"two\nlines\"\nc,K\n", &["2 a ", "3 b %", "5 c K"]),
            ("name\n'=a\n", &["2 =a "]),
        ];
        for (text, expected) in cases {
            let table = Table::read(text.as_bytes()).unwrap();
            let rows: Vec<_> = table
                .rows
                .iter()
                .map(|row| format!("{} {} {}", row.line, row.cell(Column::Name), row.cell(Column::Unit)))
                .collect();
            assert_eq!(rows, expected, "{text:?}");
        }
    }

    #[test]
    fn files_that_are_no_point_list() {
        let cases: [(&[u8], &str); 4] = [
            (b"", "point-list.no-names"),
            (b"address,unit\n1,bar\n", "point-list.no-names"),
            (b"name\n\xc3\xfb\n", "point-list.not-utf8"),
            (b"\x00\xff", "point-list.not-utf8"),
        ];
        for (bytes, code) in cases {
            let fault = Table::read(bytes).err().unwrap();
            assert_eq!(fault.code, code);
        }
    }

    #[test]
    fn unknown_columns_are_told_once() {
        let table = Table::read("name,remark,unit,Name\na,x,bar,b\n".as_bytes()).unwrap();
        assert_eq!(table.faults.len(), 1);
        assert_eq!(table.faults[0].args["columns"], "remark, Name".into());
        assert_eq!(table.rows[0].cell(Column::Name), "a");
    }
    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            start in "(name|名称)?[,;\t\"]{0,3}",
            text in "[a,;\"\\n\\r\t ]{0,60}",
        ) {
            let _ = Table::read(&bytes);
            if let Ok(table) = Table::read(format!("{start}{text}").as_bytes()) {
                let lines = 1 + text.matches('\n').count() as u64 + text.matches('\r').count() as u64;
                proptest::prop_assert!(table.rows.iter().all(|row| (1..=lines).contains(&row.line)));
            }
        }
    }
}
