//! The only room that touches the system: descriptors, poll, signals, the clock.
//!
//! ```text
//! startup      what is checked before the first byte moves
//! descriptor   what a descriptor is; private descriptions; pipe sizes
//! sources      stdin and FILEs, one after the other, each an
//! input        ..., read without blocking
//! demand       the consumer's grants, read without blocking
//! output       written without blocking; its reader's end is noticed
//! ferry        a helper thread for what only knows blocking calls
//! pipes        our own, for bytes that need not be seen
//! skip         going on behind what cannot be read
//! pid_file     our number in a file
//! splice       moving bytes between pipes and the rest
//! kept         what was read, kept as pages for the output
//! share        what is taken of the pipe pages that a user's pipes share
//! flow         how long a dense stream may be left alone
//! poll         one wait for all of these
//! signals      as flags, and as one more descriptor to wait for
//! clock        time that counts
//! ```
//!
//! What it promises to the loop is [`System`]. What it promises to everybody else: no flag of an
//! inherited description and no setting of a terminal is ever changed, and nothing waits but
//! [`System::wait`]. It refuses to decide anything about the bytes.

mod clock;
mod demand;
mod descriptor;
mod ferry;
mod flow;
mod input;
mod kept;
mod output;
mod pid_file;
mod pipes;
mod poll;
mod share;
mod signals;
mod skip;
mod sources;
mod splice;
mod startup;
#[cfg(test)]
pub(crate) mod testing;

use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};

use crate::config::{Sink, Source, TransferConfig};
use crate::engine::{Granted, Interest, Place, Read, Ready, Signal, Splice, System, Write};

use clock::Clock;
use demand::Demand;
use flow::Flows;
use input::Input;
use kept::Kept;
use output::{Output, Watch};
use pipes::Pipes;
use poll::PollSet;
use share::{Share, Turn};
use signals::Signals;
use sources::Sources;
use splice::Scratch;

pub use demand::DemandSource;
pub use pid_file::PidFile;
pub use signals::die_by;
pub use startup::StartError;

/// How long to sleep where poll cannot be trusted: short for a person at the terminal in question,
/// and a hundred wake-ups a second cost next to nothing.
const NAP: Duration = Duration::from_millis(10);

/// The system that a run of `hwm` lives in. There can be one in a process, for descriptors 0 and 1
/// and signals belong to the process.
#[derive(Debug)]
pub struct RealSystem {
    clock: Clock,
    signals: Signals,
    sources: Sources,
    pipes: Pipes,
    /// The way back from splicing, made before the first splice. None within the option: it cannot be
    /// had.
    scratch: Option<Option<Rc<Scratch>>>,
    /// None within the option: it cannot be had.
    kept: Option<Option<Kept>>,
    pipe_bound: u64,
    share: Share,
    flows: Flows,
    reads_stdin: bool,
    sink: Sink,
    demand: Option<Demand>,
    /// `None` once closed.
    output: Option<Output>,
}

/// Whether writes may take as long as a disk does. A relay that never stops reading must not stand
/// still meanwhile; one that blocks anyway saves the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Files are written by the loop itself.
    WaitsForDisk,
    /// Files are written by a helper thread once a write has waited for the disk.
    NeverWaits,
}

