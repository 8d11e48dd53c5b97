//! The commands of a guide, played in their order on a machine of its own: each that stands in the guide is played, or the test says
//! why it is not. What the test plays stands in the guide to the letter; paths lead below a directory.

use crate::rig::{pillarbox, says};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Guide {
    /// In their order, each as often as it stands there.
    commands: Vec<String>,
    /// How far it is played.
    at: usize,
    played: BTreeSet<String>,
    not_played: BTreeMap<&'static str, &'static str>,
    /// What stands for a machine: paths of the guide begin here.
    pub root: PathBuf,
    /// The configuration of the server there.
    pub config: PathBuf,
    /// What capital letters of the guide stand for.
    pub stands_for: Vec<(&'static str, String)>,
}

/// What a command said, and how it ended.
pub struct Told {
    pub text: String,
    status: i32,
    what: String,
}

impl Guide {
    /// Of the text of a guide, with the commands that are not played and why.
    pub fn new(text: &str, root: &Path, not_played: &[(&'static str, &'static str)]) -> Self {
        let all = Subcommands::known();
        let spans = code_of(text);
        spans.iter().for_each(|span| all.must_know_the_options_of(span));
        let commands: Vec<String> = spans.into_iter().filter(|span| all.is_a_command(span)).collect();
        for (command, _) in not_played {
            assert!(commands.iter().any(|found| found == command), "{command:?} does not stand in the guide any more");
        }
        Self {
            commands,
            at: 0,
            played: BTreeSet::new(),
            not_played: not_played.iter().copied().collect(),
            root: root.to_owned(),
            config: root.join("etc/pillarbox.toml"),
            stands_for: Vec::new(),
        }
    }

    /// The next one of the guide is this one, with `more` where the guide only names it.
    pub fn play(&mut self, command: &str, more: &[&str]) -> Told {
        let words = self.next(command);
        let more = more.iter().map(|word| (*word).to_owned());
        self.run(&words.into_iter().chain(more).collect::<Vec<_>>())
    }

    /// The words of the next command without `pillarbox`, with paths below the root.
    pub fn next(&mut self, command: &str) -> Vec<String> {
        let found = self.commands[self.at..].iter().position(|found| found == command);
        let found = self.at + found.unwrap_or_else(|| panic!("{command:?} does not come in the guide from here on"));
        self.must_know(found);
        self.at = found + 1;
        self.played.insert(command.to_owned());
        words_of(command).iter().filter(|word| *word != "pillarbox").map(|word| self.placed(word)).collect()
    }

    /// Nothing but what was played or is named is left.
    pub fn must_be_over(&self) {
        self.must_know(self.commands.len());
    }

    /// What is passed over.
    fn must_know(&self, until: usize) {
        for command in &self.commands[self.at..until] {
            let is_known = self.played.contains(command) || self.not_played.contains_key(command.as_str());
            assert!(is_known, "{command:?} stands in the guide, and the test neither plays it nor says why not");
        }
    }

    /// A word with what it stands for, and a path of it below the root.
    fn placed(&self, word: &str) -> String {
        let filled = self.stands_for.iter().fold(word.to_owned(), |word, (name, what)| word.replace(name, what));
        let root = self.root.to_str().unwrap();
        match filled.split_once(':') {
            _ if filled.starts_with(root) || filled.contains(&format!(":{root}")) => filled,
            _ if filled.starts_with('/') => format!("{root}{filled}"),
            Some((kind, path)) if path.starts_with('/') && !path.starts_with("//") => format!("{kind}:{root}{path}"),
            _ => filled,
        }
    }

    /// Where a path of the guide is.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(self.placed(path))
    }

    /// Runs the program on the server of this machine, unless these words say another one.
    pub fn run<S: AsRef<str>>(&self, words: &[S]) -> Told {
        let mut words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        if !words.contains(&"--config") && !words.contains(&"--data-dir") {
            words.extend(["--config", self.config.to_str().unwrap()]);
        }
        Told::of(pillarbox(&words).output().unwrap(), words.join(" "))
    }
}

impl Told {
    fn of(output: Output, what: String) -> Self {
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        Self { text, status: output.status.code().expect("it ends by itself"), what }
    }

