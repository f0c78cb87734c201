//! Every policy, mode and identity that must work; every certificate and password that must not.

use opcua_keys::user;
use sdk::{Probe, fake::TrustList};
use serde_json::{Value as Json, json};
use types::Fault;

use crate::{
    peers::{Program, Server, asyncua, config, node_opcua, unless_ci},
    running::reach,
};

mod opcua_keys {
    //! A user's certificate, made once for all tests.

    use opcua::crypto::{X509, X509Data};
    use opcua::types::ByteString;
    use sha2::{Digest, Sha256};
    use std::sync::LazyLock;

    pub(super) struct User {
        pub(super) certificate: String,
        pub(super) key: String,
        pub(super) der: Vec<u8>,
        pub(super) thumbprint: String,
    }

    pub(super) static USER: LazyLock<User> = LazyLock::new(|| {
        let data = X509Data {
            key_size: 2_048,
            common_name: "operator".into(),
            organization: "plant".into(),
            organizational_unit: String::new(),
            country: String::new(),
            state: String::new(),
            alt_host_names: X509Data::alt_host_names("urn:user:operator", None, false, false, false),
            certificate_duration_days: 30,
        };
        let (certificate, key) = X509::cert_and_pkey(&data).unwrap();
        let der = certificate.to_der().unwrap();
        let pem = |label: &str, der: &[u8]| {
            let base64 = ByteString::from(der.to_vec()).as_base64();
            let lines: Vec<&str> =
                base64.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
        };
        let thumbprint = Sha256::digest(&der).iter().map(|b| format!("{b:02x}")).collect();
        let key = pem("PRIVATE KEY", key.to_der().unwrap().as_bytes());
        User { certificate: pem("CERTIFICATE", &der), key, der, thumbprint }
    });

    pub(super) fn user() -> &'static User {
        &USER
    }
}

async fn probe(config: Json, trust: &TrustList) -> Result<sdk::ProbeReport, Fault> {
    (driver_opcua::driver().probe)(Probe { config, reach: reach(trust) }).await
}

/// All combinations, then what must be refused.
async fn matrix(program: &Program, refuses_unknown_users: bool) {
    let server = Server::start(program, 0);
    let trust = TrustList::default();
    let first = probe(config(&server, json!({})), &trust).await.unwrap_err();
    assert_eq!(first.code, "opcua.server-untrusted");
    trust.approve_all();
    let users = [
        ("anonymous", json!({})),
        ("user_name", json!({"user_name": "operator", "password": "secret"})),
        ("certificate", json!({"certificate": user().certificate, "private_key": user().key})),
    ];
    for policy in ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] {
        for mode in ["Sign", "SignAndEncrypt"] {
            for (identity, more) in &users {
                let mut wanted = more.clone();
                wanted["security_policy"] = json!(policy);
                wanted["security_mode"] = json!(mode);
                wanted["identity"] = json!(identity);
                let report = probe(config(&server, wanted), &trust).await;
                let report = report.unwrap_or_else(|fault| panic!("{policy} {mode} {identity}: {fault}"));
                assert!(report.round_trip_ms > 0.0);
            }
        }
    }
    let wrong = json!({"identity": "user_name", "user_name": "operator", "password": "guess"});
    assert_eq!(probe(config(&server, wrong), &trust).await.unwrap_err().code, "opcua.wrong-credentials");
    if refuses_unknown_users {
        // Our own certificate is no user's.
        let stranger = json!({"identity": "own_certificate"});
        assert_eq!(
            probe(config(&server, stranger), &trust).await.unwrap_err().code,
            "opcua.wrong-credentials"
        );
    }
    let open = json!({"security_policy": "None", "allow_none": true});
    probe(config(&server, open), &trust).await.expect("None works when it is asked for");
    let bare = json!({"security_policy": "None", "allow_none": true, "identity": "user_name", "user_name": "operator", "password": "secret"});
    if let Err(fault) = probe(config(&server, bare), &trust).await {
        assert_eq!(fault.code, "opcua.identity-unprotected");
    }
}

#[tokio::test]
async fn asyncua_takes_every_policy_mode_and_user() {
    let Some(program) = unless_ci(asyncua(&["--user-certificate", &user().thumbprint])) else { return };
    matrix(&program, true).await;
}

#[tokio::test]
async fn node_opcua_takes_every_policy_mode_and_user() {
    let file = std::env::temp_dir().join(format!("sinew-opcua-user-{}.der", std::process::id()));
    std::fs::write(&file, &user().der).unwrap();
    let Some(program) = unless_ci(node_opcua(&["--user-certificate-file", &file.display().to_string()]))
    else {
        return;
    };
    matrix(&program, true).await;
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn certificates_that_must_not_be_believed_are_not() {
    for (kind, code) in [
        ("expired", "opcua.server-certificate-expired"),
        ("early", "opcua.server-certificate-early"),
        ("wrong-uri", "opcua.server-uri"),
    ] {
        let Some(program) = unless_ci(asyncua(&["--certificate", kind])) else { return };
        let server = Server::start(&program, 0);
        let trust = TrustList::default();
        let listed = probe(config(&server, json!({})), &trust).await.unwrap_err();
        assert_eq!(listed.code, code);
        trust.approve_all();
        let approved = probe(config(&server, json!({})), &trust).await.unwrap_err();
        assert_eq!(approved.code, code, "no approval mends {kind}");
    }
}

#[tokio::test]
async fn a_policy_that_is_not_offered_is_never_replaced() {
    let Some(program) = unless_ci(asyncua(&["--no-none"])) else { return };
    let server = Server::start(&program, 0);
    let none = json!({"security_policy": "None", "allow_none": true});
    let fault = probe(config(&server, none), &TrustList::default()).await.unwrap_err();
    assert_eq!(fault.code, "opcua.not-offered");
    assert!(fault.detail.contains("Basic256Sha256 with SignAndEncrypt"), "{fault}");
}
