//! A user as stored, as shown and as entered. Only the stored form has a password hash, and it stays in this crate.

use serde::{Deserialize, Serialize};
use types::{Document, Fault, Index, IndexValue, Stored, codes};

use crate::{Role, Secret};

/// Characters of a user name.
const NAME_CHARS_MAX: usize = 100;

/// The language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// 中文.
    #[default]
    Zh,
    /// English.
    En,
}

/// A user as stored. Has no `Debug`: it holds the password hash.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) locale: Locale,
    pub(crate) enabled: bool,
    /// PHC text; `None` for a user that comes in by link only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
}

impl Document for User {
    const COLLECTION: &'static str = "users";
    const INDEXES: &'static [Index] = &[Index::unique("name")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Text(folded(&self.name)))]
    }
}

/// A user as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserView {
    /// For signing in; unique in the organisation, in any case of letters.
    pub name: String,
    /// What the user may.
    pub role: Role,
    /// Language of the console.
    pub locale: Locale,
    /// May sign in.
    pub enabled: bool,
}

/// A user as the API takes it.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserInput {
    /// See [`UserView::name`].
    pub name: String,
    /// See [`UserView::role`].
    pub role: Role,
    /// See [`UserView::locale`].
    #[serde(default)]
    pub locale: Locale,
    /// See [`UserView::enabled`].
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Needed for a new user; a change without one keeps the password.
    #[serde(default)]
    pub password: Option<Secret>,
}

fn yes() -> bool {
    true
}

impl User {
    pub(crate) fn view(&self) -> UserView {
        UserView { name: self.name.clone(), role: self.role, locale: self.locale, enabled: self.enabled }
    }

    pub(crate) fn is_enabled_admin(&self) -> bool {
        self.enabled && self.role == Role::Admin
    }
}

pub(crate) fn shown(stored: &Stored<User>) -> Stored<UserView> {
    Stored { id: stored.id, revision: stored.revision, changed: stored.changed, body: stored.body.view() }
}

/// How names are compared: `Anna` and `anna` are one user.
pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// A name for a user or an organisation.
pub(crate) fn check_name(name: &str, path: &str) -> Result<(), Fault> {
    let chars = name.chars().count();
    let detail = if name.is_empty() {
        "the name is empty: enter one".to_string()
    } else if chars > NAME_CHARS_MAX {
        format!("the name has {chars} characters, the limit is {NAME_CHARS_MAX}: shorten it")
    } else if name.chars().any(char::is_control) || name.trim() != name {
        "the name starts or ends with a space, or holds control characters: remove them".to_string()
    } else {
        return Ok(());
    };
    Err(Fault::new(codes::INVALID, detail).at(path))
}
