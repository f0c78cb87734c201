//! The PostgreSQL door: psql, drivers and BI tools ask here. Read only; the password is a token, or a person's own.
//!
//! The wire and most of the system tables that tools look at are `datafusion-postgres`'s. Ours is who may come in, what may
//! be asked, how clients' words are understood, and how errors read.

mod errors;
mod functions;
mod guard;
mod information;
mod service;
mod wording;

use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::MemoryCatalogProvider;
use datafusion::common::DataFusionError;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::prelude::SessionContext;
use datafusion_postgres::DfSessionService;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables,
};
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use datafusion_postgres::hooks::QueryHook;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::pgwire::api::auth::{
    DefaultServerParameterProvider, LoginInfo, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use datafusion_postgres::pgwire::api::cancel::CancelHandler;
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::{
    ClientInfo, ErrorHandler, PgWireConnectionState, PgWireServerHandlers, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator,
};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::cancel::CancelRequest;
use datafusion_postgres::pgwire::messages::startup::{Authentication, SecretKey};
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use datafusion_postgres::pgwire::tokio::process_socket;
use futures_util::{Sink, SinkExt};
use sdk::{BoxFuture, Scope};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use types::Fault;

use crate::fault::fault_of;
use crate::stop::Stop;
use crate::{CATALOG, Sql, TIME_MAX, stopped};
use errors::InWords;
pub(crate) use errors::user_error;
use guard::Guard;
use service::Service;

/// Connections at a time; the next one is refused.
pub const CONNECTIONS_MAX: usize = 64;
/// What it says it is: tools choose what they ask for by the first number.
const VERSION: &str = concat!("16.6 (Sinew ", env!("CARGO_PKG_VERSION"), ")");
/// Where tools look for what tables there are.
const PG_CATALOG: &str = "pg_catalog";
/// After a failed accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who comes in. Given by the node: this crate knows no passwords.
pub trait Callers: Send + Sync {
    /// Opens a session by a token, or by name and password; gives the session's token.
    fn sign_in(
        &self,
        name: String,
        password: String,
        from: SocketAddr,
    ) -> BoxFuture<'_, Result<String, Fault>>;
    /// The scope of a session, as long as it is in force and may read.
    fn scope(&self, token: String) -> BoxFuture<'_, Result<Scope, Fault>>;
}

impl Sql {
    /// Serves PostgreSQL clients until the node stops.
    ///
    /// # Errors
    /// When nothing can listen there.
    pub fn serve_postgres(
        &self,
        listener: std::net::TcpListener,
        callers: Arc<dyn Callers>,
    ) -> Result<(), Fault> {
        let threads = self.inner.threads.as_ref().ok_or_else(stopped)?;
        let (template, catalog) = self.with_catalog().map_err(|error| fault_of(&error))?;
        let door = Arc::new(Door {
            sql: self.clone(),
            template,
            catalog: Arc::new(catalog),
            callers,
            running: Mutex::default(),
            numbers: RandomPidSecretKeyGenerator::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        });
        let listening = async move {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((socket, from)) => {
                        tokio::spawn(door.clone().serve(socket, from));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a PostgreSQL client could not be let in");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        threads.spawn(async move {
            let ended: io::Result<()> = listening.await;
            if let Err(error) = ended {
                tracing::error!(%error, "the PostgreSQL door closed: restart the node");
            }
        });
        Ok(())
    }

    /// The engine with the functions of PostgreSQL, and the tables that say what PostgreSQL has. Both are large: every
    /// connection has the same ones.
    fn with_catalog(&self) -> Result<(SessionState, PgCatalogStaticTables), DataFusionError> {
        let context = self.context()?;
        context.register_catalog(CATALOG, Arc::new(MemoryCatalogProvider::new()));
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
        let mut state = context.state();
        for function in functions::functions() {
            state.register_udf(function)?;
        }
        // PostgreSQL's own takes its place, see `information.rs`.
        state.config_mut().options_mut().catalog.information_schema = false;
        Ok((state, PgCatalogStaticTables::try_new()?))
    }
}

struct Door {
    sql: Sql,
    template: SessionState,
    catalog: Arc<PgCatalogStaticTables>,
    callers: Arc<dyn Callers>,
    /// By the number and the secret that a client sends over another connection to end what runs.
    running: Mutex<HashMap<i32, (SecretKey, Arc<Notify>)>>,
    numbers: RandomPidSecretKeyGenerator,
    places: Arc<Semaphore>,
}

impl Door {
    fn running(&self) -> MutexGuard<'_, HashMap<i32, (SecretKey, Arc<Notify>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: Arc<Self>, socket: TcpStream, from: SocketAddr) {
        let Ok(_place) = self.places.clone().try_acquire_owned() else {
            tracing::warn!(%from, limit = CONNECTIONS_MAX, "a PostgreSQL client was refused: too many connections");
            return;
        };
        let stop = Stop::default();
        let context = match self.sql.stoppable(&self.template, stop.clone()) {
            Ok(context) => Arc::new(context),
            Err(error) => {
                tracing::error!(%error, "a PostgreSQL client could not be served");
                return;
            }
        };
        let connection = Connection::new(self, context, stop, from);
        // A client that hangs up is no event.
        if let Err(error) = process_socket(socket, None, connection).await {
            tracing::debug!(%error, %from, "a PostgreSQL client left");
        }
    }
}

