//! A file system that misbehaves on command: a server of the kernel's FUSE protocol, as small as it goes.
//!
//! It has one file, by any name, without an end to what can be written to it. Every hang ends when the
//! [`Fuse`] is dropped, or after [`LIFE`]: the connection is aborted then, and all that wait for it get
//! an error. The tests' own process must never open the file: it would wait for itself, and could not
//! even be killed. Let a child do it.
//!
//! There are two ways to hang. A server that is gone takes no request any more ([`Trouble::Gone`]): the
//! kernel lets a process that dies go, as on a hung NFS. One that is at work on a request gives it up by
//! EINTR when the kernel says that a signal came ([`Trouble::Busy`]).

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::skipped;

/// So long a file system is there at most.
const LIFE: Duration = Duration::from_secs(100);

/// The calls that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Of the file's name, as by stat(2).
    Lookup,
    Open,
    Read,
    Write,
    /// What a close does.
    Flush,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The answer is this error.
    Fails(Errno),
    /// Once so many of these calls were answered, nothing is any more, whatever is asked.
    Gone,
    /// This is not answered until it is released, or interrupted; everything else is.
    Busy,
}

/// The file system that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What can be read from the file.
    pub data: Vec<u8>,
    /// What is told of its size, in the place of its length.
    pub size: Option<u64>,
    /// The kernel keeps what it read, and believes in the size.
    pub is_cached: bool,
    /// What goes wrong: from that call of that kind on, counted from 0.
    pub trouble: Option<(Call, u64, Trouble)>,
    /// A read that would go beyond this ends there.
    pub cut: Option<u64>,
}

/// What the server and the test share.
#[derive(Debug, Default)]
struct State {
    /// What was written.
    written: Vec<u8>,
    /// Calls of each kind that came.
    calls: BTreeMap<Call, u64>,
    is_released: bool,
    /// A call met its trouble.
    is_in_trouble: bool,
}

/// A mounted file system. Dropped, it is aborted and goes.
#[derive(Debug)]
pub struct Fuse {
    folder: tempfile::TempDir,
    shared: Arc<(Mutex<State>, Condvar)>,
    server: Option<JoinHandle<()>>,
}

