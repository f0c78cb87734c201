//! Certificates: our own, made once and kept sealed; and the server's, checked and then judged by the node's trust list.
//!
//! Nothing is on disk. The OPC UA crate's own store wants a folder with keys in it; its verifier is not used.

use opcua::{
    crypto::{KeySize, PrivateKey, SecurityPolicy, X509, X509Data},
    types::{ByteString, EndpointDescription},
};
use sdk::{Presented, Reach, Verdict};
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::Arc};
use types::{Fault, Time, codes};

use crate::{
    config::Config,
    der::{self, Names},
    fault::Trouble,
};

/// Of the key that is made for this node.
const KEY_BITS: u32 = 2_048;
/// How long the certificate that is made for this node lasts. Servers approve it by hand, so it is not renewed lightly.
const VALID_DAYS: u32 = 20 * 365;
/// Name of the sealed blob with key and certificate.
const SECRET: &str = "application-instance";
const PRIVATE_KEY: &str = "PRIVATE KEY";
const CERTIFICATE: &str = "CERTIFICATE";

/// A certificate and what it says.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) x509: X509,
    der: Arc<[u8]>,
    pub(crate) names: Names,
    not_before: Time,
    not_after: Time,
}

impl Certificate {
    /// From DER, of which only the first of a chain is read.
    pub(crate) fn from_der(chain: &[u8]) -> Option<Certificate> {
        let der = der::first_of_chain(chain)?;
        let x509 = X509::from_der(der).ok()?;
        let time = |at: i64| at.checked_mul(1_000_000_000).map_or(Time::MAX, Time);
        let (not_before, not_after) =
            (x509.not_before().ok()?.timestamp(), x509.not_after().ok()?.timestamp());
        Some(Certificate {
            names: der::names(der),
            der: der.into(),
            not_before: time(not_before),
            not_after: time(not_after),
            x509,
        })
    }

    /// From PEM.
    pub(crate) fn from_pem(pem: &str) -> Option<Certificate> {
        Certificate::from_der(&pem_block(pem, CERTIFICATE)?)
    }

    pub(crate) fn der(&self) -> ByteString {
        ByteString::from(self.der.to_vec())
    }

    /// As a person sees it.
    pub(crate) fn presented(&self, from: &str) -> Presented {
        let digest = Sha256::digest(&self.der);
        let thumbprint = digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _always_fits = write!(hex, "{byte:02x}");
            hex
        });
        Presented {
            thumbprint,
            subject: self.x509.subject_name(),
            application_uri: self.names.uris.first().cloned().unwrap_or_default(),
            not_before: self.not_before,
            not_after: self.not_after,
            from: from.to_string(),
            der: self.der().as_base64(),
        }
    }
}

/// Our certificate and its key.
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) certificate: Certificate,
    pub(crate) key: PrivateKey,
}

impl Own {
    /// From two PEM texts.
    pub(crate) fn from_pem(certificate: &str, key: &str) -> Option<Own> {
        let certificate = Certificate::from_pem(certificate)?;
        let key = PrivateKey::from_pem(key_block(key)?.as_bytes()).ok()?;
        Some(Own { certificate, key })
    }

    /// `urn:sinew:<host>:opcua:<id>`; also what the certificate says.
    pub(crate) fn application_uri(&self) -> &str {
        self.certificate.names.uris.first().map_or("", String::as_str)
    }
}

/// The certificate of this node: read, or made when there is none yet.
pub(crate) async fn own(reach: &Reach) -> Result<Own, Fault> {
    let kept = |blob: Option<Vec<u8>>| {
        let text = String::from_utf8(blob?).ok()?;
        Own::from_pem(&text, &text)
    };
    let own = match kept(reach.secrets.get(SECRET).await?) {
        Some(own) => own,
        None => {
            let made = make(&format!("urn:sinew:{}:opcua:{}", host(), reach.ids.born()))?;
            // Two devices may start at once: whoever was first has made it for both.
            match kept(reach.secrets.get(SECRET).await?) {
                Some(first) => first,
                None => {
                    reach.secrets.put(SECRET, made.as_bytes()).await?;
                    kept(Some(made.into_bytes()))
                        .ok_or_else(|| unreadable("the certificate that was just made"))?
                }
            }
        }
    };
    reach.trust.own(own.certificate.presented(own.application_uri())).await?;
    Ok(own)
}

