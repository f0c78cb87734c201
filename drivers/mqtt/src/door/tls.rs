//! Encryption of the door: a certificate that is given, or one that the node makes for itself and keeps.

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::Arc;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};
use types::Fault;

use super::config::Tls;

/// Where the node's own key and certificate are kept: PEM, certificate first. One for each set of names.
const SECRET: &str = "broker-identity";

fn wrong(detail: String) -> Fault {
    Fault::new("mqtt.certificate", detail.clone()).arg("reason", detail)
}

/// Looks whether a given certificate and key can be used.
pub(super) fn check(tls: &Tls) -> Result<(), Fault> {
    match (&tls.certificate_pem, &tls.key_pem) {
        (Some(certificate), Some(key)) => server(certificate, key).map(drop),
        _ => Ok(()),
    }
}

/// What turns a stream into an encrypted one.
pub(super) async fn acceptor(tls: &Tls, secrets: &sdk::Secrets) -> Result<TlsAcceptor, Fault> {
    let (certificate, key) = match (&tls.certificate_pem, &tls.key_pem) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ => own(tls, secrets).await?,
    };
    Ok(TlsAcceptor::from(Arc::new(server(&certificate, &key)?)))
}

fn server(certificate_pem: &str, key_pem: &str) -> Result<ServerConfig, Fault> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(format!("the certificate cannot be read ({error}): paste it as PEM")))?;
    if chain.is_empty() {
        return Err(wrong(
            "there is no certificate in the text: paste it from -----BEGIN CERTIFICATE----- on".into(),
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| {
        wrong(format!("the private key cannot be read ({error}): paste it as PEM, without a password"))
    })?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(format!("certificate and key do not fit each other: {error}")))
}

/// The node's own certificate and key, made on first use and when the names change.
async fn own(tls: &Tls, secrets: &sdk::Secrets) -> Result<(String, String), Fault> {
    let mut names = tls.names.clone();
    if names.is_empty() {
        names.push("localhost".into());
    }
    let listed = names.join(",");
    if let Some(kept) = secrets.get(SECRET).await?
        && let Ok(text) = String::from_utf8(kept)
        && let [before, certificate, key] = *text.splitn(3, '\n').collect::<Vec<_>>()
        && before == listed
    {
        return Ok((certificate.replace('|', "\n"), key.replace('|', "\n")));
    }
    let made = |error: rcgen::Error| {
        wrong(format!("no certificate could be made for {listed}: {error}; correct the names"))
    };
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).map_err(made)?;
    let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
    let line = |pem: &str| pem.replace("\r\n", "\n").replace('\n', "|");
    let kept = format!("{listed}\n{}\n{}", line(&certificate), line(&key));
    secrets.put(SECRET, kept.as_bytes()).await?;
    Ok((certificate, key))
}
