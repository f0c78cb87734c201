//! A disk in memory whose power can be cut at any step: the same seed gives the same ruin.
//!
//! What is written is visible at once and durable only once synced. At a power cut, each write since the last sync is
//! kept, lost, or torn at a sector by a seeded draw, and each directory change since the last sync survives or not, in no
//! order: less than journals give, all that POSIX promises.
//! A failed sync drops what it should have made durable, as Linux does: a later sync that succeeds does not bring it back.
//! A sync of a file that has grown, cut by the power, reports success all the same: ext4 does so when it is shut down
//! between the data and the extents that make them readable. What was written in place is never lost that way.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::disk::{Disk, DiskFile};

/// A write is torn at multiples of this many bytes.
const SECTOR_BYTES: usize = 512;

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync, in order.
    pending: Vec<Change>,
}

enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Create(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
    fn touches(&self, dir: &Path) -> bool {
        match self {
            NameChange::Create(path, _) | NameChange::Remove(path) => path.parent() == Some(dir),
            NameChange::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

#[derive(Default)]
struct Machine {
    inodes: Vec<Inode>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    steps: u64,
    syncs: u64,
    /// The step at which the power goes.
    cut_at: Option<u64>,
    is_off: bool,
    fail_sync_at: Option<u64>,
    budget: Option<usize>,
    /// Raised at each power cut: files opened before are dead.
    life: u64,
}

impl Machine {
    /// Counts one step that changes something; the power may go at it.
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        self.is_off |= self.cut_at.is_some_and(|at| self.steps > at);
        self.power()
    }
    /// Counts a sync of a grown file during which the power goes: nothing becomes durable, success is reported.
    fn lies_about(&mut self, inode: usize, life: u64) -> bool {
        let Inode { live, durable, .. } = &self.inodes[inode];
        let lies = !self.is_off
            && self.life == life
            && self.cut_at.is_some_and(|at| self.steps == at)
            && live.len() > durable.len();
        if lies {
            self.steps += 1;
            self.is_off = true;
        }
        lies
    }
    fn power(&self) -> io::Result<()> {
        if self.is_off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }
    fn find(&self, path: &Path) -> io::Result<usize> {
        self.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }
    fn used(&self) -> usize {
        self.live.values().map(|inode| self.inodes[*inode].live.len()).sum()
    }
}

/// The simulated disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    machine: Arc<Mutex<Machine>>,
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Writes, cuts, syncs and name changes so far.
    pub fn steps(&self) -> u64 {
        self.machine().steps
    }
    /// Lets `steps` more steps succeed; everything after them fails until [`SimDisk::restart`].
    pub fn cut_power_after(&self, steps: u64) {
        let mut machine = self.machine();
        machine.cut_at = Some(machine.steps + steps);
    }
    /// Lets the `n`-th file sync from now, counted from 1, fail.
    pub fn fail_sync(&self, n: u64) {
        let mut machine = self.machine();
        machine.fail_sync_at = Some(machine.syncs + n);
    }
    /// The most bytes of all files; `None` for no bound.
    pub fn set_budget(&self, bytes: Option<usize>) {
        self.machine().budget = bytes;
    }
    /// Bytes of all files.
    pub fn used(&self) -> usize {
        self.machine().used()
    }
    /// Names and sizes of all files.
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let machine = self.machine();
        machine.live.iter().map(|(path, inode)| (path.clone(), machine.inodes[*inode].live.len())).collect()
    }
    /// The bytes of a file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let machine = self.machine();
        Ok(machine.inodes[machine.find(path)?].live.clone())
    }
    /// Puts a durable file there, without counting steps.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut machine = self.machine();
        machine.inodes.push(Inode { live: bytes.into(), durable: bytes.into(), pending: Vec::new() });
        let inode = machine.inodes.len() - 1;
        machine.live.insert(path.into(), inode);
        machine.durable.insert(path.into(), inode);
    }
    /// A disk of its own with the same durable files.
    pub fn copy(&self) -> SimDisk {
        let copy = SimDisk::new();
        for (path, _) in self.files() {
            if let Ok(bytes) = self.content(&path) {
                copy.put(&path, &bytes);
            }
        }
        copy
    }

    /// Cuts the power, if it is not off yet, and switches it on again: what was not synced is lost, kept or torn.
    pub fn restart(&self, seed: u64) {
        let mut draw = Draw(seed);
        let mut machine = self.machine();
        for change in std::mem::take(&mut machine.pending) {
            if draw.below(2) == 0 {
                change.apply(&mut machine.durable);
            }
        }
        machine.live = machine.durable.clone();
        for inode in &mut machine.inodes {
            for change in std::mem::take(&mut inode.pending) {
                match change {
                    Change::Truncate(len) => {
                        if draw.below(2) == 0 {
                            inode.durable.truncate(len);
                        }
                    }
                    Change::Write { at, bytes } => tear(&mut inode.durable, at, &bytes, &mut draw),
                }
            }
            inode.live = inode.durable.clone();
        }
        machine.locks.clear();
        (machine.cut_at, machine.fail_sync_at, machine.is_off) = (None, None, false);
        machine.life += 1;
    }

    fn open_inode(&self, machine: &Machine, inode: usize) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), inode, life: machine.life })
    }
}

