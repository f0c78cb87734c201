//! `sinew serve`, and the small commands beside it.

use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;

use crate::{
    config::Config,
    node::{Node, StartError, open_access, open_records, records_file},
};

/// Requests under way get so long to end once the node is told to stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Runs a node until it is told to stop.
pub(crate) async fn serve(config: Config) -> Result<(), StartError> {
    let listener = bind(config.server.listen).await?;
    let node = Node::start(&config).await?;
    announce(&node, &listener).await?;
    if let Some(address) = config.server.postgres {
        let address = node.open_postgres(address)?;
        println!("PostgreSQL clients ask at {address}, database sinew, with a token as the password");
    }
    run(node, listener, &config).await
}

/// Binds the door. Beyond loopback only with TLS, which a proxy must speak for this version.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NeedsTls(address));
    }
    TcpListener::bind(address).await.map_err(|error| StartError::Io {
        action: "listening on",
        path: address.to_string(),
        error,
    })
}

/// Serves until SIGINT or SIGTERM, then stops in order.
pub(crate) async fn run(node: Node, listener: TcpListener, config: &Config) -> Result<(), StartError> {
    let address = listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
    let (told, stop) = tokio::sync::watch::channel(false);
    let mut wait = stop.clone();
    let door = server::serve(listener, node.door(config), async move {
        drop(wait.wait_for(|stop| *stop).await);
    });
    let overdue = async {
        stop_signal().await;
        told.send_replace(true);
        tokio::time::sleep(STOP_MAX).await;
    };
    let served = tokio::select! {
        served = door => served,
        () = overdue => {
            tracing::warn!("some requests did not end in time and were cut");
            Ok(())
        }
    };
    node.stop().await;
    served.map_err(|error| StartError::Io { action: "serving on", path: address, error })
}

async fn announce(node: &Node, listener: &TcpListener) -> Result<(), StartError> {
    if let Ok(address) = listener.local_addr() {
        println!("Sinew {} is at http://{address}", env!("CARGO_PKG_VERSION"));
    }
    if let Some(code) = node.access.setup_code() {
        println!("First start: open the address and enter the setup code {}", code.reveal());
    }
    Ok(())
}

async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("stopping");
}

/// `sinew setup-code`
pub(crate) async fn print_setup_code(config: &Config) -> Result<(), StartError> {
    if config.records.url.is_empty() && !records_file(config).exists() {
        return Err(StartError::NoStore(config.storage.dir.display().to_string()));
    }
    let access = open_access(open_records(config).await?).await?;
    match access.setup_code() {
        Some(code) => println!("{}", code.reveal()),
        None => println!("The setup code was used: this node has its administrator."),
    }
    Ok(())
}
