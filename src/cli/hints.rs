//! Words of other tools, and misspelt ones: what to type instead.
//!
//! Accepts none of them, and never points to what loses more than the typed word says: a policy is
//! named only where the word is one's name, or is nearer to it than to any that loses less.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::names::{PolicyName, ReportName};
use super::size;

/// Long options that exist elsewhere, and what they are here.
const OPTIONS: [(&[&str], &str); 24] = [
    (
        &[
            "bufsize",
            "buffersize",
            "capacity",
            "max-buffer-size",
            "max-memory",
            "max-size",
            "mem",
            "memory",
            "queue-size",
        ],
        "'--buffer-size SIZE'",
    ),
    (
        &["max-lines", "max-messages", "max-records", "queue-length"],
        "'--buffer-records N'",
    ),
    (
        &[
            "highwater",
            "highwatermark",
            "high-watermark",
            "high-water-mark",
            "hiwat",
            "hwm",
        ],
        "'--high-water SIZE'",
    ),
    (
        &[
            "lowwater",
            "lowwatermark",
            "low-watermark",
            "low-water-mark",
            "lowat",
            "lwm",
        ],
        "'--low-water SIZE'",
    ),
    (
        &["prebuffer", "prefill", "start-level", "start-percent"],
        "'--start-fill SIZE'",
    ),
    // Which policy is not said, so none is named.
    (
        &[
            "circular",
            "drop-policy",
            "full",
            "if-full",
            "lose",
            "lossy",
            "mode",
            "non-blocking",
            "nonblocking",
            "on-full",
            "on-overflow",
            "overflow-policy",
            "overflow-strategy",
            "overwrite",
            "ring",
            "ring-buffer",
            "strategy",
            "when-overflow",
        ],
        "'--when-full POLICY'",
    ),
    (
        &["stall-timeout", "output-timeout", "write-timeout"],
        "'--block-timeout DUR'",
    ),
    (
        &["input-timeout", "read-timeout", "watchdog"],
        "'--idle-timeout DUR'",
    ),
    (
        &["timeout"],
        "'--block-timeout DUR' (of the consumer) or '--idle-timeout DUR' (of the producer)",
    ),
    (
        &["grace", "grace-period", "shutdown-timeout"],
        "'--drain-timeout DUR'",
    ),
    (
        &["expire", "max-delay", "max-latency", "max-wait", "ttl"],
        "'--max-age DUR'",
    ),
    (
        &["dead-letter", "dead-letters", "dlq", "save-lost"],
        "'--lost-to FILE'",
    ),
    (
        &["fail-on-drop", "error-on-drop", "error-on-loss"],
        "'--fail-on-loss'",
    ),
    (
        &["ignore-broken-pipe", "ignore-pipe", "ignore-sigpipe"],
        "'--broken-pipe ok'",
    ),
    (
        &[
            "bandwidth",
            "bwlimit",
            "limit",
            "limit-rate",
            "max-rate",
            "speed-limit",
            "throttle",
        ],
        "'--rate-limit RATE'",
    ),
    (&["lines"], "'--line-mode'"),
    (
        &["null-terminated", "print0", "zero", "zero-terminated"],
        "'--null'",
    ),
    (&["no-progress", "noprogress", "silent"], "'--quiet'"),
    (&["verbose"], "'--stats'"),
    (&["label", "title"], "'--name NAME'"),
    (&["log", "log-file", "logfile"], "'--report-to PATH'"),
    (&["prometheus"], "'--metrics-file PATH'"),
    (
        &["diagram", "graph", "picture", "plot", "svg"],
        "'--chart FILE.svg'",
    ),
    (
        &["file", "in-file", "infile", "input", "input-file"],
        "an argument, as in 'hwm FILE'",
    ),
];

