//! The relay against a naive model that is written byte by byte from the contract, without a look
//! at the queue: who is lost and why, what goes out and where the marks stand must agree after
//! every step, however the input is cut into reads and the output into writes.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::time::Duration;

use highwater::config::{BrokenPipe, Mark, MarkPiece, Policy, RelayConfig, Sample};
use highwater::core::account::Reason;
use highwater::core::relay::{Change, ReadWish, Relay};
use highwater::core::rng::Rng;
use highwater::core::snapshot::State;
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;

// ---- the model ------------------------------------------------------------------------------

enum Item {
    Record(Vec<u8>),
    Gap { records: u64 },
}

struct Model {
    config: RelayConfig,
    items: VecDeque<Item>,
    sent_of_first: usize,
    /// Bytes of records that a thread is writing.
    under_way: usize,
    mark_left: Vec<u8>,
    arriving: Vec<u8>,
    doomed: Option<usize>,
    pressured: bool,
    changes: Vec<Change>,
    peak: usize,
    seen: u64,
    rng: Rng,
    ended: bool,
    input: (u64, u64),
    output: (u64, u64),
    marks: (u64, u64),
    lost: BTreeMap<&'static str, (u64, u64)>,
    episodes: u64,
}

impl Model {
    fn new(config: RelayConfig) -> Self {
        Self {
            rng: Rng::new(config.seed),
            config,
            items: VecDeque::new(),
            sent_of_first: 0,
            under_way: 0,
            mark_left: Vec::new(),
            arriving: Vec::new(),
            doomed: None,
            pressured: false,
            changes: Vec::new(),
            peak: 0,
            seen: 0,
            ended: false,
            input: (0, 0),
            output: (0, 0),
            marks: (0, 0),
            lost: BTreeMap::new(),
            episodes: 0,
        }
    }

    fn held(&self) -> usize {
        let records: usize = self
            .items
            .iter()
            .map(|item| match item {
                Item::Record(bytes) => bytes.len(),
                Item::Gap { .. } => 0,
            })
            .sum();
        records - self.sent_of_first + self.arriving.len()
    }

    fn grew(&mut self) {
        self.peak = self.peak.max(self.held());
        if !self.pressured && self.held() as u64 >= self.config.high_water {
            self.pressured = true;
            self.changes.push(Change::Pressured);
        }
    }

    fn shrank(&mut self) {
        if self.pressured && self.held() as u64 <= self.config.low_water {
            self.pressured = false;
            self.changes.push(Change::Flowing);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.input.0 += 1;
            self.receive_byte(byte);
        }
    }

    fn receive_byte(&mut self, byte: u8) {
        let ends = byte == self.config.delimiter;
        while self.doomed.is_none() && self.held() as u64 == self.config.capacity {
            self.make_room();
        }
        if let Some(length) = &mut self.doomed {
            *length += 1;
            if ends {
                self.close_doomed();
            }
            return;
        }
        self.arriving.push(byte);
        self.grew();
        if ends {
            self.complete();
        }
    }

    fn make_room(&mut self) {
        let mut begun = self.sent_of_first + self.under_way;
        let first_whole = self.items.iter().position(|item| match item {
            Item::Gap { .. } => false,
            Item::Record(bytes) => {
                let is_free = begun == 0;
                begun = begun.saturating_sub(bytes.len());
                is_free
            }
        });
        match (self.config.policy, first_whole) {
            (Policy::DropOldest, Some(at)) => self.evict(at),
            _ => {
                self.doomed = Some(self.arriving.len());
                if !self.arriving.is_empty() {
                    self.arriving.clear();
                    self.shrank();
                }
            }
        }
    }

    /// The record becomes a gap, and adjacent gaps become one.
    fn evict(&mut self, at: usize) {
        let Item::Record(bytes) = &self.items[at] else {
            unreachable!()
        };
        let length = bytes.len() as u64;
        self.lose("queue_full", length);
        let mut records = 1;
        let mut is_new = true;
        if let Some(Item::Gap { records: after }) = self.items.get(at + 1) {
            records += after;
            self.items.remove(at + 1);
        }
        self.items.remove(at);
        let mut place = at;
        if at > 0
            && let Item::Gap { records: before } = self.items[at - 1]
        {
            records += before;
            is_new = false;
            self.items.remove(at - 1);
            place = at - 1;
        }
        self.items.insert(place, Item::Gap { records });
        if is_new {
            self.new_episode();
        }
        self.shrank();
    }

    fn lose(&mut self, reason: &'static str, bytes: u64) {
        let entry = self.lost.entry(reason).or_default();
        entry.0 += bytes;
        entry.1 += 1;
    }

    fn lose_at_tail(&mut self, reason: &'static str, bytes: u64) {
        self.lose(reason, bytes);
        if let Some(Item::Gap { records }) = self.items.back_mut() {
            *records += 1;
        } else {
            self.items.push_back(Item::Gap { records: 1 });
            self.new_episode();
        }
    }

