//! What a value comes to, by the man page and on paper: decimal digits, one at a time, where hwm
//! uses wide integers and humantime. `None` is a value that must be refused.

use std::time::Duration;

use highwater::config::{LossLimit, Mark, MarkPiece, Sample};
use highwater::delimiters::Delimiters;

/// A number as typed: its digits, and how many of them are behind the point.
struct Number {
    digits: Vec<u8>,
    behind: usize,
}

/// `12`, `1.5`, `.5` or `1.`, and nothing else.
fn number(text: &str) -> Option<Number> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| Number {
        digits: digits.iter().map(|digit| digit - b'0').collect(),
        behind: fraction.len(),
    })
}

impl Number {
    /// `self` x `factor` / 10^`places`, rounded down; None above 64 bits.
    fn times(&self, factor: u64, places: usize) -> Option<u64> {
        let mut carry: u128 = 0;
        let mut product = Vec::new();
        for digit in self.digits.iter().rev() {
            carry += u128::from(*digit) * u128::from(factor);
            product.push((carry % 10) as u8);
            carry /= 10;
        }
        while carry > 0 {
            product.push((carry % 10) as u8);
            carry /= 10;
        }
        let mut kept = product.iter().skip(self.behind + places).rev();
        kept.try_fold(0_u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(*digit))
        })
    }
}

/// Blanks may stand before the number and before the unit.
pub fn size(text: &str) -> Option<u64> {
    let blanks = [' ', '\t'];
    let text = text.trim_start_matches(blanks);
    let (n, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let n = n.trim_end_matches(blanks);
    let unit = match unit {
        "" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "m" | "M" | "MiB" => 1 << 20,
        "g" | "G" | "GiB" => 1 << 30,
        "t" | "T" | "TiB" => 1 << 40,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number(n)?.times(unit, 0)
}

/// 0 is no limit; more than that is at least 1 a second.
pub fn rate(text: &str) -> Option<u64> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = size(number)?;
    let is_zero = number.bytes().all(|byte| !(b'1'..=b'9').contains(&byte));
    (rate > 0 || is_zero).then_some(rate)
}

pub fn watermark(text: &str, capacity: u64) -> Option<u64> {
    match text.strip_suffix('%') {
        Some(percent) => number(percent)?.times(capacity, 2),
        None => size(text),
    }
}

pub fn whole(text: &str) -> Option<u64> {
    let digits = number(text).filter(|_| !text.contains('.'))?;
    digits.times(1, 0)
}

pub fn percent(text: &str) -> Option<f64> {
    number(text)?;
    text.parse().ok().filter(|percent| *percent <= 100.0)
}

pub fn sample(text: &str) -> Option<Sample> {
    let window = |text: &str| duration(text).filter(|window| !window.is_zero());
    if text == "adaptive" {
        Some(Sample::Adaptive)
    } else if text.starts_with("first=") {
        let parts: Vec<&str> = text.splitn(3, ',').collect();
        let [first, then, per] = parts[..] else {
            return None;
        };
        Some(Sample::First {
            first: whole(first.strip_prefix("first=")?)?,
            then: whole(then.strip_prefix("then=")?)?,
            per: window(per.strip_prefix("per=")?)?,
        })
    } else if let Some(rest) = text.strip_prefix("reservoir=") {
        let (keep, per) = rest.split_once('/')?;
        Some(Sample::Reservoir {
            keep: whole(keep).filter(|keep| (1..=1_000_000).contains(keep))?,
            per: window(per)?,
        })
    } else if let Some(share) = text.strip_suffix('%') {
        percent(share).map(|percent| Sample::Chance(percent / 100.0))
    } else {
        let every = whole(text.strip_prefix("1/")?)?;
        (every > 0).then_some(Sample::Every(every))
    }
}

pub fn loss_limit(text: &str) -> Option<LossLimit> {
    match text.strip_suffix('%') {
        Some(share) => percent(share).map(LossLimit::Percent),
        None => whole(text).filter(|n| *n > 0).map(LossLimit::Records),
    }
}

/// A name in braces is cut out letter by letter; a doubled brace is a letter.
pub fn mark(text: &str, delimiter: char) -> Option<Mark> {
    let mut pieces = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let piece = match letter {
            c if c == delimiter => return None,
            '{' | '}' if letters.next_if_eq(&letter).is_some() => MarkPiece::Text(letter.into()),
            '}' => return None,
            '{' => {
                let mut name = String::new();
                loop {
                    match letters.next()? {
                        '}' => break,
                        c => name.push(c),
                    }
                }
                match name.as_str() {
                    "records" => MarkPiece::Records,
                    "bytes" => MarkPiece::Bytes,
                    "size" => MarkPiece::Size,
                    "s" => MarkPiece::Plural,
                    _ => return None,
                }
            }
            c => MarkPiece::Text(c.into()),
        };
        match (pieces.last_mut(), piece) {
            (Some(MarkPiece::Text(text)), MarkPiece::Text(more)) => text.push_str(&more),
            (_, piece) => pieces.push(piece),
        }
    }
    (!pieces.is_empty()).then_some(Mark(pieces))
}

