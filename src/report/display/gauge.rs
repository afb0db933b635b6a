//! How full the buffer is, as a row of cells with both marks.

use crate::core::snapshot::Snapshot;

/// `#` held, `+` held since the last report but no more, `-` space, and the marks in front of these: `:` the
/// low-water mark, `|` the high-water mark where it is below C, else the bracket.
pub fn gauge(snapshot: &Snapshot, cells: usize) -> String {
    let capacity = u128::from(snapshot.capacity.max(1));
    let count = cells as u128;
    // Rounded up, so that what is held is seen, but full only when it is full.
    let cells_of = |held: u64| match u128::from(held) >= capacity {
        true => count,
        false => (u128::from(held) * count)
            .div_ceil(capacity)
            .min(count.saturating_sub(1)),
    };
    let filled = cells_of(snapshot.held.bytes);
    let touched = cells_of(snapshot.recent_peak_held);
    let place = |mark: u64| u128::from(mark) * count / capacity;
    let (high, low) = (place(snapshot.high_water), place(snapshot.low_water));
    let cells: String = (0..count)
        .map(|cell| match cell {
            _ if cell == high => '|',
            _ if cell == low => ':',
            _ if cell < filled => '#',
            _ if cell < touched => '+',
            _ => '-',
        })
        .collect();
    format!("[{cells}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::quiet;

    #[test]
    fn it_is_full_only_when_the_buffer_is_and_its_marks_are_always_seen() {
        let mut snapshot = quiet();
        snapshot.capacity = 1000;
        snapshot.high_water = 800;
        snapshot.low_water = 600;
        for (held, text) in [
            (0, "[----:-|-]"),
            (1, "[#---:-|-]"),
            (500, "[####:-|-]"),
            (999, "[####:#|-]"),
            (1000, "[####:#|#]"),
        ] {
            snapshot.held.bytes = held;
            assert_eq!(gauge(&snapshot, 8), text);
        }
        snapshot.held.bytes = 100;
        snapshot.recent_peak_held = 499;
        assert_eq!(gauge(&snapshot, 8), "[#+++:-|-]");
        snapshot.held.bytes = 1000;
        snapshot.high_water = 1000;
        assert_eq!(gauge(&snapshot, 8), "[####:###]");
        assert_eq!(gauge(&snapshot, 0), "[]");
    }
}
