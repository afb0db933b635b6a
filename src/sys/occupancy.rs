//! How many slots of the consumer's pipe are free, as far as one can know who only writes it.
//!
//! A pipe has slots of one page. A write fills whole pages and begins at most one more, which may stay
//! half empty; so what the pipe holds takes no more slots than its pages and one for each write that is
//! in it. Pages that were moved there are as full as who filled them left them, and may be a byte each: of
//! those only the most that can be is known, until the last of them is read. Refuses to know what others write to the same pipe: then it is wrong, and a write is taken in
//! part, as any write may be.

use std::collections::VecDeque;

/// With more writes than that in a pipe nothing is known of its slots: it has no more.
const MOST: usize = 1024;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Occupancy {
    slots: u64,
    page: u64,
    written: u64,
    /// So much was read when last looked at.
    read: u64,
    /// Where those writes end, counted in bytes from the first, of which something may be unread.
    ends: VecDeque<u64>,
    /// What was moved there, of which something may be unread.
    moved: VecDeque<Moved>,
}

/// Pages that came from elsewhere.
#[derive(Debug)]
struct Moved {
    bytes: u64,
    end: u64,
    /// No more slots than that.
    slots: u64,
}

impl Occupancy {
    /// An empty pipe of no size.
    pub(super) fn new() -> Occupancy {
        Occupancy {
            slots: 0,
            page: rustix::param::page_size() as u64,
            written: 0,
            read: 0,
            ends: VecDeque::new(),
            moved: VecDeque::new(),
        }
    }

    /// It has `size` bytes now.
    pub(super) fn resize(&mut self, size: u64) {
        self.slots = size / self.page;
    }

    /// So many bytes went into the pipe by one write.
    pub(super) fn wrote(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.written += bytes;
        self.ends.push_back(self.written);
        if self.ends.len() > MOST {
            self.ends.pop_front();
        }
    }

    /// So many bytes came into the pipe as pages from elsewhere, which were in a pipe of `size` bytes.
    pub(super) fn moved(&mut self, bytes: u64, size: u64) {
        if bytes == 0 {
            return;
        }
        self.written += bytes;
        let end = self.written;
        let slots = bytes.min(size / self.page);
        self.moved.push_back(Moved { bytes, end, slots });
        if self.moved.len() > MOST {
            // The next is unread for longer, so this is not forgotten too soon.
            let first = self.moved.pop_front().map_or(0, |first| first.slots);
            self.moved[0].slots += first;
        }
    }

    /// So many bytes are unread.
    pub(super) fn look(&mut self, unread: u64) {
        self.read = self.written.saturating_sub(unread);
        while self.ends.front().is_some_and(|end| *end <= self.read) {
            self.ends.pop_front();
        }
        while self
            .moved
            .front()
            .is_some_and(|moved| moved.end <= self.read)
        {
            self.moved.pop_front();
        }
    }

    /// Whether nothing was unread when last looked at, and nothing was written since.
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.read
    }

    /// How many bytes it takes at least.
    pub(super) fn free(&self) -> u64 {
        let (mut unread, mut slots) = (self.written - self.read, 0);
        for moved in &self.moved {
            unread -= moved.bytes.min(moved.end - self.read);
            slots += moved.slots;
        }
        if self.ends.len() >= MOST {
            return 0;
        }
        // The first page may be half read, and so stand for two halves.
        let half_read = u64::from(unread > 0);
        let used = unread.div_ceil(self.page) + self.ends.len() as u64 + half_read + slots;
        self.slots.saturating_sub(used) * self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rng::Rng;
    use rustix::io;
    use rustix::pipe::{PipeFlags, pipe_with};

    #[test]
    fn an_empty_pipe_has_all_its_slots_and_a_full_one_none() {
        let page = rustix::param::page_size() as u64;
        let mut occupancy = Occupancy::new();
        occupancy.resize(16 * page);
        assert_eq!(occupancy.free(), 16 * page);
        occupancy.wrote(16 * page);
        assert_eq!(occupancy.free(), 0);
        occupancy.look(8 * page);
        assert_eq!(occupancy.free(), 6 * page);
        occupancy.look(0);
        assert_eq!(occupancy.free(), 16 * page);
        for _ in 0..2 * MOST {
            occupancy.wrote(1);
        }
        occupancy.look(MOST as u64);
        assert_eq!(occupancy.free(), 0);
    }

    #[test]
    fn pages_from_elsewhere_take_all_they_may_until_the_last_is_read() {
        let page = rustix::param::page_size() as u64;
        let mut occupancy = Occupancy::new();
        occupancy.resize(16 * page);
        occupancy.moved(8 * page, 8 * page);
        assert_eq!(occupancy.free(), 8 * page);
        occupancy.look(1);
        assert_eq!(occupancy.free(), 8 * page);
        occupancy.wrote(page);
        assert_eq!(occupancy.free(), 5 * page);
        occupancy.look(0);
        assert_eq!(occupancy.free(), 16 * page);
        occupancy.moved(5, 16 * page);
        assert_eq!(occupancy.free(), 11 * page, "no page is without a byte");
        occupancy.moved(2 * MOST as u64, u64::MAX);
        assert_eq!(occupancy.free(), 0);
        for _ in 0..2 * MOST {
            occupancy.moved(1, page);
        }
        assert!(occupancy.moved.len() <= MOST);
        assert_eq!(occupancy.free(), 0);
        occupancy.look(0);
        assert_eq!(occupancy.free(), 16 * page);
    }

    #[test]
    fn what_is_called_free_is_free() {
        let mut random = Rng::new(1);
        for _ in 0..50 {
            let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
            let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap() as u64;
            let largest = [10, 5_000, 20_000, 100_000][random.below(4) as usize];
            let mut occupancy = Occupancy::new();
            occupancy.resize(size);
            let mut space = vec![0; 100_000];
            for _ in 0..500 {
                if random.chance(0.5) {
                    occupancy.look(io::ioctl_fionread(&writer).unwrap());
                }
                let free = occupancy.free();
                let wanted = (1 + random.below(largest)).min(free.max(4096)) as usize;
                match io::write(&writer, &space[..wanted]) {
                    Ok(count) => {
                        assert_eq!(count, wanted, "{free} bytes were called free");
                        occupancy.wrote(count as u64);
                    }
                    Err(errno) => {
                        assert_eq!(errno, io::Errno::AGAIN);
                        assert!(wanted as u64 > free, "{free} bytes were called free");
                    }
                }
                if random.chance(0.4) {
                    let most = 1 + random.below(largest) as usize;
                    let _ = io::read(&reader, &mut space[..most]);
                }
            }
        }
    }
}
