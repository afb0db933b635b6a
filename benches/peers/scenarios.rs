//! What each relay is put through, and what issues 4 and 6 want of hwm there.

use std::time::Duration;

use super::figures::Figure;
use super::peers::{Kind, Peer, Peers, hwm};
use super::work::{CHUNK, Consumer, Producer, Work};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How much is moved.
#[derive(Clone, Copy)]
pub struct Size {
    pub quick: bool,
}

impl Size {
    fn mib(self, full: u64) -> u64 {
        MIB * if self.quick { full.div_ceil(8) } else { full }
    }
}

/// One table.
pub struct Scenario {
    pub name: &'static str,
    pub about: String,
    /// What the ratios are to.
    pub base: &'static str,
    pub figures: &'static [Figure],
    pub cells: Vec<Cell>,
    pub targets: Vec<Target>,
}

/// One row: a relay and what it is put through.
pub struct Cell {
    pub label: String,
    pub kind: Kind,
    pub line: Vec<String>,
    pub task: Task,
    pub check: Check,
    /// Its stderr is a terminal, on which something must have been shown.
    pub on_terminal: bool,
    /// The number of the cell that its ratios are to.
    pub base: usize,
}

pub enum Task {
    Pipes(Work),
    /// Without any relay.
    NoRelay(Work),
    /// From a file of so many bytes to another.
    Files(u64),
    /// So many runs without any input.
    StartUp(usize),
}

/// What must hold, or the run is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// As many bytes came out as went in.
    AllBytes,
    /// That, and hwm's account says so in bytes and in records.
    RecordsCounted,
    /// That, and nothing was lost.
    NothingLost,
    /// hwm's account balances, knows all that went in and came out, and something was lost.
    SomethingLost,
    /// What came out is the number of lines.
    LinesCounted,
}

impl Check {
    /// Whether it is hwm's JSON that is checked.
    pub fn needs_account(self) -> bool {
        !matches!(self, Check::AllBytes | Check::LinesCounted)
    }
}

/// What is wanted: the figure of the cell `cell`, divided by `against`, at most (where more is
/// better, at least) `limit`.
pub struct Target {
    pub cell: usize,
    pub figure: Figure,
    pub against: Against,
    pub limit: f64,
}

#[derive(Clone, Copy)]
pub enum Against {
    /// The best one of this kind: what holds against it holds against all.
    Best(Kind),
    /// The best one that is not hwm.
    BestPeer,
    Cell(usize),
    /// What the relay has to hold, in the figure's unit.
    Held(f64),
}

fn target(cell: usize, figure: Figure, against: Against, limit: f64) -> Target {
    Target {
        cell,
        figure,
        against,
        limit,
    }
}

/// 100-byte lines in large writes, both sides as fast as they go: what scenarios change.
fn both_fast(bytes: u64) -> Work {
    Work {
        bytes,
        record: 100,
        write: CHUNK,
        producer: Producer::Fast,
        consumer: Consumer::Fast,
    }
}

fn cell(label: &str, line: Vec<String>, work: &Work, check: Check) -> Cell {
    Cell {
        label: label.to_owned(),
        kind: Kind::Hwm,
        line,
        task: Task::Pipes(work.clone()),
        check,
        on_terminal: false,
        base: 0,
    }
}

fn peer_cell(peer: &Peer, task: Task) -> Cell {
    Cell {
        label: peer.label.clone(),
        kind: peer.kind,
        line: peer.line.clone(),
        task,
        check: Check::AllBytes,
        on_terminal: false,
        base: 0,
    }
}

fn pipe_cells(peers: &[Peer], work: &Work) -> Vec<Cell> {
    let cell = |peer| peer_cell(peer, Task::Pipes(work.clone()));
    peers.iter().map(cell).collect()
}

