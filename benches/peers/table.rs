//! What was measured, as Markdown.

use std::fmt::Write;

use super::figures::{Figure, Samples};
use super::peers::{Kind, Peers};
use super::run::memory_floor;
use super::scenarios::{Against, Scenario, Target};

/// What holds for all tables.
pub fn head(peers: &Peers, rounds: usize, quick: bool) -> String {
    let mut text = String::from("# hwm beside its peers\n\n");
    let mut item = |name: &str, what: String| {
        let _ = writeln!(text, "- {name}: {what}");
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    item(
        "Machine",
        format!(
            "{cores} cores, {}, Linux {}",
            processor(),
            read("/proc/sys/kernel/osrelease")
        ),
    );
    item(
        "Load at the start",
        load.split(' ').take(3).collect::<Vec<_>>().join(", "),
    );
    item("Programs", peers.versions.join("; "));
    if !peers.missing.is_empty() {
        item("Not here", peers.missing.join(", "));
    }
    let less = if quick {
        ", less data (--quick): no figures to quote"
    } else {
        ""
    };
    item("Rounds", format!("{rounds}, interleaved{less}"));
    let floor = memory_floor().map_or("?".to_owned(), digits);
    item(
        "Peak memory",
        format!("of the relay; less than {floor} MiB cannot be told from that"),
    );
    item(
        "Cells",
        "median (least to most); x is the ratio to the row named".to_owned(),
    );
    text
}

fn read(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split(": ").nth(1));
    name.unwrap_or("unknown processor").to_owned()
}

/// Three digits that count.
fn digits(number: f64) -> String {
    let decimals = match number.abs() {
        n if n >= 100.0 => 0,
        n if n >= 10.0 => 1,
        n if n >= 1.0 => 2,
        n if n >= 0.1 => 3,
        _ => 4,
    };
    format!("{number:.decimals$}")
}

/// The table of one scenario, what is wanted, and which runs were none.
pub fn scenario(scenario: &Scenario, samples: &[Samples]) -> String {
    let mut text = format!(
        "\n## {}\n\nIn this table x is the ratio to {}. The scenario: {}.\n\n",
        scenario.name, scenario.base, scenario.about
    );
    let titles: String = scenario
        .figures
        .iter()
        .map(|figure| format!(" {} | x |", figure.title()))
        .collect();
    let _ = writeln!(text, "| relay |{titles}");
    let _ = writeln!(
        text,
        "| --- |{}",
        " --- | ---: |".repeat(scenario.figures.len())
    );
    for (index, cell) in scenario.cells.iter().enumerate() {
        let columns: String = scenario
            .figures
            .iter()
            .map(|&figure| columns(figure, &samples[index], &samples[cell.base]))
            .collect();
        let _ = writeln!(text, "| {} |{columns}", cell.label);
    }
    targets(&mut text, scenario, samples);
    for (cell, samples) in scenario.cells.iter().zip(samples) {
        for why in &samples.invalid {
            let _ = writeln!(
                text,
                "\n**INVALID RUN**, not in the table: {}: {why}",
                cell.label
            );
        }
    }
    text
}

fn columns(figure: Figure, samples: &Samples, base: &Samples) -> String {
    let Some(spread) = samples.spread(figure) else {
        return " **none** | |".to_owned();
    };
    let ratio = base
        .median(figure)
        .map_or(String::new(), |base| digits(spread.median / base));
    let [median, min, max] = [spread.median, spread.min, spread.max].map(digits);
    format!(" {median} ({min} to {max}) | {ratio} |")
}

fn targets(text: &mut String, scenario: &Scenario, samples: &[Samples]) {
    if scenario.targets.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n| relay | figure | against | ratio | wanted | reached |"
    );
    let _ = writeln!(text, "| --- | --- | --- | ---: | ---: | --- |");
    for target in &scenario.targets {
        let relay = &scenario.cells[target.cell].label;
        let figure = target.figure;
        let sign = if figure.more_is_better() { ">=" } else { "<=" };
        let wanted = format!("{sign} {}", target.limit);
        let own = samples[target.cell].median(figure);
        let against = opponent(target, scenario, samples);
        let (against, ratio, reached) = match own.zip(against) {
            None => ("not here".to_owned(), "?".to_owned(), "?"),
            Some((own, (name, other))) => {
                let ratio = own / other;
                let is_reached = if figure.more_is_better() {
                    ratio >= target.limit
                } else {
                    ratio <= target.limit
                };
                (
                    name,
                    digits(ratio),
                    if is_reached { "yes" } else { "**no**" },
                )
            }
        };
        let figure = figure.title();
        let _ = writeln!(
            text,
            "| {relay} | {figure} | {against} | {ratio} | {wanted} | {reached} |"
        );
    }
}

/// Whom the target is about, and its figure.
fn opponent(target: &Target, scenario: &Scenario, samples: &[Samples]) -> Option<(String, f64)> {
    let figure = target.figure;
    let best = |is_asked: &dyn Fn(Kind) -> bool| {
        let asked = scenario
            .cells
            .iter()
            .zip(samples)
            .filter(|(cell, _)| is_asked(cell.kind));
        let medians =
            asked.filter_map(|(cell, samples)| Some((cell.label.clone(), samples.median(figure)?)));
        let sign = if figure.more_is_better() { -1.0 } else { 1.0 };
        medians.min_by(|one, other| (sign * one.1).total_cmp(&(sign * other.1)))
    };
    match target.against {
        Against::Best(kind) => best(&|other| other == kind),
        Against::BestPeer => best(&|kind| kind != Kind::Hwm),
        Against::Cell(index) => Some((
            scenario.cells[index].label.clone(),
            samples[index].median(figure)?,
        )),
        Against::Held(amount) => Some(("what is held".to_owned(), amount)),
    }
}
