//! Lines as a person sees them, field by field.

use std::time::{Duration, SystemTime};

use super::parts::visible;
use super::{Abilities, Renderer};
use crate::config::display::{BarStyle, Display, Part, Piece};
use crate::config::{Amount, ReportConfig, ReportMode};
use crate::core::account::{Losses, Reason};
use crate::core::snapshot::{Bottleneck, Seen, Snapshot};
use crate::report::testing::{config, lossy, quiet};

/// A display of these parts, with a blank between each two.
fn display(parts: &[(Part, usize)]) -> Display {
    let pieces: Vec<Vec<Piece>> = parts
        .iter()
        .map(|(part, width)| {
            vec![Piece::Part {
                part: part.clone(),
                width: *width,
            }]
        })
        .collect();
    Display {
        pieces: pieces.join(&Piece::Text(" ".into())),
        numeric: false,
        decimal: false,
        bits: false,
        gauge: false,
        style: BarStyle::Plain,
        window: 30,
    }
}

const PLAIN: Abilities = Abilities {
    utf8: false,
    colour: false,
    paint: false,
};

fn renderer(display: Display, abilities: Abilities, config: &ReportConfig) -> Renderer {
    let mut config = config.clone();
    config.mode = ReportMode::Pv;
    config.screen.display = Some(display);
    Renderer::of(&config, abilities).unwrap()
}

/// The only line of a run, in 60 columns.
fn only(display: Display, abilities: Abilities, at: &Snapshot, config: &ReportConfig) -> String {
    let mut renderer = renderer(display, abilities, config);
    let line = renderer.line(at, config, 60, false, SystemTime::UNIX_EPOCH);
    assert_eq!(line.bar, None);
    line.left
}

/// The same run without a loss, which would be told behind the fields.
fn whole() -> Snapshot {
    Snapshot {
        lost: Losses::default(),
        ..lossy()
    }
}

/// One part of the run.
fn shown(part: Part, change: impl FnOnce(&mut Display)) -> String {
    let run = match part {
        Part::Lost => lossy(),
        _ => whole(),
    };
    let mut display = display(&[(part, 0)]);
    change(&mut display);
    only(display, PLAIN, &run, &config())
}

#[test]
fn each_field_has_its_form() {
    for (part, plain, numeric) in [
        (Part::Timer, "0:01:02", "62.2500"),
        (Part::Bytes, "3.00MiB", "3145728"),
        (Part::Rate, "[49.3KiB/s]", "50533.7831"),
        (Part::AverageRate, "(49.3KiB/s)", "50533.7831"),
        (Part::Ratio, "-:-", "-:-"),
        (Part::BufferPercent, "{ 50%}", "{ 50%}"),
        (Part::Eta, "", ""),
        (Part::FinEta, "", ""),
        (Part::Amount, "", "2"),
        (Part::Name, "", ""),
        (Part::Buffer, "[#####:-|--]  50%", "50"),
        (Part::Lost, "LOST 200 records", "200"),
        (Part::Bottleneck, "consumer slow 96%", "consumer"),
        (Part::RateIn, "[82.2KiB/s]", "84220.5622"),
        (Part::RateOut, "[49.3KiB/s]", "50533.3333"),
        (Part::State, "pressured", "pressured"),
    ] {
        assert_eq!(shown(part.clone(), |_| ()), plain, "{part:?}");
        let numbers = shown(part.clone(), |display| display.numeric = true);
        assert_eq!(numbers, numeric, "{part:?}");
    }
}

#[test]
fn units_are_those_that_were_asked_for() {
    let bits = |display: &mut Display| display.bits = true;
    let decimal = |display: &mut Display| display.decimal = true;
    assert_eq!(shown(Part::Bytes, bits), "24.0Mib");
    assert_eq!(shown(Part::Bytes, decimal), "3.15MB");
    assert_eq!(shown(Part::Rate, bits), "[ 394Kib/s]");
    let both = shown(Part::Rate, |display| {
        bits(display);
        decimal(display);
    });
    assert_eq!(both, "[ 404kb/s]");
    let records = ReportConfig {
        records: true,
        ..config()
    };
    let line = display(&[(Part::Bytes, 0), (Part::Rate, 0), (Part::Lost, 0)]);
    let line = only(line, PLAIN, &lossy(), &records);
    assert_eq!(line, " 600  [9.64 /s] LOST 200 records");
}

#[test]
fn hwms_own_rates_are_in_the_unit_of_the_display() {
    let records = ReportConfig {
        records: true,
        ..config()
    };
    let line = display(&[(Part::RateIn, 0), (Part::RateOut, 0)]);
    let line = only(line, PLAIN, &whole(), &records);
    assert_eq!(line, "[16.1 /s] [9.64 /s]");
}

