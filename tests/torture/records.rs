//! What goes in: numbered records of random bytes, each with a checksum of all of it.

use highwater::delimiters::Delimiters;

use super::round::{Dice, Round};

/// `NUMBER SUM `: eight digits each.
const HEAD: usize = 18;

/// The records of a round, one behind the other.
pub fn source(round: &Round) -> Vec<u8> {
    let dice = &mut Dice::new(round.seed ^ 0xabcd);
    let noise = noise(dice, round.largest_record as usize, round.delimiters);
    let ends = (0..=255).filter(|byte| round.delimiters.contains(*byte));
    let ends: Vec<u8> = ends.collect();
    let mut bytes = Vec::new();
    for number in 0..round.records {
        let length = dice.below(round.largest_record) as usize;
        let from = dice.below((noise.len() - length) as u64) as usize;
        let content = &noise[from..from + length];
        bytes.extend(format!("{number:08} {:08x} ", checksum(number, content)).as_bytes());
        bytes.extend(content);
        bytes.push(dice.of(&ends));
        if bytes.len() as u64 > round.largest_source {
            break;
        }
    }
    if round.half_record {
        bytes.truncate(bytes.len() - 3);
    }
    bytes
}

/// Bytes of every kind but the delimiter, enough to cut different records out of.
fn noise(dice: &mut Dice, largest: usize, delimiters: Delimiters) -> Vec<u8> {
    let words = (0..largest / 4 + 100).map(|_| dice.number().to_ne_bytes());
    let instead = |byte| {
        if delimiters.contains(byte) {
            b'.'
        } else {
            byte
        }
    };
    words.flatten().map(instead).collect()
}

/// FNV-1a (Fowler, Noll, Vo), 32 bits.
fn checksum(number: u64, content: &[u8]) -> u32 {
    let bytes = number.to_ne_bytes();
    bytes.iter().chain(content).fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// A record without its end; None where it has none.
pub fn content_of(record: &[u8], delimiters: Delimiters) -> Option<&[u8]> {
    let (last, content) = record.split_last()?;
    delimiters.contains(*last).then_some(content)
}

/// The number of a record, delimiter included, that is whole; None for anything else.
pub fn number_of(record: &[u8], delimiters: Delimiters) -> Option<u64> {
    let record = content_of(record, delimiters)?;
    let (head, content) = record.split_at_checked(HEAD)?;
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let number = words.next()?.parse().ok()?;
    let sum = u32::from_str_radix(words.next()?, 16).ok()?;
    (sum == checksum(number, content)).then_some(number)
}

/// The records in `bytes`; the last may lack its delimiter.
pub fn split(bytes: &[u8], delimiters: Delimiters) -> Vec<&[u8]> {
    bytes
        .split_inclusive(|byte| delimiters.contains(*byte))
        .collect()
}
