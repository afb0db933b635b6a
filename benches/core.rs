//! What the queue and the framing cost without the system: instructions per byte and per record.
//!
//! ```text
//! cargo bench --bench core [-- CASE...]
//! ```
//!
//! It runs itself under `valgrind --tool=callgrind`, whose counts are the same on a busy machine, with
//! little input and with much: the difference is what the input costs, without start-up, without
//! filling the queue and without any first time. A case that only copies the input in, as the kernel does
//! for the real relay, is measured the same way and taken off all others. The bytes of a record
//! are counted with it: "per record" is "per byte" times its length.
//!
//! `pictures` is what one picture of the account costs, which events take by the thousand, with little
//! held and with much: it fails when that grows.
//!
//! Without valgrind it says so and gives times, the least of many, which a busy machine falsifies.
//!
//! Drives the pure core as the engine does, in reads of 64 KiB. Refuses to measure anything else:
//! system calls are `peers`' business. What an instruction costs in time is not known here: with a
//! full buffer of 16 MiB, memory may decide.

use std::io::IoSlice;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use highwater::classes::Classes;
use highwater::config::{Policy, RelayConfig, Sample};
use highwater::core::relay::{ReadWish, Relay};

/// What one read brings.
const READ: usize = 64 * 1024;

/// The capacity; for records of 100 KiB it holds ten.
const CAPACITY: u64 = 1024 * 1024;

/// Little and much input, in reads; long enough for both to be in the steady state.
const FEW: usize = 64;
const MANY: usize = 192;

/// Where times are measured, they are measured this often.
const TRIES: usize = 25;

const LENGTHS: [usize; 4] = [100, 1_000, 10_000, 100_000];

/// Makes the C library copy by vectors whatever the length: valgrind counts `rep movsb` as an
/// instruction a byte.
const COPY_BY_VECTORS: &str = "glibc.cpu.x86_rep_movsb_threshold=0x40000000:\
                               glibc.cpu.x86_rep_stosb_threshold=0x40000000";

const RUN_ONE: &str = "--run-one";

/// What is measured.
struct Case {
    name: &'static str,
    policy: Policy,
    count_records: bool,
    /// The consumer takes nothing, and the queue is full.
    is_full: bool,
}

const fn case(name: &'static str, policy: Policy, count_records: bool, is_full: bool) -> Case {
    Case {
        name,
        policy,
        count_records,
        is_full,
    }
}

/// What is taken off all others.
const BARE: &str = "bare";

/// A picture of the account; its "length" is how much is held, in chunks.
const PICTURES: &str = "pictures";

/// What is held, in chunks of so many bytes: that is as many of the usual ones as 2 MiB and 8 GiB are.
const HELD: [usize; 2] = [16, 1 << 16];
const CHUNK: usize = 16;

