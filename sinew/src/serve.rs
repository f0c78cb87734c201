//! `sinew serve`, and the small commands beside it.

use std::net::SocketAddr;
use tokio::net::TcpListener;

use crate::{
    config::Config,
    node::{Node, StartError, open_access, open_records},
};

/// Runs a node until it is told to stop.
pub(crate) async fn serve(config: Config) -> Result<(), StartError> {
    let listener = bind(config.server.listen).await?;
    let node = Node::start(&config).await?;
    announce(&node, &listener).await?;
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
    let served = server::serve(listener, node.door(config), stop_signal()).await;
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
    let access = open_access(open_records(config).await?).await?;
    match access.setup_code() {
        Some(code) => println!("{}", code.reveal()),
        None => println!("The setup code was used: this node has its administrator."),
    }
    Ok(())
}
