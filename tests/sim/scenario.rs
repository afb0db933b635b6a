//! From a seed to a scenario: what hwm is told, what comes in, what both sides and the system do.

use std::time::Duration;

use highwater::classes::Classes;
use highwater::config::{
    Amount, BrokenPipe, LossLimit, Mark, MarkPiece, NextConsumer, Policy, Rate, RelayConfig,
    Sample, StartFill,
};
use highwater::core::allowance::demand::Grant;
use highwater::core::rng::Rng;
use highwater::delimiters::Delimiters;
use highwater::exit::Exit;
use highwater::system::Signal;

use super::world::{Asks, Faults, Life, Remains, Setting, Step};

/// A whole scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub config: RelayConfig,
    pub setting: Setting,
    /// Memory unit of the queue: small, so that boundaries are met often.
    pub chunk: usize,
    /// Something is told each time so long has passed.
    pub interval: Option<Duration>,
    /// The account is looked at each time so long has passed.
    pub samples: Option<Duration>,
    /// How many bytes of lost records are taken in each turn, where they are kept.
    pub space_for_lost: u64,
}

/// Choices drawn from the seed.
struct Dice(Rng);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// From `from` to `to`, both included.
    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn milliseconds(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most * 1000))
    }

    fn maybe<T>(&mut self, one_in: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let wanted = self.one_in(one_in);
        wanted.then(|| make(self))
    }
}

impl Scenario {
    /// The scenario of `seed`; the same in every run of the same version.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice(Rng::new(seed));
        let mut config = config(&mut dice);
        let setting = setting(&mut dice, &config);
        let chunk = dice.of(&[1, 2, 3, 7, 16, 40, 1000]);
        let interval = dice.maybe(4, |dice| Duration::from_millis(dice.between(1, 200)));
        config.keeps_lost = (config.policy.is_lossy() || config.count_records) && dice.one_in(3);
        let space_for_lost = match dice.below(2) {
            0 => u64::MAX,
            _ => dice.below(200),
        };
        let mut scenario = Self {
            config,
            setting,
            chunk,
            interval,
            samples: None,
            space_for_lost,
        };
        // Generators of their own: what the others draw stays the same.
        end_otherwise(&mut Dice(Rng::new(seed ^ 0x454e_4453)), &mut scenario);
        let mut dice = Dice(Rng::new(seed ^ 0x5052_494f));
        if dice.one_in(5) {
            prioritize(&mut dice, &mut scenario);
        }
        let mut dice = Dice(Rng::new(seed ^ 0x4d41_524b));
        if dice.one_in(3) {
            let every = dice.of(&[1, 1_000, 20_000, 300_000]);
            scenario.config.mark_every = Some(Duration::from_micros(dice.between(1, every)));
        }
        let mut dice = Dice(Rng::new(seed ^ 0x554e_5245));
        scenario.setting.remains =
            dice.of(&[Remains::Text, Remains::Text, Remains::Count, Remains::Hint]);
        scenario.setting.faults.failing_own_read = dice.maybe(12, |dice| dice.below(10));
        if dice.one_in(4) {
            leave(&mut dice, &mut scenario);
        }
        let mut dice = Dice(Rng::new(seed ^ 0x4348_4152));
        scenario.samples = dice.maybe(4, |dice| Duration::from_millis(dice.between(1, 200)));
        let mut dice = Dice(Rng::new(seed ^ 0x4c49_4e47));
        scenario.config.linger = Duration::from_micros(dice.of(&[0, 1, 100, 500, 500, 20_000]));
        if dice.one_in(6) {
            condense(&mut dice, &mut scenario);
        }
        let mut dice = Dice(Rng::new(seed ^ 0x4e45_5854));
        if dice.one_in(4) {
            succeed(&mut dice, &mut scenario);
        }
        let mut dice = Dice(Rng::new(seed ^ 0x4445_4c49));
        if dice.one_in(6) {
            several_delimiters(&mut dice, &mut scenario);
        }
        scenario
    }
}