impl Fuse {
    /// Mounts it; says that the test is skipped where that cannot be done.
    pub fn mount(wanted: Wanted) -> Option<Fuse> {
        let folder = tempfile::tempdir().unwrap();
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let mounted = device.and_then(|device| {
            let options = format!(
                "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
                device.as_raw_fd()
            );
            let options = CString::new(options).unwrap();
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            mount("hwm-test", folder.path(), "fuse", flags, options.as_c_str())?;
            Ok(device)
        });
        let device = match mounted {
            Ok(device) => device,
            Err(error) => {
                skipped(&format!("cannot mount a file system by /dev/fuse: {error}"));
                return None;
            }
        };
        let shared: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let server = Server {
            device,
            until: Instant::now() + LIFE,
            wanted,
            shared: Arc::clone(&shared),
            held: Vec::new(),
        };
        Some(Fuse {
            folder,
            shared,
            server: Some(std::thread::spawn(move || server.serve())),
        })
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What was written so far.
    pub fn written(&self) -> Vec<u8> {
        self.shared.0.lock().unwrap().written.clone()
    }

    /// Whether a call has met its trouble.
    pub fn is_in_trouble(&self) -> bool {
        self.shared.0.lock().unwrap().is_in_trouble
    }

    /// From now on all goes well.
    pub fn release(&self) {
        self.shared.0.lock().unwrap().is_released = true;
        self.shared.1.notify_all();
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let flags = UnmountFlags::FORCE | UnmountFlags::DETACH;
        let _ = unmount(self.folder.path(), flags);
        self.release();
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

struct Server {
    /// Closed, it aborts the connection.
    device: File,
    until: Instant,
    wanted: Wanted,
    shared: Arc<(Mutex<State>, Condvar)>,
    /// Requests that are not answered yet.
    held: Vec<Request>,
}

/// A request: its header's fields that matter, and what follows.
#[derive(Debug, Clone)]
struct Request {
    opcode: u32,
    unique: u64,
    node: u64,
    body: Vec<u8>,
}

const ROOT: u64 = 1;
const THE_FILE: u64 = 2;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const CREATE: u32 = 35;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Long enough for the kernel not to ask again.
const VALID: u64 = 1000;

impl Server {
    /// Until the connection is aborted.
    fn serve(mut self) {
        let mut space = vec![0; 1 << 18];
        while self.until > Instant::now() {
            let has_request = self.has_request();
            if self.shared.0.lock().unwrap().is_released {
                self.answer_held();
            }
            if !has_request {
                continue;
            }
            let count = match self.device.read(&mut space) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // A request that was given up before it was read.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(_) => return,
            };
            let word = |at: usize| u32::from_ne_bytes(space[at..at + 4].try_into().unwrap());
            let request = Request {
                opcode: word(4),
                unique: long(&space, 8),
                node: long(&space, 16),
                body: space[40..count].to_vec(),
            };
            self.handle(request);
        }
    }

    /// Whether there is a request, or an error, within a tick.
    fn has_request(&self) -> bool {
        let mut fds = [PollFd::new(&self.device, PollFlags::IN)];
        let tick = Timespec::try_from(TICK).unwrap();
        rustix::event::poll(&mut fds, Some(&tick)).is_ok_and(|count| count > 0)
    }

    fn answer_held(&mut self) {
        for request in std::mem::take(&mut self.held) {
            if let Some(answer) = self.answer_to(&request) {
                self.answer(&request, answer);
            }
        }
    }

    fn handle(&mut self, request: Request) {
        if request.opcode == INTERRUPT {
            let unique = long(&request.body, 0);
            if let Some(at) = self.held.iter().position(|held| held.unique == unique) {
                let held = self.held.remove(at);
                self.answer(&held, Err(Errno::INTR));
            }
            return;
        }
        match self.trouble_with(&request) {
            Some(Trouble::Fails(errno)) => self.answer(&request, Err(errno)),
            Some(Trouble::Busy) => self.held.push(request),
            Some(Trouble::Gone) | None => {
                if let Some(answer) = self.answer_to(&request) {
                    self.answer(&request, answer);
                }
            }
        }
        if self.is_gone() {
            let (state, released) = &*self.shared;
            let mut state = state.lock().unwrap();
            state.is_in_trouble = true;
            while !state.is_released && self.until > Instant::now() {
                state = released.wait_timeout(state, TICK).unwrap().0;
            }
        }
    }

    /// What goes wrong with this, if anything does.
    fn trouble_with(&self, request: &Request) -> Option<Trouble> {
        let call = call_of(request.opcode)?;
        let mut state = self.shared.0.lock().unwrap();
        let count = state.calls.entry(call).or_default();
        let number = *count;
        *count += 1;
        let (troubled, from, trouble) = self.wanted.trouble?;
        let meets = troubled == call && number >= from && !state.is_released;
        let meets = meets && trouble != Trouble::Gone;
        state.is_in_trouble |= meets;
        meets.then_some(trouble)
    }

    /// Whether no more requests are to be taken.
    fn is_gone(&self) -> bool {
        let Some((call, after, Trouble::Gone)) = self.wanted.trouble else {
            return false;
        };
        let state = self.shared.0.lock().unwrap();
        !state.is_released && state.calls.get(&call).is_some_and(|count| *count >= after)
    }

    fn answer(&mut self, request: &Request, answer: Result<Vec<u8>, Errno>) {
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno.raw_os_error(), Vec::new()),
        };
        let mut bytes = Vec::new();
        bytes.extend((16 + body.len() as u32).to_ne_bytes());
        bytes.extend(error.to_ne_bytes());
        bytes.extend(request.unique.to_ne_bytes());
        bytes.extend(body);
        // Nobody may want it any more.
        let _ = self.device.write_all(&bytes);
    }

