//! Start to healthy, and what an idle node costs: medians of five starts.

use serde_json::json;
use std::time::Duration;

use crate::{
    calibration::Calibration,
    harness::{figures::median, report::Exit},
    node::Node,
    report,
};

const RUNS: usize = 5;
/// What a start leaves to do is done by then.
const SETTLES: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(5);

pub(crate) fn run() -> Exit {
    let (mut healthy_ms, mut rss_mb, mut cores) = (Vec::new(), Vec::new(), Vec::new());
    // Built and in the page cache, before anything is timed.
    drop(Node::start());
    let calibration = Calibration::take();
    for _ in 0..RUNS {
        let node = Node::start();
        healthy_ms.push(node.healthy_after.as_secs_f64() * 1e3);
        std::thread::sleep(SETTLES);
        let before = node.process.cpu_s();
        std::thread::sleep(MEASURED);
        cores.push((node.process.cpu_s() - before) / MEASURED.as_secs_f64());
        rss_mb.push(node.process.memory().rss_mb);
    }
    let figures = json!({
        "runs": RUNS, "healthy_ms_p50": median(&healthy_ms), "idle_rss_mb_p50": median(&rss_mb),
        "idle_cores_p50": median(&cores),
    });
    report("idle", figures, &calibration)
}