/// What some call a policy and what it may be here.
const POLICIES: [(&[&str], &str); 8] = [
    (
        &[
            "blocking", "lossless", "never", "no-drop", "no-loss", "none", "pause", "stall",
            "stop", "throttle", "wait",
        ],
        "'block'",
    ),
    (&["abort", "die", "exit", "raise", "throw"], "'fail'"),
    (&["adaptive", "sampling"], "'sample'"),
    (&["early", "random-early-detection"], "'red'"),
    // What is kept is not what is lost.
    (&["keep-new", "keep-newest", "keep-last"], "'drop-oldest'"),
    (&["keep-old", "keep-oldest", "keep-first"], "'drop-newest'"),
    // Which records is not said, or means two things.
    (
        &[
            "any",
            "circular",
            "discard",
            "drop",
            "drop-back",
            "drop-first",
            "drop-front",
            "drop-last",
            "lose",
            "loss",
            "lossy",
            "newest",
            "non-blocking",
            "nonblocking",
            "oldest",
            "overwrite",
            "ring",
            "ring-buffer",
        ],
        EITHER,
    ),
    (
        &["circuit-breaker"],
        "'block' with --block-timeout and --then",
    ),
];

const EITHER: &str =
    "'drop-newest' (lose the arriving record) or 'drop-oldest' (lose the longest waiting)";

/// Names that the field uses for two opposite things.
const AMBIGUOUS: [&str; 2] = ["drop-latest", "drop-tail"];

/// A misspelt one of these is named only where it is all but typed: what comes of it may cut or replace
/// what the user has.
const HARMFUL: [&str; 6] = [
    "--discard",
    "--output",
    "--pidfile",
    "--skip-errors",
    "--error-skip-block",
    "--stop-at-size",
];

/// Letters that take no value here, but a number elsewhere: then that number is no FILE.
const LETTERS: [(&str, &str); 8] = [
    ("-b", "mbuffer's -b and -s are '-B SIZE'"),
    ("-I", "for mbuffer's -I put a network tool in front of hwm"),
    ("-n", "cstream's -n is '-S -s SIZE'"),
    (
        "-p",
        "mbuffer's -p is '--low-water', buffer's is '--start-fill'",
    ),
    ("-r", "mbuffer's -r is '-L RATE'"),
    ("-t", "cstream's -t is '-L RATE'"),
    ("-T", "cstream's -T is '-i SEC'"),
    ("-W", "mbuffer's -W is '--idle-timeout DUR'"),
];

/// What to say of the long option `typed`, dashes included, which nobody knows. `close` is what clap would
/// suggest, or empty.
pub(super) fn option(typed: &str, close: &str) -> Option<String> {
    let name = normal(typed.trim_start_matches('-'));
    let of_others = OPTIONS
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()))
        .map(|(_, here)| (*here).to_owned());
    let hint = of_others
        .or_else(|| policy_as_option(&name))
        .or_else(|| report_as_option(&name))
        .or_else(|| is_safe(typed, close).then(|| format!("'{close}'")))?;
    Some(format!("did you mean {hint}?"))
}

/// `--drop-oldest` for `--when-full drop-oldest`.
fn policy_as_option(name: &str) -> Option<String> {
    let full = |policy: &str| format!("'--when-full {policy}'");
    if let Some(policy) = policy_of(name) {
        return Some(full(&canonical(policy)));
    }
    if name == "drop" || AMBIGUOUS.contains(&name) {
        return Some(EITHER.replace("'drop", "'--when-full drop"));
    }
    let is_like_one = name.starts_with("drop-");
    let near = nearest(name, false).filter(|_| is_like_one);
    near.map(|policy| full(&policy))
}

fn report_as_option(name: &str) -> Option<String> {
    let values = ReportName::value_variants().iter();
    let mut values = values.filter_map(ValueEnum::to_possible_value);
    let is_one = values.any(|value| value.get_name() == name);
    is_one.then(|| format!("'--report {name}'"))
}

/// Whether clap's guess may be told.
fn is_safe(typed: &str, close: &str) -> bool {
    const ALL_BUT_TYPED: usize = 1;
    let is_harmful = HARMFUL.contains(&close);
    !close.is_empty() && (!is_harmful || strsim::osa_distance(typed, close) <= ALL_BUT_TYPED)
}

