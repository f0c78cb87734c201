//! What no socket can show: an account that goes between judging and greeting.

use super::*;
use crate::{
    broker::accounts::Handed,
    wire::{Version, control::Connect},
};
use types::Time;

fn terms(account: Option<Arc<Entry>>) -> Terms {
    Terms {
        version: Version::V5,
        receive_max: 10,
        packet_bytes_max: 1_000,
        alias_max: 0,
        keep_alive: None,
        will: None,
        account,
    }
}

fn attached(shared: &Shared, id: &str, account: &Arc<Entry>) -> Arc<Client> {
    let connect = Connect {
        version: Version::V5,
        client_id: id.into(),
        clean_start: true,
        keep_alive_s: 0,
        username: None,
        password: None,
        will: None,
        session_expiry_s: 100,
        receive_max: 10,
        packet_bytes_max: 1_000,
        alias_max: 0,
        auth_method: false,
    };
    let Ok(attached) = shared.attach(id, &connect, 100, terms(Some(account.clone()))) else {
        panic!("refused")
    };
    attached.client
}

fn from() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 4_000))
}

#[test]
fn an_account_that_is_dismissed_while_its_client_comes_in_keeps_nobody() {
    let shared = Shared::default();
    let account = Account { client_id: Some("d1".into()), ..Account::default() };
    let entry = shared.accounts.admit(account).unwrap();
    let client = attached(&shared, "d1", &entry);
    // Judged as known, but not yet greeted.
    shared.accounts.dismiss(&entry);
    shared.greet(&client, &entry, from(), "d1");
    assert_eq!(client.lock().link.as_ref().and_then(|link| link.cut), Some(Reason::ADMINISTRATIVE));
    let publish = Arc::new(Publish::new("a", Bytes::new(), 1, Time(0)));
    assert_eq!(entry.put(&publish), Handed::Closed, "nobody hears it: it must not be acknowledged");
}