const CASES: [Case; 12] = [
    case("block", Policy::Block, false, false),
    case("block-l", Policy::Block, true, false),
    case("keep-newest", Policy::DropNewest, false, false),
    case("keep-oldest", Policy::DropOldest, false, false),
    case(
        "keep-sample",
        Policy::Sample(Sample::Adaptive),
        false,
        false,
    ),
    case("keep-red", Policy::Red { max_p: 0.1 }, false, false),
    case("keep-priority", Policy::Priority, false, false),
    case("full-newest", Policy::DropNewest, false, true),
    case("full-oldest", Policy::DropOldest, false, true),
    case("full-sample", Policy::Sample(Sample::Adaptive), false, true),
    case("full-red", Policy::Red { max_p: 0.1 }, false, true),
    case("full-priority", Policy::Priority, false, true),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, name, length, reads] = &arguments[..]
        && mode == RUN_ONE
    {
        let number = |text: &str| text.parse().expect("a number");
        run(name, number(length), number(reads));
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` runs benches too, and without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("core: measures only under `cargo bench --bench core`");
        return ExitCode::SUCCESS;
    }
    let mut wanted = arguments;
    wanted.retain(|argument| !argument.starts_with("--"));
    let is_known = |name: &&String| CASES.iter().any(|case| case.name == **name);
    let is_known = |name: &&String| is_known(name) || *name == PICTURES;
    if let Some(name) = wanted.iter().find(|name| !is_known(name)) {
        let names = CASES.map(|case| case.name);
        eprintln!("core: no case {name}; there are {PICTURES} and {names:?}");
        return ExitCode::FAILURE;
    }
    let (cost, unit) = measure();
    if wanted.is_empty() || wanted.iter().any(|name| name != PICTURES) {
        table(&wanted, cost, unit);
    }
    match !wanted.is_empty() && !wanted.iter().any(|name| name == PICTURES) {
        true => ExitCode::SUCCESS,
        false => pictures(cost, unit),
    }
}

// ---- the table --------------------------------------------------------------------------------

/// What a run of a case costs, with so many reads.
type Cost = fn(&str, usize, usize) -> f64;

fn measure() -> (Cost, &'static str) {
    let has_valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_valgrind {
        (instructions, "instructions")
    } else {
        eprintln!("core: NO VALGRIND HERE: these are times, and a busy machine falsifies them");
        (nanoseconds, "nanoseconds")
    }
}

/// Fails when a picture costs more where more is held.
fn pictures(cost: Cost, unit: &str) -> ExitCode {
    println!("\n# A picture of the account, in {unit}\n");
    println!("| held, in chunks | a picture |");
    println!("| ---: | ---: |");
    let costs = HELD.map(|held| {
        let all = cost(PICTURES, held, MANY) - cost(PICTURES, held, FEW);
        let one = all / (MANY - FEW) as f64;
        println!("| {held} | {one:.1} |");
        one
    });
    if costs[1] > 2.0 * costs[0] {
        eprintln!("core: a picture costs the more the more is held");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn table(wanted: &[String], cost: Cost, unit: &str) {
    println!("# The queue and the framing, in {unit}\n");
    println!("| case | record | per byte | per record |");
    println!("| --- | ---: | ---: | ---: |");
    let cost = |name: &str, length| per_byte(|reads| cost(name, length, reads));
    let bare = cost(BARE, LENGTHS[0]);
    println!("| {BARE} (taken off the others) | | {bare:.4} | |");
    for case in &CASES {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == case.name) {
            continue;
        }
        for length in LENGTHS {
            let per_byte = cost(case.name, length) - bare;
            let per_record = per_byte * length as f64;
            println!(
                "| {} | {length} | {per_byte:.4} | {per_record:.1} |",
                case.name
            );
        }
    }
}

/// What a byte costs when `cost` tells what a run of so many reads does.
fn per_byte(cost: impl Fn(usize) -> f64) -> f64 {
    (cost(MANY) - cost(FEW)) / ((MANY - FEW) * READ) as f64
}

fn instructions(name: &str, length: usize, reads: usize) -> f64 {
    let output = Command::new("valgrind")
        .env("GLIBC_TUNABLES", COPY_BY_VECTORS)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("our own path"))
        .args([RUN_ONE, name, &length.to_string(), &reads.to_string()])
        .output()
        .expect("run valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    // "==123== Collected : 4711"
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1));
    let collected = collected.expect("callgrind's count").trim();
    collected.parse().expect("a number")
}

fn nanoseconds(name: &str, length: usize, reads: usize) -> f64 {
    let time = || {
        let started = Instant::now();
        run(name, length, reads);
        started.elapsed().as_nanos() as f64
    };
    (0..TRIES).map(|_| time()).fold(f64::INFINITY, f64::min)
}

// ---- what is measured -------------------------------------------------------------------------

/// Puts `reads` reads of records of `length` bytes through the case `name`, after it was filled.
fn run(name: &str, length: usize, reads: usize) {
    if name == PICTURES {
        return want_snapshots(length, reads);
    }
    let mut input = Input::new(length);
    if name == BARE {
        return run_bare(&mut input, reads);
    }
    let mut cases = CASES.iter();
    let case = cases.find(|case| case.name == name).expect("a case");
    let mut driver = Driver::new(case);
    if case.is_full {
        driver.fill(&mut input);
    }
    for _ in 0..reads {
        driver.receive(input.read());
        driver.send(case.is_full);
    }
    driver.check(case.is_full);
}

fn run_bare(input: &mut Input, reads: usize) {
    let mut space = vec![0; READ];
    for _ in 0..reads {
        space.copy_from_slice(input.read());
        std::hint::black_box(&space);
    }
}

/// So many pictures of a relay that holds so many chunks of records.
fn want_snapshots(chunks: usize, pictures: usize) {
    let config = RelayConfig {
        count_records: true,
        splice: false,
        ..RelayConfig::new(Policy::Block, (chunks * CHUNK) as u64)
    };
    let mut relay = Relay::with_chunk_size(config, CHUNK);
    relay.output_blocked(Duration::ZERO);
    while let ReadWish::UpTo(most) = relay.read_wish() {
        let space = relay.space(most);
        let count = space.len();
        space.fill(b'\n');
        relay.received(count, Duration::ZERO);
    }
    for _ in 0..pictures {
        std::hint::black_box(relay.event_snapshot(Duration::ZERO));
    }
}

/// Records of one length, for ever.
struct Input {
    bytes: Vec<u8>,
    length: usize,
    at: usize,
}

impl Input {
    fn new(length: usize) -> Self {
        let mut one = vec![b'x'; length];
        one[length - 1] = b'\n';
        Self {
            bytes: one.iter().copied().cycle().take(length + READ).collect(),
            length,
            at: 0,
        }
    }

    fn read(&mut self) -> &[u8] {
        let from = self.at;
        self.at = (from + READ) % self.length;
        &self.bytes[from..from + READ]
    }
}

/// A relay, driven as the engine drives it.
struct Driver {
    relay: Relay,
    now: Duration,
}

impl Driver {
    fn new(case: &Case) -> Self {
        let high_water = match case.policy {
            Policy::Sample(_) | Policy::Red { .. } | Policy::Priority => CAPACITY / 5 * 4,
            _ => CAPACITY,
        };
        let config = RelayConfig {
            high_water,
            low_water: high_water / 4 * 3,
            // No record has it: all are of the lowest class.
            classes: Classes::new(&["ERROR"]).expect("an expression"),
            count_records: case.count_records,
            drain_timeout: Duration::ZERO,
            splice: false,
            seed: 1,
            ..RelayConfig::new(case.policy, CAPACITY)
        };
        Self {
            relay: Relay::new(config),
            now: Duration::ZERO,
        }
    }

    /// Until it loses records, and a while longer.
    fn fill(&mut self, input: &mut Input) {
        for _ in 0..2 * CAPACITY as usize / READ {
            self.receive(input.read());
            self.send(true);
        }
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        self.now += Duration::from_micros(20);
        self.relay.turn(self.now);
        while !bytes.is_empty() {
            let ReadWish::UpTo(most) = self.relay.read_wish() else {
                panic!("it stopped reading");
            };
            let space = self.relay.space(most.min(bytes.len()));
            let (here, rest) = bytes.split_at(space.len());
            space.copy_from_slice(here);
            self.relay.received(here.len(), self.now);
            bytes = rest;
        }
    }

    /// The consumer takes all that it is offered, or nothing.
    fn send(&mut self, takes_nothing: bool) {
        while self.relay.write_wish(self.now) {
            let mut parts = [IoSlice::new(&[]); 8];
            let used = self.relay.offer(self.now, &mut parts);
            let count = parts[..used].iter().map(|part| part.len()).sum();
            if takes_nothing {
                self.relay.output_blocked(self.now);
                break;
            }
            self.relay.sent(count, self.now);
        }
        self.relay.take_changes();
    }

    /// Fails unless it was what should have been measured.
    fn check(&mut self, is_full: bool) {
        let account = self.relay.event_snapshot(self.now);
        let lost = account.lost.total();
        let sum = account.output.bytes + lost.bytes + account.held.bytes;
        assert_eq!(account.input.bytes, sum, "the account does not balance");
        assert_eq!(lost.bytes > 0, is_full, "what was lost");
        assert_eq!(account.output.bytes > 0, !is_full, "what went out");
    }
}