/// Why a name that no policy has is refused; `only_lossy` where only policies that lose records are taken.
/// None where there is nothing better to say than which there are.
pub(super) fn policy(typed: &str, only_lossy: bool) -> Option<String> {
    if AMBIGUOUS.contains(&typed) {
        return Some(
            "some tools lose the arriving record under this name, others one that already waits; \
             say drop-newest (lose the arrival) or drop-oldest (lose the longest waiting)"
                .into(),
        );
    }
    if policy_of(typed).is_some() {
        return None;
    }
    let name = normal(typed);
    let of_others = POLICIES
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()))
        .map(|(_, here)| (*here).to_owned())
        .filter(|here| !only_lossy || !matches!(&here[..6], "'block" | "'fail'"));
    let hint = of_others.or_else(|| Some(format!("'{}'", nearest(&name, only_lossy)?)))?;
    Some(format!("did you mean {hint}?"))
}

/// The policy that was meant, if that is clear. What loses more must be nearer by so much.
fn nearest(name: &str, only_lossy: bool) -> Option<String> {
    let allowed = |policy: &&PolicyName| !only_lossy || severity(**policy) > 0;
    let policies = || PolicyName::value_variants().iter().filter(allowed);
    if name.len() >= 3 {
        let mut begun = policies().filter(|policy| canonical(**policy).starts_with(name));
        if let (Some(one), None) = (begun.next(), begun.next()) {
            return Some(canonical(*one));
        }
    }
    let most = 1.max(name.len() / 4);
    let near = |policy: &PolicyName| {
        let distance = |own: String| strsim::osa_distance(name, &own);
        let distance = names(*policy).map(distance).min()?;
        (distance <= most).then_some((distance + severity(*policy), *policy))
    };
    let (_, best) = policies().filter_map(near).min_by_key(|(cost, _)| *cost)?;
    Some(canonical(best))
}

/// How much a policy may lose.
fn severity(policy: PolicyName) -> usize {
    match policy {
        PolicyName::Block | PolicyName::Fail => 0,
        PolicyName::DropNewest
        | PolicyName::DropOldest
        | PolicyName::Sample
        | PolicyName::Red
        | PolicyName::Priority => 1,
        PolicyName::DropBuffer | PolicyName::Latest => 2,
    }
}

/// Whether a policy has this name: then it is no abbreviation of an option.
pub(crate) fn is_policy(name: &str) -> bool {
    policy_of(name).is_some()
}

fn policy_of(name: &str) -> Option<PolicyName> {
    let mut policies = PolicyName::value_variants().iter().copied();
    policies.find(|policy| names(*policy).any(|own| own == name))
}

fn names(policy: PolicyName) -> impl Iterator<Item = String> {
    let value = policy.to_possible_value();
    let names: Vec<String> = value
        .iter()
        .flat_map(|value| value.get_name_and_aliases().map(str::to_owned))
        .collect();
    names.into_iter()
}

fn canonical(policy: PolicyName) -> String {
    names(policy).next().unwrap_or_default()
}

/// `DROP_OLDEST` and `DropOldest` as `drop-oldest`.
fn normal(typed: &str) -> String {
    let mut name = String::new();
    let mut after_small = false;
    for letter in typed.chars() {
        if letter.is_ascii_uppercase() && after_small {
            name.push('-');
        }
        after_small = letter.is_ascii_lowercase();
        name.push(match letter {
            '_' | ' ' => '-',
            other => other.to_ascii_lowercase(),
        });
    }
    name
}

/// What to add where an option of pv's, here as in pv, got the value that another tool takes there.
pub(super) fn value(option: &str, value: &str) -> Option<&'static str> {
    let is_amount = || size::parse(value.trim_end_matches('%')).is_ok();
    match option {
        "--average-rate-window" if is_amount() => {
            Some("as in pv it is a time; mbuffer's -m is '-B SIZE'")
        }
        "--interval" if is_file_name(value) => {
            Some("as in pv it is a time; a file to read is an argument, as in 'hwm FILE'")
        }
        "--bar-style" if is_amount() => Some("mbuffer's -u, a pause, is '-L RATE'"),
        "--remote" if is_amount() && !is_number(value) => Some("mbuffer's -R is '-L RATE'"),
        _ => None,
    }
}

