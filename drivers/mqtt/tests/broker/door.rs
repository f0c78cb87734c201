//! The door as the runtime runs it: listeners over TCP and TLS, templates, counts, stopping.

use driver_mqtt::{
    broker::{Account, Broker, Seen},
    wire::Version,
};
use sdk::{
    Arrivals, BoxFuture, DeviceDraft, DoorStatus, DoorTask, Enrolment, EnrolmentPort, Hall, OutageKind,
    Reach, contract::driver::host_reach,
};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring},
};
use types::{Fault, ObjectId};

use crate::peer::Hello;

/// Makes the account of each device that is enrolled, as its driver would.
struct Register {
    broker: Broker,
    made: Mutex<Vec<(DeviceDraft, driver_mqtt::broker::Admitted)>>,
}

impl EnrolmentPort for Register {
    fn enrol(&self, draft: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        let text = |name: &str| draft.config[name].as_str().map(String::from);
        let account = Account {
            client_id: text("client_id"),
            username: text("username"),
            password: text("password"),
            publish: vec!["#".into()],
            subscribe: Vec::new(),
        };
        let admitted = self.broker.admit(account);
        Box::pin(async move {
            self.made.lock().unwrap().push((draft, admitted?));
            Ok(ObjectId::born(types::Time(1), [1; 10]))
        })
    }
}

struct Running {
    task: JoinHandle<sdk::Outage>,
    status: DoorStatus,
    arrivals: Arrivals,
    register: Arc<Register>,
}

async fn run(config: serde_json::Value, reach: &Reach, listeners: usize) -> Running {
    let door = driver_mqtt::door();
    assert_eq!((door.check_config)(&config), Ok(()));
    let broker = reach.hall.of::<Broker>().unwrap();
    let register = Arc::new(Register { broker: Broker::clone(&broker), made: Mutex::default() });
    let (status, arrivals) = (DoorStatus::default(), Arrivals::default());
    let task = DoorTask {
        config,
        reach: reach.clone(),
        arrivals: arrivals.clone(),
        enrolment: Enrolment::new(register.clone()),
        status: status.clone(),
    };
    let task = tokio::spawn((door.run)(task));
    for _ in 0..200 {
        if status.addresses().len() == listeners {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status.addresses().len(), listeners);
    Running { task, status, arrivals, register }
}

fn hall() -> Hall {
    (driver_mqtt::door().hall)()
}

async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), hello: &Hello) -> u8 {
    stream.write_all(&hello.packet()).await.unwrap();
    let mut welcome = [0; 4];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut welcome));
    read.await.unwrap().unwrap();
    welcome[3]
}

#[tokio::test]
async fn it_listens_counts_and_stops() {
    let reach = host_reach(hall());
    let config = json!({"listen": "127.0.0.1:0", "anonymous": {"publish": ["#"]}});
    let running = run(config, &reach, 1).await;
    let mut stream = TcpStream::connect(running.status.addresses()[0]).await.unwrap();
    assert_eq!(greet(&mut stream, &Hello::v3("c")).await, 0);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(running.status.counts()["clients"], 1);
    running.task.abort();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    // The connection ends with the door; how, the kernel decides.
    let _closed = end.await.unwrap();
    let broker = reach.hall.of::<Broker>().unwrap();
    for _ in 0..100 {
        if broker.view().clients == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", broker.view());
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    let reach = host_reach(hall());
    let mut running = run(json!({"listen": "127.0.0.1:0"}), &reach, 1).await;
    running.task.abort();
    running = run(json!({"listen": address.to_string()}), &reach, 0).await;
    let outage = running.task.await.unwrap();
    assert_eq!((outage.kind, outage.fault.code.as_ref()), (OutageKind::Configuration, "mqtt.cannot-listen"));
}

#[tokio::test]
async fn tls_has_a_certificate_of_its_own_that_stays() {
    let reach = host_reach(hall());
    let config =
        json!({"tls": {"listen": "127.0.0.1:0", "names": ["localhost"]}, "anonymous": {"publish": ["#"]}});
    let mut kept = Vec::new();
    for _ in 0..2 {
        let running = run(config.clone(), &reach, 1).await;
        let secret = reach.secrets.get("broker-identity").await.unwrap().unwrap();
        kept.push(secret.clone());
        let text = String::from_utf8(secret).unwrap();
        let pem = text.lines().nth(1).unwrap().replace('|', "\n");
        let mut roots = RootCertStore::empty();
        for der in <rustls_pki_types::CertificateDer<'_> as rustls_pki_types::pem::PemObject>::pem_slice_iter(
            pem.as_bytes(),
        ) {
            roots.add(der.unwrap()).unwrap();
        }
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(running.status.addresses()[0]).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
        assert_eq!(greet(&mut stream, &Hello::new("c")).await, 0);
        // Plain bytes at the TLS port are turned away.
        let mut plain = TcpStream::connect(running.status.addresses()[0]).await.unwrap();
        plain.write_all(&Hello::new("c").packet()).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), plain.read_to_end(&mut rest)).await.unwrap();
        assert!(end.is_err() || rest.first() != Some(&0x20));
        running.task.abort();
    }
    assert_eq!(kept[0], kept[1]);
}

#[tokio::test]
async fn a_template_makes_the_device_on_first_contact() {
    let reach = host_reach(hall());
    let config = json!({
        "listen": "127.0.0.1:0",
        "quarantine": false,
        "templates": [{"product": "pump", "product_secret": "the-product-secret", "payload": {"profile": "json"}}],
    });
    let running = run(config, &reach, 1).await;
    let address = running.status.addresses()[0];
    let connect = async |hello: Hello| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let code = greet(&mut stream, &hello).await;
        (stream, code)
    };
    let device = Hello { version: Version::V3, ..Hello::new("p1") };
    assert_eq!(connect(device.clone().by("p1&pump", Some("wrong-secret"))).await.1, 5);
    assert!(running.register.made.lock().unwrap().is_empty());
    assert_eq!(running.arrivals.list().len(), 1);
    let (stream, code) = connect(device.clone().by("p1&pump", Some("the-product-secret"))).await;
    assert_eq!(code, 0);
    drop(stream);
    // The second time it is known.
    let (_stream, code) = connect(device.by("p1&pump", Some("the-product-secret"))).await;
    assert_eq!(code, 0);
    let (draft, mut admitted) = running.register.made.lock().unwrap().pop().unwrap();
    assert!(running.register.made.lock().unwrap().is_empty());
    assert_eq!(draft.name, "p1");
    assert!(matches!(admitted.next().await, Seen::Online { .. }));
    assert!(running.arrivals.list().is_empty());
}
