//! The man page and the completions are generated from the same definition as the parser, and
//! committed. This fails when they have drifted; with HWM_REGENERATE=1 it writes them.

#[path = "generated/bash.rs"]
mod bash;

use std::fs;
use std::path::Path;

use clap::Command;
use clap_complete::{Generator, Shell, generate};
use clap_complete_nushell::Nushell;
use clap_mangen::Man;

/// The hand-written sections, in the order of the page; the options come after the first.
const SECTIONS: [&str; 15] = [
    include_str!("../man/sections/description.roff"),
    include_str!("../man/sections/policies.roff"),
    include_str!("../man/sections/time.roff"),
    include_str!("../man/sections/marks.roff"),
    include_str!("../man/sections/account.roff"),
    include_str!("../man/sections/reports.roff"),
    include_str!("../man/sections/formats.roff"),
    include_str!("../man/sections/events.roff"),
    include_str!("../man/sections/commands.roff"),
    include_str!("../man/sections/engines.roff"),
    include_str!("../man/sections/files.roff"),
    include_str!("../man/sections/status.roff"),
    include_str!("../man/sections/examples.roff"),
    include_str!("../man/sections/pv.roff"),
    include_str!("../man/sections/notes.roff"),
];

#[test]
fn committed_files_are_those_that_the_definition_gives() {
    let files = [
        ("man/hwm.1", man_page()),
        ("completions/hwm.bash", completion(bash::Bash)),
        ("completions/_hwm", completion(Shell::Zsh)),
        ("completions/hwm.fish", completion(Shell::Fish)),
        ("completions/hwm.elv", completion(Shell::Elvish)),
        ("completions/_hwm.ps1", completion(Shell::PowerShell)),
        ("completions/hwm.nu", completion(Nushell)),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let regenerate = std::env::var_os("HWM_REGENERATE").is_some_and(|value| value == "1");
    let mut drifted = Vec::new();
    for (name, text) in files {
        let path = root.join(name);
        if fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        if regenerate {
            fs::write(&path, text).unwrap();
        } else {
            drifted.push(name);
        }
    }
    assert!(
        drifted.is_empty(),
        "out of date: {drifted:?}; run: HWM_REGENERATE=1 cargo test --test generated"
    );
}

#[test]
fn no_option_of_pv_that_is_not_built_is_offered() {
    for text in [man_page(), completion(bash::Bash), completion(Nushell)] {
        assert!(!text.contains("--watchfd") && !text.contains("\\-\\-watchfd"));
    }
}

fn completion(shell: impl Generator) -> String {
    let mut text = Vec::new();
    generate(shell, &mut highwater::cli::command(), "hwm", &mut text);
    String::from_utf8(text).unwrap()
}

fn man_page() -> String {
    // The section POLICIES says it better than a list of possible values.
    let here = |text: String| text.replace(" in hwm(1)", "");
    let command: Command = highwater::cli::command().mut_arg("when_full", |arg| {
        arg.hide_possible_values(true)
            .long_help("What happens when an arriving record does not fit [default: block]\n\nSee POLICIES. --overflow and --policy are other names of this option.")
    });
    let man = Man::new(command).title("HWM").manual("User Commands");
    // An empty date is dropped by the generator, which would shift what follows it.
    let head = render(|out| man.render_title(out)).replace(" 1  ", " 1 \"\" ");
    let name = without_preamble(&render(|out| man.render_name_section(out)));
    let synopsis = without_preamble(&render(|out| man.render_synopsis_section(out)));
    let options = here(options(&render(|out| man.render_options_section(out))));
    let [description, rest @ ..] = &SECTIONS;
    format!(
        "'\\\" t\n.\\\" Generated: edit src/cli/args.rs or man/sections instead.\n\
         {head}{name}{synopsis}{description}{options}{}",
        rest.concat()
    )
}

fn render(section: impl Fn(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut text = Vec::new();
    section(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// Every part comes with the definition of an apostrophe; one is enough.
fn without_preamble(part: &str) -> String {
    part[part.find(".SH").unwrap()..].to_owned()
}

/// Help headings become subsections of OPTIONS.
fn options(part: &str) -> String {
    let mut page = String::from(".SH OPTIONS\n");
    for line in without_preamble(part).lines() {
        match line.strip_prefix(".SH ") {
            Some(heading) => {
                let heading = heading.trim_matches('"').to_lowercase();
                let (first, rest) = heading.split_at(1);
                page += &format!(".SS {}{rest}\n", first.to_uppercase());
            }
            // A paragraph within an option's text keeps its indentation.
            None if line.is_empty() => page += ".sp\n",
            None => {
                page += line;
                page.push('\n');
            }
        }
    }
    page
}
