//! How fast this machine is when nothing of ours runs: figures of a busy machine are no figures.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// Medians of two small things that every figure here depends on.
pub(crate) struct Calibration {
    pub(crate) fdatasync_p50_ms: f64,
    pub(crate) ping_pong_p50_us: f64,
}

/// What the reference machine shows: 4 KiB append and fdatasync, 100 B TCP ping-pong.
const FDATASYNC_P50_MS: f64 = 0.5;
const PING_PONG_P50_US: f64 = 14.0;

impl Calibration {
    pub(crate) fn take() -> Calibration {
        Calibration { fdatasync_p50_ms: fdatasync(), ping_pong_p50_us: ping_pong() }
    }
    pub(crate) fn words(&self) -> String {
        let Calibration { fdatasync_p50_ms: fdatasync, ping_pong_p50_us: ping_pong } = self;
        format!("fdatasync {fdatasync:.2} ms, ping-pong {ping_pong:.0} us")
    }
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "fdatasync_p50_ms": self.fdatasync_p50_ms, "ping_pong_p50_us": self.ping_pong_p50_us })
    }
    /// Within twice the reference.
    pub(crate) fn is_quiet(&self) -> bool {
        self.fdatasync_p50_ms <= 2.0 * FDATASYNC_P50_MS && self.ping_pong_p50_us <= 2.0 * PING_PONG_P50_US
    }
}

fn median(values: Vec<f64>) -> f64 {
    crate::harness::figures::median(&values).unwrap_or(f64::NAN)
}

fn fdatasync() -> f64 {
    let path = std::env::temp_dir().join(format!("sinew-calibration-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a temporary file");
    let times = (0..200).map(|_| {
        let start = Instant::now();
        file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("a write");
        start.elapsed().as_secs_f64() * 1e3
    });
    let median = median(times.collect());
    let _removed = std::fs::remove_file(path);
    median
}

fn ping_pong() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let echo = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a connection");
        let _nodelay = peer.set_nodelay(true);
        let mut bytes = [0; 100];
        while peer.read_exact(&mut bytes).is_ok() && peer.write_all(&bytes).is_ok() {}
    });
    let mut stream = TcpStream::connect(address).expect("connected");
    let _nodelay = stream.set_nodelay(true);
    let mut bytes = [7; 100];
    let times = (0..5_000).map(|_| {
        let start = Instant::now();
        stream.write_all(&bytes).and_then(|()| stream.read_exact(&mut bytes)).expect("an echo");
        start.elapsed().as_secs_f64() * 1e6
    });
    let median = median(times.collect());
    drop(stream);
    let _ended = echo.join();
    median
}
