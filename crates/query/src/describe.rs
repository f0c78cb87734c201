//! What can be asked of: tables, their columns and our functions, for people and for completion.

use std::collections::HashMap;

use sdk::Scope;

use crate::{SCHEMA, Sql, book, format, history};

/// A table as people and programs see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct TableView {
    /// As it is named in a statement.
    pub name: String,
    /// One line, English.
    pub summary: String,
    /// Left to right.
    pub columns: Vec<ColumnView>,
}

/// A column of a table.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ColumnView {
    /// Name.
    pub name: String,
    /// See [`format::column_type`].
    #[serde(rename = "type")]
    pub of: &'static str,
    /// What it means; may be empty.
    pub summary: String,
}

/// A function of ours.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct FunctionView {
    /// Name.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// One line, English.
    pub summary: &'static str,
}

/// The functions that are there beside those of the engine.
pub fn functions() -> Vec<FunctionView> {
    Vec::new()
}

impl Sql {
    /// The tables as this caller sees them.
    pub fn describe(&self, scope: &Scope) -> Vec<TableView> {
        let inner = &self.inner;
        let meanings: HashMap<&str, &str> = book::COLUMNS
            .into_iter()
            .chain(history::VALUE_COLUMNS)
            .chain([("time", "when it was true, UTC")])
            .collect();
        let views = self.tables(scope).into_iter().map(|(schema, name, table)| {
            let view = inner.views.iter().find(|view| view.name == format!("{schema}.{name}"));
            let columns = table
                .schema()
                .fields()
                .iter()
                .map(|field| ColumnView {
                    name: field.name().clone(),
                    of: format::column_type(field.data_type()),
                    summary: match view {
                        Some(_) => String::new(),
                        None => {
                            meanings.get(field.name().as_str()).map(ToString::to_string).unwrap_or_default()
                        }
                    },
                })
                .collect();
            let name = if schema == SCHEMA { name.to_string() } else { format!("{schema}.{name}") };
            TableView { summary: view.map_or(summary(&name), |view| view.summary).into(), name, columns }
        });
        views.collect()
    }
}

fn summary(table: &str) -> &'static str {
    match table {
        "samples" => "Every current row of every point",
        "latest" => "The newest value of every point",
        "points" => "Every point",
        "assets" => "Places and machines",
        "devices" => "What speaks a protocol",
        _ => "",
    }
}
