//! The app alarms: rules that watch points, alarms after ISA-18.2 / IEC 62682, and their journal. See README.md.

pub mod alarm;
mod api;
pub mod check;
pub mod condition;
pub mod engine;
pub mod evaluate;
pub mod history;
pub mod journal;
pub mod preview;
pub mod ready;
pub mod rule;
pub mod state;
pub mod store;
mod task;
pub mod views;

use journal::What;
use sdk::App;

/// The descriptor.
pub fn app() -> App {
    App {
        id: "alarms",
        name: ("报警", "Alarms"),
        routes: api::routes,
        task: Some(|scope| Box::pin(task::run(scope))),
        events: EVENTS,
        views: &[views::ACTIVE, views::JOURNAL],
    }
}

/// One for each kind of journal entry, and those of the rules.
const EVENTS: &[&str] = &{
    let mut all = [store::RULE_CHANGED; What::ALL.len() + 2];
    let mut at = 0;
    while at < What::ALL.len() {
        all[at] = What::ALL[at].event();
        at += 1;
    }
    all[at] = store::RULE_REMOVED;
    all
};
