//! Where a store under test lives, and the clock and randomness it gets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use records::{Env, Records};
use types::{ObjectId, OrgId, Time, random_bytes};

/// A store that can be opened again.
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    pub(crate) async fn open(&self) -> Records {
        match self {
            Place::Sqlite(path) => Records::open_sqlite(path, env()).await.unwrap(),
            Place::Postgres(url) => Records::open_postgres(url, env()).await.unwrap(),
        }
    }
}

static TICK: AtomicU64 = AtomicU64::new(1);

/// A clock that moves 1 ms with each look, and a generator (splitmix64) that never repeats within a test run.
pub(crate) fn env() -> Env {
    Env {
        now: Arc::new(|| Time::from_unix_ms(1_790_000_000_000 + TICK.fetch_add(1, Ordering::Relaxed) as i64)),
        random: Arc::new(|bytes| bytes.iter_mut().for_each(|byte| *byte = next() as u8)),
    }
}

fn next() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut z = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn object() -> ObjectId {
    let env = env();
    ObjectId::born((env.now)(), random_bytes(&env.random))
}

pub(crate) fn organisation() -> OrgId {
    OrgId::from_bytes(object().bytes())
}

/// A folder that goes with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sinew-records-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("records.sqlite")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
