//! The app @name@: a list of entries and what fell due. See README.md.

mod api;
mod entry;
pub mod store;
mod task;

use sdk::App;

pub use entry::Entry;

/// The descriptor.
pub fn app() -> App {
    App {
        id: "@name@",
        name: ("@name@ 应用", "@name@"),
        routes: api::routes,
        task: Some(|scope| Box::pin(task::run(scope))),
        events: &[store::CREATED, store::EXPIRED],
        views: &[],
    }
}
