//! Places by their path, such as `Hangzhou / Hall 1 / Compressor 3`, for people; by id where a path would be unclear.

use std::collections::HashMap;

use types::{Asset, Label, ObjectId, Stored};

use crate::tree::{Tree, zh};

const BETWEEN: &str = " / ";

/// Paths of all places of an organisation, in both languages.
pub(crate) struct Places {
    /// `None` for a path that two places have.
    by_path: HashMap<String, Option<ObjectId>>,
    shown: HashMap<ObjectId, String>,
}

impl Places {
    pub(crate) fn new(assets: &[Stored<Asset>]) -> Places {
        let tree = Tree::new(assets.iter().map(|stored| (stored.id, &stored.body)));
        let mut by_path: HashMap<String, Option<ObjectId>> = HashMap::new();
        let mut shown = HashMap::new();
        for id in tree.ids() {
            let mut paths: Vec<_> = [Label::en as fn(&Label) -> &str, zh]
                .iter()
                .filter_map(|language| tree.path(id, *language))
                .map(|names| names.join(BETWEEN))
                .collect();
            shown.extend(paths.first().map(|path| (id, path.clone())));
            paths.dedup();
            for path in paths {
                by_path.entry(path).and_modify(|holder| *holder = None).or_insert(Some(id));
            }
        }
        Places { by_path, shown }
    }

    /// The English path if it is clear, else the id.
    pub(crate) fn text(&self, id: ObjectId) -> String {
        let path = self.shown.get(&id).filter(|path| self.by_path.get(*path) == Some(&Some(id)));
        path.cloned().unwrap_or_else(|| id.to_string())
    }

    /// By path in either language, or by id.
    pub(crate) fn find(&self, text: &str) -> Option<ObjectId> {
        let by_id = || text.parse().ok().filter(|id| self.shown.contains_key(id));
        self.by_path.get(text).copied().flatten().or_else(by_id)
    }
}
