//! A disk whose power can be cut.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Of the disk; what is not written takes no room.
const IMAGE_BYTES: u64 = 1 << 30;

/// ext4 on a loop device, its journal cut by the shutdown ioctl (no flush): what a power switch does.
pub(crate) struct PowerDisk {
    folder: PathBuf,
}

const EXT4_IOC_SHUTDOWN: &str = "import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), \
                                 0x8004587D, struct.pack('I', 2))";

impl PowerDisk {
    /// `None` where loop mounts are not allowed: the historian's own simulated disk covers that case.
    pub(crate) fn make(folder: &Path) -> Option<PowerDisk> {
        let image = folder.join("disk.img");
        std::fs::create_dir(folder.join("mount")).expect("a folder");
        let size = std::fs::File::create(&image).and_then(|f| f.set_len(IMAGE_BYTES));
        size.expect("an image");
        let made = run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let disk = PowerDisk { folder: folder.to_path_buf() };
        (made && disk.mount()).then_some(disk)
    }
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("mount")
    }
    pub(crate) fn mount(&self) -> bool {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.folder.join("disk.img")).arg(self.path()))
    }
    pub(crate) fn cut_power(&self) {
        assert!(
            run(Command::new("python3").args(["-c", EXT4_IOC_SHUTDOWN]).arg(self.path())),
            "the disk is cut"
        );
    }
    pub(crate) fn umount(&self) {
        assert!(run(Command::new("umount").arg(self.path())), "the disk is unmounted");
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|o| o.status.success())
}
