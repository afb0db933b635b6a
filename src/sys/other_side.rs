//! What one hwm of `-M both` tells the other: how much it has handed on, in a file without a name, which the other, its child,
//! opens as its parent's.
//!
//! Refuses to fail, and to wait: without it there is no ratio to show.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::io::{pread, pwrite};
use rustix::process::getppid;

const NAME: &str = "hwm-handed-on";

/// The side that tells.
#[derive(Debug)]
pub struct HandedOn(OwnedFd);

impl HandedOn {
    /// Nothing yet. None where the kernel has no such files.
    pub fn new() -> Option<HandedOn> {
        memfd_create(NAME, MemfdFlags::CLOEXEC).ok().map(HandedOn)
    }

    /// So much by now.
    pub fn set(&self, amount: u64) {
        let _ = pwrite(&self.0, &amount.to_ne_bytes(), 0);
    }
}

/// The side that is told.
#[derive(Debug)]
pub struct OtherSide(OwnedFd);

impl OtherSide {
    /// What our parent tells; None where it tells nothing, or hides it.
    pub fn of_parent() -> Option<OtherSide> {
        let files = format!("/proc/{}/fd", getppid()?.as_raw_nonzero());
        let target = format!("/memfd:{NAME} (deleted)");
        let is_told =
            |path: &Path| fs::read_link(path).is_ok_and(|link| link.as_os_str() == target.as_str());
        let mut files = fs::read_dir(files).ok()?.flatten().map(|file| file.path());
        let path = files.find(|path| is_told(path))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        open(path, flags, Mode::empty()).ok().map(OtherSide)
    }

    /// How much it has handed on; None before it has said so.
    pub fn amount(&self) -> Option<u64> {
        let mut amount = [0; 8];
        let count = pread(&self.0, &mut amount, 0).ok()?;
        (count == amount.len()).then(|| u64::from_ne_bytes(amount))
    }
}
