//! What access tells others. An example of each event stands in `events/`. No event holds a password, token or code.

use serde_json::json;
use types::{EventDraft, ObjectId};

use crate::user::User;

pub(crate) fn organisation(id: ObjectId, name: &str) -> EventDraft {
    EventDraft { name: "organisation.created.v1", object: id, payload: json!({"name": name}) }
}

pub(crate) fn user(name: &'static str, id: ObjectId, user: &User) -> EventDraft {
    let payload = json!({"name": user.name, "role": user.role, "enabled": user.enabled});
    EventDraft { name, object: id, payload }
}

/// Which parts a change touched, the password only by the word.
pub(crate) fn user_changed(id: ObjectId, before: &User, after: &User) -> EventDraft {
    let members = [
        ("name", before.name != after.name),
        ("role", before.role != after.role),
        ("locale", before.locale != after.locale),
        ("enabled", before.enabled != after.enabled),
        ("password", before.password != after.password),
    ];
    let changed: Vec<_> = members.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    let mut draft = user("user.changed.v1", id, after);
    draft.payload["changed"] = json!(changed);
    draft
}

pub(crate) fn session_opened(user: ObjectId, name: &str, via: &'static str) -> EventDraft {
    let payload = json!({"name": name, "via": via});
    EventDraft { name: "session.opened.v1", object: user, payload }
}

pub(crate) fn session_refused(user: ObjectId, name: &str) -> EventDraft {
    EventDraft { name: "session.refused.v1", object: user, payload: json!({"name": name}) }
}

pub(crate) fn session_closed(user: ObjectId, name: &str) -> EventDraft {
    EventDraft { name: "session.closed.v1", object: user, payload: json!({"name": name}) }
}

pub(crate) fn token(event: &'static str, user: ObjectId, name: &str, token: &str) -> EventDraft {
    EventDraft { name: event, object: user, payload: json!({"name": name, "token": token}) }
}
