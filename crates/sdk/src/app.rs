//! An app: one industrial feature. Its routes are mounted under `/api/v1/apps/<id>`, its task runs once an organisation.

use types::Fault;

use crate::{BoxFuture, Scope, View, http::Route};

/// The descriptor of an app.
#[derive(Clone, Copy)]
pub struct App {
    /// Plural noun, such as `alarms`; part of the URL, never changed.
    pub id: &'static str,
    /// Shown name, zh and en.
    pub name: (&'static str, &'static str),
    /// Its endpoints, relative to its own root.
    pub routes: fn() -> Vec<Route>,
    /// Its only loop. Supervised: started again with back-off when it returns a fault, left alone when it returns Ok.
    /// The scope's caller is the app itself.
    pub task: Option<AppTask>,
    /// Names of the events it publishes, such as `alarms.raised.v1`; `events/<name>.json` holds an example of each.
    pub events: &'static [&'static str],
    /// Tables it publishes.
    pub views: &'static [View],
}

/// An app's loop.
pub type AppTask = fn(Scope) -> BoxFuture<'static, Result<(), Fault>>;
