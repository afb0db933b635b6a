//! `-F FORMAT`.
//!
//! As in pv, what is no known sequence stands for itself. Refuses nothing.

use crate::config::display::{BarStyle, Part, Piece};

/// `-F FORMAT`, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format(pub(crate) Vec<Piece>);

/// The sequences, without `%`. The part of the letters comes first, then hwm's own.
pub(crate) fn parts() -> Vec<(&'static str, Part)> {
    let styled = |style| Part::Bar(Some(style));
    vec![
        ("p", Part::Progress),
        ("{progress}", Part::Progress),
        ("{progress-amount-only}", Part::Amount),
        ("{progress-bar-only}", Part::Bar(None)),
        ("{bar-plain}", styled(BarStyle::Plain)),
        ("{bar-block}", styled(BarStyle::Block)),
        ("{bar-granular}", styled(BarStyle::Granular)),
        ("{bar-shaded}", styled(BarStyle::Shaded)),
        ("t", Part::Timer),
        ("{timer}", Part::Timer),
        ("e", Part::Eta),
        ("{eta}", Part::Eta),
        ("I", Part::FinEta),
        ("{fineta}", Part::FinEta),
        ("r", Part::Rate),
        ("{rate}", Part::Rate),
        ("a", Part::AverageRate),
        ("{average-rate}", Part::AverageRate),
        ("b", Part::Bytes),
        ("{bytes}", Part::Bytes),
        ("{transferred}", Part::Bytes),
        ("{ratio}", Part::Ratio),
        ("T", Part::BufferPercent),
        ("{buffer-percent}", Part::BufferPercent),
        ("A", Part::LastWritten),
        ("{last-written}", Part::LastWritten),
        ("L", Part::PreviousLine),
        ("{previous-line}", Part::PreviousLine),
        ("N", Part::Name),
        ("{name}", Part::Name),
        ("{buffer}", Part::Buffer),
        ("{lost}", Part::Lost),
        ("{bottleneck}", Part::Bottleneck),
        ("{rate-in}", Part::RateIn),
        ("{rate-out}", Part::RateOut),
        ("{state}", Part::State),
    ]
}

/// Reads a format.
pub(crate) fn parse(text: &str) -> Result<Format, String> {
    let known = parts();
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        add_text(&mut pieces, &rest[..at]);
        rest = &rest[at..];
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        let sequence = sequence(&rest[1 + digits..]);
        let length = 1 + digits + sequence.len();
        let part = part(sequence, &known);
        let taken = match part {
            Some(part) => {
                let width = rest[1..=digits].parse().unwrap_or(Piece::WIDEST);
                let width = if digits == 0 { 0 } else { width };
                pieces.push(Piece::Part {
                    part,
                    width: width.min(Piece::WIDEST),
                });
                length
            }
            None if rest.starts_with("%%") => {
                add_text(&mut pieces, "%");
                length
            }
            // The sign at the end begins a sequence of its own.
            None => {
                let own = rest[..length]
                    .strip_suffix('%')
                    .filter(|own| !own.is_empty());
                let own = own.unwrap_or(&rest[..length]);
                add_text(&mut pieces, own);
                own.len()
            }
        };
        rest = &rest[taken..];
    }
    add_text(&mut pieces, rest);
    Ok(Format(pieces))
}

/// What follows the sign and its number: a character, or a name up to its brace or the next sign.
fn sequence(text: &str) -> &str {
    let end = match text.strip_prefix('{') {
        Some(name) => name.find(['}', '%']).map(|at| at + 2),
        None => text.chars().next().map(char::len_utf8),
    };
    &text[..end.unwrap_or(text.len())]
}

fn part(sequence: &str, known: &[(&str, Part)]) -> Option<Part> {
    let codes = sequence
        .strip_prefix("{sgr:")
        .and_then(|codes| codes.strip_suffix('}'));
    if let Some(codes) = codes {
        return Some(Part::Sgr(sgr_codes(codes)));
    }
    let found = known.iter().find(|(name, _)| *name == sequence)?;
    Some(found.1.clone())
}

pub(crate) fn add_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// Keywords, and the numbers of console_codes(4); what is neither is left out.
fn sgr_codes(text: &str) -> Vec<u8> {
    text.split([',', ';']).filter_map(sgr_code).collect()
}

