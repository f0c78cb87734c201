//! Who comes in at the PostgreSQL door: tokens and people, as the gate of HTTP knows them.

use sdk::{BoxFuture, Scope, http::Permission};
use std::net::SocketAddr;
use types::{Fault, codes};

/// What the door asks of access and runtime.
pub struct Callers {
    access: access::Access,
    runtime: runtime::Runtime,
}

impl Callers {
    /// Over these.
    pub fn new(access: access::Access, runtime: runtime::Runtime) -> Callers {
        Callers { access, runtime }
    }
}

impl query::postgres::Callers for Callers {
    fn sign_in(
        &self,
        name: String,
        password: String,
        from: SocketAddr,
    ) -> BoxFuture<'_, Result<String, Fault>> {
        Box::pin(async move {
            // A token goes with any name; it is far longer than what a person would think of.
            if self.access.authenticate(&password).await.is_ok() {
                return Ok(password);
            }
            let session = self.access.sign_in(&name, &access::Secret::new(&password), from.ip()).await?;
            Ok(session.token.reveal().to_string())
        })
    }

    fn scope(&self, token: String) -> BoxFuture<'_, Result<Scope, Fault>> {
        Box::pin(async move {
            let identity = self.access.authenticate(&token).await?;
            let caller = identity.caller();
            if !caller.may(Permission::Read) {
                let detail = "this needs the permission `read`: ask an administrator for another role";
                return Err(Fault::new(codes::FORBIDDEN, detail));
            }
            Ok(self.runtime.scope(identity.org, caller))
        })
    }
}