/// All scenarios, in the order of the tables.
pub fn all(peers: &Peers, size: Size) -> Vec<Scenario> {
    vec![
        fast(peers, size),
        display(size),
        slow_consumer(peers, size),
        bursts(peers, size),
        small_writes(peers, size),
        firehose(peers, size, 100),
        firehose(peers, size, 300),
        firehose_stopped(peers, size),
        dense_latency(peers, size, 10),
        dense_latency(peers, size, 50),
        lock_step(peers, size),
        lines(peers, size),
        start_up(peers, size),
        lossy_stopped(peers, size),
        lossy_keeps_up(peers, size),
        stall(peers, size),
        files(peers, size),
        capacity(size),
        capacity_fast(size),
        records(size),
    ]
}

const COST: &[Figure] = &[Figure::CpuPerGib, Figure::Wall, Figure::Peak];

fn fast(peers: &Peers, size: Size) -> Scenario {
    use Figure::{CpuPerGib, Wall};
    Scenario {
        name: "fast",
        about: "both sides as fast as they go, 64 KiB at a time".to_owned(),
        base: "hwm",
        figures: COST,
        cells: pipe_cells(&peers.relays, &both_fast(size.mib(2048))),
        targets: vec![
            target(0, CpuPerGib, Against::Best(Kind::Pv), 0.6),
            target(0, CpuPerGib, Against::Best(Kind::Mbuffer), 0.15),
            target(0, CpuPerGib, Against::Best(Kind::Splice), 1.15),
            target(0, Wall, Against::BestPeer, 1.0),
        ],
    }
}

fn display(size: Size) -> Scenario {
    let work = both_fast(size.mib(8192));
    let of = |label, arguments: &[&str]| cell(label, hwm(arguments), &work, Check::AllBytes);
    Scenario {
        name: "display",
        about: "both sides as fast as they go, without a display, and with one on a terminal of 80 columns"
            .to_owned(),
        base: "hwm -q",
        figures: COST,
        cells: vec![
            of("hwm -q", &["-q"]),
            Cell {
                on_terminal: true,
                ..of("hwm", &[])
            },
        ],
        targets: vec![target(1, Figure::CpuPerGib, Against::Cell(0), 1.02)],
    }
}

fn slow_consumer(peers: &Peers, size: Size) -> Scenario {
    let work = Work {
        consumer: Consumer::Rate(500e6),
        ..both_fast(size.mib(512))
    };
    Scenario {
        name: "slow-consumer",
        about: "a consumer that takes 500 MB/s, by schedule".to_owned(),
        base: "hwm",
        figures: COST,
        cells: pipe_cells(&peers.relays, &work),
        targets: vec![
            target(0, Figure::CpuPerGib, Against::Best(Kind::Pv), 0.35),
            target(0, Figure::CpuPerGib, Against::Best(Kind::Mbuffer), 0.15),
        ],
    }
}

fn bursts(peers: &Peers, size: Size) -> Scenario {
    let work = Work {
        producer: Producer::Bursts(2 * MIB, Duration::from_millis(10)),
        consumer: Consumer::Rate(300e6),
        ..both_fast(size.mib(256))
    };
    Scenario {
        name: "bursts",
        about: "bursts of 2 MiB each 10 ms, a consumer that takes 300 MB/s; p50 and p99 are how \
                long the producer needs to get rid of a burst"
            .to_owned(),
        base: "hwm",
        figures: &[
            Figure::CpuPerGib,
            Figure::Median,
            Figure::Worst,
            Figure::Wall,
            Figure::Peak,
        ],
        cells: pipe_cells(&peers.relays, &work),
        targets: Vec::new(),
    }
}

fn small_writes(peers: &Peers, size: Size) -> Scenario {
    let work = Work {
        write: 100,
        ..both_fast(size.mib(128))
    };
    Scenario {
        name: "small-writes",
        about: "writes of 100 bytes, as fast as they go".to_owned(),
        base: "hwm",
        figures: COST,
        cells: pipe_cells(&peers.relays, &work),
        targets: vec![target(0, Figure::CpuPerGib, Against::Best(Kind::Pv), 1.15)],
    }
}

fn no_relay(work: &Work) -> Cell {
    Cell {
        task: Task::NoRelay(work.clone()),
        ..cell("no relay", Vec::new(), work, Check::AllBytes)
    }
}

