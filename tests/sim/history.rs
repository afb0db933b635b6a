//! The relay against a naive model that is written byte by byte from the contract, without a look
//! at the queue: who is lost and why, what goes out and where the marks stand must agree after
//! every step, however the input is cut into reads and the output into writes.

use std::io::IoSlice;
use std::time::Duration;

use highwater::config::{BrokenPipe, Mark, MarkPiece, Policy, RelayConfig, Sample};
use highwater::core::account::Reason;
use highwater::core::relay::{ReadWish, Relay};
use highwater::core::snapshot::State;
use proptest::prelude::*;

use super::model::Model;

const NOW: Duration = Duration::ZERO;

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
    let told: Vec<_> = relay
        .take_changes()
        .into_iter()
        .map(|(change, _)| change)
        .collect();
    assert_eq!(told, expected, "changes");
}

fn compare(relay: &mut Relay, model: &Model) {
    let snapshot = relay.event_snapshot(NOW);
    let pair = |tally: highwater::core::account::Tally| (tally.bytes, tally.records);
    for reason in Reason::ALL {
        let mut expected = model.lost.get(reason.name()).copied().unwrap_or_default();
        expected.0 += model.doomed_so_far(reason.name());
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
                splice: false,
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
                model.receive(bytes, NOW);
            }
            Step::Send(most) => {
                let out = offer(&mut relay, *most);
                relay.sent(out.len(), NOW);
                assert_eq!(out, model.send(out.len(), NOW));
            }
            Step::SendSlowly(most, bytes) => {
                let out = offer(&mut relay, *most);
                if out.is_empty() {
                    continue;
                }
                relay.under_way(out.len());
                model.hand_over(out.len());
                receive(&mut relay, bytes);
                model.receive(bytes, NOW);
                compare(&mut relay, &model);
                relay.sent(out.len(), NOW);
                assert_eq!(out, model.send(out.len(), NOW));
            }
        }
        compare_changes(&mut relay, &mut model);
        compare(&mut relay, &model);
    }
    relay.input_ended(NOW);
    model.end_input(NOW);
    compare(&mut relay, &model);
    loop {
        let out = offer(&mut relay, 7);
        if out.is_empty() {
            break;
        }
        relay.sent(out.len(), NOW);
        assert_eq!(out, model.send(out.len(), NOW));
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