impl RealSystem {
    /// Checks stdin and stdout, begins to hear signals, and makes ready to read `sources` in order
    /// and to write where `transfer` says. Pipes at either side may be grown to at most
    /// `pipe_bound` bytes, and never beyond 1 MiB. The clock starts.
    ///
    /// # Errors
    ///
    /// What makes a run impossible; see [`StartError`]. FILEs are opened later, when their turn
    /// comes, and fail by [`Read::Failed`].
    pub fn new(
        sources: Vec<Source>,
        transfer: &TransferConfig,
        pipe_bound: u64,
        patience: Patience,
        demand: Option<DemandSource>,
    ) -> Result<RealSystem, StartError> {
        let no_demand = |source: &DemandSource| {
            let path = source.path.display().to_string();
            |error| StartError::Demand(path, error)
        };
        // Before the output is opened, and so emptied.
        if let Some(source) = &demand {
            Demand::check(source, &sources, &transfer.sink).map_err(no_demand(source))?;
        }
        let (output, output_file) = startup::check(&sources, &transfer.sink)?;
        let over = match (transfer.sync, patience) {
            (true, _) => Output::synced,
            (false, Patience::WaitsForDisk) => Output::over,
            (false, Patience::NeverWaits) => Output::impatient,
        };
        let output = over(output).map_err(StartError::system("write to stdout"))?;
        let demand = demand
            .map(|source| Demand::open(&source).map_err(no_demand(&source)))
            .transpose()?;
        let signals = Signals::listen().map_err(|error| StartError::System {
            what: "listen for signals",
            error,
        })?;
        Ok(RealSystem {
            clock: Clock::start(),
            signals,
            reads_stdin: sources.contains(&Source::Stdin),
            sources: Sources::new(sources, output_file, pipe_bound, transfer.skip_errors),
            sink: transfer.sink.clone(),
            pipes: Pipes::new(pipe_bound),
            scratch: None,
            kept: None,
            pipe_bound,
            share: Share::new(),
            flows: Flows::default(),
            demand,
            output: Some(output),
        })
    }

    /// How long a wait may last: not at all if something can be done at once.
    fn limit(&self, interest: Interest, until: Option<Duration>) -> Option<Duration> {
        let reads_now = interest.input && self.reads_now();
        let takes_now = interest.demand && self.takes_now();
        let output = self.output.as_ref().filter(|_| interest.output);
        if reads_now || takes_now || output.is_some_and(Output::ready_now) {
            return Some(Duration::ZERO);
        }
        let until = [until, self.share.due()].into_iter().flatten().min();
        let limit = until.map(|until| until.saturating_sub(self.clock.now()));
        if output.is_some_and(Output::distrusts_poll) {
            return Some(limit.map_or(NAP, |limit| limit.min(NAP)));
        }
        limit
    }

    /// How long to leave both sides alone before asking poll for what is of interest.
    fn sleep(&mut self, interest: Interest, limit: Option<Duration>) -> Option<Duration> {
        if limit == Some(Duration::ZERO) || interest.demand {
            return None;
        }
        let (now, pipe) = (self.clock.now(), self.sources.pipe_size() as u64);
        let unread = || self.sources.current().map_or(0, Input::unread);
        let untaken = || self.output.as_ref().map_or(0, Output::untaken);
        let flows = &mut self.flows;
        let sleep = flows.sleep(now, interest, pipe, unread, untaken)?;
        Some(limit.map_or(sleep, |limit| limit.min(sleep)))
    }

    /// Takes large pipes for a stream that is worth them, and gives them back when it no longer is.
    fn mind_pipes(&mut self) {
        let (clock, bound) = (&self.clock, self.pipe_bound);
        match self.share.turn(self.flows.input.total(), || clock.now()) {
            Turn::Nothing => {}
            Turn::Grow => {
                self.share.grew();
                self.sources.grow();
                if let Some(output) = &mut self.output {
                    output.grow(bound);
                }
                // Those of our own if they are needed.
                if self.pipes.are_made() {
                    self.pipes.grow();
                }
                if !self.share.leaves_enough(clock.now()) {
                    self.give_back();
                }
            }
            Turn::GiveBack => self.give_back(),
        }
    }

    /// All pipes are what they were, or what they hold.
    fn give_back(&mut self) {
        // As a rule it is empty between two turns.
        let stays = |kept: &Option<Kept>| kept.as_ref().is_none_or(Kept::is_ahead);
        self.kept = self.kept.take().filter(stays);
        let output = self.output.as_mut().is_none_or(Output::give_back);
        let input = self.sources.give_back();
        let own = self.pipes.give_back();
        self.share.gave_back(input && output && own);
    }