/// Key and certificate as PEM. Takes a good part of a second of one core, once in the life of a node.
fn make(application_uri: &str) -> Result<String, Fault> {
    let host = host();
    let data = X509Data {
        key_size: KEY_BITS,
        common_name: format!("Sinew@{host}"),
        organization: "Sinew".into(),
        organizational_unit: String::new(),
        country: String::new(),
        state: String::new(),
        alt_host_names: X509Data::alt_host_names(application_uri, Some(vec![host]), false, false, false),
        certificate_duration_days: VALID_DAYS,
    };
    let failed = |reason: String| {
        Fault::new(
            codes::INTERNAL,
            format!("a certificate could not be made: {reason}; report this with the log"),
        )
    };
    let (certificate, key) = X509::cert_and_pkey(&data).map_err(failed)?;
    let key = key.to_der().map_err(|error| failed(error.to_string()))?;
    let certificate = certificate.to_der().map_err(|error| failed(error.to_string()))?;
    Ok(pem(PRIVATE_KEY, key.as_bytes()) + &pem(CERTIFICATE, &certificate))
}

/// Fit for a URN and a distinguished name.
fn host() -> String {
    let name = opcua::crypto::hostname().unwrap_or_default();
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
    if plain.is_empty() { "node".into() } else { plain }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = ByteString::from(der.to_vec()).as_base64();
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// The private key among other things in a PEM text, with its own frame.
fn key_block(text: &str) -> Option<&str> {
    const FRAME: &str = "-----";
    let label = text.find("PRIVATE KEY-----")?;
    let start = text[..label].rfind("-----BEGIN ")?;
    let end = label + text[label..].find("-----END ")?;
    let end = end + FRAME.len() + text[end + FRAME.len()..].find(FRAME)? + FRAME.len();
    text.get(start..end)
}

fn pem_block(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once("-----END ")?;
    let bytes = ByteString::from_base64_ignore_whitespace(body.to_string())?;
    Some(bytes.as_ref().to_vec())
}

/// The user's certificate and key as they stand in the configuration.
pub(crate) fn of_user(config: &Config) -> Result<Own, Fault> {
    let (certificate, key) = (config.certificate.as_deref(), config.private_key.as_deref());
    let read = Own::from_pem(certificate.unwrap_or_default(), key.unwrap_or_default());
    read.ok_or_else(|| unreadable("the certificate or private key of the user").at("/certificate"))
}

fn unreadable(what: &str) -> Fault {
    let detail =
        format!("{what} cannot be read: give an RSA certificate and its key as PEM, without a pass phrase");
    Fault::new("opcua.certificate-unreadable", detail).arg("what", what)
}

/// A server's certificate that may be used.
pub(crate) struct Judged {
    pub(crate) certificate: Certificate,
    /// The host of the URL, when the certificate does not name it. Reported, not refused: plants reach servers by addresses
    /// that nobody knew when the certificate was made, and the thumbprint was approved by a person.
    pub(crate) host_mismatch: Option<String>,
}

/// Checks a server's certificate, then asks the trust list.
pub(crate) async fn judge(
    reach: &Reach,
    config: &Config,
    endpoint: &EndpointDescription,
    policy: SecurityPolicy,
) -> Result<Judged, Trouble> {
    let place = config.endpoint_url.as_str();
    let chain = endpoint.server_certificate.as_ref();
    let Some(certificate) = Certificate::from_der(chain) else {
        let detail = format!("{place} shows no certificate that can be read; make a new one on the server");
        return Err(Trouble::Person(Fault::new("opcua.server-certificate", detail).arg("place", place)));
    };
    // First the list, so that a person sees it whatever else is wrong with it.
    let presented = certificate.presented(place);
    let verdict = reach.trust.judge(presented.clone()).await.map_err(Trouble::Person)?;
    check(&certificate, endpoint, policy, reach.clock.now(), place)
        .map_err(|fault| Trouble::Person(fault.arg("thumbprint", presented.thumbprint.as_str())))?;
    if verdict == Verdict::Rejected {
        return Err(Trouble::Person(untrusted(&presented)));
    }
    let host_mismatch = config.host_and_port().map(|(host, _)| host);
    let host_mismatch = host_mismatch
        .filter(|host| !certificate.names.hosts.iter().any(|named| named.eq_ignore_ascii_case(host)));
    Ok(Judged { certificate, host_mismatch })
}

fn untrusted(presented: &Presented) -> Fault {
    let Presented { thumbprint, subject, from, .. } = presented;
    let detail = format!(
        "{from} shows a certificate that nobody approved yet ({subject}, SHA-256 {thumbprint}); compare the thumbprint \
         with the one on the server, then approve it on the certificates page"
    );
    Fault::new("opcua.server-untrusted", detail)
        .arg("place", from.as_str())
        .arg("subject", subject.as_str())
        .arg("thumbprint", thumbprint.as_str())
}

fn check(
    certificate: &Certificate,
    endpoint: &EndpointDescription,
    policy: SecurityPolicy,
    now: Time,
    place: &str,
) -> Result<(), Fault> {
    if now < certificate.not_before {
        let from = certificate.not_before.to_string();
        let detail = format!(
            "the certificate of {place} is valid from {from} on only; check the clocks of both machines"
        );
        return Err(Fault::new("opcua.server-certificate-early", detail)
            .arg("place", place)
            .arg("not_before", from));
    }
    if now > certificate.not_after {
        let until = certificate.not_after.to_string();
        let detail = format!(
            "the certificate of {place} expired at {until}; make a new one on the server and approve it here"
        );
        return Err(Fault::new("opcua.server-certificate-expired", detail)
            .arg("place", place)
            .arg("not_after", until));
    }
    let announced = endpoint.server.application_uri.as_ref();
    if !certificate.names.uris.iter().any(|uri| uri == announced) {
        let named = certificate.names.uris.join(", ");
        let detail = format!(
            "{place} calls itself `{announced}`, but its certificate says `{named}`; make a certificate on the server \
             that has its application URI as subject alternative name"
        );
        return Err(Fault::new("opcua.server-uri", detail)
            .arg("place", place)
            .arg("announced", announced)
            .arg("certified", named));
    }
    let bits = certificate.x509.public_key().map_or(0, |key| key.bit_length());
    if !policy.is_valid_keylength(bits) {
        let detail = format!(
            "the key of {place} has {bits} bits, which is not allowed with {policy}; make a certificate with 2048 to 4096 bits on the server"
        );
        return Err(Fault::new("opcua.server-key", detail).arg("place", place).arg("bits", bits));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_comes_back() {
        let der: Vec<u8> = (0..200).collect();
        assert_eq!(pem_block(&pem(CERTIFICATE, &der), CERTIFICATE), Some(der));
        assert_eq!(pem_block("-----BEGIN CERTIFICATE-----", CERTIFICATE), None);
        assert!(Own::from_pem("x", "y").is_none());
        let (key, other) = (pem(PRIVATE_KEY, b"key"), pem(CERTIFICATE, b"other"));
        assert_eq!(key_block(&format!("{other}{key}{other}")), Some(key.trim_end()));
        for odd in ["PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----------END "]
        {
            assert_eq!(key_block(odd), None);
        }
    }
}
