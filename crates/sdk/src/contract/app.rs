//! What every app must keep. An app's own test calls [`check`] with its folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{App, http::Permission};

/// Past tenses that do not end in `ed`; an event is a fact that happened.
const IRREGULAR: &[&str] = &[
    "begun",
    "bought",
    "built",
    "cut",
    "drawn",
    "found",
    "held",
    "kept",
    "left",
    "lost",
    "made",
    "met",
    "paid",
    "put",
    "run",
    "sent",
    "set",
    "shut",
    "sold",
    "split",
    "taken",
    "withdrawn",
    "written",
];

/// Panics with everything that breaks the contract at once. `folder` is the app's own: `env!("CARGO_MANIFEST_DIR")`.
///
/// # Panics
/// When the app breaks its contract.
pub fn check(app: &App, folder: &Path) {
    let found = violations(app, folder);
    assert!(found.is_empty(), "the app `{}` breaks its contract:\n  {}\n", app.id, found.join("\n  "));
}

/// Everything that breaks the contract; empty when nothing does.
pub fn violations(app: &App, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    names(app, folder, &mut found);
    routes(app, &mut found);
    events(app, folder, &mut found);
    views(app, &mut found);
    found
}

fn names(app: &App, folder: &Path, found: &mut Vec<String>) {
    if !is_name(app.id) {
        found.push(format!("id `{}`: use lower-case words joined by hyphens", app.id));
    }
    if folder.file_name().and_then(|name| name.to_str()) != Some(app.id) {
        found.push(format!("id `{}` is not the name of its folder {}", app.id, folder.display()));
    }
    let (zh, en) = app.name;
    if zh.trim().is_empty() || zh.is_ascii() {
        found.push(format!("name `{zh}`: give the Chinese name first"));
    }
    if en.trim().is_empty() || !en.is_ascii() {
        found.push(format!("name `{en}`: give the English name second"));
    }
}

fn routes(app: &App, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for route in (app.routes)() {
        let place = format!("{:?} {}", route.method, route.path);
        if !seen.insert((route.method, route.path)) {
            found.push(format!("{place} is there twice"));
        }
        let whole = route.path.is_empty() || route.path.starts_with('/') && !route.path.ends_with('/');
        if !whole {
            found.push(format!("{place}: a path is empty, or starts with `/` and does not end with it"));
        }
        let summary = route.operation.summary.trim();
        if summary.is_empty() || summary.contains('\n') {
            found.push(format!("{place}: say in one line what it does, with `.summary(…)`"));
        }
        if route.permission == Permission::Public {
            found.push(format!("{place} is open to everybody: only signing in is, and that is not an app's"));
        }
        if route.operation.returns.is_none() && route.operation.returns_content.is_none() {
            found.push(format!("{place}: say what it answers, with `.returns…(…)`"));
        }
    }
}

fn events(app: &App, folder: &Path, found: &mut Vec<String>) {
    let mut published = BTreeSet::new();
    for name in app.events {
        if !published.insert(name.to_string()) {
            found.push(format!("event {name} is named twice"));
        }
        if !is_event_of(app.id, name) {
            found.push(format!(
                "event {name}: the form is `{}.<past tense>.v1`, such as `alarms.raised.v1`",
                app.id
            ));
        }
        let example = folder.join("events").join(format!("{name}.json"));
        match fs::read_to_string(&example).map(|text| serde_json::from_str(&text)) {
            Ok(Ok(serde_json::Value::Object(fields))) if !fields.is_empty() => {}
            Ok(Ok(_)) => found.push(format!("events/{name}.json is not an object with fields")),
            Ok(Err(error)) => found.push(format!("events/{name}.json is not JSON: {error}")),
            Err(error) => found.push(format!("event {name} has no example events/{name}.json: {error}")),
        }
    }
    let orphans = examples(folder).into_iter().filter(|name| !published.contains(name));
    found.extend(orphans.map(|name| format!("events/{name}.json is an example of no published event")));
}

fn views(app: &App, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for view in app.views {
        let name = view.name;
        let (owner, noun) = name.split_once('.').unwrap_or((name, ""));
        if owner != app.id || !is_name(noun) {
            found.push(format!("view {name}: the form is `{}.<noun>`, such as `alarms.active`", app.id));
        }
        if !seen.insert((name, view.version)) {
            found.push(format!("view {name} version {} is there twice", view.version));
        }
        if view.summary.trim().is_empty() || view.columns.is_empty() {
            found.push(format!("view {name}: say in one line what a row is, and give it columns"));
        }
        let indexed = |index: &str| view.indexes.iter().any(|known| known.name == index);
        let asked = view.only.map(|(index, _)| index).into_iter().chain(view.order.map(|(index, _)| index));
        let unknown = asked.filter(|index| !indexed(index));
        found.extend(unknown.map(|index| format!("view {name}: its collection has no index `{index}`")));
        let mut columns = BTreeSet::from(["id"]);
        for column in view.columns {
            let word = column.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !word || column.name.is_empty() || !columns.insert(column.name) {
                found.push(format!("view {name}, column `{}`: name it once, as in `raised_at`", column.name));
            }
            if !column.path.starts_with('/') {
                found.push(format!(
                    "view {name}, column `{}`: `{}` is no JSON pointer",
                    column.name, column.path
                ));
            }
            if types::Unit::parse(column.unit).is_err() && !column.unit.is_empty() {
                found.push(format!(
                    "view {name}, column `{}`: `{}` is no UCUM code",
                    column.name, column.unit
                ));
            }
        }
    }
}