    /// Makes our own pipes large where they are needed and were not yet.
    fn grow_own(&mut self) {
        let now = || self.clock.now();
        if !self.pipes.are_made() && self.share.may_try(now()) {
            self.pipes.grow();
            if !self.share.leaves_enough(now()) {
                self.pipes.give_back();
            }
        }
    }

    /// Whether a read makes sense without asking poll: it opens a source, or starts a ferry.
    fn reads_now(&self) -> bool {
        self.sources
            .current()
            .is_none_or(|input| input.watched().is_none())
    }

    /// Whether to ask for a grant without asking poll.
    fn takes_now(&self) -> bool {
        self.demand
            .as_ref()
            .is_none_or(|demand| demand.watched().is_none())
    }

    fn judge_output(&mut self, wanted: bool, fd: PollFlags, bell: PollFlags) -> (bool, bool) {
        let Some(output) = &mut self.output else {
            return (false, false);
        };
        let assumed = wanted && (output.ready_now() || output.distrusts_poll());
        if wanted && output.distrusts_poll() {
            output.trust_again();
        }
        let found = output.judge(wanted, fd, bell);
        (found.room || assumed, found.gone)
    }
}

impl System for RealSystem {
    fn now(&mut self) -> Duration {
        self.clock.now()
    }

    fn read(&mut self, room: &mut [u8]) -> Read {
        if let Some(Some(kept)) = &mut self.kept
            && kept.is_ahead()
        {
            return match kept.read(room) {
                Ok(count) => Read::Bytes(count),
                Err(_) => Read::WouldBlock,
            };
        }
        let answer = self.sources.read(room);
        if let Read::Bytes(count) = answer {
            self.flows.input.moved(count as u64);
        }
        answer
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> Write {
        let Some(output) = &mut self.output else {
            return Write::Gone;
        };
        let answer = output.write(parts);
        if let Write::Accepted(count) = answer {
            self.flows.output.moved(count as u64);
        }
        answer
    }

    fn splice(&mut self, from: Place, to: Place, most: u64) -> Splice {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let takes = |output: &mut Output| output.can_be_spliced_to();
        if !self.output.as_mut().is_some_and(takes) {
            return Splice::Unable;
        }
        if let Place::Pipe(_) = to {
            self.grow_own();
        }
        let Some(output) = &mut self.output else {
            return Splice::Unable;
        };
        let make = || Scratch::new().map(Rc::new);
        let Some(scratch) = self.scratch.get_or_insert_with(make) else {
            return Splice::Unable;
        };
        let output = output.splice_target(scratch);
        let answer = match (from, to) {
            (Place::Input, Place::Output) => self.sources.pass(output, most, scratch),
            (Place::Input, Place::Pipe(number)) => match self.pipes.writer(number) {
                Some(pipe) => self.sources.splice(pipe, most, scratch),
                None => Splice::Unable,
            },
            (Place::Pipe(number), Place::Output) => match self.pipes.reader(number) {
                Some(pipe) => splice::into_output(pipe, output, most),
                None => Splice::Unable,
            },
            _ => Splice::Unable,
        };
        if let Splice::Moved(count) = answer {
            if from == Place::Input {
                self.flows.input.moved(count);
            }
            if to == Place::Output {
                self.flows.output.moved(count);
            }
        }
        answer
    }

    fn take_grant(&mut self) -> Granted {
        self.demand.as_mut().map_or(Granted::End, Demand::take)
    }

    fn keep(&mut self, front: &[IoSlice<'_>], most: u64) -> Splice {
        let from_pipe = self.sources.pipe_size() > 0;
        if !from_pipe || self.output.as_mut().and_then(Output::twin).is_none() {
            return Splice::Unable;
        }
        if self.kept.is_none() && self.share.may_try(self.clock.now()) {
            let kept = Kept::new(self.pipe_bound);
            if self.share.leaves_enough(self.clock.now()) {
                self.kept = Some(kept);
            }
        }
        let Some(Some(kept)) = &mut self.kept else {
            return Splice::Unable;
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let answer = self.sources.keep(kept, front, most);
        if let Splice::Moved(count) = answer {
            self.flows.input.moved(count);
        }
        answer
    }

    fn kept(&self) -> u64 {
        match &self.kept {
            Some(Some(kept)) => kept.len() as u64,
            _ => 0,
        }
    }

    fn write_kept(&mut self, most: u64) -> Write {
        let output = self.output.as_mut().and_then(Output::twin);
        let (Some(output), Some(Some(kept))) = (output, &mut self.kept) else {
            return Write::Gone;
        };
        let answer = kept.write(output, usize::try_from(most).unwrap_or(usize::MAX));
        if let Write::Accepted(count) = answer {
            self.flows.output.moved(count as u64);
        }
        answer
    }

    fn drop_kept(&mut self) {
        if let Some(Some(kept)) = &mut self.kept
            && !kept.drop_kept()
        {
            self.kept = Some(None);
        }
    }

    fn wait(&mut self, interest: Interest, until: Option<Duration>) -> Ready {
        self.mind_pipes();
        let limit = self.limit(interest, until);
        let sleep = self.sleep(interest, limit);
        let (asked, limit) = match sleep {
            Some(_) => (Interest::default(), sleep),
            None => (interest, limit),
        };
        let mut set = PollSet::new();
        let signals = set.add(self.signals.pipe(), PollFlags::IN);
        // An input that is not wanted is not watched: its HUP would end every wait.
        let input = self
            .sources
            .current()
            .filter(|_| asked.input)
            .and_then(|input| input.watched())
            .map(|(fd, events)| set.add(fd, events));
        let demand = self
            .demand
            .as_ref()
            .filter(|_| asked.demand)
            .and_then(|demand| demand.watched())
            .map(|(fd, events)| set.add(fd, events));
        let output = self.output.as_ref().map_or_else(Watch::default, |output| {
            output.watch(asked.output, &mut set)
        });
        if set.wait(limit).is_err() {
            // A signal handler ran, or the kernel is out of memory: nothing is known.
            return Ready::default();
        }

        if let Some(slept) = sleep
            && interest.output
        {
            let untaken = self.output.as_ref().map_or(0, Output::untaken);
            self.flows.woke(slept, untaken);
        }
        let rung = !set.found(Some(signals)).is_empty();
        let news = !set.found(input).is_empty();
        let granted = !set.found(demand).is_empty();
        let (fd, bell) = output.found(&set);
        if rung {
            self.signals.drain();
        }
        let (room, gone) = self.judge_output(asked.output, fd, bell);
        Ready {
            // After a sleep there will be much of either.
            input: news || interest.input && (sleep.is_some() || self.reads_now()),
            output: room || interest.output && sleep.is_some(),
            demand: granted || interest.demand && self.takes_now(),
            output_gone: gone,
        }
    }

    fn take_signal(&mut self) -> Option<Signal> {
        self.signals.take()
    }

    fn input_pending(&mut self) -> bool {
        self.sources.pending()
    }

    fn close_input(&mut self) {
        self.sources.close();
        if self.reads_stdin {
            // Where not even /dev/null can be opened, the producer learns it when we exit.
            let _ = open_null(OFlags::RDONLY).and_then(rustix::stdio::dup2_stdin);
        }
    }

    fn close_output(&mut self) {
        self.output = None;
        if self.sink == Sink::Stdout {
            let _ = open_null(OFlags::WRONLY).and_then(rustix::stdio::dup2_stdout);
        }
    }

    fn output_unread(&mut self) -> u64 {
        self.output.as_ref().map_or(0, Output::untaken)
    }

    fn output_name(&self) -> String {
        match &self.sink {
            Sink::File(path) => path.display().to_string(),
            _ => "stdout".to_owned(),
        }
    }

    fn suspend(&mut self) {
        self.clock.hold_during(signals::stop);
    }
}

/// Something harmless to stand in for a closed standard descriptor, so that no file that is opened
/// later takes its number.
fn open_null(access: OFlags) -> rustix::io::Result<std::os::fd::OwnedFd> {
    rustix::fs::open("/dev/null", access | OFlags::CLOEXEC, Mode::empty())
}
