//! Completion for bash. clap_complete's own gives options where a FILE may stand, completes no
//! `--option=value`, which bash splits into three words, and offers files for every value.

use std::io::{Error, Write};

use clap::{Arg, Command, ValueHint};
use clap_complete::Generator;

pub struct Bash;

const HEAD: &str = r#"# Generated: edit src/cli/args.rs or tests/generated/bash.rs instead.
_NAME() {
    local cur=$2 option=$3 equals='' prefix='' words='' i
    COMPREPLY=()
    # Nothing is an option any more: files, as where there is no other answer.
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -- ]] && return
    done
    # --option=value is three words, or one for who has taken = out of COMP_WORDBREAKS.
    if [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
        equals=1 cur=''
    elif [[ $option == = ]]; then
        equals=1 option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == --*=* ]]; then
        equals=1 option=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
    fi
    case $option in
"#;

const TAIL: &str = r#"        *) option='' ;;
    esac
    if [[ -z $option ]]; then
        # A FILE, unless it begins as an option does.
        [[ $cur == -* && -z $equals ]] || return
        words='OPTIONS'
    fi
    COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur"))
}

_NAME_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -P "$prefix" -f -- "$cur"))
}

if [[ ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 || ${BASH_VERSINFO[0]} -gt 4 ]]; then
    complete -F _NAME -o nosort -o bashdefault -o default NAME
else
    complete -F _NAME -o bashdefault -o default NAME
fi
"#;

impl Generator for Bash {
    fn file_name(&self, name: &str) -> String {
        format!("{name}.bash")
    }

    fn generate(&self, command: &Command, out: &mut dyn Write) {
        self.try_generate(command, out).unwrap();
    }

    fn try_generate(&self, command: &Command, out: &mut dyn Write) -> Result<(), Error> {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        let mut options = Vec::new();
        let mut text = HEAD.to_owned();
        let mut cases: Vec<(String, Vec<String>)> = Vec::new();
        for arg in command.get_opts().chain(flags(command)) {
            let names = names(arg);
            options.extend(names.clone());
            if !arg.get_action().takes_values() {
                continue;
            }
            let answer = answer(arg);
            match cases.iter_mut().find(|(same, _)| *same == answer) {
                Some((_, others)) => others.extend(names),
                None => cases.push((answer, names)),
            }
        }
        for (answer, names) in cases {
            let names = names.join(" | ");
            text += &format!("        {names})\n            {answer}\n            ;;\n");
        }
        text += TAIL;
        let text = text.replace("OPTIONS", &options.join(" "));
        out.write_all(text.replace("NAME", name).as_bytes())
    }
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let args = command.get_arguments();
    args.filter(|arg| !arg.get_action().takes_values() && !arg.is_positional())
}

fn names(arg: &Arg) -> Vec<String> {
    let short = arg.get_short().map(|letter| format!("-{letter}"));
    let long = arg.get_long_and_visible_aliases().unwrap_or_default();
    let long = long.into_iter().map(|name| format!("--{name}"));
    short.into_iter().chain(long).collect()
}

/// What may stand behind an option.
fn answer(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let answer = match arg.get_value_hint() {
        _ if !values.is_empty() => format!("words='{}'", values.join(" ")),
        // Where the word is the file's name, bash's own completion knows how to quote it.
        ValueHint::FilePath => "[[ $prefix ]] || return; _NAME_files; return".into(),
        ValueHint::CommandString => "words=$(compgen -c -- \"$cur\")".into(),
        _ => "compopt +o default +o bashdefault 2>/dev/null".into(),
    };
    // The word behind some options is not their value.
    match arg.is_require_equals_set() {
        true => format!("if [[ $equals ]]; then {answer}; else option=''; fi"),
        false => answer,
    }
}
