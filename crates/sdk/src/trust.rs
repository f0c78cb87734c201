//! The trust handle: certificates of peers are refused when they are first seen, and believed once a person approved them.
//!
//! The list compares thumbprints and keeps facts for people. It does not read X.509: the leaf that speaks the protocol
//! checks dates, names and signatures, because what they must say differs between protocols.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{Fault, Time};

use crate::BoxFuture;

/// A certificate with what a person needs to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    /// SHA-256 of the DER form, 64 lower-case hex digits.
    pub thumbprint: String,
    /// Distinguished name.
    pub subject: String,
    /// URI of the subject alternative name; empty when there is none.
    pub application_uri: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid up to.
    pub not_after: Time,
    /// Who showed it, such as `opc.tcp://10.0.0.7:4840`.
    pub from: String,
    /// DER form, base64.
    pub der: String,
}

/// What the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A person approved it.
    Trusted,
    /// Nobody approved it; it is listed now.
    Rejected,
}

/// What stands behind a [`Trust`].
pub trait TrustPort: Send + Sync {
    /// Looks a certificate up; one that was never seen is listed as rejected.
    fn judge(&self, presented: Presented) -> BoxFuture<'_, Result<Verdict, Fault>>;
    /// Lists a certificate of our own, so that people can hand it to the other side.
    fn own(&self, presented: Presented) -> BoxFuture<'_, Result<(), Fault>>;
}

/// The trust handle.
#[derive(Clone)]
pub struct Trust(Arc<dyn TrustPort>);

impl Trust {
    /// Over a port.
    pub fn new(port: Arc<dyn TrustPort>) -> Trust {
        Trust(port)
    }
    /// See [`TrustPort::judge`].
    pub fn judge(&self, presented: Presented) -> BoxFuture<'_, Result<Verdict, Fault>> {
        self.0.judge(presented)
    }
    /// See [`TrustPort::own`].
    pub fn own(&self, presented: Presented) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.own(presented)
    }
}
