//! What `-h` says: two screens with what most people need. `--help` and hwm(1) have all.
//!
//! The words are those of the definition; this chooses, orders and lays out. Refuses to depend on the
//! terminal's width.

use clap::{Arg, Command};

/// As wide as the narrowest terminal in use.
const WIDTH: usize = 80;

/// Where the words on an option begin.
const COLUMN: usize = 29;

const HEAD: &str = "\
hwm: a bounded buffer between two processes, with an account of what was lost

Usage: hwm [OPTION]... [FILE]...

  hwm -pterb disk.img | gzip >disk.img.gz          # see it move, as with pv
  server 2>&1 | hwm --when-full drop-oldest --mark | logger  # never hold it up
  build 2>&1 | hwm --when-full drop-newest --fail-on-loss | upload     # for CI
  dump | hwm -B 1G -L 20M --block-timeout 1m | store    # smooth it and bound it
";

const TAIL: &str = "
SIZE is 64k, 1.5M, 2G (1024) or 10MB (1000); RATE a SIZE; DUR 250ms, 5s, 1m 30s.
'hwm --help' has all options and what each is, 'man hwm' the rest.
";

/// Headings, and the options below them by their ids, the most needed first.
const SECTIONS: [(&str, &[&str]); 3] = [
    (
        "What most people need",
        &[
            "buffer_size",
            "when_full",
            "mark",
            "rate_limit",
            "fail_on_loss",
        ],
    ),
    (
        "When the consumer is slow, or gone",
        &[
            "block_timeout",
            "then",
            "max_age",
            "lost_to",
            "broken_pipe",
            "respawn",
        ],
    ),
    (
        "What you see",
        &[
            "line_mode",
            "size",
            "report",
            "events",
            "metrics_file",
            "chart",
            "name",
            "quiet",
        ],
    ),
];

/// The heading of pv's switches, which share one entry.
const DISPLAY: &str = "Display, as in pv";

/// Teaches the parser this help, for `-h`, and leaves `--help` as it is.
pub(super) fn teach(command: Command) -> Command {
    let brief = brief(&command);
    let about = command.get_about().map(ToString::to_string);
    let usage = command.clone().render_usage();
    let long = format!("{}\n\n{usage}\n\n", about.unwrap_or_default());
    let after = command.get_after_help().cloned();
    let command = command
        .mut_args(|arg| arg.hide_short_help(true))
        .help_template("{before-help}{all-args}{after-help}")
        .before_help(brief)
        .before_long_help(long)
        .after_help("");
    match after {
        Some(after) => command.after_long_help(after),
        None => command,
    }
}

fn brief(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    for (heading, ids) in SECTIONS {
        text += &format!("\n{heading}:\n");
        for id in ids {
            let arg = command.get_arguments().find(|arg| arg.get_id() == id);
            arg.into_iter().for_each(|arg| entry(&mut text, arg));
        }
    }
    let letters = command
        .get_arguments()
        .filter(|arg| arg.get_help_heading() == Some(DISPLAY))
        .filter_map(|arg| Some(format!(" -{}", arg.get_short()?)));
    text += &format!(" {}\n", letters.collect::<String>());
    words(&mut text, "as in pv, and pv's form of the display");
    text + TAIL
}

/// An option with its first line of help and its values; those of a policy get a line each.
fn entry(text: &mut String, arg: &Arg) {
    let (short, long) = (arg.get_short(), arg.get_long().unwrap_or_default());
    let short = short.map_or("   ".into(), |letter| format!("-{letter},"));
    let value = arg.get_value_names().and_then(|names| names.first());
    let is_optional = arg
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0);
    let value = match value.filter(|_| arg.get_action().takes_values()) {
        Some(name) if is_optional => format!("[={name}]"),
        Some(name) => format!(" {name}"),
        None => String::new(),
    };
    let left = format!("  {short} --{long}{value}");
    *text += &format!("{left:width$}", width = COLUMN - 1);
    let mut help = arg.get_help().map_or(String::new(), ToString::to_string);
    let values = match arg.get_action().takes_values() {
        true => arg.get_possible_values(),
        false => Vec::new(),
    };
    let lists = arg.get_id() == "when_full";
    if !values.is_empty() && !lists && arg.get_id() != "then" {
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        help += &format!(": {}", names.join(", "));
    }
    words_from(text, left.len().max(COLUMN - 1), &help);
    for value in values.iter().filter(|_| lists) {
        let meaning = value.get_help().map_or(String::new(), ToString::to_string);
        let left = format!("{:8}{}", "", value.get_name());
        *text += &format!("{left:width$} {meaning}\n", width = COLUMN - 1);
    }
}

/// Words in the column of words, on a line of their own.
fn words(text: &mut String, words: &str) {
    *text += &" ".repeat(COLUMN - 1);
    words_from(text, COLUMN - 1, words);
}

/// Words in the column of words, the first of them in a line that is filled up to `at`.
fn words_from(text: &mut String, at: usize, words: &str) {
    let mut column = at;
    for word in words.split(' ') {
        if column > COLUMN && column + 1 + word.len() > WIDTH {
            *text += &format!("\n{}", " ".repeat(COLUMN - 1));
            column = COLUMN - 1;
        }
        *text += &format!(" {word}");
        column += 1 + word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief() -> String {
        super::brief(&super::super::command())
    }

    #[test]
    fn it_fits_two_screens() {
        let text = brief();
        for line in text.lines() {
            assert!(line.len() <= WIDTH, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(text.lines().count() <= 48, "{text}");
    }

    #[test]
    fn it_leads_with_examples_and_what_most_people_need() {
        let text = brief();
        let ids = SECTIONS.iter().flat_map(|(_, ids)| *ids);
        let mut from = text.find("  hwm -pterb").expect("an example");
        for id in ids {
            let option = format!(" --{}", id.replace('_', "-"));
            let at = text[from..].find(&option);
            from += at.unwrap_or_else(|| panic!("{option} in {text}"));
        }
    }
}