/// All ratios are to the cell of this kind, where it is there.
fn relate_to(kind: Kind, cells: &mut [Cell]) {
    let base = cells.iter().position(|cell| cell.kind == kind);
    let base = base.unwrap_or(0);
    cells.iter_mut().for_each(|cell| cell.base = base);
}

/// A service that logs: a write for each line.
fn firehose(peers: &Peers, size: Size, record: usize) -> Scenario {
    use Figure::{CpuPerGib, PipelineCpu, ProducerCpu, Wall};
    let work = Work {
        record,
        write: record,
        ..both_fast(size.mib(200))
    };
    let mut cells = vec![
        cell("hwm", hwm(&["-q"]), &work, Check::AllBytes),
        cell(
            "hwm drop-oldest",
            lossy("drop-oldest"),
            &work,
            Check::NothingLost,
        ),
        no_relay(&work),
    ];
    let others = [Kind::Cat, Kind::Pv, Kind::Mbuffer, Kind::Splice];
    cells.extend(pipe_cells(&peers.of(&others), &work));
    relate_to(Kind::Cat, &mut cells);
    Scenario {
        name: if record == 100 {
            "firehose"
        } else {
            "firehose-300"
        },
        about: format!("writes of a line of {record} bytes, as fast as they go"),
        base: "cat",
        figures: &[CpuPerGib, Wall, ProducerCpu, PipelineCpu],
        cells,
        targets: vec![
            target(0, CpuPerGib, Against::Best(Kind::Cat), 0.10),
            target(0, Wall, Against::Best(Kind::Cat), 1.0 / 0.90),
            target(0, ProducerCpu, Against::Best(Kind::Cat), 0.95),
            target(0, PipelineCpu, Against::Cell(2), 0.35),
            target(1, CpuPerGib, Against::Best(Kind::Cat), 0.35),
            target(1, Wall, Against::Best(Kind::Cat), 1.0 / 0.95),
            target(1, PipelineCpu, Against::Cell(2), 0.45),
        ],
    }
}

fn firehose_stopped(peers: &Peers, size: Size) -> Scenario {
    let work = Work {
        write: 100,
        consumer: Consumer::Stopped,
        ..both_fast(size.mib(200))
    };
    let line = lossy("drop-oldest");
    let mut cells = vec![cell("hwm drop-oldest", line, &work, Check::SomethingLost)];
    if let Some(wc) = &peers.wc {
        cells.push(Cell {
            check: Check::LinesCounted,
            ..peer_cell(wc, Task::Pipes(work.clone()))
        });
    }
    relate_to(Kind::Wc, &mut cells);
    Scenario {
        name: "firehose-stopped",
        about:
            "the same lines of 100 bytes, and a consumer that reads nothing before all are taken"
                .to_owned(),
        base: "wc -l",
        figures: COST,
        cells,
        targets: vec![target(0, Figure::Wall, Against::Best(Kind::Wc), 1.0 / 0.8)],
    }
}

fn dense_latency(peers: &Peers, size: Size, every: u64) -> Scenario {
    let count = if size.quick { 20_000 } else { 100_000 };
    let work = Work {
        write: 100,
        producer: Producer::Stamped(Duration::from_micros(every)),
        ..both_fast(count * 100)
    };
    let of = |label, arguments: &[&str]| cell(label, hwm(arguments), &work, Check::AllBytes);
    let mut cells = vec![
        of("hwm", &["-q"]),
        of("hwm --linger 0", &["-q", "--linger", "0"]),
        cell(
            "hwm drop-oldest",
            lossy("drop-oldest"),
            &work,
            Check::NothingLost,
        ),
    ];
    cells.extend(pipe_cells(&peers.of(&[Kind::Cat, Kind::Pv]), &work));
    relate_to(Kind::Cat, &mut cells);
    Scenario {
        name: if every == 10 {
            "dense-latency"
        } else {
            "dense-latency-20k"
        },
        about: format!(
            "a line of 100 bytes each {every} us; p50 and p99 are how old it is when it is read. With --linger, at most 400 us more than with cat are wanted"
        ),
        base: "cat",
        figures: &[
            Figure::Median,
            Figure::Worst,
            Figure::CpuPerRecord,
            Figure::PipelineCpu,
        ],
        cells,
        targets: vec![target(1, Figure::Median, Against::Best(Kind::Cat), 1.2)],
    }
}

