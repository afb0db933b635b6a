//! The only layer that touches the system: descriptors, files, processes, terminals, signals, the clock.
//!
//! ```text
//! startup      what is checked before the first byte moves
//! descriptor   what a descriptor is; private descriptions; pipe sizes
//! sources      stdin and FILEs, one after the other, each an
//! input        ..., read without blocking
//! demand       the consumer's grants, read without blocking
//! occupancy    how full the consumer's pipe is
//! output       written without blocking; its reader's end is noticed
//! io_worker    a thread for what only knows blocking calls
//! completion   the event by which such a thread wakes the loop
//! pipes        our own, for bytes that need not be seen
//! skip         going on behind what cannot be read
//! pid_file     our number in a file
//! path         what a PATH names: /dev/fd/N is the descriptor itself
//! files        none of a run's files may be two of them
//! memory_limit what our control group leaves us
//! splice       splice(2), and what a spliced pipe still needs
//! zero_copy    moving bytes by it from the input and to the output
//! tee          what was read, kept as pages for the output
//! share        what is taken of the pipe pages that a user's pipes share
//! poll         one wait for all of these
//! signals      as flags, and as one more descriptor to wait for
//! watchdog     obeys them while the loop hangs in a call
//! end_by_signal   so that who started us sees which
//! clock        time that counts
//! command      what -M runs beside us
//! fifo_reader  whoever opens the output next
//!
//! report_output   where reports go: writes that never hold up the process
//! error_channel   where the reports' threads say what went wrong
//! log          a file that is appended to, while others rename it or fill its disk
//! replacing    a file that is replaced as a whole
//! ledger       the rows of a terminal that several processes share
//! shell        a command of the user's
//! input_size   how much input there is
//! time_zone    the user's
//! other_side   what two hwm of one -M both tell each other
//! job          our place in the shell's job control
//! ```
//!
//! What it promises to the loop is [`System`]. What it promises to everybody else: no flag of an
//! inherited description and no setting of a terminal is ever changed, and nothing waits but
//! [`System::wait`], and calls on local files for their disk. It refuses to decide anything about the bytes.

mod clock;
mod command;
mod completion;
mod demand;
mod descriptor;
mod end_by_signal;
pub(crate) mod error_channel;
mod fifo_reader;
mod files;
mod input;
pub(crate) mod input_size;
mod io_worker;
pub(crate) mod job;
pub(crate) mod ledger;
pub(crate) mod log;
mod memory_limit;
mod occupancy;
pub(crate) mod other_side;
mod output;
pub(crate) mod path;
mod pid_file;
mod pipes;
mod poll;
pub(crate) mod replacing;
pub(crate) mod report_output;
mod share;
pub(crate) mod shell;
mod signals;
mod skip;
mod sources;
mod splice;
mod startup;
mod tee;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod time_zone;
mod watchdog;
mod zero_copy;

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::OFlags;

use crate::config::{Config, Side, Sink, Source, TransferConfig};
use crate::core::allowance::space::Space;
use crate::core::loss::sent::Leftover;
use crate::core::moderation::Levels;
use crate::exit::Exit;
use crate::system::{Granted, Interest, Place, Ready, Signal, SourceError, System, Transfer};

use clock::Clock;
use command::Command;
use demand::Demand;
use descriptor::{duplicate, is_on_disk, open_null, shrink_pipe};
use fifo_reader::FifoReader;
use input::Input;
use output::{Output, Watch};
use pid_file::PidFile;
use pipes::Pipes;
use poll::PollSet;
use share::{Alarm, Share, Turn};
use signals::Signals;
use sources::Sources;
use splice::BouncePipe;
use startup::OutputFile;
use tee::TeeBuffer;
use zero_copy::Drain;