    fn new_episode(&mut self) {
        self.episodes += 1;
        self.changes.push(Change::Loss);
    }

    fn sampled_out(&mut self) -> bool {
        match self.config.policy {
            Policy::Sample(Sample::Every(stride)) if self.pressured => {
                self.seen += 1;
                !self.seen.is_multiple_of(stride)
            }
            Policy::Sample(Sample::Chance(chance)) if self.pressured => !self.rng.chance(chance),
            _ => false,
        }
    }

    fn complete(&mut self) {
        self.input.1 += 1;
        let record = std::mem::take(&mut self.arriving);
        // Its bytes count as held while it is judged.
        if self.sampled_out() {
            self.lose_at_tail("sampled", record.len() as u64);
            self.shrank();
        } else {
            self.items.push_back(Item::Record(record));
        }
    }

    fn close_doomed(&mut self) {
        let Some(length) = self.doomed.take() else {
            return;
        };
        self.input.1 += 1;
        let reason = if length as u64 > self.config.capacity {
            "oversize"
        } else if self.sampled_out() {
            "sampled"
        } else {
            "queue_full"
        };
        self.lose_at_tail(reason, length as u64);
    }

    fn end_input(&mut self) {
        self.close_doomed();
        if !self.arriving.is_empty() {
            self.complete();
        }
        self.ended = true;
    }

    /// The bytes that go out next are as long as the relay wrote; the model says which ones.
    fn send(&mut self, count: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..count {
            let held = self.held();
            out.push(self.send_byte());
            if self.held() < held {
                self.shrank();
            }
        }
        out
    }

    /// The next `count` bytes are handed to a thread.
    fn hand_over(&mut self, count: usize) {
        self.begin_mark();
        self.under_way = count.saturating_sub(self.mark_left.len());
    }

    /// A gap is passed when what follows it begins to go out: its mark, or the next record.
    fn begin_mark(&mut self) {
        if self.mark_left.is_empty()
            && let Some(Item::Gap { records }) = self.items.front()
        {
            if let Some(mark) = &self.config.mark {
                assert_eq!(mark, &count_mark());
                self.mark_left = format!("lost {records}").into_bytes();
                self.mark_left.push(self.config.delimiter);
            }
            self.items.pop_front();
        }
    }

    fn send_byte(&mut self) -> u8 {
        self.begin_mark();
        if !self.mark_left.is_empty() {
            self.marks.0 += 1;
            let byte = self.mark_left.remove(0);
            self.marks.1 += u64::from(self.mark_left.is_empty());
            return byte;
        }
        let Some(Item::Record(record)) = self.items.front() else {
            panic!("the relay wrote what the model does not hold");
        };
        let byte = record[self.sent_of_first];
        self.sent_of_first += 1;
        self.under_way = self.under_way.saturating_sub(1);
        self.output.0 += 1;
        if self.sent_of_first == record.len() {
            self.items.pop_front();
            self.sent_of_first = 0;
            self.output.1 += 1;
        }
        byte
    }

    fn held_records(&self) -> u64 {
        self.items
            .iter()
            .filter(|item| matches!(item, Item::Record(_)))
            .count() as u64
    }
}

// ---- the relay, driven step by step ---------------------------------------------------------

fn count_mark() -> Mark {
    Mark(vec![
        MarkPiece::Text("lost ".to_string()),
        MarkPiece::Records,
    ])
}

fn receive(relay: &mut Relay, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let ReadWish::UpTo(most) = relay.read_wish() else {
            panic!("a lossy policy never stops reading");
        };
        let room = relay.room(most.min(bytes.len()));
        let count = room.len();
        room.copy_from_slice(&bytes[..count]);
        relay.received(count, NOW);
        bytes = &bytes[count..];
    }
}

/// Writes at most `most` bytes; `under_way` of what is offered is handed to a thread first.
fn offer(relay: &mut Relay, most: usize) -> Vec<u8> {
    if !relay.write_wish(NOW) {
        return Vec::new();
    }
    let mut parts = [IoSlice::new(&[]); 8];
    let used = relay.offer(NOW, &mut parts);
    let mut bytes: Vec<u8> = parts[..used]
        .iter()
        .flat_map(|part| part.to_vec())
        .collect();
    bytes.truncate(most);
    bytes
}

/// Changes happen in the same order; the relay remembers the first 16 between two looks.
fn compare_changes(relay: &mut Relay, model: &mut Model) {
    let mut expected = std::mem::take(&mut model.changes);
    expected.truncate(16);
    assert_eq!(relay.take_changes(), expected, "changes");
}

