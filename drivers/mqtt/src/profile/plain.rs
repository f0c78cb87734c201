//! Profiles `json` and `raw`: the points say where their values are.

use crate::{
    mapping::Mapping,
    message::{Message, Taken},
    value,
};

impl Mapping {
    /// Any JSON.
    pub(crate) fn take_json(&mut self, message: &Message, taken: &mut Taken) {
        let kinds = self.fed_by(&message.topic);
        if kinds.is_empty() {
            return;
        }
        match super::document(message) {
            Ok(raw) => {
                for kind in kinds {
                    self.gather(&kind, raw, Mapping::arrival(message), message, taken);
                }
            }
            Err(fault) => taken.wrong(|| fault),
        }
    }

    /// The payload is the value.
    pub(crate) fn take_raw(&mut self, message: &Message, taken: &mut Taken) {
        let stamp = Mapping::arrival(message);
        for item in self.fed_by(&message.topic).iter().flat_map(|kind| self.fed(kind)).collect::<Vec<_>>() {
            let address = self.items.get(item as usize).and_then(|item| item.address.as_ref());
            let Some(wanted) = address.map(|address| address.value_type) else { continue };
            self.put(item, value::from_payload(&message.payload, wanted).map(Some), &stamp, message, taken);
        }
    }
}
