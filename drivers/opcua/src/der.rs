//! The little of DER (X.690) that is needed to read who a certificate names. Never panics; what is odd is absent.

use std::net::{Ipv4Addr, Ipv6Addr};

/// OID 2.5.29.17, subject alternative name (RFC 5280, 4.2.1.6).
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1D, 0x11];
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `[3] EXPLICIT Extensions` of a certificate.
const EXTENSIONS: u8 = 0xA3;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
const IP_ADDRESS: u8 = 0x87;

/// The names in a certificate's subject alternative name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// URIs; an OPC UA application has exactly one, its application URI.
    pub(crate) uris: Vec<String>,
    /// DNS names and IP addresses.
    pub(crate) hosts: Vec<String>,
}

/// One element: tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (digits.iter().fold(0usize, |len, digit| len << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = element(bytes)?;
        bytes = rest;
        Some((tag, content))
    })
}

/// The first certificate of a chain: servers may send their issuers behind their own.
pub(crate) fn first_of_chain(chain: &[u8]) -> Option<&[u8]> {
    let (tag, _, rest) = element(chain)?;
    (tag == SEQUENCE).then(|| &chain[..chain.len() - rest.len()])
}

/// The names in a certificate.
pub(crate) fn names(certificate: &[u8]) -> Names {
    let mut names = Names::default();
    let Some(list) = alternative_names(certificate) else { return names };
    for (tag, content) in children(list) {
        let text = || String::from_utf8(content.to_vec()).ok();
        match tag {
            URI => names.uris.extend(text()),
            DNS_NAME => names.hosts.extend(text()),
            IP_ADDRESS => names.hosts.extend(ip(content)),
            _ => {}
        }
    }
    names
}

fn alternative_names(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate)?;
    let (_, extensions) = children(to_be_signed).find(|(tag, _)| *tag == EXTENSIONS)?;
    let (_, extensions, _) = element(extensions)?;
    let extension = children(extensions).find(|(_, extension)| {
        element(extension).is_some_and(|(tag, id, _)| tag == OBJECT_IDENTIFIER && id == ALTERNATIVE_NAME)
    })?;
    let (_, value) = children(extension.1).find(|(tag, _)| *tag == OCTET_STRING)?;
    let (tag, list, _) = element(value)?;
    (tag == SEQUENCE).then_some(list)
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).to_string());
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A certificate with nothing in it but the two names that are asked for.
    fn sample() -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let mut out = vec![tag, 0x82, (content.len() >> 8) as u8, content.len() as u8];
            out.extend_from_slice(content);
            out
        };
        let list =
            [wrap(URI, b"urn:a:b"), wrap(DNS_NAME, b"plc-7"), wrap(IP_ADDRESS, &[10, 0, 0, 7])].concat();
        let value = wrap(OCTET_STRING, &wrap(SEQUENCE, &list));
        let extension = wrap(SEQUENCE, &[wrap(OBJECT_IDENTIFIER, ALTERNATIVE_NAME), value].concat());
        let other = wrap(SEQUENCE, &[wrap(OBJECT_IDENTIFIER, &[1, 2]), wrap(OCTET_STRING, b"x")].concat());
        let extensions = wrap(EXTENSIONS, &wrap(SEQUENCE, &[other, extension].concat()));
        wrap(SEQUENCE, &wrap(SEQUENCE, &[wrap(2, &[1]), extensions].concat()))
    }

    #[test]
    fn names_are_found() {
        let names = names(&sample());
        assert_eq!(names.uris, ["urn:a:b"]);
        assert_eq!(names.hosts, ["plc-7", "10.0.0.7"]);
    }

    #[test]
    fn a_chain_is_cut_behind_its_first_certificate() {
        let one = sample();
        assert_eq!(first_of_chain(&[one.clone(), one.clone()].concat()), Some(one.as_slice()));
        assert_eq!(first_of_chain(b""), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..120, with: u8) {
            drop(names(&bytes));
            let _nothing_panics = first_of_chain(&bytes);
            let mut bent = sample();
            let len = bent.len();
            bent[at % len] = with;
            drop(names(&bent));
            drop(names(&bent[..at % len]));
        }
    }
}
