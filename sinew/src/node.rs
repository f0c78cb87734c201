//! Puts a node together: stores, model, runtime, door.

use runtime::{DriverChecks, Runtime};
use sdk::{ArrivalView, BoxFuture, Caller, Clock, DoorInput, DoorView, Driver, Reach, Scope};
use server::WriteLockView;
use std::{collections::HashMap, path::Path, sync::Arc};
use types::{Fault, ObjectId, OrgId, Random, Time, random_bytes};

use crate::config::Config;

/// A node that runs.
pub(crate) struct Node {
    pub(crate) access: access::Access,
    pub(crate) plant: plant::PlantModel,
    pub(crate) records: records::Records,
    pub(crate) historian: historian::Historian,
    pub(crate) runtime: Runtime,
    pub(crate) sql: query::Sql,
}

/// Why a node does not start. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{action} {path}: {error}")]
    Io { action: &'static str, path: String, error: std::io::Error },
    #[error(transparent)]
    Historian(#[from] historian::OpenError),
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error(transparent)]
    Sql(#[from] query::StartError),
    #[error(
        "there is no node in {0}: name its data directory with storage.dir (SINEW_STORAGE_DIR), or start it first"
    )]
    NoStore(String),
    #[error(
        "{0} is not a loopback address, and this version has no TLS of its own: listen on 127.0.0.1 and put a proxy that \
         speaks TLS in front (set server.behind_tls and server.hosts)"
    )]
    NeedsTls(std::net::SocketAddr),
}

/// Where the embedded record store lies.
pub(crate) fn records_file(config: &Config) -> std::path::PathBuf {
    config.storage.dir.join("records.sqlite")
}

/// The system's randomness.
pub(crate) fn host_random() -> Random {
    Arc::new(|bytes: &mut [u8]| {
        #[allow(clippy::expect_used, reason = "without randomness no secret can be made: better to end")]
        getrandom::fill(bytes).expect("the operating system gives randomness");
    })
}

/// The records of a data directory, for commands that need nothing else.
pub(crate) async fn open_records(config: &Config) -> Result<records::Records, StartError> {
    let dir = &config.storage.dir;
    make_dir(dir)?;
    let env = records::Env { now: runtime::host_now(), random: host_random() };
    let opened = match config.records.url.as_str() {
        "" => records::Records::open_sqlite(&records_file(config), env).await,
        url => records::Records::open_postgres(url, env).await,
    };
    Ok(opened.map_err(|e| e.fault())?)
}

pub(crate) async fn open_access(records: records::Records) -> Result<access::Access, StartError> {
    Ok(access::Access::open(records, access::Env { now: runtime::host_now(), random: host_random() }).await?)
}

/// The node's seal. Its key is made at the first start and lies in the data directory, readable by its owner only.
fn open_seal(config: &Config, random: &Random) -> Result<access::Seal, StartError> {
    let path = config.storage.dir.join("seal.key");
    let failed = |action| {
        let path = path.display().to_string();
        move |error| StartError::Io { action, path, error }
    };
    let key = match std::fs::read(&path) {
        Ok(key) => key,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key: [u8; access::Seal::KEY_BYTES] = random_bytes(random);
            write_private(&path, &key).map_err(failed("making the seal key"))?;
            key.to_vec()
        }
        Err(error) => return Err(failed("reading the seal key")(error)),
    };
    Ok(access::Seal::with_key(&key, random.clone())?)
}

