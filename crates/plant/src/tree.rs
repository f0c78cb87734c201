//! The plant tree and its rules (IEC 62264-1: site, area, line, station, asset). Pure.

use std::collections::{HashMap, HashSet};

use types::{Asset, Fault, Label, NodeKind, ObjectId, codes};

/// Levels a tree may have.
pub(crate) const DEPTH_MAX: usize = 32;

/// What may stand directly below what. A site is a root; an asset may stand below anything, also below another asset.
pub(crate) fn may_stand_below(kind: NodeKind, parent: Option<NodeKind>) -> bool {
    use NodeKind::{Area, Asset, Line, Site, Station};
    match (kind, parent) {
        (Site, parent) => parent.is_none(),
        (Area, Some(parent)) => matches!(parent, Site | Area),
        (Line, Some(parent)) => matches!(parent, Site | Area),
        (Station, Some(parent)) => matches!(parent, Line | Area),
        (Asset, Some(_)) => true,
        (_, None) => false,
    }
}

fn places_for(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Site => "nothing: a site is a root",
        NodeKind::Area | NodeKind::Line => "a site or an area",
        NodeKind::Station => "a line or an area",
        NodeKind::Asset => "a site, an area, a line, a station or another asset",
    }
}

/// All places and assets of an organisation.
pub(crate) struct Tree<'a> {
    nodes: HashMap<ObjectId, &'a Asset>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(nodes: impl IntoIterator<Item = (ObjectId, &'a Asset)>) -> Tree<'a> {
        Tree { nodes: nodes.into_iter().collect() }
    }

    /// Whether `node` may stand where it says it stands, as `id`.
    pub(crate) fn check(&self, id: ObjectId, node: &Asset) -> Result<(), Fault> {
        let parent = match node.parent {
            None => None,
            Some(parent) => {
                let unknown = || {
                    let detail = format!("there is no place {parent}: choose another parent");
                    Fault::new("asset.no-parent", detail).arg("parent", parent.to_string()).at("/parent")
                };
                Some(self.nodes.get(&parent).ok_or_else(unknown)?.kind)
            }
        };
        if !may_stand_below(node.kind, parent) {
            return Err(misplaced(node.kind, parent));
        }
        self.check_line(id, node)?;
        self.check_children(id, node.kind)?;
        self.check_siblings(id, node)
    }

    pub(crate) fn children(&self, id: ObjectId) -> impl Iterator<Item = &'a Asset> + '_ {
        self.nodes.values().filter(move |node| node.parent == Some(id)).copied()
    }

    /// The way up must end, without passing `id`.
    fn check_line(&self, id: ObjectId, node: &Asset) -> Result<(), Fault> {
        let mut at = node.parent;
        for _ in 0..DEPTH_MAX {
            let Some(above) = at else { return Ok(()) };
            if above == id {
                let detail = "a place cannot stand below itself: choose another parent";
                return Err(Fault::new("asset.cycle", detail).at("/parent"));
            }
            at = self.nodes.get(&above).and_then(|node| node.parent);
        }
        let detail = format!("the tree would be deeper than {DEPTH_MAX} levels: put it higher up");
        Err(Fault::new(codes::LIMIT, detail).arg("limit", DEPTH_MAX).at("/parent"))
    }

    /// A change of kind must leave what stands below in a rightful place.
    fn check_children(&self, id: ObjectId, kind: NodeKind) -> Result<(), Fault> {
        match self.children(id).find(|child| !may_stand_below(child.kind, Some(kind))) {
            None => Ok(()),
            Some(child) => {
                let detail = format!(
                    "`{}` stands below it, which must stand below {}: move it first",
                    child.name.en(),
                    places_for(child.kind)
                );
                Err(Fault::new("asset.child-misplaced", detail).arg("child", child.name.en()).at("/kind"))
            }
        }
    }

    fn check_siblings(&self, id: ObjectId, node: &Asset) -> Result<(), Fault> {
        let double = self.nodes.iter().find(|(other, sibling)| {
            **other != id
                && sibling.parent == node.parent
                && (zh(&sibling.name) == zh(&node.name) || sibling.name.en() == node.name.en())
        });
        match double {
            None => Ok(()),
            Some((other, _)) => {
                let detail =
                    format!("`{}` stands in the same place already: choose another name", node.name.en());
                let fault = Fault::new(codes::EXISTS, detail).arg("value", node.name.en());
                Err(fault.arg("holder", other.to_string()).at("/name"))
            }
        }
    }

    /// Names from the root down, as `language` picks them.
    pub(crate) fn path(&self, id: ObjectId, language: fn(&Label) -> &str) -> Option<Vec<&str>> {
        let mut names = Vec::new();
        let mut at = Some(id);
        let mut seen = HashSet::new();
        while let Some(id) = at.filter(|id| seen.insert(*id)) {
            let node = self.nodes.get(&id)?;
            names.push(language(&node.name));
            at = node.parent;
        }
        names.reverse();
        Some(names)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.nodes.keys().copied()
    }
}