fn sgr_code(word: &str) -> Option<u8> {
    const COLOURS: [(&str, u8); 9] = [
        ("black", 0),
        ("red", 1),
        ("green", 2),
        ("brown", 3),
        ("yellow", 3),
        ("blue", 4),
        ("magenta", 5),
        ("cyan", 6),
        ("white", 7),
    ];
    let colour = |name| {
        let found = COLOURS.iter().find(|(colour, _)| *colour == name);
        found.map(|(_, code)| *code)
    };
    if let Ok(number) = word.parse::<u8>() {
        return Some(number);
    }
    let (name, is_off) = match word.strip_prefix("no-") {
        Some(name) => (name, true),
        None => (word, false),
    };
    let (on, off) = match name {
        "reset" | "none" if !is_off => (0, 0),
        "bold" => (1, 22),
        "dim" => (2, 22),
        "italic" => (3, 23),
        "underscore" | "underline" => (4, 24),
        "blink" => (5, 25),
        "reverse" => (7, 27),
        _ if is_off => return None,
        "fg-default" => (39, 39),
        "bg-default" => (49, 49),
        _ => match name.strip_prefix("bg-") {
            Some(name) => return Some(40 + colour(name)?),
            None => return Some(30 + colour(name.strip_prefix("fg-").unwrap_or(name))?),
        },
    };
    Some(if is_off { off } else { on })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    fn part(part: Part) -> Piece {
        Piece::Part { part, width: 0 }
    }

    fn parsed(text: &str) -> Vec<Piece> {
        parse(text).unwrap().0
    }

    #[test]
    fn the_man_page_lists_every_sequence_and_no_other() {
        let man = include_str!("../../man/sections/formats.roff");
        let man = &man[man.find(".I FORMAT").unwrap()..man.find(".SH METRICS").unwrap()];
        let fonts = ["\\fB", "\\fP", "\\fI"];
        let man = fonts
            .iter()
            .fold(man.replace("\\-", "-"), |man, font| man.replace(font, ""));
        let known = parts();
        for (sequence, _) in &known {
            let listed = format!("%{sequence}");
            // A number stands between the sign and these.
            let numbered = format!("%n{sequence}");
            let words = man.split([' ', ',', '\n']);
            let is_there = words.filter(|word| [&listed, &numbered].contains(&&word.to_string()));
            assert_eq!(is_there.count(), 1, "{listed}");
        }
        for word in man.split([' ', ',', '\n']) {
            let sequence = word.strip_prefix("%n").or(word.strip_prefix('%'));
            let Some(sequence) = sequence.filter(|sequence| !sequence.is_empty()) else {
                continue;
            };
            let is_known = known.iter().any(|(known, _)| *known == sequence);
            assert!(is_known || ["%", "{sgr:"].contains(&sequence), "{word}");
        }
    }

    #[test]
    fn every_sequence_is_known_with_and_without_a_number() {
        for (name, expected) in parts() {
            assert_eq!(parsed(&format!("%{name}")), [part(expected.clone())]);
            let wide = Piece::Part {
                part: expected,
                width: 20,
            };
            assert_eq!(
                parsed(&format!("a%20{name}b")),
                [text("a"), wide, text("b")]
            );
        }
    }

    #[test]
    fn what_is_no_sequence_stands_for_itself() {
        for (format, shown) in [
            ("", ""),
            ("plain", "plain"),
            ("100%%", "100%"),
            ("%", "%"),
            ("%{foo}", "%{foo}"),
            ("%{foo", "%{foo"),
            ("%z", "%z"),
            ("%5", "%5"),
            ("%é!", "%é!"),
            ("%5%%", "%5%"),
        ] {
            let pieces = parsed(format);
            let expected = if shown.is_empty() {
                vec![]
            } else {
                vec![text(shown)]
            };
            assert_eq!(pieces, expected, "{format}");
        }
        assert_eq!(parsed("%{foo%t"), [text("%{foo"), part(Part::Timer)]);
    }

    #[test]
    fn no_number_is_too_large() {
        for format in ["%99999999999999999999A", "%1025A"] {
            let widest = Piece::Part {
                part: Part::LastWritten,
                width: Piece::WIDEST,
            };
            assert_eq!(parsed(format), [widest]);
        }
    }

    #[test]
    fn colours_have_names_and_numbers() {
        let codes = |text: &str| match parsed(&format!("%{{sgr:{text}}}")).as_slice() {
            [
                Piece::Part {
                    part: Part::Sgr(codes),
                    ..
                },
            ] => codes.clone(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(codes("red,bold"), [31, 1]);
        assert_eq!(codes("fg-yellow;bg-brown"), [33, 43]);
        assert_eq!(
            codes("no-dim,no-underline,fg-default,bg-default"),
            [22, 24, 39, 49]
        );
        assert_eq!(codes("38,5,200,reset"), [38, 5, 200, 0]);
        assert_eq!(codes("pink,no-red,999,none"), [0]);
        assert_eq!(codes(""), [] as [u8; 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_what_is_no_sequence(
            format in "([a-z{}:% ]|é|%[0-9]{0,3}|%\\{sgr:|%\\{[a-z]{1,3}\\}){0,12}"
        ) {
            let pieces = parsed(&format);
            let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
            prop_assert!(!pieces.windows(2).any(|two| two.iter().all(is_text)));
            if pieces.iter().all(is_text) && !format.contains("%%") {
                let texts = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text.as_str(),
                    Piece::Part { .. } => "",
                });
                prop_assert_eq!(texts.collect::<String>(), format);
            }
        }
    }
}