    /// A line for a shell, in which `pillarbox` is the program.
    pub fn by_shell(line: &str) -> Self {
        let binaries = Path::new(env!("CARGO_BIN_EXE_pillarbox")).parent().unwrap().to_str().unwrap();
        let path = format!("{binaries}:{}", std::env::var("PATH").unwrap());
        Self::of(Command::new("sh").args(["-eu", "-c", line]).env("PATH", path).output().unwrap(), line.to_owned())
    }

    /// How it must have ended; what it said.
    pub fn ends(self, status: i32) -> String {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text);
        self.text
    }

    /// It has done what it was asked, and says each of these.
    pub fn done(self, parts: &[&str]) -> String {
        self.ends_saying(0, parts)
    }

    pub fn ends_saying(self, status: i32, parts: &[&str]) -> String {
        let what = self.what.clone();
        let text = self.ends(status);
        for part in parts {
            assert!(text.contains(part), "{what}: no {part:?} in {text}");
        }
        text
    }
}

/// The names of all commands of the program, and all their options.
struct Subcommands {
    names: BTreeSet<String>,
    options: BTreeSet<String>,
}

impl Subcommands {
    fn known() -> Self {
        let mut known = Self { names: BTreeSet::new(), options: BTreeSet::new() };
        let names = known.read(&[]);
        for name in &names {
            for verb in known.read(&[name]) {
                known.read(&[name, &verb]);
            }
        }
        known.names.extend(names);
        known
    }

    /// Notes the options of a command; gives the commands below it.
    fn read(&mut self, command: &[&str]) -> Vec<String> {
        let help = says(&[command, &["--help"]].concat());
        let options =
            help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.starts_with("--"));
        self.options.extend(options.map(str::to_owned));
        let below = help.split_once("Commands:\n").map_or("", |(_, below)| below.split("\n\n").next().unwrap());
        let names = below.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        names.map(str::to_owned).collect()
    }

    /// `pillarbox …`, or a command with more than its name.
    fn is_a_command(&self, span: &str) -> bool {
        let mut words = span.split(' ');
        let first = words.next().unwrap();
        first == "pillarbox" || self.names.contains(first) && words.next().is_some()
    }

    /// Of commands, and where an option stands alone.
    fn must_know_the_options_of(&self, span: &str) {
        if self.is_a_command(span) || span.starts_with("--") {
            for option in span.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(self.options.contains(option), "no command has {option}, which stands in `{span}`");
            }
        }
    }
}

/// All code of a text in Markdown: lines of blocks, without what is remarked on them, and spans, in their order.
fn code_of(text: &str) -> Vec<String> {
    let (mut code, mut prose, mut is_fenced, mut was_code) = (Vec::new(), String::new(), false, true);
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        let is_code = !is_fence && (is_fenced || line.starts_with("    ") && was_code);
        if is_code {
            code.append(&mut spans_of(&mut prose));
            let command = line.split("  #").next().unwrap().trim();
            code.push(command.to_owned());
        } else if !is_fence {
            prose.push_str(line);
            prose.push('\n');
        }
        was_code = is_code || line.is_empty();
    }
    code.append(&mut spans_of(&mut prose));
    code.retain(|span| !span.is_empty());
    code
}

/// What stands between backquotes; the text is used up.
fn spans_of(prose: &mut String) -> Vec<String> {
    let text = std::mem::take(prose);
    let spans = text.split('`').skip(1).step_by(2);
    spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// As a shell takes a line apart that has nothing but words and double quotes.
fn words_of(command: &str) -> Vec<String> {
    let parts = command.split('"').enumerate();
    parts
        .flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn code_is_told_from_prose() {
    let text = "A `pillarbox one\n--two` and\n\n    pillarbox three \"four five\"   # six\n    seven\n\n1. a\n   `eight`\n\n```\nnine\n```\n";
    let code = code_of(text);
    assert_eq!(code, ["pillarbox one --two", "pillarbox three \"four five\"", "seven", "eight", "nine"]);
    assert_eq!(words_of(&code[1]), ["pillarbox", "three", "four five"]);
}
