//! Backpressure from end to end: a consumer that stops on one side of a TCP connection stops the producer on
//! the other, through the receive window, with every hop's memory bounded; and with drop-oldest at
//! the edge the producer goes on.
//!
//! Over loopback hwm has the sockets themselves; between two hosts, made as network namespaces where that is
//! allowed, socat carries the stream, as the man page's example does.

mod common;

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Account, assert_subsequence, can, command, hwm, lines, slurp, summary_of, wait};
use serde_json::Value;

/// More than all buffers on the way hold together: some MiB in sockets, and the hops'.
const FLOOD: usize = 64 << 20;

/// What each hop may hold.
const HOP: u64 = 1 << 20;

/// Numbered lines of 128 bytes.
fn flood() -> Vec<u8> {
    let line = |number| format!("{number:012} {}\n", "x".repeat(114));
    (0..FLOOD / 128).map(line).collect::<String>().into_bytes()
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A hop's reports, in a file that nobody has to read in time.
struct Reports(PathBuf);

impl Reports {
    fn args(&self) -> Vec<String> {
        let path = self.0.to_str().unwrap();
        let args = [
            "-B",
            "1M",
            "--report",
            "json",
            "-i",
            "20ms",
            "--report-to",
            path,
        ];
        args.map(str::to_owned).to_vec()
    }

    fn all(&self) -> Vec<Account> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let values = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        values.map(Account).collect()
    }

    /// Waits until nothing has come in for ten intervals, while something is held.
    fn wait_for_standstill(&self) -> Account {
        let mut last = None;
        common::wait_until("a standstill", || {
            let reports = self.all();
            let ticks: Vec<_> = reports
                .into_iter()
                .filter(|r| r.0["event"] == "interval")
                .collect();
            let Some(recent) = ticks.len().checked_sub(10).map(|from| &ticks[from..]) else {
                return false;
            };
            let first = recent[0].count("in_bytes");
            let stands = first > 0 && recent.iter().all(|r| r.count("in_bytes") == first);
            last = ticks.into_iter().last();
            stands
        });
        last.unwrap()
    }

    fn summary(&self) -> Account {
        let account = Account(summary_of(&std::fs::read_to_string(&self.0).unwrap()));
        account.assert_balanced();
        assert!(account.count("peak_held_bytes") <= HOP);
        account
    }
}

/// Two hops with a network between them.
struct Line {
    _folder: tempfile::TempDir,
    near: (Child, Reports),
    far: (Child, Reports),
}

impl Line {
    /// Over loopback; the near hop has these options too.
    fn over_loopback(options: &[&str]) -> Line {
        let folder = tempfile::tempdir().unwrap();
        let (near_end, far_end) = connection();
        let near_reports = Reports(folder.path().join("near"));
        let far_reports = Reports(folder.path().join("far"));
        let near = hwm(options)
            .args(near_reports.args())
            .stdout(OwnedFd::from(near_end))
            .spawn()
            .unwrap();
        let far = hwm(&["-l"])
            .args(far_reports.args())
            .stdin(OwnedFd::from(far_end))
            .spawn()
            .unwrap();
        Line {
            _folder: folder,
            near: (near, near_reports),
            far: (far, far_reports),
        }
    }

    /// The consumer stands still for as long as `meanwhile` takes, then takes everything. Returns what it got.
    fn carry(&mut self, input: &[u8], meanwhile: impl FnOnce(&Line)) -> Vec<u8> {
        let mut stdin = self.near.0.stdin.take().unwrap();
        let stdout = self.far.0.stdout.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            meanwhile(self);
            slurp(stdout)
        })
    }

    fn end(&mut self) {
        assert_eq!(wait(&mut self.near.0).code(), Some(0));
        assert_eq!(wait(&mut self.far.0).code(), Some(0));
    }
}

/// A stopped consumer stops the producer, and nothing is lost.
fn check_that_pressure_travels(mut line: Line) {
    let input = flood();
    let output = line.carry(&input, |line| {
        let taken = line.near.1.wait_for_standstill().count("in_bytes");
        assert!(taken < FLOOD as u64, "the producer was stopped");
        line.far.1.wait_for_standstill();
    });
    assert!(output == input);
    line.end();
    assert!(line.near.1.summary().0["read_paused_s"].as_f64().unwrap() > 0.0);
    line.far.1.summary();
}