/// A message, and the next when it has come.
fn lock_step(peers: &Peers, size: Size) -> Scenario {
    let mut cells = Vec::new();
    let mut targets = Vec::new();
    for (message, name) in [
        (64, "64 B"),
        (4 * KIB, "4 KiB"),
        (32 * KIB, "32 KiB"),
        (512 * KIB, "512 KiB"),
        (MIB, "1 MiB"),
    ] {
        let count = if size.quick { 500 } else { 4_000 };
        let bytes = (message * count).min(size.mib(512));
        let work = Work {
            record: message as usize,
            write: message as usize,
            producer: Producer::Window(message),
            ..both_fast(bytes)
        };
        let base = cells.len();
        for peer in peers.of(&[Kind::Cat]) {
            let mut cell = peer_cell(&peer, Task::Pipes(work.clone()));
            cell.label = format!("{name}: {}", peer.label);
            cell.base = base;
            cells.push(cell);
        }
        for (label, arguments) in [("hwm", &["-q"][..]), ("hwm -l", &["-q", "-l"])] {
            let label = format!("{name}: {label}");
            let mut cell = cell(&label, hwm(arguments), &work, Check::AllBytes);
            cell.base = base;
            targets.push(target(
                cells.len(),
                Figure::Wall,
                Against::Cell(base),
                1.0 / 1.1,
            ));
            cells.push(cell);
        }
    }
    Scenario {
        name: "lock-step",
        about: "messages of which each waits for the one before to have come".to_owned(),
        base: "cat with the same",
        figures: &[Figure::Wall, Figure::CpuPerGib],
        cells,
        targets,
    }
}

/// Lossy policies, as arguments.
const LOSSY: [&str; 3] = ["drop-newest", "drop-oldest", "sample"];

fn lossy(policy: &str) -> Vec<String> {
    hwm(&["--when-full", policy])
}

fn lines(peers: &Peers, size: Size) -> Scenario {
    let every = Duration::from_micros(200);
    let work = Work {
        write: 100,
        producer: Producer::Stamped(every),
        ..both_fast(if size.quick { 2_000 } else { 10_000 } * 100)
    };
    let mut cells = pipe_cells(&peers.relays, &work);
    cells.push(cell(
        "hwm drop-newest",
        lossy("drop-newest"),
        &work,
        Check::NothingLost,
    ));
    Scenario {
        name: "lines",
        about: "a line of 100 bytes each 200 us; p50 and p99 are how old it is when it is read"
            .to_owned(),
        base: "hwm",
        figures: &[
            Figure::Median,
            Figure::Worst,
            Figure::CpuPerRecord,
            Figure::Peak,
        ],
        cells,
        targets: vec![
            target(0, Figure::Median, Against::Best(Kind::Cat), 1.2),
            target(0, Figure::Worst, Against::Best(Kind::Pv), 1.0),
        ],
    }
}

fn start_up(peers: &Peers, size: Size) -> Scenario {
    let count = if size.quick { 30 } else { 100 };
    let cells = peers.relays.iter();
    Scenario {
        name: "start-up",
        about: format!(
            "start to exit on an empty input, the median of {count} starts in each round"
        ),
        base: "hwm",
        figures: &[Figure::StartUp, Figure::StartUpCpu, Figure::Peak],
        cells: cells
            .map(|peer| peer_cell(peer, Task::StartUp(count)))
            .collect(),
        targets: vec![target(0, Figure::StartUp, Against::Best(Kind::Cat), 1.3)],
    }
}