/// Durable, whole or not there at all, and for the owner's eyes only.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let half = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&half, path)?;
    match path.parent() {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

impl Node {
    /// Opens the stores and starts everything but the door.
    pub(crate) async fn start(config: &Config) -> Result<Node, StartError> {
        let records = open_records(config).await?;
        let access = open_access(records.clone()).await?;
        let random = host_random();
        let mut options = historian::Options::new(
            config.storage.dir.join("historian"),
            runtime::host_now(),
            random_bytes(&random),
        );
        options.memory_bytes = config.storage.memory_mib << 20;
        options.confirm_format = config.storage.confirm_format;
        let (historian, recovery) = historian::Historian::open(options)?;
        if !recovery.created {
            let (rows, torn) = (recovery.rows_replayed, recovery.torn_bytes);
            tracing::info!(rows_from_log = rows, unfinished_bytes_cut = torn, "history opened");
        }
        let format = historian.stats().format;
        if format < historian::FORMAT {
            tracing::warn!(
                format,
                "history is in an earlier format, without compaction and corrections: once this release is to stay, set \
                 storage.confirm_format = true; the release before cannot open it then"
            );
        }
        let seal = open_seal(config, &random)?;
        let checks = Arc::new(DriverChecks::new(catalog::drivers(), seal.clone()));
        let env = plant::Env { now: runtime::host_now(), random: random.clone() };
        let plant = plant::PlantModel::open(records.clone(), env, checks).await?;
        let runtime = Runtime::start(runtime::Parts {
            historian: historian.clone(),
            records: records.clone(),
            plant: plant.clone(),
            drivers: catalog::drivers(),
            doors: catalog::doors(),
            apps: catalog::apps(),
            seal,
            clock: runtime::host_clock(),
            net: runtime::host_net(),
            random,
        })
        .await?;
        for (org, _) in access.organisations() {
            runtime.start_apps(org);
        }
        let views = catalog::apps().iter().flat_map(|app| app.views).collect();
        let sql = query::Sql::new(historian.clone(), plant.clone(), views)?;
        Ok(Node { access, plant, records, historian, runtime, sql })
    }

    /// What the door needs.
    pub(crate) fn door(&self, config: &Config) -> server::Node {
        let settings = server::Settings {
            hosts: config.server.hosts.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            secure: config.server.behind_tls,
        };
        let running = Arc::new(RunningNode::new(self.runtime.clone()));
        server::Node::new(
            self.access.clone(),
            self.plant.clone(),
            self.historian.clone(),
            access::Certificates::new(self.records.clone()),
            self.sql.clone(),
            running,
            settings,
        )
    }

    /// Opens the PostgreSQL door, where it is wanted.
    pub(crate) fn open_postgres(
        &self,
        address: std::net::SocketAddr,
    ) -> Result<std::net::SocketAddr, StartError> {
        if !address.ip().is_loopback() {
            return Err(StartError::NeedsTls(address));
        }
        let path = address.to_string();
        let failed = |error| StartError::Io {
            action: "listening for PostgreSQL clients on",
            path: path.clone(),
            error,
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let callers = crate::callers::Callers::new(self.access.clone(), self.runtime.clone());
        self.sql.serve_postgres(listener, Arc::new(callers))?;
        Ok(bound)
    }

    /// Stops devices first, so that nothing is read that could not be kept.
    pub(crate) async fn stop(self) {
        self.runtime.stop().await;
        if let Err(error) = self.historian.close().await {
            tracing::error!(%error, "the last samples stay in the log and are read from it at the next start");
        }
        self.records.close().await;
    }
}

fn make_dir(dir: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(dir).map_err(|error| StartError::Io {
        action: "making the data directory",
        path: dir.display().to_string(),
        error,
    })
}

/// The runtime as the door sees it: two crates of one floor that do not know each other.
pub struct RunningNode(Runtime);

impl RunningNode {
    /// Over a runtime.
    pub fn new(runtime: Runtime) -> RunningNode {
        RunningNode(runtime)
    }
}

impl server::Running for RunningNode {
    fn scope(&self, org: OrgId, caller: Caller) -> Scope {
        self.0.scope(org, caller)
    }
    fn drivers(&self) -> Vec<Driver> {
        self.0.drivers().copied().collect()
    }
    fn apps(&self) -> Vec<sdk::App> {
        self.0.apps().to_vec()
    }
    fn device_health(&self, org: OrgId) -> HashMap<ObjectId, serde_json::Value> {
        let health = self.0.device_health(org).into_iter();
        health.map(|(id, health)| (id, serde_json::to_value(health).unwrap_or_default())).collect()
    }
    fn write_lock(&self, org: OrgId) -> BoxFuture<'_, Result<WriteLockView, Fault>> {
        Box::pin(async move { Ok(view(self.0.write_lock().state(org).await?)) })
    }
    fn set_write_lock(
        &self,
        org: OrgId,
        locked: bool,
        by: String,
    ) -> BoxFuture<'_, Result<WriteLockView, Fault>> {
        let now: Time = self.0.clock().now();
        Box::pin(async move { Ok(view(self.0.write_lock().set(org, locked, &by, now).await?)) })
    }
    fn organisation_made(&self, org: OrgId) {
        self.0.start_apps(org);
    }
    fn clock(&self) -> Clock {
        self.0.clock().clone()
    }
    fn reach(&self, org: OrgId, driver: &str) -> Option<Reach> {
        self.0.reach(org, driver)
    }
    fn open_config(
        &self,
        org: OrgId,
        driver: &str,
        config: &serde_json::Value,
    ) -> Result<serde_json::Value, Fault> {
        self.0.open_config(org, driver, config)
    }
    fn retry_device(&self, org: OrgId, device: ObjectId) {
        self.0.retry_device(org, device);
    }
    fn retry_driver(&self, org: OrgId, driver: &str) {
        self.0.retry_driver(org, driver);
    }
    fn doors(&self, org: OrgId) -> BoxFuture<'_, Result<Vec<DoorView>, Fault>> {
        Box::pin(self.0.doors(org))
    }
    fn set_door(
        &self,
        org: OrgId,
        actor: String,
        id: String,
        input: DoorInput,
    ) -> BoxFuture<'_, Result<DoorView, Vec<Fault>>> {
        Box::pin(async move { self.0.set_door(org, &actor, &id, input).await })
    }
    fn arrivals(&self, org: OrgId, door: &str) -> Result<Vec<ArrivalView>, Fault> {
        self.0.arrivals(org, door)
    }
    fn dismiss_arrival(&self, org: OrgId, door: &str, key: &str) -> Result<(), Fault> {
        self.0.dismiss_arrival(org, door, key)
    }
}

fn view(state: runtime::WriteLockState) -> WriteLockView {
    WriteLockView { locked: state.locked, by: state.by, since: state.since }
}