/// Little comes at a time, or is taken, and more very soon.
fn condense(dice: &mut Dice, scenario: &mut Scenario) {
    let bytes = dice.of(&[1, 3, 20]);
    let apart = dice.of(&[1, 20, 90, 120]);
    let step = |dice: &mut Dice| {
        let pause = Duration::from_micros(dice.between(1, apart));
        [
            Step::Move(dice.between(1, bytes) as usize),
            Step::Sleep(pause),
        ]
    };
    let length = scenario.setting.source.len() as u64;
    let steps = (length / bytes).min(600);
    if dice.one_in(2) {
        let mut script: Vec<Step> = (0..steps).flat_map(|_| step(dice)).collect();
        script.push(Step::Move(length as usize + 1));
        scenario.setting.producer = script;
    }
    if dice.one_in(2) {
        let mut script: Vec<Step> = (0..steps).flat_map(|_| step(dice)).collect();
        script.append(&mut scenario.setting.consumer);
        scenario.setting.consumer = script;
    }
}

/// Consumers that follow one another.
fn succeed(dice: &mut Dice, scenario: &mut Scenario) {
    let Scenario {
        config, setting, ..
    } = scenario;
    config.next_consumer = Some(NextConsumer::Started {
        delay: Duration::from_micros(dice.between(1, 30_000)),
        most_failures: dice.maybe(3, |dice| dice.between(1, 4)),
    });
    config.broken_pipe = BrokenPipe::Signal;
    setting.faults.ferry = None;
    let length = setting.source.len() as u64;
    let most = dice.of(&[1, 2, 5, 20]);
    let lives = dice.between(1, most);
    setting.lives = (0..lives).map(|_| life(dice, length)).collect();
    setting.lives[0].is_stillborn = false;
    if dice.one_in(4) {
        config.next_consumer = Some(NextConsumer::Awaited);
        setting.come_by_themselves = true;
        for life in &mut setting.lives {
            (life.is_survived, life.is_stillborn) = (false, false);
        }
    }
}

/// One that ends somewhere: amid a record or a mark, before it reads anything, while hwm drains.
fn life(dice: &mut Dice, length: u64) -> Life {
    let mut script = consumer(dice, length);
    let kept = dice.of(&[0, 1, 2, 5, 60]);
    script.truncate(kept);
    script.retain(|step| !matches!(step, Step::End | Step::Move(5000..)));
    if dice.one_in(3) {
        script.push(Step::Move(dice.between(1, length + 1) as usize));
    }
    if dice.one_in(3) {
        script.push(Step::Sleep(dice.milliseconds(100)));
    }
    script.push(Step::End);
    Life {
        script,
        lag: match dice.below(3) {
            0 => dice.milliseconds(50),
            _ => Duration::ZERO,
        },
        exit: dice.of(&[Exit::Status(0), Exit::Status(1), Exit::Signal(9)]),
        is_survived: dice.one_in(8),
        is_stillborn: dice.one_in(8),
    }
}

/// More than one byte ends a record.
fn several_delimiters(dice: &mut Dice, scenario: &mut Scenario) {
    let bytes = dice.of(&[&b"\r\n"[..], b"\n\0;"]);
    let before = scenario.config.delimiters;
    scenario.config.delimiters = Delimiters::new(bytes).expect("few");
    for byte in &mut scenario.setting.source {
        if before.contains(*byte) {
            *byte = dice.of(bytes);
        }
    }
}

/// A consumer that goes after a part of what comes, while more waits for it.
fn leave(dice: &mut Dice, scenario: &mut Scenario) {
    let length = scenario.setting.source.len() as u64;
    let script = &mut scenario.setting.consumer;
    script.truncate(dice.below(4) as usize);
    script.push(Step::Move(dice.below(length / 2 + 2) as usize));
    script.push(Step::Sleep(dice.milliseconds(100)));
    script.push(Step::End);
}

