//! A node in this process, behind its real door on a free loopback port, with as many organisations as a test needs.

use access::{LinkFor, Role};
use runtime::{DriverChecks, Runtime};
use std::sync::Arc;
use types::{OrgId, Random};

use super::{TempDir, client::Client};

pub(crate) struct Node {
    pub(crate) access: access::Access,
    pub(crate) runtime: Runtime,
    pub(crate) historian: historian::Historian,
    pub(crate) sql: query::Sql,
    address: std::net::SocketAddr,
    postgres: std::net::SocketAddr,
    threads: tokio::runtime::Runtime,
    dir: TempDir,
}

fn random() -> Random {
    Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).expect("randomness"))
}

impl Node {
    pub(crate) fn start(name: &str) -> Node {
        let dir = TempDir::new(name);
        let threads = tokio::runtime::Runtime::new().expect("threads");
        let Started { access, runtime, historian, sql, address, postgres } =
            threads.block_on(start(dir.path()));
        Node { access, runtime, historian, sql, address, postgres, threads, dir }
    }

    /// A new organisation.
    pub(crate) fn organisation(&self, name: &str) -> OrgId {
        self.threads.block_on(self.access.create_organisation("test", name)).expect("an organisation")
    }

    /// A client signed in with a role of an organisation.
    pub(crate) fn client(&self, org: OrgId, role: Role) -> Client {
        let session = self.threads.block_on(async {
            let token = self.access.create_link(org, "test", LinkFor::Demo(role)).await.expect("a link");
            self.access.redeem_link(token.reveal(), [127, 0, 0, 1].into()).await.expect("a session")
        });
        self.anybody().with_token(session.token.reveal())
    }

    /// Where PostgreSQL clients ask.
    pub(crate) fn postgres(&self) -> std::net::SocketAddr {
        self.postgres
    }

    /// Somebody who is not signed in.
    pub(crate) fn anybody(&self) -> Client {
        Client::new(self.address)
    }

    /// Everything in the record store's files, as bytes.
    pub(crate) fn stored_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.dir.path()).expect("the node's folder").flatten();
        let records = files.filter(|file| file.file_name().to_string_lossy().starts_with("records.sqlite"));
        records.flat_map(|file| std::fs::read(file.path()).expect("a store file")).collect()
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.threads.block_on(work)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.threads.block_on(self.runtime.stop());
    }
}

/// A seal that every node of a test shares.
pub(crate) fn seal() -> access::Seal {
    access::Seal::with_key(&[3; access::Seal::KEY_BYTES], random()).expect("a key of the right length")
}

/// What is running, and where its two doors are.
struct Started {
    access: access::Access,
    runtime: Runtime,
    historian: historian::Historian,
    sql: query::Sql,
    address: std::net::SocketAddr,
    postgres: std::net::SocketAddr,
}

async fn start(dir: &std::path::Path) -> Started {
    let now = runtime::host_now();
    let env = records::Env { now: now.clone(), random: random() };
    let records =
        records::Records::open_sqlite(&dir.join("records.sqlite"), env).await.expect("records open");
    let env = access::Env { now: now.clone(), random: random() };
    let access = access::Access::open_with_weak_hashes(records.clone(), env).await.expect("access opens");
    let options = historian::Options::new(dir.join("historian"), now.clone(), [1; 16]);
    let (historian, _) = historian::Historian::open(options).expect("the historian opens");
    let checks = Arc::new(DriverChecks::new(catalog::drivers(), seal()));
    let env = plant::Env { now, random: random() };
    let plant = plant::PlantModel::open(records.clone(), env, checks).await.expect("the plant model opens");
    let certificates = access::Certificates::new(records.clone());
    let parts = runtime::Parts {
        historian: historian.clone(),
        records,
        plant: plant.clone(),
        drivers: catalog::drivers(),
        doors: catalog::doors(),
        apps: catalog::apps(),
        seal: seal(),
        clock: runtime::host_clock(),
        net: runtime::host_net(),
        random: random(),
    };
    let runtime = Runtime::start(parts).await.expect("the runtime starts");
    let settings = server::Settings { hosts: Vec::new(), version: "test".into(), secure: false };
    let running = Arc::new(sinew::RunningNode::new(runtime.clone()));
    let views = catalog::apps().iter().flat_map(|app| app.views).collect();
    let sql = query::Sql::new(historian.clone(), plant.clone(), views).expect("threads for queries");
    let postgres = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let postgres_address = postgres.local_addr().expect("bound");
    let callers = Arc::new(sinew::Callers::new(access.clone(), runtime.clone()));
    sql.serve_postgres(postgres, callers).expect("the PostgreSQL door opens");
    let door = server::Node::new(
        access.clone(),
        plant,
        historian.clone(),
        certificates,
        sql.clone(),
        running,
        settings,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(server::serve(listener, door, std::future::pending()));
    Started { access, runtime, historian, sql, address, postgres: postgres_address }
}