    /// What is answered where all goes well; None for what wants no answer.
    fn answer_to(&mut self, request: &Request) -> Option<Result<Vec<u8>, Errno>> {
        Some(match request.opcode {
            FORGET | BATCH_FORGET => return None,
            INIT => Ok(init()),
            LOOKUP => Ok(self.entry()),
            GETATTR | SETATTR => {
                let mut body = numbers(&[VALID, 0]);
                body.extend(self.attributes(request.node));
                Ok(body)
            }
            OPEN => Ok(self.opened()),
            CREATE => Ok([self.entry(), self.opened()].concat()),
            READ => self.read(long(&request.body, 8), long(&request.body, 16) as u32),
            WRITE => {
                let bytes = &request.body[40..];
                self.shared.0.lock().unwrap().written.extend(bytes);
                Ok(words(&[bytes.len() as u32, 0]))
            }
            STATFS => Ok(vec![0; 80]),
            RELEASE | FLUSH | FSYNC => Ok(Vec::new()),
            _ => Err(Errno::NOSYS),
        })
    }

    fn read(&self, at: u64, most: u32) -> Result<Vec<u8>, Errno> {
        let end = at + u64::from(most);
        let end = match self.wanted.cut {
            Some(cut) if at < cut => end.min(cut),
            _ => end,
        };
        let length = self.wanted.data.len() as u64;
        let (at, end) = (at.min(length) as usize, end.min(length) as usize);
        Ok(self.wanted.data[at..end].to_vec())
    }

    fn entry(&self) -> Vec<u8> {
        let mut body = numbers(&[THE_FILE, 0, VALID, VALID, 0]);
        body.extend(self.attributes(THE_FILE));
        body
    }

    fn opened(&self) -> Vec<u8> {
        const DIRECT_IO: u32 = 1;
        const NO_FLUSH: u32 = 32;
        let mut flags = if self.wanted.is_cached { 0 } else { DIRECT_IO };
        // A process that dies while it hangs flushes what it has open, and would hang in that.
        if !matches!(self.wanted.trouble, Some((Call::Flush, ..))) {
            flags |= NO_FLUSH;
        }
        // The file's handle, of 64 bits; its flags.
        words(&[0, 0, flags, 0])
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let size = self.wanted.size.unwrap_or(self.wanted.data.len() as u64);
        let (mode, size) = match node {
            ROOT => (0o040_755, 0),
            _ => (0o100_644, size),
        };
        // Inode, size, blocks, three times, and their nanoseconds.
        let mut body = numbers(&[node, size, 0, 0, 0, 0, 0]);
        // The last of these nanoseconds; mode, links; owners; device; size of a block, flags.
        body.extend(words(&[0, mode, 1, 0, 0, 0, 4096, 0]));
        body
    }
}

fn call_of(opcode: u32) -> Option<Call> {
    match opcode {
        LOOKUP => Some(Call::Lookup),
        OPEN | CREATE => Some(Call::Open),
        READ => Some(Call::Read),
        WRITE => Some(Call::Write),
        FLUSH => Some(Call::Flush),
        _ => None,
    }
}

fn init() -> Vec<u8> {
    const ATOMIC_O_TRUNC: u32 = 1 << 3;
    const BIG_WRITES: u32 = 1 << 5;
    // The protocol's version; no reading ahead; flags; requests in the background; the most that is
    // written at once; the grain of times.
    let mut body = words(&[7, 31, 0, ATOMIC_O_TRUNC | BIG_WRITES, 0, 1 << 16, 1]);
    body.resize(64, 0);
    body
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    let bytes = numbers.iter().flat_map(|number| number.to_ne_bytes());
    bytes.collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}