fn is_file_name(value: &str) -> bool {
    let begins_as_number = value.starts_with(|first: char| "+-.0123456789 ".contains(first));
    value.contains('/') || (value.contains('.') && !begins_as_number) || Path::new(value).exists()
}

fn is_number(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why `-P 80` is refused: mbuffer's is a percentage, and nobody calls a file so.
pub(super) fn pid_file(path: &Path) -> Option<String> {
    let name = path.to_str()?;
    is_number(name.strip_suffix('%').unwrap_or(name)).then(|| {
        format!(
            "invalid value '{name}' for --pidfile: as in pv it is a file, which ./{name} would be; \
             mbuffer's -P is '--start-fill N%'"
        )
    })
}

/// Why one of `files` is none: it was typed as the value of a letter that takes a value elsewhere.
pub(super) fn value_of_a_letter(words: &[OsString], files: &[PathBuf]) -> Option<String> {
    let options = words.iter().take_while(|word| *word != "--");
    let options: Vec<&str> = options.filter_map(|word| word.to_str()).collect();
    options.windows(2).find_map(|pair| {
        let (letter, value) = (pair[0], pair[1]);
        let (_, hint) = LETTERS.iter().find(|(one, _)| *one == letter)?;
        let is_amount = size::parse(value.trim_end_matches('%')).is_ok();
        let path = Path::new(value);
        let is_meant = is_amount && files.iter().any(|file| file == path) && !path.exists();
        is_meant
            .then(|| format!("{letter} takes no value as in pv, and '{value}' is no file; {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_word_of_others_is_unknown_here_and_points_to_what_is_known() {
        let command = crate::cli::definition::pvs_command();
        let known = |name: &str| {
            command.get_arguments().any(|arg| {
                let names = arg.get_long_and_visible_aliases().unwrap_or_default();
                names.contains(&name)
            })
        };
        let quoted = |text: &str| -> Vec<String> {
            text.split('\'')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        for (names, here) in OPTIONS {
            for name in names {
                assert!(!known(name), "--{name}");
            }
            for option in quoted(here) {
                let name = option.trim_start_matches('-').split(' ').next();
                assert!(option == "hwm FILE" || known(name.unwrap()), "{option}");
            }
        }
        for (_, here) in POLICIES {
            for policy in quoted(here) {
                assert!(PolicyName::from_str(&policy, false).is_ok(), "{policy}");
            }
        }
    }

    /// A policy's name with some letters changed.
    fn misspelt() -> impl Strategy<Value = String> {
        let names: Vec<String> = PolicyName::value_variants()
            .iter()
            .flat_map(|policy| names(*policy))
            .collect();
        let changes = proptest::collection::vec((any::<prop::sample::Index>(), "[a-z-]?"), 0..4);
        (prop::sample::select(names), changes).prop_map(|(mut name, changes)| {
            for (at, letter) in changes {
                if !name.is_empty() {
                    let at = at.index(name.len());
                    name.replace_range(at..=at, &letter);
                }
            }
            name
        })
    }

    proptest! {
        #[test]
        fn no_misspelt_policy_is_taken_for_one_that_loses_more(name in misspelt()) {
            let Some(found) = nearest(&name, false) else {
                return Ok(());
            };
            let found = PolicyName::from_str(&found, false).unwrap();
            if canonical(found).starts_with(&name) {
                return Ok(());
            }
            let distance = |policy| {
                let distances = names(policy).map(|own| strsim::osa_distance(&name, &own));
                distances.min().unwrap()
            };
            for other in PolicyName::value_variants() {
                if severity(*other) < severity(found) {
                    prop_assert!(distance(*other) > distance(found), "{name}: {found:?}");
                }
            }
        }
    }
}
