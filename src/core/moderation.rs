//! Wake-up moderation: how long a dense stream may be left alone.
//!
//! Being woken for each line costs a relay more than moving it, and costs the producer, which wakes it, as
//! well; and to splice while a neighbour holds the pipe's lock is to spin. So where a stream wakes us very often,
//! we sleep for a part of what its pipe can take instead of asking poll, and then move all that gathered: what
//! network drivers call interrupt moderation. A sleep must not cost the stream anything:
//!
//! ```text
//!               dense                     as fast                      512 sleeps, or too little came
//!   Watched -----------> Tried ----------------------------> Moderated -------------------------------> Watched
//!                          |    slower
//!                          +------------> Served --- 1024 wake-ups, twice as many each time ----------> Watched
//! ```
//!
//! 1. What wakes us less than [`DENSE`] times a second is never delayed.
//! 2. No byte waits longer than `linger` for others; none where that is zero.
//! 3. A stream that is slower with sleeps, since its producer waits for an answer (a reply, space for the next
//!    message), is served as poll tells: the rates with and without are compared, on either side.
//! 4. No sleep lasts until a pipe is full, or until a consumer has emptied its own.
//!
//! Knows neither policies nor descriptors. Refuses to count writes, which nobody can: how many wake-ups a sleep
//! saved follows from the bytes that a wake-up brought before.

use std::time::Duration;

/// Wake-ups a second from which on what comes is dense. A wake-up costs some 5 us on either side, so at this rate
/// a thirtieth of a processor each; and a line each 200 us is not delayed.
pub const DENSE: u32 = 6_000;

/// The same for what is taken of a full output, where no byte waits for others.
pub const TAKEN_DENSE: u32 = 2_000;

/// So many wake-ups in a row must be dense: more than an exchange of a few messages has.
const WATCHED: u32 = 32;

/// After so many sleeps a stream must be at least so fast as without any. A stream of small messages that wait for
/// answers is at a tenth of its speed, and shall not pay for many sleeps; whether one of large messages is slower only
/// many sleeps tell, for the scheduler takes a few milliseconds now and then.
const TRIED: [(u32, f64); 3] = [(4, 1.0 / 8.0), (16, 1.0 / 2.0), (64, 4.0 / 5.0)];

/// So many sleeps before it is looked at again: the wake-ups of that are then a sixteenth of the sleeps.
const MODERATED: u32 = 512;

/// So many wake-ups are served after a trial that failed, so that the trial's sleeps, of some 16 wake-ups' time
/// each, are a few hundredths of it.
const SERVED: u32 = 1024;

/// Twice as many after each further one, up to 2^6 times: a busy machine may have given a wrong answer.
const DOUBLED: u32 = 6;

/// A sleep must save at least so many wake-ups; else it is missed, and so many in a row end the moderation.
const SAVED: f64 = 3.0;
const MISSED: u32 = 2;

/// The part of a pipe's space to sleep for. When the rate rises meanwhile, it takes twice as much before
/// anybody is held up.
const PART: f64 = 1.0 / 2.0;

/// Behind a full pipe no byte waits for others, and so `linger` is no bound.
const LONGEST: Duration = Duration::from_millis(2);

/// A sleep must leave this part of either: with less, somebody may have waited.
const LEFT: u64 = 8;

/// Shorter sleeps are not what a timer gives.
const SHORTEST: Duration = Duration::from_micros(40);

/// How full the pipes at both ends are, in bytes; 0 where one is no pipe, or it cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// What the input's pipe takes at most.
    pub input_size: u64,
    /// What is in it.
    pub unread: u64,
    /// What the consumer has not taken yet.
    pub untaken: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Watched,
    Tried,
    Moderated,
    Served,
}