fn lossy_stopped(peers: &Peers, size: Size) -> Scenario {
    let work = Work {
        consumer: Consumer::Stopped,
        ..both_fast(size.mib(1024))
    };
    let policy_cell = |policy| {
        let label = format!("hwm {policy}");
        cell(&label, lossy(policy), &work, Check::SomethingLost)
    };
    let mut cells: Vec<Cell> = LOSSY.into_iter().map(policy_cell).collect();
    if let Some(wc) = &peers.wc {
        cells.push(Cell {
            check: Check::LinesCounted,
            ..peer_cell(wc, Task::Pipes(work.clone()))
        });
    }
    Scenario {
        name: "lossy-stopped",
        about:
            "100-byte lines as fast as they go, and a consumer that reads nothing before all of \
                them are taken; GiB/s is the rate at which they are. Each run's account is checked"
                .to_owned(),
        base: "hwm drop-newest",
        figures: COST,
        cells,
        targets: vec![
            target(0, Figure::Wall, Against::Best(Kind::Wc), 1.0),
            target(1, Figure::Wall, Against::Best(Kind::Wc), 0.8),
        ],
    }
}

fn lossy_keeps_up(peers: &Peers, size: Size) -> Scenario {
    let work = Work {
        producer: Producer::Rate(500e6),
        ..both_fast(size.mib(512))
    };
    let policy_cell = |policy| {
        let label = format!("hwm {policy}");
        cell(&label, lossy(policy), &work, Check::NothingLost)
    };
    let mut cells: Vec<Cell> = LOSSY.into_iter().map(policy_cell).collect();
    cells.push(cell("hwm -l", hwm(&["-l"]), &work, Check::RecordsCounted));
    let copying = [Kind::PvCopy, Kind::Mbuffer, Kind::Cat, Kind::Dd];
    cells.extend(pipe_cells(&peers.of(&copying), &work));
    Scenario {
        name: "lossy-keeps-up",
        about: "100-byte lines, 500 MB/s by schedule, and a consumer that keeps up. Each run's \
                account is checked, and nothing is lost"
            .to_owned(),
        base: "hwm drop-newest",
        figures: COST,
        cells,
        targets: (0..LOSSY.len())
            .map(|cell| target(cell, Figure::CpuPerGib, Against::Best(Kind::PvCopy), 0.75))
            .collect(),
    }
}

fn stall(peers: &Peers, size: Size) -> Scenario {
    let bytes = size.mib(1024);
    let held = bytes / 4 * 3;
    let work = Work {
        // The consumer may have read a little more than a quarter when it stops.
        consumer: Consumer::Stalls(held - 2 * CHUNK as u64),
        ..both_fast(bytes)
    };
    let of = |label, arguments: &[&str]| cell(label, hwm(arguments), &work, Check::AllBytes);
    let mut cells = vec![of("hwm -B 1G", &["-q", "-B", "1G"])];
    cells.push(of("hwm -C -B 1G", &["-q", "-C", "-B", "1G"]));
    for mut peer in peers.of(&[Kind::Mbuffer]).into_iter().take(1) {
        peer.label = "mbuffer -m 1G".to_owned();
        peer.line.extend(["-m", "1G"].map(str::to_owned));
        cells.extend(pipe_cells(&[peer], &work));
    }
    let held = held as f64 / MIB as f64;
    Scenario {
        name: "stall",
        about: format!(
            "a consumer that stops after a quarter until all the rest, {held} MiB, is held"
        ),
        base: "hwm -B 1G",
        figures: COST,
        cells,
        targets: vec![
            target(0, Figure::CpuPerGib, Against::Best(Kind::Mbuffer), 0.7),
            target(0, Figure::Peak, Against::Held(held), 1.1),
        ],
    }
}

fn files(peers: &Peers, size: Size) -> Scenario {
    // A splice loop needs a pipe on one side.
    let peers = peers.relays.iter().filter(|peer| peer.kind != Kind::Splice);
    let task = || Task::Files(size.mib(512));
    Scenario {
        name: "files",
        about: "a file on stdin, a new file on stdout, compared after each run; GiB/s is from \
                start to exit"
            .to_owned(),
        base: "hwm",
        figures: COST,
        cells: peers.map(|peer| peer_cell(peer, task())).collect(),
        targets: Vec::new(),
    }
}

// ---- how cost grows -----------------------------------------------------------------------------

const CAPACITIES: [&str; 9] = ["64K", "256K", "1M", "4M", "16M", "64M", "256M", "1G", "4G"];

