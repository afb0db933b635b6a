//! Amounts, rates and times as text: for people in pv's style, for machines as plain numbers.
//!
//! A leaf: every module may use it. Refuses locale and padding: whoever lays out a line pads. Sizes count in 1024, records in 1000.

use std::time::Duration;

const SIZES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const COUNTS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// What stands for an unknown value in a line for people.
pub const UNKNOWN: &str = "-";

/// A size in bytes with three significant digits, such as `1.50MiB`; exact below 1 KiB. At most
/// seven characters, and it starts with `0` only when it is 0.
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        format!("{bytes}B")
    } else {
        scaled(bytes as f64, 1024.0, &SIZES)
    }
}

/// A number of records with three significant digits, such as `12.3k`; exact below 1000. At most
/// five characters.
pub fn count(records: u64) -> String {
    if records < 1000 {
        records.to_string()
    } else {
        scaled(records as f64, 1000.0, &COUNTS)
    }
}

/// A number with its thousands separated, such as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes a second, such as `4.84MiB/s` or `12.0 B/s`.
pub fn byte_rate(per_second: Option<f64>) -> String {
    match per_second.filter(|rate| rate.is_finite()) {
        Some(rate) if rate < 99.95 => format!("{:.1} B/s", rate.max(0.0)),
        Some(rate) if rate < 1023.5 => format!("{rate:.0} B/s"),
        rate => self::rate(rate, 1024.0, &SIZES),
    }
}

/// Records a second, such as `12.3k/s`.
pub fn record_rate(per_second: Option<f64>) -> String {
    rate(per_second, 1000.0, &COUNTS)
}

fn rate(per_second: Option<f64>, base: f64, units: &[&str]) -> String {
    match per_second.filter(|rate| rate.is_finite()) {
        Some(rate) => scaled(rate.max(0.0), base, units) + "/s",
        None => UNKNOWN.to_owned(),
    }
}

fn scaled(mut value: f64, base: f64, units: &[&str]) -> String {
    let mut unit = 0;
    // Half a unit early, so that rounding never shows a whole base.
    while value >= base - 0.5 && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{}", units[unit])
}

/// A text that may hold anything, fit for one line on a terminal: control characters are escaped.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// The system's word without Rust's ` (os error N)` behind it.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

/// A time as `h:mm:ss`, and as `d:hh:mm:ss` from a day on: pv's timer.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let second = seconds % 60;
    if hours < 24 {
        format!("{hours}:{minutes:02}:{second:02}")
    } else {
        let (days, hour) = (hours / 24, hours % 24);
        format!("{days}:{hour:02}:{minutes:02}:{second:02}")
    }
}

/// A time for a sentence: `4.2s`, cut, and [`clock`] from a minute on, where tenths say nothing.
pub fn span(time: Duration) -> String {
    if time.as_secs() < 60 {
        format!("{}.{}s", time.as_secs(), time.subsec_millis() / 100)
    } else {
        clock(time)
    }
}

/// Percent of `whole`, cut so that only the whole is 100, 0 to 100; 0 of nothing.
pub fn percent(part: f64, whole: f64) -> u8 {
    if whole > 0.0 {
        // 29 of 100 must not become 28 because 0.29 has no exact form.
        (part / whole * 100.0 + 1e-9).clamp(0.0, 100.0) as u8
    } else {
        0
    }
}

/// So many of a thing, in the singular where it is one.
pub fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// Seconds for machines: at most six decimals, cut, not rounded, so that no report claims a time
/// that is still to come.
pub fn seconds(time: Duration) -> String {
    trimmed(format!("{}.{:06}", time.as_secs(), time.subsec_micros()))
}

/// A measured number for machines, with at most so many decimals; None for one that is no number.
pub fn number(value: Option<f64>, decimals: usize) -> Option<String> {
    let value = value.filter(|value| value.is_finite())?;
    let text = trimmed(format!("{value:.decimals$}"));
    Some(if text == "-0" { "0".to_owned() } else { text })
}

fn trimmed(mut text: String) -> String {
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text
}

/// Errors are for people, and never JSON.
pub fn error_line(error: impl AsRef<str>) -> String {
    format!("hwm: {}", one_line(error.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_three_significant_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (1023, "1023B"),
            (1024, "1.00KiB"),
            (1536 * 1024, "1.50MiB"),
            (10 * 1024 * 1024 - 1, "10.0MiB"),
            (12_345_678, "11.8MiB"),
            (300 * 1024 * 1024, "300MiB"),
            (1023 * 1024, "1023KiB"),
            (1024 * 1024 - 1, "1.00MiB"),
            (u64::MAX, "16.0EiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes} bytes");
        }
    }

    #[test]
    fn records_count_in_thousands() {
        for (records, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00k"),
            (12_345, "12.3k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count(records), text, "{records} records");
        }
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn a_rate_that_is_no_number_is_unknown() {
        assert_eq!(byte_rate(Some(0.0)), "0.0 B/s");
        assert_eq!(byte_rate(Some(512.0)), "512 B/s");
        assert_eq!(byte_rate(Some(4.84 * 1048576.0)), "4.84MiB/s");
        assert_eq!(record_rate(Some(12_345.0)), "12.3k/s");
        assert_eq!(record_rate(None), "-");
        assert_eq!(byte_rate(Some(f64::NAN)), "-");
        assert_eq!(byte_rate(Some(f64::INFINITY)), "-");
        assert_eq!(byte_rate(Some(-1.0)), "0.0 B/s");
    }

    #[test]
    fn a_clock_shows_days_only_when_there_are_some() {
        assert_eq!(clock(Duration::ZERO), "0:00:00");
        assert_eq!(clock(Duration::from_millis(62_900)), "0:01:02");
        assert_eq!(clock(Duration::from_secs(86_399)), "23:59:59");
        assert_eq!(clock(Duration::from_secs(86_400)), "1:00:00:00");
        assert_eq!(clock(Duration::from_secs(93_784)), "1:02:03:04");
    }

    #[test]
    fn a_span_has_tenths_below_a_minute() {
        assert_eq!(span(Duration::from_millis(4_259)), "4.2s");
        assert_eq!(span(Duration::from_millis(59_999)), "59.9s");
        assert_eq!(span(Duration::from_secs(60)), "0:01:00");
    }

    #[test]
    fn a_share_stays_between_none_and_all() {
        assert_eq!(percent(97.0, 100.0), 97);
        assert_eq!(percent(29.0, 100.0), 29);
        assert_eq!(percent(999.0, 1000.0), 99);
        assert_eq!(percent(2.0, 1.0), 100);
        assert_eq!(percent(1.0, 0.0), 0);
        assert_eq!(percent(-1.0, 2.0), 0);
    }

    #[test]
    fn machine_numbers_are_short_and_finite() {
        assert_eq!(seconds(Duration::ZERO), "0");
        assert_eq!(seconds(Duration::from_nanos(1_500_000_999)), "1.5");
        assert_eq!(seconds(Duration::from_micros(1)), "0.000001");
        assert_eq!(seconds(Duration::from_secs(100)), "100");
        assert_eq!(number(Some(100.0), 0).as_deref(), Some("100"));
        assert_eq!(number(Some(0.12345), 3).as_deref(), Some("0.123"));
        assert_eq!(number(Some(-0.0001), 3).as_deref(), Some("0"));
        assert_eq!(number(Some(f64::NAN), 3), None);
        assert_eq!(number(Some(f64::INFINITY), 3), None);
        assert_eq!(number(None, 3), None);
    }
}
