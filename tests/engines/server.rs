//! A server's processes: started, stopped for a while, killed, started again, and gone when the test ends.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::wait_until;

/// A server that runs in the foreground.
pub struct Server {
    command: Command,
    log: PathBuf,
    is_ready: Box<dyn Fn() -> bool>,
    child: Child,
}

impl Server {
    /// Starts `command` and waits until it `is_ready`. What it says goes to the file `log` in `folder`.
    pub fn start(
        folder: &Path,
        mut command: Command,
        is_ready: impl Fn() -> bool + 'static,
    ) -> Self {
        let log = folder.join("log");
        let says = || {
            File::options()
                .create(true)
                .append(true)
                .open(&log)
                .unwrap()
        };
        // It may be one that ends with its input, and that stays open as long as the child is kept.
        command.stdin(Stdio::piped()).stdout(says()).stderr(says());
        let child = command.spawn().unwrap();
        let mut server = Self {
            command,
            log,
            is_ready: Box::new(is_ready),
            child,
        };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        wait_until("the server is ready", || {
            let ended = self.child.try_wait().unwrap();
            let said = || fs::read_to_string(&self.log).unwrap();
            assert!(ended.is_none(), "{:?}: {}", self.command, said());
            (self.is_ready)()
        });
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Every process of it stops, so that it takes nothing.
    pub fn pause(&self) {
        stop(self.id());
    }

    pub fn resume(&self) {
        for id in tree(self.id()) {
            send(id, Signal::CONT);
        }
    }

    pub fn kill(&mut self) {
        let all = kill(self.id());
        self.child.wait().unwrap();
        wait_until("the server is dead", || !all.iter().any(|&id| is_alive(id)));
    }

    /// After [`Server::kill`].
    pub fn start_again(&mut self) {
        self.child = self.command.spawn().unwrap();
        self.wait_until_ready();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on, and that no connection is given as its own end.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + std::process::id() as u16 % 10_000;
    let ports = std::iter::repeat_with(|| start + NEXT.fetch_add(1, Ordering::Relaxed));
    let mut free = ports.filter(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    free.next().unwrap()
}

/// Whether somebody listens on a port.
pub fn answers(port: u16) -> impl Fn() -> bool {
    move || TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn send(id: u32, signal: Signal) {
    // One that is gone needs no signal.
    let _ = kill_process(Pid::from_raw(id as i32).unwrap(), signal);
}

/// Stops a process, and then its children, which are no more by then; returns all of them.
fn stop(id: u32) -> Vec<u32> {
    send(id, Signal::STOP);
    let below = children(id).into_iter().flat_map(stop);
    std::iter::once(id).chain(below).collect()
}

/// Kills a process and all below it; returns them. One that is stopped starts no other meanwhile.
pub fn kill(id: u32) -> Vec<u32> {
    let all = stop(id);
    for &id in &all {
        send(id, Signal::KILL);
    }
    all
}

/// A process and all below it.
fn tree(id: u32) -> Vec<u32> {
    let below = children(id).into_iter().flat_map(tree);
    std::iter::once(id).chain(below).collect()
}

/// The processes that `id` has started.
pub fn children(id: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .map(|thread| thread.path().join("children"));
    let lists: Vec<String> = lists.flat_map(fs::read_to_string).collect();
    let ids = lists.iter().flat_map(|list| list.split_whitespace());
    ids.map(|id| id.parse().unwrap()).collect()
}

/// Not gone, and no zombie that somebody else has to reap.
fn is_alive(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status"));
    status.is_ok_and(|text| !text.contains("State:\tZ"))
}