/// One side's stream.
#[derive(Debug, Default)]
struct Side {
    stage: Stage,
    /// Of this stage, so far: waits, bytes that moved between them, and their time.
    turns: u32,
    bytes: u64,
    time: Duration,
    /// Of the last turn.
    moved: u64,
    /// When it was last waited for, and how much had moved by then.
    waited: (Duration, u64),
    /// How long a sleep is: zero before the first.
    length: Duration,
    /// While it was watched: bytes a second, and bytes a wake-up.
    rate: f64,
    per_wake_up: f64,
    /// What its pipe could take, or give, without us when the last sleep began; 0 after a wait without one.
    slept_on: u64,
    /// Sleeps in a row that saved too little.
    missed: u32,
    /// Trials in a row that failed.
    failed: u32,
}

impl Side {
    /// It is waited for, after so many bytes in all. Returns whether it may be left alone.
    fn turn(&mut self, dense: u32, total: u64, now: Duration) -> bool {
        let (at, before) = std::mem::replace(&mut self.waited, (now, total));
        self.moved = total - before;
        // What woke us was the other side, where nothing moved here.
        self.turns += u32::from(self.moved > 0 || self.stage != Stage::Watched);
        self.bytes += self.moved;
        self.time += now.saturating_sub(at);
        let most = std::mem::take(&mut self.slept_on);
        if most > 0 && self.moved >= most - most / LEFT {
            self.length = (self.length / 4 * 3).max(SHORTEST);
        } else if most > 0 && self.moved < most / 2 {
            self.length = self.length.saturating_add(self.length / 4);
        }
        if let Some(next) = self.next(dense) {
            self.enter(next);
        }
        matches!(self.stage, Stage::Tried | Stage::Moderated)
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        (self.turns, self.bytes, self.time, self.missed) = (0, 0, Duration::ZERO, 0);
    }

    /// It cannot be left alone, or is not worth it.
    fn watch(&mut self) {
        if matches!(self.stage, Stage::Tried | Stage::Moderated) {
            self.enter(Stage::Watched);
        }
    }

    /// The next stage, if this one is over.
    fn next(&mut self, dense: u32) -> Option<Stage> {
        let rate = self.bytes as f64 / self.time.as_secs_f64().max(1e-9);
        match self.stage {
            Stage::Watched if self.turns < WATCHED => None,
            Stage::Watched if self.time * dense > Duration::from_secs(1) * self.turns => {
                Some(Stage::Watched)
            }
            Stage::Watched => {
                self.rate = rate;
                self.length = Duration::ZERO;
                self.per_wake_up = self.bytes as f64 / f64::from(self.turns);
                Some(Stage::Tried)
            }
            Stage::Tried => {
                let least = TRIED.iter().find(|(sleeps, _)| *sleeps == self.turns);
                match least {
                    Some((_, least)) if rate < least * self.rate => {
                        self.failed += 1;
                        Some(Stage::Served)
                    }
                    Some((sleeps, _)) if *sleeps == TRIED[TRIED.len() - 1].0 => {
                        self.failed = 0;
                        Some(Stage::Moderated)
                    }
                    _ => None,
                }
            }
            Stage::Moderated => {
                let is_missed = (self.moved as f64) < SAVED * self.per_wake_up;
                self.missed = if is_missed { self.missed + 1 } else { 0 };
                let is_over = self.turns >= MODERATED || self.missed >= MISSED;
                is_over.then_some(Stage::Watched)
            }
            Stage::Served => {
                (self.turns >= SERVED << (self.failed - 1).min(DOUBLED)).then_some(Stage::Watched)
            }
        }
    }

    /// How long to leave it alone, while its pipe could take, or give, so many bytes without us; at most `longest`.
    fn sleep(&mut self, most: u64, longest: Duration) -> Duration {
        if self.length.is_zero() {
            let time = most as f64 * PART / self.rate.max(1.0);
            self.length = Duration::from_secs_f64(time.min(1.0)).max(SHORTEST);
        }
        self.length = self.length.min(longest.max(SHORTEST));
        self.slept_on = most;
        self.length
    }
}

/// See the module's header.
#[derive(Debug)]
pub struct Moderation {
    linger: Duration,
    input: Side,
    output: Side,
}