/// One client.
struct Connection {
    service: Arc<Service>,
    startup: Arc<Startup>,
    cancel: Arc<Canceller>,
}

impl Connection {
    fn new(door: Arc<Door>, context: Arc<SessionContext>, stop: Stop, from: SocketAddr) -> Connection {
        let session =
            Arc::new(Session { door: door.clone(), token: Mutex::default(), number: Mutex::default() });
        let hooks: Vec<Arc<dyn QueryHook>> = vec![
            Arc::new(Guard::new(session.clone())),
            Arc::new(SetShowHook),
            Arc::new(TransactionStatementHook),
        ];
        let service = DfSessionService::new_with_hooks(context.clone(), hooks);
        let service = Arc::new(Service::new(service, context.clone(), stop.limit_ms.clone()));
        let stop = stop.cancelled;
        let cancel = Arc::new(Canceller { door });
        Connection { service, startup: Arc::new(Startup { session, context, stop, from }), cancel }
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.service.clone()
    }
    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.service.clone()
    }
    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.startup.clone()
    }
    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(InWords)
    }
    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancel.clone()
    }
}

/// Who is at the other end, once it is known.
pub(crate) struct Session {
    door: Arc<Door>,
    token: Mutex<Option<String>>,
    /// What its queries are cancelled by.
    number: Mutex<Option<i32>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        let number = self.number.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(number) = number {
            self.door.running().remove(&number);
        }
    }
}

impl Session {
    fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As every request is checked: a session may end while its connection stays.
    pub(crate) async fn check(&self) -> PgWireResult<Scope> {
        let token = self.token().ok_or_else(|| user_error("28000", "sign in first"))?;
        self.door.callers.scope(token).await.map_err(|fault| user_error("28000", &fault.detail))
    }
}

struct Startup {
    session: Arc<Session>,
    context: Arc<SessionContext>,
    stop: Arc<Notify>,
    from: SocketAddr,
}

impl Startup {
    async fn let_in(&self, name: String, password: String) -> PgWireResult<()> {
        let refused = |fault: Fault| user_error("28P01", &fault.detail);
        let session = self.session.door.callers.sign_in(name, password, self.from).await.map_err(refused)?;
        *self.session.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        let scope = self.session.check().await?;
        self.show(&scope).map_err(|error| PgWireError::ApiError(Box::new(error)))
    }

    /// Puts the tables there, and those that tell of them.
    fn show(&self, scope: &Scope) -> Result<(), DataFusionError> {
        let Door { sql, catalog, .. } = self.session.door.as_ref();
        sql.show(&self.context, scope)?;
        let catalogs = self.context.state().catalog_list().clone();
        let told = PgCatalogSchemaProvider::try_new(catalogs, catalog.clone(), EmptyContextProvider)?;
        if let Some(catalog) = self.context.catalog(CATALOG) {
            let information = information::of(&sql.tables(scope), catalog.as_ref())?;
            catalog.register_schema(information::NAME, information)?;
            catalog.register_schema(PG_CATALOG, Arc::new(information::WithSettings::new(told)?))?;
        }
        Ok(())
    }
}

impl Drop for Startup {
    /// The tables that tell of tables know the catalog that they are in: it would never be given back.
    fn drop(&mut self) {
        if let Some(catalog) = self.context.catalog(CATALOG)
            && let Err(error) = catalog.deregister_schema(PG_CATALOG, true)
        {
            tracing::warn!(%error, "memory of a PostgreSQL client was not given back");
        }
    }
}

impl Startup {
    fn make_cancellable<C: ClientInfo>(&self, client: &mut C) {
        let door = &self.session.door;
        let (number, secret) = door.numbers.generate(client);
        client.set_pid_and_secret_key(number, secret.clone());
        door.running().insert(number, (secret, self.stop.clone()));
        *self.session.number.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
    }
}

/// Ends what another connection of the same client runs, by the number and the secret that it was given.
struct Canceller {
    door: Arc<Door>,
}

#[async_trait]
impl CancelHandler for Canceller {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let stop = match self.door.running().get(&request.pid) {
            Some((secret, stop)) if secret.to_bytes() == request.secret_key.to_bytes() => stop.clone(),
            _ => return,
        };
        stop.notify_waiters();
    }
}

#[async_trait]
impl StartupHandler for Startup {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(ref startup) => {
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                let ask = PgWireBackendMessage::Authentication(Authentication::CleartextPassword);
                client.send(ask).await?;
            }
            PgWireFrontendMessage::PasswordMessageFamily(password) => {
                let password = password.into_password()?.password;
                let name = LoginInfo::from_client_info(client).user().unwrap_or_default().to_string();
                self.let_in(name, password.to_string()).await?;
                limit_planning(client);
                self.make_cancellable(client);
                finish_authentication(client, &server_parameters()).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn limit_planning<C: ClientInfo + ?Sized>(client: &mut C) {
    let limit_ms = TIME_MAX.as_millis().to_string();
    client.metadata_mut().insert("statement_timeout_ms".into(), limit_ms);
}

fn server_parameters() -> DefaultServerParameterProvider {
    let mut parameters = DefaultServerParameterProvider::default();
    parameters.server_version = VERSION.into();
    parameters.default_transaction_read_only = true;
    parameters.is_superuser = false;
    parameters
}
