//! Messages by code: the server sends `code`, typed `args` and an English `detail`; console and command line
//! translate by code. A code without a zh and an en text fails a test.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// A stable message code in dotted form, such as `device.no-tcp`.
pub type Code = Cow<'static, str>;

/// One argument of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Arg {
    /// A whole number.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// Anything else.
    Text(String),
}

impl From<&str> for Arg {
    fn from(v: &str) -> Self {
        Arg::Text(v.to_string())
    }
}
impl From<String> for Arg {
    fn from(v: String) -> Self {
        Arg::Text(v)
    }
}
impl From<f64> for Arg {
    fn from(v: f64) -> Self {
        Arg::Float(v)
    }
}
macro_rules! int_arg {
    ($($t:ty),*) => { $(impl From<$t> for Arg { fn from(v: $t) -> Self { Arg::Int(i64::try_from(v).unwrap_or(i64::MAX)) } })* };
}
int_arg!(i64, i32, u8, u16, u32, u64, usize);

/// Something that went wrong, in a form that a person can act on: what, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// Stable, translated by the console.
    #[schema(value_type = String)]
    pub code: Code,
    /// What the translation needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub args: BTreeMap<Cow<'static, str>, Arg>,
    /// English, complete on its own, ends with the next action.
    pub detail: String,
    /// The place: a JSON pointer, `line 7, column unit`, a register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Fault {
    /// A fault with its English text.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Fault { code: Cow::Borrowed(code), args: BTreeMap::new(), detail: detail.into(), path: None }
    }
    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, name: &'static str, value: impl Into<Arg>) -> Self {
        self.args.insert(Cow::Borrowed(name), value.into());
        self
    }
    /// With its place.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} (at {path}) [{}]", self.detail, self.code),
            None => write!(f, "{} [{}]", self.detail, self.code),
        }
    }
}
impl std::error::Error for Fault {}

/// Codes that more than one crate gives. A crate's own codes stand beside their use.
pub mod codes {
    /// The thing does not exist, or the caller may not know that it does.
    pub const NOT_FOUND: &str = "not-found";
    /// Somebody else changed it first.
    pub const CONFLICT: &str = "conflict";
    /// It exists already.
    pub const EXISTS: &str = "exists";
    /// The input does not have the right shape; `path` says where.
    pub const INVALID: &str = "invalid";
    /// The caller's contract does not allow it.
    pub const FORBIDDEN: &str = "forbidden";
    /// Nobody is signed in.
    pub const UNAUTHENTICATED: &str = "unauthenticated";
    /// A named bound is reached.
    pub const LIMIT: &str = "limit";
    /// The disk is full or failing: writes are refused, reading goes on.
    pub const STORAGE_REFUSED: &str = "storage.refused";
    /// A fault of ours; the log has more.
    pub const INTERNAL: &str = "internal";
}