/// Applies none, all, the beginning, or some sectors of a write.
fn tear(to: &mut Vec<u8>, at: usize, bytes: &[u8], draw: &mut Draw) {
    match draw.below(4) {
        0 => {}
        1 => write(to, at, bytes),
        2 => write(to, at, &bytes[..draw.below(bytes.len() + 1)]),
        _ => {
            for (sector, part) in bytes.chunks(SECTOR_BYTES).enumerate() {
                if draw.below(2) == 0 {
                    write(to, at + sector * SECTOR_BYTES, part);
                }
            }
        }
    }
}

fn write(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[at..end].copy_from_slice(bytes);
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough to scatter faults, and the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

impl Disk for SimDisk {
    /// Directories are always there.
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.machine().power()
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut machine = self.machine();
        machine.step()?;
        if machine.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        machine.inodes.push(Inode::default());
        let inode = machine.inodes.len() - 1;
        machine.rename(NameChange::Create(path.into(), inode));
        Ok(self.open_inode(&machine, inode))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let machine = self.machine();
        machine.power()?;
        let inode = machine.find(path)?;
        Ok(self.open_inode(&machine, inode))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.step()?;
        machine.find(from)?;
        machine.rename(NameChange::Rename(from.into(), to.into()));
        Ok(())
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.step()?;
        let inode = machine.find(from)?;
        machine.rename(NameChange::Create(to.into(), inode));
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.power()?;
        machine.find(path)?;
        machine.step()?;
        machine.rename(NameChange::Remove(path.into()));
        Ok(())
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let machine = self.machine();
        machine.power()?;
        let inside = machine.live.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect())
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.step()?;
        let (synced, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut machine.pending).into_iter().partition(|change| change.touches(dir));
        machine.pending = rest;
        synced.iter().for_each(|change| change.apply(&mut machine.durable));
        Ok(())
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut machine = self.machine();
        machine.power()?;
        if !machine.locks.insert(path.into()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), path: path.into(), life: machine.life }))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut machine = self.disk.machine();
        if machine.life == self.life {
            machine.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    life: u64,
}

impl SimFile {
    fn with<T>(&self, is_change: bool, work: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.disk.machine();
        if machine.life != self.life {
            return Err(io::Error::other("the file was opened before the power cut"));
        }
        if is_change {
            machine.step()?
        } else {
            machine.power()?
        }
        work(&mut machine)
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.with(false, |machine| Ok(machine.inodes[self.inode].live.len() as u64))
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(false, |machine| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let live = machine.inodes[self.inode].live.get(from..).and_then(|rest| rest.get(..bytes.len()));
            bytes.copy_from_slice(live.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let put = |machine: &mut Machine, bytes: &[u8]| {
            let inode = &mut machine.inodes[self.inode];
            write(&mut inode.live, at, bytes);
            inode.pending.push(Change::Write { at, bytes: bytes.into() });
        };
        let mut machine = self.disk.machine();
        let was_on = machine.power().is_ok() && machine.life == self.life;
        if was_on && let Err(error) = machine.step() {
            // The power goes while the bytes are on their way.
            put(&mut machine, bytes);
            return Err(error);
        }
        drop(machine);
        self.with(false, |machine| {
            let grown = (at + bytes.len()).saturating_sub(machine.inodes[self.inode].live.len());
            let free = machine.budget.map_or(usize::MAX, |budget| budget.saturating_sub(machine.used()));
            if grown > free {
                put(machine, &bytes[..bytes.len() - (grown - free).min(bytes.len())]);
                return Err(io::ErrorKind::StorageFull.into());
            }
            put(machine, bytes);
            Ok(())
        })
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.disk.machine().lies_about(self.inode, self.life) {
            return Ok(());
        }
        self.with(true, |machine| {
            machine.syncs += 1;
            let syncs = machine.syncs;
            let fails = machine.fail_sync_at == Some(syncs);
            let inode = &mut machine.inodes[self.inode];
            let pending = std::mem::take(&mut inode.pending);
            if fails {
                // Some of it may have got there all the same.
                let mut draw = Draw(syncs);
                for change in pending {
                    if let Change::Write { at, bytes } = change {
                        tear(&mut inode.durable, at, &bytes, &mut draw);
                    }
                }
                return Err(io::Error::other("the disk failed to sync"));
            }
            for change in pending {
                match change {
                    Change::Write { at, bytes } => write(&mut inode.durable, at, &bytes),
                    Change::Truncate(len) => inode.durable.truncate(len),
                }
            }
            Ok(())
        })
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(true, |machine| {
            let inode = &mut machine.inodes[self.inode];
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            inode.live.truncate(len);
            inode.pending.push(Change::Truncate(len));
            Ok(())
        })
    }
}
