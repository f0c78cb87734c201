//! Keys of sessions.

/// Whose sessions: those of different accounts, of clients without one and of strangers do not touch each other, whatever
/// ids they use.
#[derive(Clone, Copy)]
pub(crate) enum Realm<'a> {
    /// Of the account that the client id names.
    ClientId,
    /// Of an account that takes any client id.
    Username(&'a str),
    Anonymous,
    Stranger,
}

/// Key of a session.
pub(crate) fn key(realm: Realm<'_>, client_id: &str) -> String {
    match realm {
        Realm::ClientId => format!("c\0{client_id}"),
        Realm::Username(name) => format!("u{name}\0{client_id}"),
        Realm::Anonymous => format!("a\0{client_id}"),
        Realm::Stranger => format!("s\0{client_id}"),
    }
}