impl Scenario {
    /// Whether a record that was begun can always be finished: only whole ones are begun, no limit is in
    /// bytes, and the output takes what it is known to take.
    pub fn keeps_records_whole(&self) -> bool {
        let Self {
            config, setting, ..
        } = self;
        let faults = &setting.faults;
        let by_bytes = matches!(
            config.rate,
            Some(Rate {
                per_second: Amount::Bytes(_),
                ..
            })
        );
        let asks_bytes = config.on_demand
            && setting
                .grants
                .iter()
                .any(|(_, asks)| matches!(asks, Asks::For(Grant::More(Amount::Bytes(_)))));
        // With a mark, in one slot and in one write of eight pieces of memory.
        let most = (setting.page.saturating_sub(20)).min(5 * self.chunk);
        let delimiters = config.delimiters;
        let mut records = setting.source.split(|byte| delimiters.contains(*byte));
        let is_short = records.all(|record| record.len() < most);
        let is_kind = faults.short == 0.0 && faults.ferry.is_none() && setting.tells_space;
        let is_kind = is_kind && setting.own_pipes.len() < 2 && faults.would_block == 0.0;
        config.needs_records() && is_short && is_kind && !by_bytes && !asks_bytes
    }
}

/// What matters where a run is cut short, or goes on without a consumer.
fn end_otherwise(dice: &mut Dice, scenario: &mut Scenario) {
    let Scenario {
        config,
        setting,
        chunk,
        ..
    } = scenario;
    config.idle_ok = config.idle_timeout.is_some() && dice.one_in(2);
    if dice.one_in(3) {
        config.broken_pipe = BrokenPipe::Drain;
    }
    setting.is_file = dice.one_in(4);
    setting.tells_space = dice.one_in(2);
    if dice.one_in(6) {
        // Ends that press: the consumer stalls, and somebody gives up waiting.
        let at = dice.milliseconds(100);
        let signal = Signal::Terminate(dice.of(&[1, 2, 2, 15, 15]));
        setting.signals.push((at, signal));
        if dice.one_in(3) {
            let again = at + dice.milliseconds(60);
            let signal = dice.of(&[signal, signal, Signal::Terminate(2)]);
            setting.signals.push((again, signal));
        }
        setting.signals.sort_by_key(|(at, _)| *at);
    }
    if dice.one_in(12) {
        // Nothing excuses half a record: short ones, a kind system, and a consumer that stalls.
        (setting.page, setting.tells_space) = (64, true);
        setting.faults.short = 0.0;
        setting.faults.would_block = 0.0;
        setting.faults.ferry = None;
        setting.own_pipes.truncate(1);
        *chunk = (*chunk).max(16);
        config.rate = None;
        config.on_demand = false;
        let delimiter = config.delimiters.terminator();
        for byte in setting.source.iter_mut().step_by(7) {
            *byte = delimiter;
        }
        let reads = setting.consumer.iter().take(dice.below(8) as usize);
        let reads = reads.filter(|step| !matches!(step, Step::Move(5000..)));
        let mut consumer: Vec<Step> = reads.cloned().collect();
        consumer.push(Step::Sleep(Duration::from_secs(1)));
        consumer.push(Step::Move(usize::MAX - setting.source.len()));
        setting.consumer = consumer;
    }
    if dice.one_in(8) {
        // The same key for both.
        let key = Signal::Terminate(dice.of(&[2, 15]));
        let at = dice.milliseconds(60);
        let reads = setting.consumer.iter().take(dice.below(5) as usize);
        let mut consumer: Vec<Step> = reads.cloned().collect();
        consumer.retain(|step| matches!(step, Step::Move(count) if *count < 5000));
        consumer.extend([Step::Sleep(at), Step::End]);
        setting.consumer = consumer;
        setting.signals.push((at, key));
        setting.signals.sort_by_key(|(at, _)| *at);
    }
}