impl Moderation {
    /// No byte waits longer than `linger` for others.
    pub fn new(linger: Duration) -> Self {
        Self {
            linger,
            input: Side::default(),
            output: Side::default(),
        }
    }

    /// It is time to wait for what comes, or for space, or for both; so many bytes came and went in all. Returns how
    /// long to leave both sides alone instead; None where poll is to be asked.
    pub fn pause(
        &mut self,
        waits_for: (bool, bool),
        moved: (u64, u64),
        now: Duration,
        levels: impl FnOnce() -> Levels,
    ) -> Option<Duration> {
        if self.linger.is_zero() {
            return None;
        }
        let input = waits_for.0 && self.input.turn(DENSE, moved.0, now);
        let output = waits_for.1 && self.output.turn(TAKEN_DENSE, moved.1, now);
        if !input && !output {
            return None;
        }
        let levels = levels();
        let space = levels.input_size.saturating_sub(levels.unread);
        // Of a consumer that takes nothing for a while nobody knows when it goes on: it has its pipe to live on.
        let is_backed = !waits_for.1 || levels.untaken > 0;
        let input = (input && levels.input_size > 0 && is_backed)
            .then(|| self.input.sleep(space, self.linger));
        let output =
            (output && levels.untaken > 0).then(|| self.output.sleep(levels.untaken, LONGEST));
        let pause = match (input, output) {
            (Some(input), Some(output)) => Some(input.min(output)),
            // What comes meanwhile finds a pipe of which nobody knows how soon it is full.
            (None, Some(output)) if waits_for.0 => Some(output.min(self.linger)),
            (input, output) => input.or(output),
        };
        if pause.is_none() {
            self.asks(waits_for);
        }
        pause
    }

