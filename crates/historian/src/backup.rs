//! A copy of the store as it is, by hard links: segments never change, so a link is a copy.

use std::path::Path;

use crate::{
    UpkeepError,
    disk::{Disk, read_whole, write_whole},
    format::file_name,
    snapshot,
    upkeep::Holding,
};

/// Makes `target`, which must be absent or empty, a store with the same rows. Where the file system has no links between
/// the two places, files are copied.
pub(crate) fn backup(
    disk: &dyn Disk,
    dir: &Path,
    holding: &Holding,
    target: &Path,
) -> Result<(), UpkeepError> {
    let io = |file: &Path| {
        let file = file.to_path_buf();
        move |error: std::io::Error| UpkeepError::Io { file, cause: error.to_string() }
    };
    disk.create_dir(target).map_err(io(target))?;
    if !disk.list(target).map_err(io(target))?.is_empty() {
        return Err(UpkeepError::TargetInUse { dir: target.to_path_buf() });
    }
    for segment in holding.segments.iter() {
        let (from, to) = (dir.join(&segment.name), target.join(&segment.name));
        if disk.link(&from, &to).is_err() {
            let bytes = read_whole(disk, &from).map_err(io(&from))?;
            write_whole(disk, &to, &bytes).map_err(io(&to))?;
        }
    }
    let mut manifest = holding.manifest.clone();
    if manifest.latest_number != 0 {
        let path = target.join(file_name(manifest.latest_number, "latest"));
        let (format, store_id, number) = (manifest.format, manifest.store_id, manifest.latest_number);
        let bytes = snapshot::encode(
            &holding.latest,
            manifest.next_order.saturating_sub(1),
            format,
            store_id,
            number,
        );
        write_whole(disk, &path, &bytes).map_err(io(&path))?;
    }
    manifest.obsolete.clear();
    // Last, and durable with the names above: a backup without a manifest is none.
    let stored = manifest.store(disk, target).map_err(|error| error.into_io());
    stored.map_err(io(&target.join(crate::manifest::NAME)))
}