#[test]
fn a_loss_has_a_unit_and_none_has_none() {
    let mut snapshot = lossy();
    let shown = |snapshot: &Snapshot| {
        let parts = display(&[(Part::Lost, 0)]);
        only(parts, PLAIN, snapshot, &config())
    };
    assert_eq!(shown(&quiet()), "nothing lost");
    snapshot.counts_records = false;
    assert_eq!(shown(&snapshot), "LOST 1.00MiB");
}

#[test]
fn a_rate_limit_that_held_the_data_up_is_named() {
    let mut snapshot = whole();
    snapshot.bottleneck = Bottleneck::RateLimit;
    snapshot.wait_rate = Duration::from_secs(61);
    let mut shown = display(&[(Part::Bottleneck, 0)]);
    assert_eq!(
        only(shown.clone(), PLAIN, &snapshot, &config()),
        "-L limit 97%"
    );
    shown.numeric = true;
    assert_eq!(only(shown, PLAIN, &snapshot, &config()), "rate_limit");
}

#[test]
fn a_share_beyond_all_is_reported_as_it_is() {
    let sized = ReportConfig {
        expected: Some(Amount::Bytes(2 << 20)),
        ..config()
    };
    let parts = display(&[(Part::Progress, 20), (Part::Eta, 0)]);
    let line = only(parts, PLAIN, &lossy(), &sized);
    assert_eq!(
        line,
        "[=============] 200% ETA 0:00:00  LOST 200 records (20%)"
    );
}

#[test]
fn with_a_known_size_there_is_a_share_and_an_end() {
    let sized = ReportConfig {
        expected: Some(Amount::Bytes(8 << 20)),
        ..config()
    };
    let parts = [
        (Part::Progress, 20),
        (Part::Amount, 0),
        (Part::Bar(None), 10),
        (Part::Eta, 0),
    ];
    // What was lost is dealt with as well.
    let line = only(display(&parts), PLAIN, &lossy(), &sized);
    assert_eq!(
        line,
        "[=====>       ]  50%  50% ====>      ETA 0:01:23  LOST 200"
    );
    let mut numeric = display(&[(Part::Amount, 0)]);
    numeric.numeric = true;
    assert_eq!(only(numeric, PLAIN, &lossy(), &sized), "50");

    // At the end there is no time left, and the line keeps its width.
    let mut renderer = renderer(display(&[(Part::Eta, 0), (Part::Timer, 0)]), PLAIN, &sized);
    let mut line = |last| {
        let line = renderer.line(&whole(), &sized, 60, last, SystemTime::UNIX_EPOCH);
        line.left
    };
    let (before, after) = (line(false), line(true));
    assert_eq!(after, "            0:01:02");
    assert_eq!(before.len(), after.len());
}

#[test]
fn the_time_of_day_has_a_date_where_it_is_far() {
    let expected = |bytes| ReportConfig {
        expected: Some(Amount::Bytes(bytes)),
        ..config()
    };
    let end = |config| {
        let line = only(display(&[(Part::FinEta, 0)]), PLAIN, &lossy(), &config);
        line.replace("  LOST 200 records (20%)", "")
    };
    let (near, far) = (end(expected(8 << 20)), end(expected(8 << 40)));
    assert_eq!(near.len(), "FIN 00:01:23".len(), "{near}");
    assert!(near.ends_with(":23"), "{near}");
    assert_eq!(far.len(), "FIN 1975-07-07 00:00:00".len(), "{far}");
}

#[test]
fn a_gauge_shows_the_rate_where_no_size_is_known() {
    let gauge = shown(Part::Progress, |display| display.gauge = true);
    assert_eq!(gauge.len(), 60);
    assert!(gauge.ends_with("=>]/49.3KiB/s"), "{gauge}");
    let amount = shown(Part::Amount, |display| display.gauge = true);
    assert_eq!(amount, "49.3KiB/s");
}

#[test]
fn what_the_consumer_has_not_taken_is_not_transferred_until_the_end() {
    let mut snapshot = whole();
    snapshot.seen.unread = 1 << 20;
    let line = |config: &ReportConfig, last| {
        let mut renderer = renderer(display(&[(Part::Bytes, 0)]), PLAIN, config);
        renderer
            .line(&snapshot, config, 60, last, SystemTime::UNIX_EPOCH)
            .left
    };
    assert_eq!(line(&config(), false), "2.00MiB");
    assert_eq!(line(&config(), true), "3.00MiB");
    // A third of the bytes is a third of the records.
    let records = ReportConfig {
        records: true,
        ..config()
    };
    assert_eq!(line(&records, false), " 400 ");
    assert_eq!(line(&records, true), " 600 ");
}