/// With drop-oldest at the edge the producer goes on, and the newest lines arrive.
fn check_that_the_edge_sheds(mut line: Line) {
    let input = flood();
    let output = line.carry(&input, |line| {
        common::wait_until("all was taken", || {
            let all = line.near.1.all();
            all.last()
                .is_some_and(|last| last.count("in_bytes") == FLOOD as u64)
        });
    });
    let missing = assert_subsequence(&input, &output) as u64;
    let (ours, theirs) = (lines(&output), lines(&input));
    assert!(ours.ends_with(&theirs[theirs.len() - 100..]));
    line.end();
    let account = line.near.1.summary();
    assert!(missing > 0);
    assert_eq!(account.lost("queue_full").1, missing);
    line.far.1.summary();
}

#[test]
fn a_stopped_consumer_stops_the_producer_over_tcp() {
    check_that_pressure_travels(Line::over_loopback(&["-l"]));
}

#[test]
fn drop_oldest_at_the_edge_keeps_the_producer_going_over_tcp() {
    check_that_the_edge_sheds(Line::over_loopback(&["--when-full", "drop-oldest"]));
}

/// Two hosts with a cable between them; gone when dropped.
struct Hosts {
    names: [String; 2],
}

impl Hosts {
    /// None where namespaces are not allowed, or a tool is missing.
    fn new(name: &str) -> Option<Hosts> {
        let names = ["a", "b"].map(|side| format!("hwm-{name}-{side}-{}", std::process::id()));
        let tools = can(&["socat", "-V"]) && can(&["ip", "-V"]);
        if !tools || !can(&["ip", "netns", "add", &names[0]]) {
            return None;
        }
        let hosts = Hosts { names };
        let [a, b] = &hosts.names;
        let cable = [
            format!("netns add {b}"),
            format!("-n {a} link add cable type veth peer name cable netns {b}"),
            format!("-n {a} addr add 10.117.0.1/24 dev cable"),
            format!("-n {b} addr add 10.117.0.2/24 dev cable"),
            format!("-n {a} link set cable up"),
            format!("-n {b} link set cable up"),
        ];
        let is_laid = cable.iter().all(|words| {
            let words: Vec<&str> = ["ip"].into_iter().chain(words.split(' ')).collect();
            can(&words)
        });
        is_laid.then_some(hosts)
    }

    fn on(&self, host: usize, words: &[&str]) -> Command {
        let begin = ["ip", "netns", "exec", &self.names[host]];
        command(&[&begin[..], words].concat())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// `hwm | socat` on one host, `socat | hwm` on the other.
fn over_cable(hosts: &Hosts, folder: &Path, options: &[&str]) -> (Line, [Child; 2]) {
    let near_reports = Reports(folder.join("near"));
    let far_reports = Reports(folder.join("far"));
    let listens = folder.join("listens");
    let log = File::create(&listens).unwrap();
    let mut receiver = hosts
        .on(1, &["socat", "-d", "-d", "-u", "TCP-LISTEN:9117", "STDOUT"])
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    common::wait_until("socat listens", || {
        std::fs::read_to_string(&listens)
            .unwrap()
            .contains("listening")
    });
    let far = hosts
        .on(1, &[env!("CARGO_BIN_EXE_hwm"), "-l"])
        .args(far_reports.args())
        .stdin(receiver.stdout.take().unwrap())
        .spawn()
        .unwrap();
    let mut near = hosts
        .on(0, &[env!("CARGO_BIN_EXE_hwm")])
        .args(options)
        .args(near_reports.args())
        .spawn()
        .unwrap();
    let sender = hosts
        .on(0, &["socat", "-u", "STDIN", "TCP:10.117.0.2:9117"])
        .stdin(near.stdout.take().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let line = Line {
        _folder: tempfile::tempdir().unwrap(),
        near: (near, near_reports),
        far: (far, far_reports),
    };
    (line, [receiver, sender])
}

#[test]
fn a_stopped_consumer_stops_the_producer_on_another_host() {
    let Some(hosts) = Hosts::new("stops") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (line, mut socats) = over_cable(&hosts, folder.path(), &["-l"]);
    check_that_pressure_travels(line);
    assert!(socats.iter_mut().all(|socat| wait(socat).success()));
}

#[test]
fn drop_oldest_at_the_edge_keeps_the_producer_going_on_another_host() {
    let Some(hosts) = Hosts::new("sheds") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (line, mut socats) = over_cable(&hosts, folder.path(), &["--when-full", "drop-oldest"]);
    check_that_the_edge_sheds(line);
    assert!(socats.iter_mut().all(|socat| wait(socat).success()));
}
