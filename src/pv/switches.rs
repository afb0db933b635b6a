//! What pv's single switches come to: a format, and the style of a bar.

use super::args::{BarStyleName, DisplayArgs};
use super::format::add_text;
use crate::config::display::{BarStyle, Part, Piece};

/// The format that single switches come to, in pv's order; `knows_size` tells whether there is a time
/// left to be told, `has_ratio` whether there is another side that this one is compared with.
pub(crate) fn of_switches(
    args: &DisplayArgs,
    has_name: bool,
    knows_size: bool,
    has_ratio: bool,
) -> Vec<Piece> {
    let bytes = args.bytes || args.bits;
    let switches = if args.numeric {
        vec![
            (args.timer, Part::Timer),
            (bytes, Part::Bytes),
            (args.rate, Part::Rate),
            (!(bytes || args.rate), Part::Amount),
        ]
    } else {
        vec![
            (has_name, Part::Name),
            (bytes, Part::Bytes),
            (args.buffer_percent, Part::BufferPercent),
            (args.timer, Part::Timer),
            (args.rate, Part::Rate),
            (args.average_rate, Part::AverageRate),
            (args.progress, Part::Progress),
            (args.eta && knows_size, Part::Eta),
            (args.fineta && knows_size, Part::FinEta),
            (
                args.last_written.is_some_and(|count| count > 0),
                Part::LastWritten,
            ),
            (has_ratio, Part::Ratio),
        ]
    };
    let mut pieces = Vec::new();
    for (_, part) in switches.into_iter().filter(|(on, _)| *on) {
        if !pieces.is_empty() {
            add_text(&mut pieces, " ");
        }
        let width = match part {
            Part::LastWritten => args.last_written.unwrap_or(0).min(Piece::WIDEST),
            _ => 0,
        };
        pieces.push(Piece::Part { part, width });
    }
    pieces
}

/// The style of `-u`.
pub(crate) fn style(name: BarStyleName) -> BarStyle {
    match name {
        BarStyleName::Plain => BarStyle::Plain,
        BarStyleName::Block => BarStyle::Block,
        BarStyleName::Granular => BarStyle::Granular,
        BarStyleName::Shaded => BarStyle::Shaded,
    }
}
