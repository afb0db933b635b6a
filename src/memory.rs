//! Memory: how much is left under the limits of this process (`ulimit -v`, `ulimit -d`), asked before much
//! of it is taken, and large pieces of it.
//!
//! An allocation that fails aborts, unless whoever makes it expects that. Those that grow with the data do;
//! the many small ones, and those of the libraries, cannot. So whoever takes much leaves a [`MARGIN`] for
//! them: what is held can then still be written, and what went wrong be told.
//!
//! A leaf: every module may use it. Refuses to try, for what it took to try would be missing for
//! another thread at that moment: it asks the kernel. Without a limit it asks nothing.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use memmap2::{MmapMut, MmapOptions};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use rustix::fs::{Mode, OFlags};

/// What is left for all the small allocations, a turn's events among them, and for the thread that tells
/// what went wrong. Under such a limit the C library has no arena for a thread, and gives it a page for
/// whatever it asks for: a command with its environment takes some hundred.
pub const MARGIN: usize = 4 * 1024 * 1024;

/// What the begin of the process takes, with the definition of the command line.
const BEGIN: usize = MARGIN / 2;

/// What a piece may take, however small it is.
const PAGE: usize = 4096;

/// What is asked for at once on behalf of many small takers.
const STEP: usize = MARGIN / 16;

/// Whether so many bytes are left.
pub fn is_there(bytes: usize) -> bool {
    left().is_none_or(|left| left >= bytes as u64)
}

/// The same, with a margin beside it.
pub fn may_be_taken(bytes: usize) -> bool {
    is_there(bytes.saturating_add(MARGIN))
}

/// Whether the process can begin at all.
pub fn is_enough_to_begin() -> bool {
    is_there(BEGIN)
}

/// What is left, up to `most` bytes.
pub fn available(most: usize) -> usize {
    let left = left().and_then(|left| usize::try_from(left).ok());
    left.map_or(most, |left| left.min(most))
}

/// What the limits leave; None without limits, or where it cannot be known.
fn left() -> Option<u64> {
    static LIMITS: OnceLock<[Option<u64>; 2]> = OnceLock::new();
    let limit = |limit: Resource| {
        let (current, _) = getrlimit(limit).ok()?;
        (current != RLIM_INFINITY).then_some(current)
    };
    let limits = || [Resource::RLIMIT_AS, Resource::RLIMIT_DATA].map(limit);
    let limits = LIMITS.get_or_init(limits);
    if *limits == [None; 2] {
        return None;
    }
    let used = used()?;
    let left = limits.iter().zip(used);
    left.filter_map(|(limit, used)| Some(limit.as_ref()?.saturating_sub(used)))
        .min()
}

/// What was taken: of addresses, and of those for data. Takes no memory itself.
fn used() -> Option<[u64; 2]> {
    let file = rustix::fs::open("/proc/self/statm", OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut space = [0; 128];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut space)).ok()?;
    let text = std::str::from_utf8(&space[..count]).ok()?;
    in_statm(text, rustix::param::page_size() as u64)
}

/// In pages: size, resident, shared, text, 0, data and stack, 0.
fn in_statm(text: &str, page: u64) -> Option<[u64; 2]> {
    let field = |number| -> Option<u64> {
        let pages = text.split_ascii_whitespace().nth(number)?;
        pages.parse::<u64>().ok()?.checked_mul(page)
    };
    Some([field(0)?, field(5)?])
}

/// Permission to take memory in small pieces, without a system call for each.
#[derive(Debug, Default)]
pub struct Allowance {
    left: usize,
}

impl Allowance {
    /// Whether a piece of `bytes` more may be taken. What is given back does not count: asking again is cheap.
    pub fn take(&mut self, bytes: usize) -> bool {
        let bytes = bytes.max(PAGE);
        if bytes > self.left {
            if !may_be_taken(bytes.saturating_add(STEP)) {
                self.left = 0;
                return false;
            }
            self.left = bytes + STEP;
        }
        self.left -= bytes;
        true
    }
}

/// From this size on memory comes from the kernel, and goes back to it as soon as it is not needed:
/// an allocator would keep what lies below something still in use, and of a queue that was long once
/// that is everything.
pub const MAPPED: usize = 64 * 1024;

/// Memory for bytes, by the kernel or by the allocator.
pub struct Region(Source);

enum Source {
    Mapped(MmapMut),
    Heap(Box<[u8]>),
}

impl Region {
    /// Zeroed. None when the system has none left.
    pub fn new(size: usize) -> Option<Self> {
        if size >= MAPPED {
            // It will be filled at once, so one call for all of its pages is cheaper than a fault
            // for each.
            let map = MmapOptions::new().len(size).populate().map_anon();
            return map.ok().map(|map| Region(Source::Mapped(map)));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).ok()?;
        bytes.resize(size, 0);
        Some(Region::of(bytes.into_boxed_slice()))
    }

    /// What is there already.
    pub fn of(bytes: Box<[u8]>) -> Self {
        Region(Source::Heap(bytes))
    }
}

impl Deref for Region {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Mapped(map) => map,
            Source::Heap(bytes) => bytes,
        }
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Source::Mapped(map) => map,
            Source::Heap(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_what_the_kernel_says() {
        let text = "3210 654 432 11 0 321 0\n";
        assert_eq!(in_statm(text, 4096), Some([3210 << 12, 321 << 12]));
        assert_eq!(in_statm("1 2 3", 1), None);
        assert_eq!(in_statm("", 1), None);
        let [before, data] = used().expect("/proc");
        assert!(before > data && data > 0);
        let large = memmap2::MmapOptions::new().len(1 << 30).map_anon();
        let large = large.expect("addresses");
        // Others may have given some back meanwhile.
        assert!(used().expect("/proc")[0] > before + (1 << 29));
        drop(large);
    }

    #[test]
    fn an_allowance_lasts_for_many_small_pieces() {
        let mut allowance = Allowance::default();
        assert!(allowance.take(100));
        assert_eq!(allowance.left, STEP);
        assert!(allowance.take(STEP - PAGE) && allowance.take(1));
        assert_eq!(allowance.left, 0);
        assert!(allowance.take(1));
        assert_eq!(allowance.left, STEP);
    }
}
