//! A device behind a DTU at work: polled while the DTU is here, waited for while it is away.

use sdk::{Clock, DeviceTask, Outage, WriteOrder, poll::serve};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use types::Fault;

use super::table::{Dtus, Want};
use crate::{config::Config, device, fault, plan};

/// What was asked for when the DTU left gets so long to end by itself, so that nothing that was read is thrown away.
const SETTLE: Duration = Duration::from_millis(200);

/// Runs one device until it stops answering on a connection that stands. That the DTU leaves and comes back does not
/// end the run.
pub(crate) async fn run(task: DeviceTask, config: Arc<Config>) -> Outage {
    let Some(dtus) = task.reach.hall.of::<Dtus>() else { return Outage::configuration(fault::no_door()) };
    let mut want = dtus.want(config.dtu_id());
    let mut writes = task.writes;
    let parts = device::Parts {
        addresses: plan::bind(&task.points).into(),
        config,
        points: task.points,
        outbox: task.outbox,
        reach: task.reach,
        phase_seed: task.phase_seed,
        counters: task.counters,
    };
    loop {
        if want.line().is_none() {
            let away = || fault::away(&parts.config, dtus.is_listening());
            parts.outbox.offline(away()).await;
            refuse_until_here(&mut want, &mut writes, away).await;
        }
        // Not held, only compared: a line that is held is a socket that stays open.
        let line = want.line().map(|line| Arc::downgrade(&line));
        let (forward, orders) = mpsc::channel(1);
        let (device, wiring) = parts.clone().wire(orders);
        let polling = std::pin::pin!(serve(device, wiring));
        let ended = tokio::select! {
            outage = watched(polling, &mut want, &parts.reach.clock) => outage,
            () = hand_over(&mut writes, forward) => None,
        };
        let same = match (&line, &want.line()) {
            (Some(before), Some(now)) => before.ptr_eq(&Arc::downgrade(now)),
            _ => false,
        };
        // On another connection, or none, the fault was the old one's.
        if let (true, Some(outage)) = (same, ended) {
            return outage;
        }
    }
}

/// Polls until the connection fails, or the DTU leaves while nothing is asked.
async fn watched(
    mut polling: std::pin::Pin<&mut impl Future<Output = Outage>>,
    want: &mut Want,
    clock: &Clock,
) -> Option<Outage> {
    tokio::select! {
        outage = &mut polling => return Some(outage),
        () = want.until_gone() => {}
    }
    clock.timeout(SETTLE, polling).await.ok()
}

/// Refuses what is to be written while the DTU is away.
async fn refuse_until_here(
    want: &mut Want,
    writes: &mut mpsc::Receiver<WriteOrder>,
    away: impl Fn() -> Fault,
) {
    loop {
        tokio::select! {
            biased;
            () = want.until_here() => return,
            Some(order) = writes.recv() => {
                // Whoever asked may have gone.
                let _gone = order.reply.send(Err(away()));
            }
        }
    }
}

/// Hands orders over one by one, so that those that wait outlive a connection.
async fn hand_over(from: &mut mpsc::Receiver<WriteOrder>, to: mpsc::Sender<WriteOrder>) {
    while let Ok(place) = to.reserve().await {
        match from.recv().await {
            Some(order) => place.send(order),
            None => break,
        }
    }
    std::future::pending().await
}