    /// Poll is asked for what comes, or for space: what may be left alone shows itself anew.
    pub fn asks(&mut self, (input, output): (bool, bool)) {
        if input {
            self.input.watch();
        }
        if output {
            self.output.watch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_micros(500);
    const MIB: u64 = 1 << 20;

    fn us(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    /// An input of `bytes` each `gap`, of which so much gathers in a pipe of `size` bytes; where `answered`, none comes
    /// before the last was taken. Returns the share of the waits that were pauses, and the rate by that without any.
    fn input(bytes: u64, gap: Duration, size: u64, answered: bool, linger: Duration) -> (f64, f64) {
        let mut moderation = Moderation::new(linger);
        let (mut now, mut came, mut pauses) = (Duration::ZERO, 0, 0);
        const WAITS: u32 = 20_000;
        for _ in 0..WAITS {
            let levels = || Levels {
                input_size: size,
                ..Levels::default()
            };
            match moderation.pause((true, false), (came, 0), now, levels) {
                None => {
                    now += gap;
                    came += bytes;
                }
                Some(pause) => {
                    assert!(pause <= linger.max(SHORTEST));
                    // A timer is late by so much.
                    let slept = pause + us(55);
                    let messages = (slept.as_nanos() / gap.as_nanos()) as u64;
                    let gathered = if answered {
                        1
                    } else {
                        messages.min(size / bytes)
                    };
                    now += slept;
                    came += gathered * bytes;
                    pauses += 1;
                }
            }
        }
        let rate = came as f64 / now.as_secs_f64();
        let unmoderated = bytes as f64 / gap.as_secs_f64();
        (f64::from(pauses) / f64::from(WAITS), rate / unmoderated)
    }

    #[test]
    fn a_dense_stream_of_lines_is_left_alone_and_as_fast() {
        for gap in [us(1), us(10), us(50), us(130)] {
            let (pauses, rate) = input(100, gap, MIB, false, LINGER);
            assert!(pauses > 0.9, "{gap:?}: {pauses}");
            assert!(rate > 0.9, "{gap:?}: {rate}");
        }
    }

    #[test]
    fn a_stream_that_is_dense_no_longer_is_soon_not_left_alone_any_more() {
        let mut moderation = Moderation::new(LINGER);
        let (mut now, mut came, mut pauses) = (Duration::ZERO, 0, 0);
        for wait in 0..2_000 {
            let levels = || Levels {
                input_size: MIB,
                ..Levels::default()
            };
            let is_dense = wait < 1_000;
            let pause = moderation.pause((true, false), (came, 0), now, levels);
            // Then one that is half as long again comes while it sleeps.
            came += match (is_dense, pause) {
                (true, Some(_)) => 5_000,
                (true, None) => 100,
                (false, _) => 150,
            };
            now += pause.unwrap_or(if is_dense { us(10) } else { us(400) });
            pauses += u32::from(!is_dense && pause.is_some());
        }
        assert_eq!(pauses, MISSED, "it is watched again after so many");
    }

    #[test]
    fn what_comes_more_rarely_or_with_linger_0_is_never_delayed() {
        for gap in [us(170), us(200), us(1_000), us(100_000)] {
            assert_eq!(input(100, gap, MIB, false, LINGER).0, 0.0, "{gap:?}");
        }
        assert_eq!(input(100, us(1), MIB, false, Duration::ZERO).0, 0.0);
        let (pauses, rate) = input(100, us(100), MIB, false, Duration::MAX);
        assert!(pauses > 0.9 && rate > 0.9, "as long as the pipe takes it");
        assert_eq!(input(100, us(1), 0, false, LINGER).0, 0.0, "it is no pipe");
    }

    #[test]
    fn a_request_that_waits_for_its_answer_is_hardly_slowed_down() {
        for gap in [us(5), us(20), us(60), us(150)] {
            let (pauses, rate) = input(64, gap, MIB, true, LINGER);
            assert!(pauses < 0.01, "{gap:?}: {pauses}");
            assert!(rate > 0.9, "{gap:?}: {rate}");
        }
    }

    #[test]
    fn a_small_pipe_is_emptied_before_it_is_full() {
        // 64 KiB that fill in 300 us.
        let (pauses, rate) = input(1_000, Duration::from_nanos(4_578), 65_536, false, LINGER);
        assert!(pauses > 0.9, "{pauses}");
        assert!(rate > 0.95, "{rate}");
    }

    /// A consumer that takes `bytes` each `gap` from a full pipe of 1 MiB. Returns the share of pauses, and whether it
    /// ever found the pipe empty.
    fn output(bytes: u64, gap: Duration) -> (f64, bool) {
        let mut moderation = Moderation::new(LINGER);
        let (mut now, mut went, mut pauses, mut starved) = (Duration::ZERO, 0, 0, false);
        for _ in 0..10_000 {
            let levels = || Levels {
                untaken: MIB,
                ..Levels::default()
            };
            let pause = moderation.pause((false, true), (0, went), now, levels);
            let slept = pause.map_or(gap, |pause| pause + us(55));
            let taken = bytes * (slept.as_nanos() / gap.as_nanos()) as u64;
            starved |= taken > MIB;
            went += taken.min(MIB);
            now += slept;
            pauses += u64::from(pause.is_some());
        }
        (pauses as f64 / 10_000.0, starved)
    }

    #[test]
    fn a_full_output_is_left_alone_until_a_part_of_it_is_taken() {
        let (pauses, starved) = output(65_536, us(131));
        assert!(pauses > 0.9 && !starved, "{pauses} {starved}");
        assert_eq!(output(65_536, us(600)).0, 0.0, "it wakes us rarely");
    }

    #[test]
    fn while_nothing_is_taken_a_dense_input_is_left_alone_all_the_same() {
        let mut moderation = Moderation::new(LINGER);
        let (mut now, mut came, mut pauses) = (Duration::ZERO, 0, 0);
        for _ in 0..1_000 {
            let levels = || Levels {
                input_size: MIB,
                unread: 0,
                untaken: 65_536,
            };
            let pause = moderation.pause((true, true), (came, 0), now, levels);
            let slept = pause.map_or(us(2), |pause| pause + us(55));
            now += slept;
            came += 100 * (slept.as_micros() as u64 / 2);
            pauses += u32::from(pause.is_some());
        }
        assert!(pauses > 900, "{pauses}");
    }
}