fn compare(relay: &mut Relay, model: &Model) {
    let snapshot = relay.event_snapshot(NOW);
    let pair = |tally: highwater::core::account::Tally| (tally.bytes, tally.records);
    for reason in Reason::ALL {
        let mut expected = model.lost.get(reason.name()).copied().unwrap_or_default();
        if reason == Reason::QueueFull {
            expected.0 += model.doomed.unwrap_or(0) as u64;
        }
        assert_eq!(pair(snapshot.lost[reason]), expected, "{}", reason.name());
    }
    assert_eq!(pair(snapshot.input), model.input, "input");
    assert_eq!(pair(snapshot.output), model.output, "output");
    assert_eq!(
        pair(snapshot.held),
        (model.held() as u64, model.held_records()),
        "held"
    );
    assert_eq!((snapshot.marks.bytes, snapshot.marks.records), model.marks);
    assert_eq!(snapshot.peak_held, model.peak as u64, "peak");
    assert_eq!(snapshot.state == State::Pressured, model.pressured, "state");
    assert_eq!(snapshot.loss_episodes, model.episodes, "episodes");
    let total = snapshot.lost.total();
    assert_eq!(
        snapshot.input.bytes,
        snapshot.output.bytes + total.bytes + snapshot.held.bytes
    );
    assert_eq!(
        snapshot.input.records,
        snapshot.output.records + total.records + snapshot.held.records
    );
    assert!(snapshot.held.bytes <= snapshot.capacity);
}

// ---- random histories -----------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Step {
    Receive(Vec<u8>),
    Send(usize),
    /// Offer so many bytes to a thread, receive, and only then learn that they went out.
    SendSlowly(usize, Vec<u8>),
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::DropNewest),
        Just(Policy::DropOldest),
        (1_u64..5).prop_map(|n| Policy::Sample(Sample::Every(n))),
        prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64]
            .prop_map(|p| Policy::Sample(Sample::Chance(p))),
    ]
}

fn configs() -> impl Strategy<Value = (RelayConfig, usize)> {
    (
        1_u64..60,
        0_u64..=100,
        0_u64..=100,
        policies(),
        any::<bool>(),
        any::<u64>(),
        1_usize..40,
    )
        .prop_map(|(capacity, high, low, policy, marks, seed, chunk)| {
            let high_water = (capacity * high / 100).min(capacity);
            let config = RelayConfig {
                capacity,
                high_water,
                low_water: high_water * low / 100,
                delimiter: b'\n',
                policy,
                count_records: false,
                block_timeout: None,
                idle_timeout: None,
                drain_timeout: Duration::ZERO,
                broken_pipe: BrokenPipe::Signal,
                fail_on_loss: None,
                mark: marks.then(count_mark),
                rate: None,
                stop_after: None,
                seed,
            };
            (config, chunk)
        })
}

/// Bytes in which delimiters are as frequent as `every` says.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    (2_u8..40).prop_flat_map(move |every| {
        prop::collection::vec(
            (0..every).prop_map(|n| if n == 0 { b'\n' } else { b'a' + (n % 26) }),
            1..most,
        )
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            4 => bytes(50).prop_map(Step::Receive),
            3 => (1_usize..60).prop_map(Step::Send),
            1 => ((1_usize..30), bytes(30)).prop_map(|(n, b)| Step::SendSlowly(n, b)),
        ],
        1..60,
    )
}

fn play(config: RelayConfig, chunk: usize, history: &[Step]) {
    let mut relay = Relay::with_chunk_size(config.clone(), chunk);
    let mut model = Model::new(config);
    for step in history {
        match step {
            Step::Receive(bytes) => {
                receive(&mut relay, bytes);
                model.receive(bytes);
            }
            Step::Send(most) => {
                let out = offer(&mut relay, *most);
                relay.sent(out.len(), NOW);
                assert_eq!(out, model.send(out.len()));
            }
            Step::SendSlowly(most, bytes) => {
                let out = offer(&mut relay, *most);
                if out.is_empty() {
                    continue;
                }
                relay.under_way(out.len());
                model.hand_over(out.len());
                receive(&mut relay, bytes);
                model.receive(bytes);
                compare(&mut relay, &model);
                relay.sent(out.len(), NOW);
                assert_eq!(out, model.send(out.len()));
            }
        }
        compare_changes(&mut relay, &mut model);
        compare(&mut relay, &model);
    }
    relay.input_ended(NOW);
    model.end_input();
    compare(&mut relay, &model);
    loop {
        let out = offer(&mut relay, 7);
        if out.is_empty() {
            break;
        }
        relay.sent(out.len(), NOW);
        assert_eq!(out, model.send(out.len()));
        compare(&mut relay, &model);
    }
    assert!(relay.ended().is_some(), "everything is written");
    assert_eq!(model.held(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_relay_does_what_the_model_does((config, chunk) in configs(), history in steps()) {
        play(config, chunk, &history);
    }
}