/// Classes by letters, as records have them, by length, and by nothing at all.
fn prioritize(dice: &mut Dice, scenario: &mut Scenario) {
    const EXPRESSIONS: [&str; 9] = [
        "a",
        "[a-m]",
        "b|n|x",
        "^$",
        "^.{1,3}$",
        "(?i)[N-Z]{4}",
        "[f-q]$",
        "",
        "never",
    ];
    let expressions: Vec<&str> = (0..dice.between(1, 4))
        .map(|_| dice.of(&EXPRESSIONS))
        .collect();
    scenario.config.classes = Classes::new(&expressions).expect("expressions");
    if scenario.config.then.is_some() {
        scenario.config.then = Some(Policy::Priority);
    } else {
        scenario.config.policy = Policy::Priority;
        scenario.config.block_timeout = None;
    }
    if dice.one_in(2) {
        // Letters next to each other rather than some apart.
        let delimiters = scenario.config.delimiters;
        for byte in &mut scenario.setting.source {
            if !delimiters.contains(*byte) {
                *byte = dice.of(b"abnx");
            }
        }
    }
    if dice.one_in(2) {
        // Nothing is shed before the buffer is full.
        scenario.config.high_water = scenario.config.capacity;
    }
}

fn config(dice: &mut Dice) -> RelayConfig {
    let capacity = match dice.below(4) {
        0 => dice.between(1, 8),
        1 => dice.between(100, 1000),
        _ => dice.between(1, 100),
    };
    let share = |dice: &mut Dice, of: u64| match dice.below(4) {
        0 => of,
        1 => 0,
        _ => dice.below(of + 1),
    };
    let high_water = if dice.one_in(2) {
        capacity
    } else {
        share(dice, capacity)
    };
    let low_water = share(dice, high_water);
    let policy = policy(dice);
    let is_block = policy == Policy::Block;
    let is_lossy = policy.is_lossy();
    let block_timeout = dice
        .maybe(3, |dice| Duration::from_millis(dice.between(1, 300)))
        .filter(|_| is_block);
    let then = lossy_policy(dice);
    let then = dice.one_in(2).then_some(then);
    RelayConfig {
        capacity,
        capacity_records: dice.maybe(5, |dice| dice.between(1, 12)),
        high_water,
        low_water,
        delimiters: Delimiters::One(dice.of(b"\n\0")),
        policy,
        classes: Classes::none(),
        count_records: dice.one_in(2),
        on_demand: dice.one_in(6),
        start: dice
            .maybe(6, |dice| StartFill {
                held: dice.between(0, high_water),
                timeout: dice.milliseconds(300),
            })
            .filter(|start| start.held > 0),
        block_timeout,
        then: then.filter(|_| block_timeout.is_some()),
        max_age: dice
            .maybe(4, |dice| Duration::from_millis(dice.between(1, 300)))
            .filter(|_| is_lossy),
        idle_timeout: dice.maybe(4, |dice| Duration::from_millis(dice.between(1, 300))),
        idle_ok: false,
        drain_timeout: Duration::from_millis(dice.below(300)),
        broken_pipe: dice.of(&[BrokenPipe::Signal, BrokenPipe::Ok]),
        next_consumer: None,
        fail_on_loss: dice.maybe(2, |dice| match dice.below(2) {
            0 => LossLimit::Records(dice.between(1, 20)),
            _ => LossLimit::Percent(dice.below(101) as f64),
        }),
        mark_every: None,
        mark: dice.maybe(2, |_| {
            Mark(vec![
                MarkPiece::Text("~".into()),
                MarkPiece::Records,
                MarkPiece::Plural,
                MarkPiece::Text(",".into()),
                MarkPiece::Bytes,
            ])
        }),
        rate: dice.maybe(5, |dice| Rate {
            per_second: match dice.below(2) {
                0 => Amount::Bytes(dice.between(1, 20_000)),
                _ => Amount::Records(dice.between(1, 2_000)),
            },
            burst: dice.between(1, 200),
        }),
        stop_after: dice.maybe(8, |dice| match dice.below(2) {
            0 => Amount::Bytes(dice.below(500)),
            _ => Amount::Records(dice.below(50)),
        }),
        keeps_lost: false,
        splice: !dice.one_in(4),
        seed: dice.below(1000),
        linger: Duration::ZERO,
    }
    .consistent()
}