pub use demand::DemandSource;
pub(crate) use descriptor::is_local;
pub use end_by_signal::die_by;
pub use files::{Clash, Files, Role};
pub use memory_limit::too_large;
pub(crate) use poll::pause;
pub use signals::{hear_children, outlive_size_limit};
pub use startup::StartError;
pub use watchdog::{Watchdog, allow_signals, watch};

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
    drain: Drain,
    /// The fallback from splicing, made before the first splice. None within the option: it cannot be
    /// had.
    bounce_pipe: Option<Option<Rc<BouncePipe>>>,
    /// None within the option: it cannot be had.
    teed: Option<Option<TeeBuffer>>,
    pipe_bound: u64,
    share: Share,
    alarm: Alarm,
    /// Bytes that came and went in all.
    came: u64,
    went: u64,
    reads_stdin: bool,
    sink: Sink,
    writes_stdout: bool,
    pid_file: Option<PidFile>,
    demand: Option<Demand>,
    /// What `-M` runs.
    command: Option<Command>,
    /// Who reads the output next, where it is a FIFO that waits for readers.
    fifo_reader: Option<FifoReader>,
    /// `None` once closed.
    output: Option<Output>,
    /// There is none for now.
    is_left_alone: bool,
    /// Why nobody can be waited for.
    fifo_error: Option<io::Error>,
}

/// Whether writes may take as long as a disk does. A relay that never stops reading must not stand
/// still meanwhile; one that blocks anyway saves the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Files are written by the loop itself.
    Inline,
    /// Files are written by a helper thread.
    Offloaded,
}

impl RealSystem {
    /// Checks stdin and stdout, begins to hear signals, and makes ready to read `sources` in order
    /// and to write where `transfer` says. Pipes at either side may be grown to at most
    /// `pipe_bound` bytes, and never beyond 1 MiB. The clock starts. Where calls may hang
    /// ([`may_hang`]), this is done under a watchdog.
    ///
    /// # Errors
    ///
    /// What makes a run impossible; see [`StartError`]. FILEs are opened later, when their turn
    /// comes, and fail by [`Transfer::SourceFailed`].
    pub fn new(
        sources: Vec<Source>,
        transfer: &TransferConfig,
        pipe_bound: u64,
        write_mode: WriteMode,
        demand: Option<DemandSource>,
        files: &Files,
        watchdog: Option<Arc<Watchdog>>,
    ) -> Result<RealSystem, StartError> {
        let command = transfer.command.as_ref();
        let is_between = |side| command.is_some_and(|command| command.side == side);
        // What is the command's own is not ours to judge.
        startup::check_stdin(if is_between(Side::Out) { &[] } else { &sources })?;
        let fifo_reader = startup::fifo_reader(transfer, files)?;
        let is_opened_later = is_between(Side::In) || fifo_reader.is_some();
        let output = (!is_opened_later).then(|| startup::output(&transfer.sink, files));
        let output = output.transpose()?;
        let consumers_follow =
            fifo_reader.is_some() || command.is_some_and(|command| command.respawns);
        let open_demand = |source: DemandSource| {
            let opened = Demand::open(&source, consumers_follow, files);
            opened.map_err(|error| StartError::Demand(source.path.display().to_string(), error))
        };
        let demand = demand.map(open_demand).transpose()?;
        let signals =
            Signals::listen(watchdog).map_err(StartError::system("listen for signals"))?;
        // Who reads the number may send a signal.
        let pid_file = transfer.pid_file.as_ref().map(|path| {
            PidFile::write(path)
                .map_err(|error| StartError::PidFile(path.display().to_string(), error))
        });
        let pid_file = pid_file.transpose()?;
        let output = output.map(OutputFile::empty).transpose()?;
        // Behind all that may fail, since nobody would wait for it; and whoever sees it run may send a signal.
        let command = command.map(|command| Command::start(command, &signals));
        let command = command.transpose()?;
        let output = match output {
            None if fifo_reader.is_some() => None,
            None => Some(startup::stdout()?.empty()?),
            output => output,
        };
        let over = match (transfer.sync, write_mode) {
            (true, _) => Output::synced,
            (false, WriteMode::Inline) => Output::over,
            (false, WriteMode::Offloaded) => Output::offloaded,
        };
        if let Some(output) = output
            .as_ref()
            .filter(|_| command.as_ref().is_some_and(Command::respawns))
        {
            shrink_pipe(output, held_part(pipe_bound) as usize);
        }
        let output = output.map(over).transpose();
        let output = output.map_err(StartError::system("write to stdout"))?;
        Ok(RealSystem {
            clock: Clock::start(),
            signals,
            reads_stdin: sources.iter().any(startup::is_stdin),
            sources: Sources::new(sources, files.clone(), pipe_bound, transfer.skip_errors),
            sink: transfer.sink.clone(),
            writes_stdout: startup::is_stdout(&transfer.sink),
            pid_file,
            pipes: Pipes::new(pipe_bound),
            drain: Drain::default(),
            bounce_pipe: None,
            teed: None,
            pipe_bound,
            share: Share::new(),
            alarm: Alarm::default(),
            came: 0,
            went: 0,
            demand,
            command,
            is_left_alone: output.is_none(),
            fifo_error: None,
            fifo_reader,
            output,
        })
    }

