//! The tables this app publishes, as data: what other leaves and SQL may count on.

use sdk::{Column, ColumnType, View};
use types::{Direction, Document, ValueType};

use crate::{alarm::Alarm, journal::Entry};

const fn column(name: &'static str, value_type: ColumnType, path: &'static str) -> Column {
    Column { name, value_type, unit: "", path }
}

const TEXT: ColumnType = ColumnType::Scalar(ValueType::String);
const COUNT: ColumnType = ColumnType::Scalar(ValueType::U64);
const SWITCH: ColumnType = ColumnType::Scalar(ValueType::Bool);

/// Alarms that an operator has on the list now, the most urgent first.
pub const ACTIVE: View = View {
    name: "alarms.active",
    version: 1,
    summary: "Alarms on the operator's list, the most urgent first",
    collection: Alarm::COLLECTION,
    indexes: Alarm::INDEXES,
    only: Some((Alarm::SHOWN, 1)),
    order: Some((Alarm::URGENCY, Direction::Ascending)),
    columns: &[
        column("point", ColumnType::Id, "/point"),
        column("asset", ColumnType::Id, "/asset"),
        column("priority", TEXT, "/priority"),
        column("class", TEXT, "/class"),
        column("message_zh", TEXT, "/message/zh"),
        column("message_en", TEXT, "/message/en"),
        column("state", TEXT, "/state"),
        column("since", ColumnType::Time, "/since"),
        column("active", SWITCH, "/bits/active"),
        column("acknowledged", SWITCH, "/bits/acked"),
        column("acknowledged_by", TEXT, "/acknowledged/by"),
        column("raised", ColumnType::Time, "/raised"),
        column("cleared", ColumnType::Time, "/cleared"),
        // As the API writes values: a number, or a text for what JSON has no number for.
        column("value", TEXT, "/value"),
        column("unit", TEXT, "/unit"),
        column("raises", COUNT, "/raises"),
    ],
};

/// Everything that happened to alarms, oldest first.
pub const JOURNAL: View = View {
    name: "alarms.journal",
    version: 1,
    summary: "Everything that happened to alarms, oldest first",
    collection: Entry::COLLECTION,
    indexes: Entry::INDEXES,
    only: None,
    order: Some((Entry::AT, Direction::Ascending)),
    columns: &[
        column("at", ColumnType::Time, "/at"),
        column("alarm", ColumnType::Id, "/alarm"),
        column("point", ColumnType::Id, "/point"),
        column("asset", ColumnType::Id, "/asset"),
        column("what", TEXT, "/what"),
        column("by", TEXT, "/by"),
        column("from_state", TEXT, "/from"),
        column("to_state", TEXT, "/to"),
        column("priority", TEXT, "/priority"),
        column("message_zh", TEXT, "/message/zh"),
        column("message_en", TEXT, "/message/en"),
        column("value", TEXT, "/value"),
        column("unit", TEXT, "/unit"),
        column("reason", TEXT, "/reason"),
        column("until", ColumnType::Time, "/until"),
    ],
};
