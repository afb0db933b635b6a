//! hwm measured beside its peers: what a relay costs, how fast it is, what it delays, what it holds.
//!
//! ```text
//! cargo bench --bench peers                          everything, 9 rounds
//! cargo bench --bench peers -- --quick               less data, 3 rounds: does it all still work?
//! cargo bench --bench peers -- fast lines --rounds 15
//! HWM_BENCH_PV=/path/to/pv[:/another] cargo bench --bench peers      with these pvs too
//! ```
//!
//! Tables in Markdown go to stdout, progress and trouble to stderr; `-- --list` says what scenarios
//! there are. Peers are what is found on PATH: pv, mbuffer, buffer, cat, dd, wc, and a bare splice loop
//! that is built in. `HWM_BENCH_DIR` says where the file scenario puts its files.
//!
//! - Rounds are interleaved: each measures every relay once, beginning with another one. Absolute
//!   figures drift on a shared machine; the ratios of medians within one run are what counts.
//! - CPU time and peak memory are those of the relay alone: a thin wrapper (`hidden`) starts it, lets
//!   go of its pipes and asks the system what its child took.
//! - The clock starts when the relay has read a first record, and stops when the consumer sees the
//!   end of file; where no consumer reads, when the relay has taken the last byte from its stdin.
//! - Every run is checked: all bytes came out, or the account balances. One that fails the check is
//!   measured again, twice at most, and is named below the table in any case. A relay that fails
//!   three times in a row is not tried again.
//!
//! Refuses to judge: what issues 4 and 6 want stands beside what was measured, and no figure fails the run.
//!
//! peers   the relays that are here          scenarios  what each is put through
//! run     one relay, one workload, once     figures    the figures, from many runs
//! work    the producer and the consumer     table      all that as Markdown
//! hidden  the wrapper and the splice loop   terminal   where a display is shown

mod figures;
mod hidden;
mod peers;
mod run;
mod scenarios;
mod table;
mod terminal;
mod work;

use std::process::ExitCode;

use figures::Samples;
use peers::Peers;
use scenarios::{Scenario, Size};

/// A run that fails its check is measured again this often.
const RETRIES: usize = 2;

struct Options {
    quick: bool,
    list: bool,
    rounds: Option<usize>,
    wanted: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = hidden::run(&arguments) {
        return code;
    }
    // `cargo test --all-targets` runs benches too, and without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("peers: measures only under `cargo bench --bench peers`");
        return ExitCode::SUCCESS;
    }
    match parse(&arguments).and_then(|options| measure(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("peers: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options {
        quick: false,
        list: false,
        rounds: None,
        wanted: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--quick" => options.quick = true,
            "--list" => options.list = true,
            "--rounds" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                options.rounds = Some(number.filter(|&n| n > 0).ok_or("--rounds wants a number")?);
            }
            option if option.starts_with('-') => return Err(format!("no option {option}")),
            name => options.wanted.push(name.to_owned()),
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> Result<(), String> {
    let size = Size {
        quick: options.quick,
    };
    let peers = Peers::find()?;
    let scenarios = select(scenarios::all(&peers, size), &options.wanted)?;
    if options.list {
        for scenario in &scenarios {
            println!("{:16} {}", scenario.name, scenario.about);
        }
        return Ok(());
    }
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 9 });
    print!("{}", table::head(&peers, rounds, options.quick));
    let mut invalid = 0;
    for scenario in &scenarios {
        let samples = run_rounds(scenario, rounds);
        invalid += samples
            .iter()
            .map(|samples| samples.invalid.len())
            .sum::<usize>();
        print!("{}", table::scenario(scenario, &samples));
    }
    if invalid > 0 {
        eprintln!("peers: {invalid} RUNS WERE INVALID; the tables name them");
    }
    Ok(())
}

fn select(all: Vec<Scenario>, wanted: &[String]) -> Result<Vec<Scenario>, String> {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| all.iter().all(|scenario| scenario.name != **name))
    {
        let names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
        return Err(format!("no scenario {unknown}; there are {names:?}"));
    }
    let is_wanted =
        |scenario: &Scenario| wanted.is_empty() || wanted.iter().any(|name| name == scenario.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Each round measures every cell once; no cell is always the one behind the same other.
fn run_rounds(scenario: &Scenario, rounds: usize) -> Vec<Samples> {
    let cells = &scenario.cells;
    let mut samples: Vec<Samples> = cells.iter().map(|_| Samples::default()).collect();
    for round in 0..rounds {
        eprintln!("{}: round {} of {rounds}", scenario.name, round + 1);
        for turn in 0..cells.len() {
            let index = (turn + round) % cells.len();
            run_cell(scenario, index, &mut samples[index]);
        }
    }
    samples
}

fn run_cell(scenario: &Scenario, index: usize, samples: &mut Samples) {
    let cell = &scenario.cells[index];
    if samples.is_given_up {
        return;
    }
    for _ in 0..=RETRIES {
        match run::run(cell) {
            Ok(figures) => return samples.add(figures),
            Err(why) => {
                eprintln!("INVALID RUN: {}, {}: {why}", scenario.name, cell.label);
                samples.invalid.push(why);
            }
        }
    }
    samples.is_given_up = true;
}
