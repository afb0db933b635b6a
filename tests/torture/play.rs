//! The round itself. Nothing here can block but on purpose: all that moves data are processes, and
//! a round that takes too long fails with the state of each.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::common::{PATIENCE, hwm};
use super::peers::{self, RECEIVED};
use super::round::{Act, Round, Stream, Who};
use super::streams::{Ends, Witness, fill};

/// What a round left behind.
pub struct Outcome {
    pub status: ExitStatus,
    /// How much was written to hwm, at least and at most.
    pub written: (u64, u64),
    pub output: Vec<u8>,
    /// The lost records that were kept.
    pub lost: Vec<u8>,
    /// The lines of `--events`.
    pub events: String,
    /// JSON lines.
    pub report: String,
}

impl Outcome {
    pub fn signal(&self) -> Option<Signal> {
        self.status.signal().and_then(Signal::from_named_raw)
    }
}

/// The processes of a round, killed when dropped.
struct Cast {
    hwm: Child,
    producer: Option<Child>,
    consumer: Option<Child>,
    since: Instant,
}

impl Cast {
    fn who(&mut self, who: Who) -> Option<&mut Child> {
        match who {
            Who::Hwm => Some(&mut self.hwm),
            Who::Producer => self.producer.as_mut(),
            Who::Consumer => self.consumer.as_mut(),
        }
    }

    fn signal(&mut self, who: Who, signal: Signal) {
        if let Some(child) = self.who(who) {
            // It may have ended, but nobody has waited for it, so the number is still its own.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    /// Waits for the end of `who`. What was stopped is continued: also a SIGTSTP that is heeded
    /// later than the SIGCONT that came behind it.
    fn wait(&mut self, who: Who) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.who(who)?.try_wait().unwrap() {
                return Some(status);
            }
            assert!(
                self.since.elapsed() < PATIENCE,
                "{who:?} does not end\n{}",
                self.state()
            );
            self.signal(who, Signal::CONT);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Where everybody hangs.
    fn state(&self) -> String {
        let cast = [
            Some(&self.hwm),
            self.producer.as_ref(),
            self.consumer.as_ref(),
        ];
        let ids = cast.into_iter().flatten().map(Child::id);
        ids.map(state_of).collect()
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for who in [Who::Hwm, Who::Producer, Who::Consumer] {
            if let Some(child) = self.who(who) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// What /proc knows of a process.
fn state_of(id: u32) -> String {
    let folder = format!("/proc/{id}");
    let mut text = format!("{folder}:\n");
    for name in ["cmdline", "stat", "wchan", "syscall", "stack"] {
        let words = std::fs::read(format!("{folder}/{name}")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        text += &format!("  {name}: {}\n", words.trim_end());
    }
    for entry in std::fs::read_dir(format!("{folder}/fd"))
        .into_iter()
        .flatten()
    {
        let path = entry.unwrap().path();
        let target = std::fs::read_link(&path).unwrap_or_default();
        text += &format!("  {} -> {}\n", path.display(), target.display());
    }
    text
}

/// Plays `round` with `source` as its input.
pub fn play(round: &Round, source: &[u8]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let at = |name: &str| folder.join(name);
    if round.input == Stream::File {
        std::fs::write(at("in"), source).unwrap();
    }
    let input = Ends::readable(round.input, &at("in"));
    let output = Ends::writable(
        round.output,
        &match round.output {
            Stream::File => at(RECEIVED),
            _ => at("out"),
        },
    );
    let errors = Ends::writable(round.errors, &at("errors"));
    if round.deaf {
        fill(&errors.theirs);
    }
    // The end of a terminal throws away what was typed and not read: it comes when hwm has ended,
    // or, where that waits for it, with the producer's death.
    let is_hung_up = round.sends(Who::Producer, Signal::KILL);
    let line = (round.input == Stream::Terminal && !is_hung_up)
        .then(|| input.ours.as_ref().unwrap().try_clone().unwrap());
    let streams = [&input.theirs, &output.theirs, &errors.theirs];
    let witnesses = streams.map(Witness::of);

    let mut cast = Cast {
        hwm: start_hwm(
            round,
            source,
            folder,
            [input.theirs, output.theirs, errors.theirs],
        ),
        producer: input
            .ours
            .map(|ours| peers::start_producer(round, folder, ours)),
        consumer: output
            .ours
            .map(|ours| peers::start_consumer(round, folder, ours)),
        since: Instant::now(),
    };
    for Act { pause, who, signal } in &round.acts {
        std::thread::sleep(Duration::from_micros(*pause));
        cast.signal(*who, *signal);
        witnesses.iter().for_each(Witness::sees_no_change);
    }
    for who in [Who::Producer, Who::Consumer] {
        cast.signal(who, Signal::CONT);
    }
    let status = cast.wait(Who::Hwm).unwrap();
    witnesses.iter().for_each(Witness::sees_no_change);
    // Now the peers see the end of their streams.
    drop((witnesses, line));
    if round.input == Stream::Terminal {
        // Nothing wakes who waits for space at the master when the other side has closed.
        cast.signal(Who::Producer, Signal::KILL);
    }
    cast.wait(Who::Producer);
    cast.wait(Who::Consumer);
    let all = source.len() as u64;
    Outcome {
        status,
        written: match round.input {
            Stream::File => (all, all),
            _ => peers::written(folder),
        },
        output: std::fs::read(at(RECEIVED)).unwrap_or_default(),
        lost: std::fs::read(at("lost")).unwrap_or_default(),
        events: std::fs::read_to_string(at("events")).unwrap_or_default(),
        report: std::fs::read_to_string(at("report")).unwrap_or_default(),
    }
}

fn start_hwm(
    round: &Round,
    source: &[u8],
    folder: &Path,
    streams: [std::os::fd::OwnedFd; 3],
) -> Child {
    let mut command = hwm(&["--report", "json"]);
    command.args(&round.args);
    if !round.deaf {
        command.arg("--report-to").arg(folder.join("report"));
    }
    if round.tells_events {
        command.arg("--events").arg(folder.join("events"));
    }
    if round.keeps_lost {
        command.arg("--lost-to").arg(folder.join("lost"));
    }
    if round.input == Stream::Terminal {
        let amount = match round.by_line {
            true => source
                .iter()
                .filter(|byte| round.delimiters.contains(**byte))
                .count(),
            false => source.len(),
        };
        command.args(["-S", "-s", &amount.to_string()]);
    }
    let [input, output, errors] = streams;
    let command = command.stdin(input).stdout(output).stderr(errors);
    command.spawn().unwrap()
}
