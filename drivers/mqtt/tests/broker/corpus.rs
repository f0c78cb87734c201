//! Files of packets that once were, or could be, trouble: each is a name, a line of words and bytes in hex. They are parsed
//! by themselves and sent to a broker.

use driver_mqtt::wire::{self, Version, control};
use std::path::Path;
use tokio::io::AsyncWriteExt;

use crate::peer::House;

fn files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let bytes = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        let hex: String =
            text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(' ')).collect();
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    };
    files.iter().map(|path| (path.display().to_string(), bytes(path))).collect()
}

#[test]
fn no_file_makes_a_parser_panic() {
    let files = files();
    assert!(files.len() >= 10);
    for (_, bytes) in files {
        for version in [Version::V3, Version::V5] {
            let mut rest = &bytes[..];
            while let Ok(Some(frame)) = wire::frame(rest, 1 << 20) {
                let whole = &rest[..frame.len];
                let _ = (
                    wire::publish(version, frame),
                    wire::ack(version, frame.body),
                    wire::Properties::parse(frame.body),
                );
                let _ = (control::version(frame), control::control(version, whole));
                let _ = control::connect(version, frame, whole);
                rest = &rest[frame.len..];
            }
        }
    }
}

#[tokio::test]
async fn no_file_harms_the_broker() {
    let house = House::open();
    for (name, bytes) in files() {
        let mut stream = house.stream();
        stream.write_all(&bytes).await.unwrap();
        drop(stream);
        let mut client = house.client("after").await;
        client.hears_nothing().await;
        client.leave().await;
        assert_eq!(house.broker.view().clients, 0, "{name}");
    }
}