#[test]
fn where_the_transfer_begins_late_so_does_its_time() {
    let parts = display(&[(Part::Timer, 0), (Part::Rate, 0)]);
    let mut renderer = renderer(parts, PLAIN, &config());
    renderer.begins(Duration::from_millis(60_250));
    let line = renderer.line(&whole(), &config(), 60, false, SystemTime::UNIX_EPOCH);
    assert_eq!(line.left, "0:00:02 [1.50MiB/s]");
}

#[test]
fn a_running_loss_stands_behind_the_fields_and_is_seen_however_narrow_it_is() {
    let line = |columns, last, change: fn(&mut Snapshot)| {
        let parts = [Part::Bytes, Part::Timer, Part::Progress];
        let parts = display(&parts.map(|part| (part, 0)));
        let mut snapshot = lossy();
        change(&mut snapshot);
        let mut renderer = renderer(parts, PLAIN, &config());
        let line = renderer.line(&snapshot, &config(), columns, last, SystemTime::UNIX_EPOCH);
        assert!(visible(&line.left) <= columns.max(10), "{line:?}");
        line.left
    };
    for (columns, text) in [
        (
            60,
            "3.00MiB 0:01:02 [<=>               ]  LOST 200 records (20%)",
        ),
        (44, "3.00MiB 0:01:02 [  ]  LOST 200 records (20%)"),
        (36, "3.00MiB 0:01:02 []  LOST 200 records"),
        (30, "3.00MiB 0:01:02 [  ]  LOST 200"),
        (22, "3.00MiB 0:01  LOST 200"),
    ] {
        assert_eq!(line(columns, false, |_| ()), text, "{columns}");
    }
    let unchanged = line(60, false, |now| now.lost = Losses::default());
    assert!(!unchanged.contains("LOST"), "{unchanged}");
    // What the end costs is told with the end.
    let stopped = line(60, true, |now| {
        now.lost = Losses::default();
        now.lost[Reason::Shutdown].bytes = 5;
    });
    assert!(!stopped.contains("LOST"), "{stopped}");
}

#[test]
fn bytes_and_lines_written_are_shown_as_far_as_they_are_printable() {
    let mut snapshot = quiet();
    snapshot.seen = Seen {
        last_written: b"ab\x1b[c\n".to_vec(),
        previous_line: b"one\ttwo \xc3\xa9".to_vec(),
        ..Seen::default()
    };
    let parts = |last, line| {
        let parts = display(&[(Part::LastWritten, last), (Part::PreviousLine, line)]);
        only(parts, PLAIN, &snapshot, &config())
    };
    assert_eq!(parts(3, 5), "[c. one t");
    assert_eq!(parts(8, 9), "..ab.[c. one two  ");
    assert_eq!(parts(4, 0).len(), 60);
}

#[test]
fn colours_end_with_the_line_and_take_no_room() {
    let mut pieces = vec![
        Piece::Part {
            part: Part::Sgr(vec![1, 31]),
            width: 0,
        },
        Piece::Text("text".into()),
        Piece::Part {
            part: Part::Bar(None),
            width: 0,
        },
    ];
    let coloured = |abilities| {
        let mut display = display(&[]);
        display.pieces = pieces.clone();
        only(display, abilities, &quiet(), &config())
    };
    let colour = Abilities {
        colour: true,
        ..PLAIN
    };
    let line = coloured(colour);
    assert!(line.starts_with("\x1b[1;31mtext<=>"), "{line:?}");
    assert!(line.ends_with(" \x1b[m"), "{line:?}");
    assert_eq!(visible(&line), 60);
    assert_eq!(coloured(PLAIN).len(), 60);
    pieces.push(Piece::Part {
        part: Part::Sgr(vec![0]),
        width: 0,
    });
    let mut display = display(&[]);
    display.pieces = pieces;
    let line = only(display, colour, &quiet(), &config());
    assert!(line.ends_with(" \x1b[0m"), "{line:?}");
}

#[test]
fn parts_that_stretch_share_what_room_is_left() {
    let parts = [(Part::Timer, 0), (Part::Bar(None), 0), (Part::Progress, 0)];
    let line = only(display(&parts), PLAIN, &quiet(), &config());
    // 60 less the time and two blanks, by two, rounded down.
    assert_eq!(line.len(), 7 + 1 + 25 + 1 + 25);
    let named = ReportConfig {
        name: Some("日本".into()),
        ..config()
    };
    let parts = [(Part::Name, 0), (Part::Bar(None), 0)];
    let line = only(display(&parts), PLAIN, &quiet(), &named);
    assert_eq!(visible(&line), 60, "{line}");
}
