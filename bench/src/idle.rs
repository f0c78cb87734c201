//! Start to healthy, and what an idle node costs: medians of five starts.

use serde_json::json;
use std::time::Duration;

use crate::{calibration::Calibration, node::Node, report};

const RUNS: usize = 5;

pub(crate) fn run() {
    let calibration = Calibration::take();
    let mut healthy_ms = Vec::new();
    let mut rss_mb = Vec::new();
    let mut cores = Vec::new();
    for _ in 0..RUNS {
        let node = Node::start();
        healthy_ms.push(node.healthy_after.as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_secs(2));
        let before = node.cpu_s();
        std::thread::sleep(Duration::from_secs(5));
        cores.push((node.cpu_s() - before) / 5.0);
        rss_mb.push(node.memory_mb().0);
    }
    let median = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[RUNS / 2]
    };
    let figures = json!({
        "runs": RUNS, "healthy_ms_p50": median(healthy_ms), "idle_rss_mb_p50": median(rss_mb), "idle_cores_p50": median(cores),
    });
    report("idle", figures, &calibration);
}
