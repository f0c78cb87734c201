//! The broker as a door: listens for the devices of one organisation.

mod config;
mod listen;
mod template;
mod tls;

use sdk::{Door, DoorTask, Hall, Outage};
use std::sync::Arc;
use types::Fault;

use crate::broker::{Broker, Desk, limits};
use config::Config;

/// The descriptor of the broker.
pub(crate) fn door() -> Door {
    Door {
        id: "mqtt",
        name: ("MQTT 接入服务", "MQTT broker"),
        config_schema: sdk::http::json_schema::<Config>,
        check_config: |json| Config::parse(json).map(drop),
        default_config: config::default_config,
        hall: || Hall::of_value(Broker::new()),
        run: |task| Box::pin(run(task)),
    }
}

/// Listens until a listener breaks.
async fn run(task: DoorTask) -> Outage {
    let config = match Config::parse(&task.config) {
        Ok(config) => config,
        Err(faults) => return Outage::configuration(first(faults)),
    };
    let Some(broker) = task.reach.hall.of::<Broker>() else {
        let detail = "the broker's hall holds something else; report this";
        return Outage::configuration(Fault::new(types::codes::INTERNAL, detail));
    };
    let acceptor = match &config.tls {
        Some(tls) => match tls::acceptor(tls, &task.reach.secrets).await {
            Ok(acceptor) => Some(acceptor),
            Err(fault) => return Outage::configuration(fault),
        },
        None => None,
    };
    let (templates, clock) = (&config.templates, &task.reach.clock);
    let enrol = template::Templates::new(templates, task.enrolment, &broker, clock, &task.status);
    let desk = Arc::new(Desk {
        clock: task.reach.clock.clone(),
        ids: task.reach.ids.clone(),
        policy: config.policy(),
        arrivals: task.arrivals,
        enrol: enrol.map(|templates| Box::new(templates) as _),
    });
    let _cut_at_the_end = Cut(broker.clone());
    let handshakes = Arc::new(tokio::sync::Semaphore::new(limits::HANDSHAKES_MAX));
    let listener = |address: &str, acceptor| listen::Listening {
        broker: Broker::clone(&broker),
        desk: desk.clone(),
        handshakes: handshakes.clone(),
        address: address.to_string(),
        acceptor,
    };
    let listening: Vec<listen::Listening> = config
        .listen
        .iter()
        .map(|address| listener(address, None))
        .chain(config.tls.iter().map(|tls| listener(&tls.listen, acceptor.clone())))
        .collect();
    tokio::select! {
        outage = listen::all(listening, &task.reach.net, &task.status) => outage,
        () = broker.keep_time(&desk) => listen::ended(),
        () = listen::count(&broker, &desk, &task.status) => listen::ended(),
    }
}

/// Ends the connections of a run that is stopped.
struct Cut(Arc<Broker>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut_all();
    }
}

fn first(faults: Vec<Fault>) -> Fault {
    let unknown = || Fault::new(types::codes::INVALID, "the configuration is wrong; open it and correct it");
    faults.into_iter().next().unwrap_or_else(unknown)
}
