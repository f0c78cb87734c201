//! A table by point id.

use std::sync::Arc;

use types::PointId;

/// Points of one page of a [`Paged`] table.
const PAGE: usize = 1 << 9;
/// Pages of one folder: 2^12 folders of 2^11 pages of 2^9 points are all 2^32.
const FOLDER: usize = 1 << 11;

type Page<T> = Option<Arc<[T]>>;

/// A table by point id whose pages are made on first use: dense ids cost no more than an array, a stray high one costs
/// one folder and one page. A clone shares the pages until one of the two changes them.
#[derive(Clone)]
pub(crate) struct Paged<T> {
    folders: Vec<Option<Box<[Page<T>]>>>,
    bytes: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Paged { folders: Vec::new(), bytes: 0 }
    }
}

impl<T: Default + Clone> Paged<T> {
    pub(crate) fn get(&self, point: PointId) -> Option<&T> {
        let (folder, page, at) = place(point);
        Some(&self.folders.get(folder)?.as_ref()?[page].as_ref()?[at])
    }
    pub(crate) fn entry(&mut self, point: PointId) -> &mut T {
        let (_, _, at) = place(point);
        &mut self.page(point)[at]
    }
    /// Hands the entry of each point to `take`, with which of the points it is. Quicker than one after the other, where
    /// neighbours come together.
    pub(crate) fn each(&mut self, points: &[PointId], mut take: impl FnMut(usize, &mut T)) {
        let mut at = 0;
        while let Some(first) = points.get(at) {
            let entries = self.page(*first);
            for point in
                points[at..].iter().take_while(|point| point.0 as usize / PAGE == first.0 as usize / PAGE)
            {
                take(at, &mut entries[point.0 as usize % PAGE]);
                at += 1;
            }
        }
    }
    /// The page that a point is on.
    fn page(&mut self, point: PointId) -> &mut [T] {
        let (folder, page, _) = place(point);
        if self.folders.len() <= folder {
            self.folders.resize_with(folder + 1, || None);
        }
        let pages = self.folders[folder].get_or_insert_with(|| {
            self.bytes += FOLDER * size_of::<Page<T>>();
            (0..FOLDER).map(|_| None).collect()
        });
        let entries = pages[page].get_or_insert_with(|| {
            self.bytes += PAGE * size_of::<T>();
            vec![T::default(); PAGE].into()
        });
        Arc::make_mut(entries)
    }
    /// In the order of ids, untouched entries included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PointId, &T)> {
        let folders = self.folders.iter().enumerate().filter_map(|(i, folder)| Some((i, folder.as_ref()?)));
        let pages = folders.flat_map(|(folder, pages)| {
            pages.iter().enumerate().filter_map(move |(i, page)| Some((folder * FOLDER + i, page.as_ref()?)))
        });
        pages.flat_map(|(page, entries)| {
            entries.iter().enumerate().map(move |(i, entry)| (PointId((page * PAGE + i) as u32), entry))
        })
    }
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.folders.len() * size_of::<Page<Page<T>>>()
    }
}

/// Folder, page, and place in the page.
fn place(point: PointId) -> (usize, usize, usize) {
    let at = point.0 as usize;
    (at / PAGE / FOLDER, at / PAGE % FOLDER, at % PAGE)
}
