//! Bars in pv's form: with a share, or with an indicator that goes to and fro.

use unicode_width::UnicodeWidthStr as _;

use crate::config::display::BarStyle;

/// What a bar is drawn with. The first cell is an empty one, the last a full one, those between
/// are parts of a full one.
struct Style {
    cells: &'static [&'static str],
    tip: &'static str,
    indicator: &'static str,
}

const PLAIN: Style = Style {
    cells: &[" ", "="],
    tip: ">",
    indicator: "<=>",
};
const BLOCK: Style = Style {
    cells: &[" ", "█"],
    tip: "",
    indicator: "◀▶",
};
const GRANULAR: Style = Style {
    cells: &[" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    tip: "",
    indicator: "◀▶",
};
const SHADED: Style = Style {
    cells: &["░", "▒", "▓", "█"],
    tip: "",
    indicator: "▒▓▒",
};

/// Without UTF-8 every bar is a plain one.
fn style(name: BarStyle, utf8: bool) -> Style {
    match name {
        BarStyle::Block if utf8 => BLOCK,
        BarStyle::Granular if utf8 => GRANULAR,
        BarStyle::Shaded if utf8 => SHADED,
        _ => PLAIN,
    }
}

/// A bar of `width` columns, full to `percentage`; beyond all there is no space for a tip.
pub fn filled(name: BarStyle, utf8: bool, width: usize, percentage: f64) -> String {
    let style = style(name, utf8);
    let exact = width as f64 * percentage.max(0.0) / 100.0;
    let (full, most) = (exact as usize, style.cells.len() - 1);
    let mut bar = String::new();
    let mut used;
    if style.tip.is_empty() {
        let full = full.min(width);
        bar += &style.cells[most].repeat(full);
        used = full;
        if most > 1 && full < width {
            bar += style.cells[((exact - full as f64) * most as f64) as usize];
            used += 1;
        }
    } else {
        used = full.saturating_sub(1).min(width);
        bar += &style.cells[most].repeat(used);
        if used < width {
            bar += style.tip;
            used += 1;
        }
    }
    bar + &style.cells[0].repeat(width.saturating_sub(used))
}

/// A bar of `width` columns whose indicator stands at `percentage`, back again from 100 to 200.
pub fn indicator(name: BarStyle, utf8: bool, width: usize, percentage: f64) -> String {
    let style = style(name, utf8);
    let Some(space) = width.checked_sub(style.indicator.width()) else {
        return " ".repeat(width);
    };
    let there_and_back = match percentage % 200.0 {
        there if there <= 100.0 => there,
        back => 200.0 - back,
    };
    let before = (space as f64 * there_and_back / 100.0) as usize;
    let empty = |cells: usize| style.cells[0].repeat(cells);
    empty(before) + style.indicator + &empty(space - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_filled_as_in_pv() {
        for (percentage, text) in [
            (0.0, ">         "),
            (9.0, ">         "),
            (16.0, ">         "),
            (25.0, "=>        "),
            (50.0, "====>     "),
            (99.9, "========> "),
            (100.0, "=========>"),
            (109.0, "=========>"),
            (110.0, "=========="),
            (1e9, "=========="),
        ] {
            assert_eq!(filled(BarStyle::Plain, true, 10, percentage), text);
        }
    }

    #[test]
    fn other_styles_need_utf8() {
        let half = |style, utf8| filled(style, utf8, 4, 40.0);
        assert_eq!(half(BarStyle::Block, true), "█   ");
        assert_eq!(half(BarStyle::Granular, true), "█▌  ");
        assert_eq!(half(BarStyle::Shaded, true), "█▒░░");
        assert_eq!(half(BarStyle::Shaded, false), ">   ");
        for style in [BarStyle::Block, BarStyle::Granular, BarStyle::Shaded] {
            assert_eq!(filled(style, true, 4, 100.0), "████");
            assert_eq!(filled(style, true, 4, 110.0), "████");
        }
    }

    #[test]
    fn every_bar_is_as_wide_as_asked() {
        let styles = [
            BarStyle::Plain,
            BarStyle::Block,
            BarStyle::Granular,
            BarStyle::Shaded,
        ];
        for style in styles {
            for width in 0..20 {
                for percentage in 0..=400 {
                    let at = f64::from(percentage);
                    assert_eq!(filled(style, true, width, at).width(), width);
                    assert_eq!(indicator(style, true, width, at).width(), width);
                }
            }
        }
    }

    #[test]
    fn an_indicator_goes_to_and_fro() {
        let at = |percentage| indicator(BarStyle::Plain, true, 7, percentage);
        assert_eq!(at(0.0), "<=>    ");
        assert_eq!(at(50.0), "  <=>  ");
        assert_eq!(at(100.0), "    <=>");
        assert_eq!(at(150.0), "  <=>  ");
        assert_eq!(at(198.0), "<=>    ");
    }
}