    /// Takes away what is there only for as long as the run lasts.
    pub fn remove_pid_file(&mut self) {
        self.pid_file = None;
    }

    /// How long a wait may last: not at all if something can be done at once.
    fn limit(&self, interest: Interest, until: Option<Duration>) -> Option<Duration> {
        let reads_now = interest.input && self.reads_now();
        let takes_now = interest.demand && self.takes_now();
        let output = self.output.as_ref().filter(|_| interest.output);
        if reads_now || takes_now || output.is_some_and(Output::ready_now) {
            return Some(Duration::ZERO);
        }
        let limit = until.map(|until| until.saturating_sub(self.clock.now()));
        let naps = interest.input && self.sources.is_leased();
        if naps || output.is_some_and(Output::distrusts_poll) {
            return Some(limit.map_or(NAP, |limit| limit.min(NAP)));
        }
        limit
    }

    /// How much the output's pipe may hold: what lies there may be held.
    fn output_pipe_bound(&self) -> u64 {
        let respawns = self.command.as_ref().is_some_and(Command::respawns);
        match respawns || self.fifo_reader.is_some() {
            true => held_part(self.pipe_bound),
            false => self.pipe_bound,
        }
    }

    /// Takes large pipes for a stream that is worth them, and gives them back when it no longer is.
    fn mind_pipes(&mut self) {
        let bound = self.output_pipe_bound();
        let clock = &self.clock;
        match self.share.turn(self.came, self.went, || clock.now()) {
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
        let stays = |kept: &Option<TeeBuffer>| kept.as_ref().is_none_or(TeeBuffer::is_ahead);
        self.teed = self.teed.take().filter(stays);
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

    /// Whether a read makes sense without asking poll: it opens a source, or starts a worker.
    fn reads_now(&self) -> bool {
        let current = self.sources.current();
        current.is_none_or(|input| input.watched().is_none()) && !self.sources.is_leased()
    }

    /// The same, after a wait that may have been long enough for what is awaited otherwise.
    fn may_read_now(&self) -> bool {
        self.reads_now() || self.sources.is_leased()
    }

    /// Whether to ask for a grant without asking poll.
    fn takes_now(&self) -> bool {
        self.demand
            .as_ref()
            .is_none_or(|demand| demand.watched().is_none())
    }

    /// The output accepted so many bytes at once, as pages that had been in a pipe of `size` bytes.
    fn sent_pages(&mut self, bytes: u64, size: u64) {
        self.went += bytes;
        if let Some(output) = &mut self.output {
            output.took_pages(bytes, size);
        }
    }

    /// The output accepted so many bytes at once.
    fn sent(&mut self, bytes: u64) {
        self.went += bytes;
        if let Some(output) = &mut self.output {
            output.wrote(bytes);
        }
    }

    fn judge_output(&mut self, wanted: bool, fd: PollFlags, completion: PollFlags) -> (bool, bool) {
        let Some(output) = &mut self.output else {
            return (false, false);
        };
        let assumed = wanted && (output.ready_now() || output.distrusts_poll());
        if wanted && output.distrusts_poll() {
            output.trust_again();
        }
        let found = output.judge(wanted, fd, completion);
        if found.gone {
            output.await_end();
        }
        (found.space || assumed, found.gone)
    }
}

impl System for RealSystem {
    fn now(&mut self) -> Duration {
        self.clock.now()
    }

    fn read(&mut self, space: &mut [u8]) -> Transfer {
        if let Some(Some(kept)) = &mut self.teed
            && kept.is_ahead()
        {
            let taken = kept.ahead() as u64;
            return kept.read(space).map_or_else(
                |errno| {
                    // What it still has must not come as something else.
                    self.teed = Some(None);
                    Transfer::SourceFailed(own_pipe_failed(taken, errno))
                },
                Transfer::Moved,
            );
        }
        let mut answer = self.sources.read(space);
        match &mut answer {
            Transfer::Moved(count) => self.came += *count as u64,
            Transfer::SourceFailed(problem) => {
                let bounce_pipe = self.bounce_pipe.as_ref().and_then(Option::as_ref);
                problem.taken = bounce_pipe.map_or(0, |bounce_pipe| bounce_pipe.take_lost());
            }
            _ => {}
        }
        answer
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> Transfer {
        let Some(output) = &mut self.output else {
            return match self.is_left_alone {
                true => Transfer::WouldBlock,
                false => Transfer::Gone,
            };
        };
        let answer = output.write(parts);
        if let Transfer::Moved(count) = answer {
            self.sent(count as u64);
        }
        answer
    }

    fn splice(&mut self, from: Place, to: Place, most: u64) -> Transfer {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // What is in a pipe of ours must leave it all the same.
        let empties = matches!(from, Place::Pipe(_));
        let takes = |output: &mut Output| empties || output.can_be_spliced_to();
        if !self.output.as_mut().is_some_and(takes) {
            return Transfer::Unable;
        }
        if let Place::Pipe(_) = to {
            self.grow_own();
        }
        let Some(output) = &mut self.output else {
            return Transfer::Unable;
        };
        let make = || BouncePipe::new().map(Rc::new);
        let Some(bounce_pipe) = self.bounce_pipe.get_or_insert_with(make) else {
            return Transfer::Unable;
        };
        let answer = match (from, to) {
            (Place::Input, Place::Output) => {
                let output = output.splice_target(bounce_pipe);
                self.sources.pass(output, most, bounce_pipe)
            }
            (Place::Input, Place::Pipe(number)) => match self.pipes.writer(number) {
                Some(pipe) => self.sources.splice(pipe, most, bounce_pipe),
                None => Transfer::Unable,
            },
            (Place::Pipe(number), Place::Output) => match self.pipes.reader(number) {
                Some(pipe) => self.drain.empty(pipe, output, most, bounce_pipe),
                None => Transfer::Unable,
            },
            _ => Transfer::Unable,
        };
        if let Transfer::Moved(count) = answer {
            if from == Place::Input {
                self.came += count as u64;
            }
            if to == Place::Output {
                self.sent_pages(count as u64, u64::MAX);
            }
        }
        answer
    }

    fn take_grant(&mut self) -> Granted {
        self.demand.as_mut().map_or(Granted::End, Demand::take)
    }

    fn tee(&mut self, front: &[IoSlice<'_>], most: u64) -> Transfer {
        let from_pipe = self.sources.pipe_size() > 0;
        if !from_pipe || self.output.as_mut().and_then(Output::reopened).is_none() {
            return Transfer::Unable;
        }
        if self.teed.is_none() && self.share.may_try(self.clock.now()) {
            let kept = TeeBuffer::new(self.pipe_bound);
            if self.share.leaves_enough(self.clock.now()) {
                self.teed = Some(kept);
            }
        }
        let Some(Some(kept)) = &mut self.teed else {
            return Transfer::Unable;
        };
        // Of pages that are half empty the output could take any part, and so cut a record in two.
        let size = kept.size();
        let takes_all = |output: &mut Output| output.space(size).whole() >= size;
        let held: usize = front.iter().map(|part| part.len()).sum();
        let most = most.min(size.saturating_sub(held as u64));
        if most == 0 || !self.output.as_mut().is_some_and(takes_all) {
            return Transfer::Unable;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let answer = self.sources.tee(kept, front, most);
        if let Transfer::Moved(count) = answer {
            self.came += count as u64;
        }
        answer
    }

    fn teed(&self) -> u64 {
        match &self.teed {
            Some(Some(kept)) => kept.len() as u64,
            _ => 0,
        }
    }

    fn write_teed(&mut self, most: u64) -> Transfer {
        let output = self.output.as_mut().and_then(Output::reopened);
        let (Some(output), Some(Some(kept))) = (output, &mut self.teed) else {
            return Transfer::Gone;
        };
        let answer = kept.write(output, usize::try_from(most).unwrap_or(usize::MAX));
        let size = kept.size();
        if let Transfer::Moved(count) = answer {
            self.sent_pages(count as u64, size);
        }
        answer
    }

    fn drop_teed(&mut self) {
        if let Some(Some(kept)) = &mut self.teed
            && !kept.drop_teed()
        {
            self.teed = Some(None);
        }
    }

    fn levels(&mut self) -> Levels {
        Levels {
            input_size: self.sources.pipe_size() as u64,
            unread: self.sources.current().map_or(0, Input::unread),
            untaken: self.output.as_ref().map_or(0, Output::untaken),
        }
    }

    fn wait(&mut self, interest: Interest, until: Option<Duration>) -> Ready {
        self.mind_pipes();
        let clock = &self.clock;
        let pipes_due = self.alarm.set(self.share.due(), || clock.now());
        let limit = self.limit(interest, until);
        let limit = [limit, pipes_due].into_iter().flatten().min();
        let mut set = PollSet::new();
        let signals = set.add(self.signals.pipe(), PollFlags::IN);
        // Just to wake up: the next wait looks at what is due.
        let alarm = self
            .alarm
            .watched()
            .map(|timer| set.add(timer, PollFlags::IN));
        // An input that is not wanted is not watched: its HUP would end every wait.
        let input = self
            .sources
            .current()
            .filter(|_| interest.input)
            .and_then(|input| input.watched())
            .map(|(fd, events)| set.add(fd, events));
        let demand = self
            .demand
            .as_ref()
            .filter(|_| interest.demand)
            .and_then(|demand| demand.watched())
            .map(|(fd, events)| set.add(fd, events));
        let reader = self.fifo_reader.as_ref().and_then(FifoReader::watched);
        let reader = reader.map(|fd| set.add(fd, PollFlags::IN));
        let output = self.output.as_ref().map_or_else(Watch::default, |output| {
            output.watch(interest.output, &mut set)
        });
        if self.signals.wait(|| set.wait(limit)).is_err() {
            // A signal handler ran, or the kernel is out of memory: nothing is known.
            return Ready::default();
        }

        let rung = !set.found(Some(signals)).is_empty();
        let pipes_are_due = !set.found(alarm).is_empty();
        let news = !set.found(input).is_empty();
        let granted = !set.found(demand).is_empty();
        let consumer_came = !set.found(reader).is_empty() || self.fifo_error.is_some();
        let (fd, completion) = output.found(&set);
        let mut consumer_ended = None;
        if rung {
            self.signals.drain();
            consumer_ended = self.command.as_mut().and_then(Command::reap);
        }
        if pipes_are_due {
            self.alarm.rang();
        }
        let (space, gone) = self.judge_output(interest.output, fd, completion);
        Ready {
            input: news || interest.input && self.may_read_now(),
            output: space,
            demand: granted || interest.demand && self.takes_now(),
            output_gone: gone,
            consumer_ended,
            consumer_came,
        }
    }

    fn take_signal(&mut self) -> Option<Signal> {
        let signal = self.signals.take();
        if let (Some(Signal::Terminate(number)), Some(command)) = (signal, &mut self.command) {
            command.hear(number, self.clock.now());
        }
        signal
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

    fn close_output(&mut self) -> io::Result<()> {
        let Some(output) = self.output.take() else {
            return Ok(());
        };
        if output.hangs() {
            // Closed by the end of the process: what hangs in a write would hang in this as well.
            std::mem::forget(output);
            return Ok(());
        }
        let closed = output.close();
        if self.writes_stdout {
            let _ = open_null(OFlags::WRONLY).and_then(rustix::stdio::dup2_stdout);
        }
        self.signals.beat();
        closed.map_err(io::Error::from)
    }

    fn finish(&mut self, exit: Exit, drain_timeout: Duration) -> Exit {
        match self.command.take() {
            Some(command) => command.finish(exit, drain_timeout, &self.signals, &mut self.clock),
            None => exit,
        }
    }

    fn settle_signals(&mut self) {
        self.signals.settle();
    }

    fn during(&mut self, wait: &mut dyn FnMut()) {
        self.signals.wait(wait);
    }

    fn leave_files(&mut self) -> bool {
        self.sources.leave_files()
    }

    fn put_back(&mut self, bytes: usize) {
        self.sources.put_back(bytes);
    }

    fn output_space(&mut self, most: u64) -> Space {
        let output = self.output.as_mut();
        output.map_or(Space::UNKNOWN, |output| output.space(most))
    }

    fn takes_more(&mut self) -> bool {
        self.output.as_ref().is_some_and(Output::takes_more)
    }

    fn output_unread(&mut self) -> u64 {
        self.output.as_ref().map_or(0, Output::untaken)
    }

    fn take_unread(&mut self, wanted: bool) -> Leftover {
        let output = self.output.as_mut();
        output.map_or_else(Leftover::default, |output| output.take_unread(wanted))
    }

    fn gives_unread_back(&self) -> bool {
        self.output.as_ref().is_none_or(Output::gives_back)
    }

    fn part_with_consumer(&mut self) {
        // What it is written for next is another pipe, so this one's errors are nobody's.
        let _ = self.close_output();
        self.is_left_alone = true;
        if let Some(fifo_reader) = &mut self.fifo_reader {
            self.fifo_error = fifo_reader.wait().err();
        }
    }

    fn start_consumer(&mut self) -> io::Result<()> {
        if let Some(error) = self.fifo_error.take() {
            return Err(error);
        }
        let output = match (&mut self.fifo_reader, &mut self.command) {
            (Some(fifo_reader), _) => fifo_reader.take()?,
            (None, Some(command)) => {
                command.restart()?;
                Some(duplicate(rustix::stdio::stdout())?)
            }
            (None, None) => None,
        };
        if let Some(output) = output {
            shrink_pipe(&output, self.output_pipe_bound() as usize);
            self.output = Some(Output::over(output)?);
            self.is_left_alone = false;
        }
        Ok(())
    }

    fn output_name(&self) -> String {
        match (&self.sink, &self.command) {
            (Sink::File(path), _) => path.display().to_string(),
            (Sink::Stdout, Some(command)) if command.reads_stdout() => command.name(),
            _ => "stdout".to_owned(),
        }
    }

    fn suspend(&mut self) {
        self.clock.hold_during(signals::stop);
    }
}

/// How much may lie unread before a consumer that may be followed by another, of so much that may be held. Not less than
/// the smallest pipe takes.
fn held_part(capacity: u64) -> u64 {
    (capacity / 4).max(4096)
}

/// Bytes that came in are in a pipe of our own, and cannot be read from it.
fn own_pipe_failed(taken: u64, errno: rustix::io::Errno) -> SourceError {
    SourceError {
        taken,
        name: "a pipe of its own".to_owned(),
        verb: "read",
        error: errno.into(),
    }
}

/// Whether a call of the loop may last for ever: on a file, and in opening one.
pub fn may_hang(config: &Config) -> bool {
    let reads = config.sources.iter().any(|source| match source {
        Source::Stdin => is_on_disk(rustix::stdio::stdin()),
        Source::File(_) => true,
    });
    let writes = match config.transfer.sink {
        Sink::Stdout => is_on_disk(rustix::stdio::stdout()),
        Sink::File(_) => true,
        Sink::Nowhere => false,
    };
    reads || writes || config.demand.is_some() || config.transfer.pid_file.is_some()
}