/// hwm in three ways, each with all capacities; the first of each is what the others are compared to.
fn with_capacities(work: &Work) -> (Vec<Cell>, Vec<Target>) {
    let ways: [(&str, &[&str], Check); 3] = [
        ("hwm", &["-q"], Check::AllBytes),
        ("hwm -C", &["-q", "-C"], Check::AllBytes),
        ("hwm -l", &["-l"], Check::RecordsCounted),
    ];
    let (mut cells, mut targets) = (Vec::new(), Vec::new());
    for (way, arguments, check) in ways {
        let base = cells.len();
        for capacity in CAPACITIES {
            let line = hwm(&[arguments, &["-B", capacity]].concat());
            let label = format!("{way} -B {capacity}");
            cells.push(Cell {
                base,
                ..cell(&label, line, work, check)
            });
        }
        let largest = cells.len() - 1;
        targets.push(target(largest, Figure::CpuPerGib, Against::Cell(base), 1.1));
        targets.push(target(largest, Figure::Peak, Against::Cell(base), 1.1));
    }
    (cells, targets)
}

fn capacity(size: Size) -> Scenario {
    let work = Work {
        write: 16 * KIB as usize,
        producer: Producer::Window(48 * KIB),
        ..both_fast(size.mib(256))
    };
    let (cells, targets) = with_capacities(&work);
    Scenario {
        name: "capacity",
        about: "-B from 64 KiB to 4 GiB with the same held: never more than 48 KiB under way"
            .to_owned(),
        base: "the same with -B 64K",
        figures: COST,
        cells,
        targets,
    }
}

fn capacity_fast(size: Size) -> Scenario {
    let (cells, _) = with_capacities(&both_fast(size.mib(512)));
    Scenario {
        name: "capacity-fast",
        about:
            "-B from 64 KiB to 4 GiB, both sides as fast as they go: with more space more is held"
                .to_owned(),
        base: "the same with -B 64K",
        figures: COST,
        cells,
        targets: Vec::new(),
    }
}

const LENGTHS: [(&str, usize); 6] = [
    ("10 B", 10),
    ("100 B", 100),
    ("1 KiB", 1 << 10),
    ("10 KiB", 10 << 10),
    ("100 KiB", 100 << 10),
    ("1 MiB", 1 << 20),
];

fn records(size: Size) -> Scenario {
    let keeps_up = Work {
        producer: Producer::Rate(500e6),
        ..both_fast(size.mib(256))
    };
    let stopped = Work {
        consumer: Consumer::Stopped,
        ..both_fast(size.mib(512))
    };
    let newest = || lossy("drop-newest");
    let ways = [
        (
            "drop-newest, keeps up",
            newest(),
            &keeps_up,
            Check::NothingLost,
        ),
        (
            "-l, keeps up",
            hwm(&["-l"]),
            &keeps_up,
            Check::RecordsCounted,
        ),
        (
            "drop-newest, stopped",
            newest(),
            &stopped,
            Check::SomethingLost,
        ),
        (
            "drop-oldest, stopped",
            lossy("drop-oldest"),
            &stopped,
            Check::SomethingLost,
        ),
        (
            "sample, stopped",
            lossy("sample"),
            &stopped,
            Check::SomethingLost,
        ),
    ];
    let mut cells = Vec::new();
    for (way, line, work, check) in ways {
        // The second length is 100 bytes, which the other scenarios have.
        let base = cells.len() + 1;
        for (length, record) in LENGTHS {
            let work = Work {
                record,
                ..work.clone()
            };
            let label = format!("{way}, {length}");
            cells.push(Cell {
                base,
                ..cell(&label, line.clone(), &work, check)
            });
        }
    }
    Scenario {
        name: "records",
        about: "records of 10 bytes to 1 MiB, 500 MB/s where the consumer keeps up".to_owned(),
        base: "the same with 100 B",
        figures: &[
            Figure::CpuPerGib,
            Figure::Wall,
            Figure::CpuPerRecord,
            Figure::Peak,
        ],
        cells,
        targets: Vec::new(),
    }
}