const CENTURY: Duration = Duration::from_secs(36_525 * 86_400);

/// Numbers with units, by humantime's table but for `M`. Blanks may stand anywhere but in a unit.
/// humantime refuses a fraction that is not a whole number of nanoseconds, or of seconds from
/// hours on, or that 64 bits cannot multiply.
pub fn duration(text: &str) -> Option<Duration> {
    const NANO: u64 = 1_000_000_000;
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == 'µ';
    let mut rest = text.trim_start();
    let mut sum = 0_u128;
    while !rest.is_empty() || text.trim().is_empty() {
        let (typed, behind) = rest.split_at(rest.find(is_letter)?);
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let end = behind.find(|c| !is_letter(c)).unwrap_or(behind.len());
        let (unit, granule) = match &behind[..end] {
            "nanos" | "nsec" | "ns" => (1, 1),
            "usec" | "us" | "µs" => (1_000, 1),
            "millis" | "msec" | "ms" => (1_000_000, 1),
            "seconds" | "second" | "secs" | "sec" | "s" => (NANO, 1),
            "minutes" | "minute" | "min" | "mins" | "m" => (60 * NANO, 1),
            "hours" | "hour" | "hr" | "hrs" | "h" => (3600, NANO),
            "days" | "day" | "d" => (86_400, NANO),
            "weeks" | "week" | "wk" | "wks" | "w" => (7 * 86_400, NANO),
            "months" | "month" => (2_630_016, NANO),
            "years" | "year" | "yr" | "yrs" | "y" => (31_557_600, NANO),
            _ => return None,
        };
        let granules = number(&typed)
            .filter(|_| !typed.ends_with('.'))?
            .times(unit, 0)?;
        if let Some((_, fraction)) = typed.split_once('.') {
            let scale = 10_u64.checked_pow(fraction.len() as u32)?;
            let part = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
            if unit == 1 || !part.is_multiple_of(scale) {
                return None;
            }
        }
        sum += u128::from(granules) * u128::from(granule);
        rest = behind[end..].trim_start();
    }
    let nanos = u64::try_from(sum).ok()?;
    Some(Duration::from_nanos(nanos)).filter(|duration| *duration <= CENTURY)
}

/// A duration, or seconds without a unit, which may have blanks around them.
pub fn seconds(text: &str) -> Option<Duration> {
    let time = match number(text.trim()) {
        Some(seconds) => Duration::from_nanos(seconds.times(1_000_000_000, 0)?),
        None => duration(text)?,
    };
    (time <= CENTURY).then_some(time)
}

/// The same, of at least 10 ms.
pub fn interval(text: &str) -> Option<Duration> {
    seconds(text).filter(|interval| *interval >= Duration::from_millis(10))
}

/// What stands for one byte is read from the front, by a list of what may stand there.
pub fn delimiters(text: &str) -> Option<Delimiters> {
    const NAMED: [(&str, u8); 5] = [
        ("\\n", b'\n'),
        ("\\r", b'\r'),
        ("\\t", b'\t'),
        ("\\0", 0),
        ("\\\\", b'\\'),
    ];
    let mut bytes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let named = NAMED.iter().find(|(name, _)| rest.starts_with(name));
        let (byte, length) = match named {
            Some((_, byte)) => (*byte, 2),
            None if rest.starts_with("\\x") => {
                let digits = rest.get(2..4)?.to_lowercase();
                ((0..=255).find(|byte| format!("{byte:02x}") == digits)?, 4)
            }
            None if rest.starts_with('\\') => return None,
            None => (rest.bytes().next().filter(u8::is_ascii)?, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    Delimiters::new(&bytes)
}