/// What the command line would not let through is straightened here.
trait Consistent {
    fn consistent(self) -> Self;
}

impl Consistent for RelayConfig {
    fn consistent(mut self) -> Self {
        let by_records = |amount: Option<Amount>| matches!(amount, Some(Amount::Records(_)));
        if by_records(self.rate.map(|rate| rate.per_second)) || by_records(self.stop_after) {
            self.count_records = true;
        }
        self
    }
}

fn policy(dice: &mut Dice) -> Policy {
    match dice.below(12) {
        0..=2 => Policy::Block,
        3 => Policy::Fail,
        _ => lossy_policy(dice),
    }
}

fn lossy_policy(dice: &mut Dice) -> Policy {
    match dice.below(12) {
        0 => Policy::DropNewest,
        1 => Policy::DropOldest,
        2 => Policy::DropBuffer,
        3 => Policy::Latest,
        4 => Policy::Sample(Sample::First {
            first: dice.below(4),
            then: dice.below(4),
            per: window(dice),
        }),
        5 | 6 => Policy::Sample(Sample::Reservoir {
            keep: dice.of(&[1, 2, 5, 20, 1_000_000]),
            per: window(dice),
        }),
        7 => Policy::Red {
            max_p: dice.of(&[0.0, 0.1, 0.5, 1.0]),
        },
        8 => Policy::Sample(Sample::Every(dice.between(1, 6))),
        9 => Policy::Sample(Sample::Adaptive),
        _ => Policy::Sample(Sample::Chance(dice.of(&[0.0, 0.1, 0.5, 0.9, 1.0]))),
    }
}

fn window(dice: &mut Dice) -> Duration {
    Duration::from_micros(dice.of(&[1, 1_000, 10_000, 100_000, 100_000_000]))
}

fn setting(dice: &mut Dice, config: &RelayConfig) -> Setting {
    let source = source(dice, config);
    let length = source.len() as u64;
    Setting {
        producer: producer(dice, length),
        consumer: consumer(dice, length),
        signals: signals(dice),
        grants: grants(dice, config),
        faults: faults(dice),
        slots: (dice.between(1, 6) as usize, dice.between(1, 6) as usize),
        own_pipes: (0..dice.below(6))
            .map(|_| dice.between(1, 6) as usize)
            .collect(),
        page: dice.of(&[1, 3, 16, 64]),
        remains: Remains::Text,
        lives: Vec::new(),
        come_by_themselves: false,
        is_file: false,
        tells_space: false,
        seed: dice.0.next_u64(),
        source,
    }
}

/// Records of all sizes: empty ones, giants, around the capacity, and sometimes a bare tail.
fn source(dice: &mut Dice, config: &RelayConfig) -> Vec<u8> {
    let total = dice.of(&[0, 5, 50, 300, 1500]);
    let common = dice.of(&[1, 3, 10, 40]);
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < total {
        let length = match dice.below(12) {
            0 => 0,
            1 => config.capacity.saturating_sub(dice.below(3)),
            2 => config.capacity + dice.below(3),
            3 if dice.one_in(4) => 3 * config.capacity,
            _ => dice.below(common + 1),
        };
        let letter = b'a' + (bytes.len() % 26) as u8;
        bytes.extend(std::iter::repeat_n(letter, length.min(1200) as usize));
        bytes.push(config.delimiters.terminator());
    }
    if dice.one_in(2) {
        bytes.pop();
    }
    bytes
}

