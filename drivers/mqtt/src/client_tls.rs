//! TLS towards a broker outside. Only the authority that the configuration names is trusted: there is no list of public
//! authorities in this build, and a plant's broker rarely has a certificate of one.

use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{io, sync::Arc};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};

use sdk::Stream;

use crate::config::Tls;

/// The authorities of a PEM text.
pub(crate) fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("the PEM text cannot be read: {error}"))?;
        store.add(certificate).map_err(|error| format!("this is no certificate of an authority: {error}"))?;
    }
    match store.is_empty() {
        true => {
            Err("there is no certificate: paste the authority's, from -----BEGIN CERTIFICATE----- on".into())
        }
        false => Ok(store),
    }
}

/// Encrypts a connection. An error of kind `InvalidData` is about certificates, others about the way there.
pub(crate) async fn connect(stream: Box<dyn Stream>, host: &str, tls: &Tls) -> io::Result<Box<dyn Stream>> {
    let wrong = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let roots = roots(&tls.ca_pem).map_err(wrong)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = tls.server_name.clone().unwrap_or_else(|| host.to_string());
    let name = ServerName::try_from(name).map_err(|error| wrong(error.to_string()))?;
    let encrypted = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Box::new(encrypted))
}
