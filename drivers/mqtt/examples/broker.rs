//! The broker alone, open to everybody on this machine: for test suites and measurements, never for a plant.
//!
//! `broker [port] [quarantine]`: prints one JSON line with its port when it listens, and its counts when it is interrupted.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

use driver_mqtt::broker::{Broker, Desk, Policy};
use sdk::contract::driver::{host_clock, host_net};
use std::sync::Arc;

fn everything() -> Vec<String> {
    // Leaves out what begins with `$`.
    vec!["#".into()]
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "1883".into());
    let quarantine = arguments.next().is_some();
    let clock = host_clock();
    let random: types::Random = Arc::new(|bytes: &mut [u8]| {
        // The address of a fresh allocation and the time: good enough for names, not for secrets.
        let mut seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), bytes.len());
        for byte in bytes {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (seed >> 56) as u8;
        }
    });
    let policy = Policy {
        anonymous_publish: everything(),
        anonymous_subscribe: everything(),
        deny: vec!["test/nosubscribe".into()],
        receive_max: 1_024,
        keep_alive_max_s: 60,
        packet_bytes_max: 1_024 * 1_024,
        quarantine,
    };
    let desk = Arc::new(Desk {
        ids: sdk::Ids::new(clock.clone(), random),
        clock,
        policy,
        arrivals: sdk::Arrivals::default(),
        enrol: None,
    });
    let broker = Broker::new();
    let listener = host_net().listen_tcp(&format!("127.0.0.1:{port}")).await?;
    println!("{{\"port\": {}}}", listener.local_address().port());
    let time = {
        let (broker, desk) = (broker.clone(), desk.clone());
        async move { broker.keep_time(&desk).await }
    };
    tokio::spawn(time);
    let accepting = async {
        loop {
            let (stream, from) = listener.accept().await?;
            let (broker, desk) = (broker.clone(), desk.clone());
            tokio::spawn(async move { broker.serve(desk, stream, from, None).await });
        }
    };
    let end = tokio::select! {
        end = accepting => end,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    println!("{:?}", broker.view());
    end
}
