//! The structure of `src`: no two files know each other in a circle, and the core does no I/O.
//!
//! An edge is a path that a file uses, in a `use` or in the code, not a `mod` that declares a child.
//! Modules of tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The code of each file by the path of its module, without tests and comments.
fn modules() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    let tests = Regex::new(r"#\[cfg\(test\)\]\nmod [a-z_]+ \{").unwrap();
    let comments = Regex::new(r"//[^\n]*").unwrap();
    let named = files.into_iter().filter_map(|path| {
        let name = path.strip_prefix("src").unwrap().with_extension("");
        let name = name.to_str().unwrap().replace('/', "::");
        let name = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
        let names = ["tests", "testing", "screens", "properties"];
        let is_test = names.iter().any(|test| name.ends_with(test));
        let is_root = name == "lib" || name == "main";
        if is_test || is_root {
            return None;
        }
        let text = fs::read_to_string(path).unwrap();
        let end = tests.find(&text).map_or(text.len(), |found| found.start());
        Some((name, comments.replace_all(&text[..end], "").into_owned()))
    });
    named.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The single paths of a `use` with its braces, names given by `as` left out.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.split_whitespace().collect()];
    };
    let (prefix, inner) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap()]);
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in inner.chars() {
        match letter {
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        parts.last_mut().unwrap().push(letter);
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    let whole = parts
        .flat_map(|part| expand(part))
        .map(|part| format!("{prefix}{part}"));
    whole.collect()
}

/// The module of the crate in which `path`, as it stands in the module `from`, ends; none where that is
/// no module, or it is `from` itself.
fn target<'a>(path: &str, from: &str, modules: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let mut words: Vec<&str> = path.split("::").collect();
    let here: Vec<&str> = from.split("::").collect();
    let mut base: Vec<&str> = match words[0] {
        "crate" => Vec::new(),
        "self" => here,
        "super" => {
            let ups = words.iter().take_while(|word| **word == "super").count();
            words.drain(..ups - 1);
            here[..here.len().saturating_sub(ups)].to_vec()
        }
        _ => {
            let child = format!("{from}::{}", words[0]);
            modules.get(&child)?;
            words.insert(0, "self");
            here
        }
    };
    base.extend(&words[1..]);
    let found = (1..=base.len()).rev().find_map(|count| {
        let name = base[..count].join("::");
        modules.get_key_value(&name).map(|(name, _)| name.as_str())
    });
    found.filter(|name| *name != from)
}

/// Which modules each module uses.
fn edges(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let uses = Regex::new(r"(?m)^ *(?:pub(?:\([^)]*\))? )?use ([^;]+);").unwrap();
    let paths = Regex::new(r"(?-u:\b)[a-z_]+(?:::[A-Za-z0-9_]+)+").unwrap();
    let of = |text: &String| -> Vec<String> {
        let trees = uses.captures_iter(text).flat_map(|tree| expand(&tree[1]));
        let code = uses.replace_all(text, "");
        let inline = paths.find_iter(&code).map(|path| path.as_str().to_owned());
        trees.chain(inline).collect()
    };
    let edges = modules.iter().map(|(name, text)| {
        let paths = of(text);
        let targets = paths.iter().filter_map(|path| target(path, name, modules));
        (name.as_str(), targets.collect())
    });
    edges.collect()
}

/// A path from `from` back to it, if there is one.
fn circle<'a>(from: &'a str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for next in &edges[at] {
            if *next == from {
                let mut way = vec![from, at];
                while let Some(earlier) = before.get(way.last().unwrap()) {
                    way.push(earlier);
                }
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, at);
                open.push(next);
            }
        }
    }
    None
}

#[test]
fn no_files_know_each_other_in_a_circle() {
    let modules = modules();
    let edges = edges(&modules);
    assert!(
        edges["engine::run"].contains("core::relay"),
        "uses are found"
    );
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 300);
    let circles: Vec<_> = edges
        .keys()
        .filter_map(|name| circle(name, &edges))
        .collect();
    assert!(
        circles.is_empty(),
        "each file back to the one before it: {circles:#?}"
    );
}

#[test]
fn the_core_knows_no_clock_no_thread_and_no_file() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::os",
        "std::thread",
        "Instant",
        "SystemTime",
        "rustix",
    ];
    for (name, text) in modules()
        .iter()
        .filter(|(name, _)| name.starts_with("core"))
    {
        for word in forbidden {
            assert!(!text.contains(word), "{name} uses {word}");
        }
        let layers = ["crate::sys", "crate::engine", "crate::report", "crate::cli"];
        for layer in layers {
            assert!(!text.contains(layer), "{name} uses {layer}");
        }
    }
}

#[test]
fn only_sys_touches_descriptors_files_processes_and_terminals() {
    let calls = Regex::new(
        r"(?-u:\b)(rustix|nix|signal_hook|std::fs|std::net|std::os|std::process::Command|process::id)(?-u:\b)",
    );
    let calls = calls.unwrap();
    // `memory` is a leaf that everybody asks; tests are cut off where their module begins.
    let is_outside = |name: &str| !name.starts_with("sys") && name != "memory";
    let modules = modules();
    for (name, text) in modules.iter().filter(|(name, _)| is_outside(name)) {
        let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
        let found = calls.find(&text[..end]).map(|found| found.as_str());
        assert_eq!(found, None, "in {name}");
    }
    assert!(
        calls.is_match(&modules["sys::log"]),
        "it is found where it is"
    );
}

#[test]
fn a_circle_is_found() {
    let text = |text: &str| text.to_owned();
    let modules = BTreeMap::from([
        (text("a"), text("use crate::b::{self, c::D};\n")),
        (text("b"), text("pub use c::D;\nfn f() { d::g() }\n")),
        (text("b::c"), text("use super::d;\n")),
        (text("b::d"), text("fn g() { crate::a::h() }\n")),
        (text("e"), text("use crate::{a, b};\n")),
    ]);
    let edges = edges(&modules);
    assert_eq!(edges["a"], BTreeSet::from(["b", "b::c"]));
    assert_eq!(edges["b"], BTreeSet::from(["b::c", "b::d"]));
    let is_in_circle = |name: &&&str| circle(name, &edges).is_some();
    let found: Vec<_> = edges.keys().filter(is_in_circle).copied().collect();
    assert_eq!(found, ["a", "b", "b::c", "b::d"]);
}