/// The Chinese text, else the English one: what a Chinese console shows.
pub(crate) fn zh(label: &Label) -> &str {
    if label.zh.is_empty() { &label.en } else { &label.zh }
}

fn misplaced(kind: NodeKind, parent: Option<NodeKind>) -> Fault {
    let word = |kind: NodeKind| format!("{kind:?}").to_lowercase();
    let below = parent.map_or("nothing".to_string(), |parent| format!("a {}", word(parent)));
    let detail = format!(
        "a {} cannot stand below {below}: it stands below {}; choose another parent",
        word(kind),
        places_for(kind)
    );
    Fault::new("asset.misplaced", detail)
        .arg("kind", word(kind))
        .arg("parent_kind", parent.map_or("none".to_string(), word))
        .at("/parent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn node(kind: NodeKind, name: Label, parent: Option<ObjectId>) -> Asset {
        Asset { kind, name, parent, asset_type: None, zone: None, notes: BTreeMap::new() }
    }
    fn id(n: u8) -> ObjectId {
        ObjectId::from_bytes([n; 16])
    }

    #[test]
    fn what_stands_below_what() {
        use NodeKind::{Area, Asset, Line, Site, Station};
        // Rows: below nothing, site, area, line, station, asset.
        let table = [
            (Site, [true, false, false, false, false, false]),
            (Area, [false, true, true, false, false, false]),
            (Line, [false, true, true, false, false, false]),
            (Station, [false, false, true, true, false, false]),
            (Asset, [false, true, true, true, true, true]),
        ];
        let parents = [None, Some(Site), Some(Area), Some(Line), Some(Station), Some(Asset)];
        for (kind, row) in table {
            assert_eq!(parents.map(|parent| may_stand_below(kind, parent)), row, "{kind:?}");
        }
    }

    #[test]
    fn a_wrong_place_is_named() {
        let site = node(NodeKind::Site, Label::both("杭州", "Hangzhou"), None);
        let area = node(NodeKind::Area, Label::plain("Hall 1"), Some(id(1)));
        let inner = node(NodeKind::Area, Label::plain("Hall 1a"), Some(id(2)));
        let line = node(NodeKind::Line, Label::plain("Line A"), Some(id(2)));
        let tree = Tree::new([(id(1), &site), (id(2), &area), (id(3), &inner), (id(4), &line)]);
        let cases = [
            (id(9), node(NodeKind::Site, Label::plain("杭州"), None), "exists"),
            (id(9), node(NodeKind::Site, Label::plain("Second"), Some(id(1))), "asset.misplaced"),
            (id(9), node(NodeKind::Station, Label::plain("S"), Some(id(1))), "asset.misplaced"),
            (id(9), node(NodeKind::Asset, Label::plain("Pump"), None), "asset.misplaced"),
            (id(9), node(NodeKind::Area, Label::plain("Hall"), Some(id(8))), "asset.no-parent"),
            (id(9), node(NodeKind::Area, Label::plain("Hall 1"), Some(id(1))), "exists"),
            (id(2), node(NodeKind::Area, Label::plain("Hall 1"), Some(id(3))), "asset.cycle"),
            (id(2), node(NodeKind::Line, Label::plain("Hall 1"), Some(id(1))), "asset.child-misplaced"),
        ];
        for (id, node, code) in cases {
            assert_eq!(tree.check(id, &node).map_err(|fault| fault.code), Err(code.into()), "{node:?}");
        }
        // In place, and a name that only another branch has.
        assert_eq!(tree.check(id(2), &area), Ok(()));
        assert_eq!(tree.check(id(9), &node(NodeKind::Area, Label::plain("Line A"), Some(id(1)))), Ok(()));
        assert_eq!(tree.path(id(4), Label::en), Some(vec!["Hangzhou", "Hall 1", "Line A"]));
    }
}