fn producer(dice: &mut Dice, length: u64) -> Vec<Step> {
    let largest = dice.of(&[1, 5, 40, 400, 4000]);
    let sleeps = dice.of(&[1, 3, 20, 1000]);
    let mut script = Vec::new();
    let mut left = length;
    while left > 0 && script.len() < 400 {
        let count = dice.between(1, largest).min(left);
        script.push(Step::Move(count as usize));
        left -= count;
        if dice.one_in(sleeps) {
            let most = dice.of(&[1, 10, 400]);
            script.push(Step::Sleep(dice.milliseconds(most)));
        }
        if dice.one_in(200) {
            return script;
        }
    }
    script.push(Step::Move(left as usize + 1));
    script
}

/// Reads at its own pace, dies at some point, or takes everything in the end.
fn consumer(dice: &mut Dice, length: u64) -> Vec<Step> {
    let largest = dice.of(&[1, 10, 100, 4000]);
    let sleeps = dice.of(&[1, 2, 10, 100]);
    let mut script = Vec::new();
    if dice.one_in(3) {
        script.push(Step::Sleep(dice.milliseconds(500)));
    }
    let dies = dice.one_in(6);
    for _ in 0..dice.below(60) {
        script.push(Step::Move(dice.between(1, largest) as usize));
        if dice.one_in(sleeps) {
            let most = dice.of(&[1, 10, 300]);
            script.push(Step::Sleep(dice.milliseconds(most)));
        }
    }
    if dies {
        let keep = dice.below(script.len() as u64 + 1) as usize;
        script.truncate(keep);
        script.push(Step::End);
    } else {
        script.push(Step::Move(usize::MAX - length as usize));
    }
    script
}

/// What the consumer asks for where it pulls. In the end it is all, or nothing where the policy can do without.
fn grants(dice: &mut Dice, config: &RelayConfig) -> Vec<(Duration, Asks)> {
    let by_records = dice.one_in(2);
    let most = dice.of(&[1, 3, 20, 200]);
    let mut grants = Vec::new();
    let mut at = Duration::ZERO;
    while !dice.one_in(12) {
        let longest = dice.of(&[0, 1, 20, 100]);
        at += dice.milliseconds(longest + 1);
        let count = dice.between(1, most);
        let amount = match by_records {
            true => Amount::Records(count),
            false => Amount::Bytes(count),
        };
        grants.push((at, Asks::For(Grant::More(amount))));
    }
    let last = match dice.below(8) {
        0 => Asks::Junk,
        1 | 2 if config.policy.is_lossy() => Asks::End,
        _ => Asks::For(Grant::All),
    };
    grants.push((at + dice.milliseconds(300), last));
    grants
}

fn signals(dice: &mut Dice) -> Vec<(Duration, Signal)> {
    let mut signals = Vec::new();
    let mut at = Duration::ZERO;
    while dice.one_in(4) {
        let most = dice.of(&[1, 50, 500]);
        at += dice.milliseconds(most);
        let signal = match dice.below(6) {
            0 => Signal::Report,
            1 => Signal::Suspend,
            _ => Signal::Terminate(dice.of(&[1, 2, 15])),
        };
        signals.push((at, signal));
    }
    signals
}

fn faults(dice: &mut Dice) -> Faults {
    Faults {
        short: dice.of(&[0.0, 0.1, 0.9]),
        would_block: dice.of(&[0.0, 0.0, 0.2]),
        early: dice.of(&[0.0, 0.0, 0.2]),
        failing_read: dice.maybe(12, |dice| dice.below(30)),
        more_sources: dice.one_in(2),
        failing_write: dice.maybe(12, |dice| dice.below(30)),
        unable: dice.of(&[0.0, 0.0, 0.2, 1.0]),
        ferry: dice.maybe(5, |dice| dice.milliseconds(20)),
        failing_own_read: None,
        failing_close: dice.one_in(12),
    }
}