/// Names of the example files.
fn examples(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("events")).into_iter().flatten().flatten();
    let json = |path: PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".json")?.to_string());
    let mut names: Vec<String> = entries.filter_map(|entry| json(entry.path())).collect();
    names.sort();
    names
}

fn is_name(text: &str) -> bool {
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(word)
}

fn is_event_of(app: &str, name: &str) -> bool {
    let mut parts = name.split('.');
    let (owner, happened, version) = (parts.next(), parts.next(), parts.next());
    let past = happened.is_some_and(|happened| {
        let last = happened.rsplit('-').next().unwrap_or_default();
        is_name(happened) && (last.ends_with("ed") || IRREGULAR.contains(&last))
    });
    let number = version.and_then(|v| v.strip_prefix('v')).and_then(|n| n.parse::<u32>().ok());
    owner == Some(app) && past && number.is_some_and(|n| n > 0) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Column, ColumnType, View,
        http::{Method, Route, route},
    };
    use types::{Direction, Index};

    async fn nothing() {}

    fn app(routes: fn() -> Vec<Route>, events: &'static [&'static str]) -> App {
        App { id: "orders", name: ("订单", "Orders"), routes, task: None, events, views: &[] }
    }

    #[test]
    fn an_app_that_keeps_the_contract_has_no_violations() {
        let good = || {
            vec![route(Method::Get, "", Permission::Read, nothing).summary("Orders.").returns_nothing(204)]
        };
        assert_eq!(violations(&app(good, &[]), Path::new("apps/orders")), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_violation_is_named() {
        let bad = || {
            vec![
                route(Method::Get, "/", Permission::Public, nothing),
                route(Method::Get, "/", Permission::Read, nothing).summary("Orders.").returns_nothing(204),
            ]
        };
        let mut app = app(bad, &["orders.accept.v1", "orders.shipped"]);
        app.name = ("", "订单");
        let text = violations(&app, Path::new("apps/other")).join("\n");
        for part in [
            "not the name of its folder",
            "Chinese name first",
            "English name second",
            "is there twice",
            "does not end with it",
            "say in one line",
            "open to everybody",
            "say what it answers",
            "orders.accept.v1: the form is",
            "orders.shipped: the form is",
            "no example events/orders.shipped.json",
        ] {
            assert!(text.contains(part), "`{part}` is missing in:\n{text}");
        }
    }

    #[test]
    fn a_view_can_be_asked_for_what_it_says() {
        const GOOD: View = View {
            name: "orders.open",
            version: 1,
            summary: "Orders that are not shipped.",
            collection: "orders",
            indexes: &[Index::on("due")],
            only: None,
            order: Some(("due", Direction::Ascending)),
            columns: &[Column { name: "due", value_type: ColumnType::Time, unit: "", path: "/due" }],
        };
        let odd = Column { name: "Weight", value_type: ColumnType::Id, unit: "stone", path: "weight" };
        let bad = View {
            name: "alarms.open",
            only: Some(("colour", 1)),
            columns: Box::leak(Box::new([odd, odd])),
            ..GOOD
        };
        let good = App { views: &[GOOD], ..app(Vec::new, &[]) };
        assert_eq!(violations(&good, Path::new("apps/orders")), Vec::<String>::new());
        let bad = App { views: Box::leak(Box::new([bad, bad])), ..app(Vec::new, &[]) };
        let text = violations(&bad, Path::new("apps/orders")).join("\n");
        for part in [
            "alarms.open: the form is",
            "there twice",
            "no index `colour`",
            "name it once",
            "no JSON pointer",
            "no UCUM",
        ] {
            assert!(text.contains(part), "`{part}` is missing in:\n{text}");
        }
    }

    #[test]
    fn events_are_named_in_the_past_tense() {
        for good in ["orders.accepted.v1", "orders.order-sent.v12", "orders.lost.v2"] {
            assert!(is_event_of("orders", good), "{good}");
        }
        for bad in
            ["orders.accept.v1", "alarms.raised.v1", "orders.accepted.v0", "orders.accepted.v1.x", "orders"]
        {
            assert!(!is_event_of("orders", bad), "{bad}");
        }
    }
}
