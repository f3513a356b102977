//! Commands: allowed programs with allowed options, as a list of words or as a string in which a shell would find nothing but words.
//!
//! An argument that is a list is taken as the words of a command; a string is cut as a shell cuts it, and whatever else a shell would do with it is
//! refused. Then each program's own ways of running code and other programs are looked for (`-c`, `-e`, `--to-command`, `-exec` …), bundled,
//! abbreviated or with `=`, and words that name paths outside the folder.
//!
//! Control: `tools.process`.

mod effect;
mod git;
mod program;
mod words;

use crate::path::{absolute, under};
use crate::text;
use crate::{Error, Judged, Reason, Refused};
use program::{Language, Operands, Program};
use words::Shell;

/// The longest command, in bytes, and the most words.
const COMMAND: usize = 64 << 10;
const WORDS: usize = 4_096;
/// Programs that start each other in one command.
const DEPTH: usize = 4;
/// Folders in which a bare name is looked up, so that a path in one is the same program.
const PLACES: [&str; 3] = ["/usr/local/bin/", "/usr/bin/", "/bin/"];

/// Whether a way of doing more than running a program is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It is not.
    #[default]
    Denied,
    /// It is.
    Allowed,
}

/// The ways of doing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// What a shell acts on, in a string.
    pub shell: Way,
    /// Code in the words of interpreters.
    pub inline_code: Way,
    /// Variables that are set before the program.
    pub env_prefix: Way,
    /// Options that start other programs.
    pub exec_options: Way,
    /// Paths that lead out of the folder.
    pub paths_outside_cwd: Way,
}

/// What may be started.
#[derive(Clone, Debug)]
pub struct Policy {
    allowed: Vec<Allowed>,
    ways: Ways,
    cwd: Option<String>,
}

/// A program that may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    /// A bare name, or an absolute path.
    program: String,
    /// Words that must follow it.
    leading: Vec<String>,
    /// The only options that it may have.
    options: Option<Vec<String>>,
}

impl Allowed {
    /// `git`, `/opt/x/tool`, `git status` (these words first), `ls [-l --all]` (no other options).
    fn parse(entry: &str) -> Option<Self> {
        let (front, options) = match entry.split_once('[') {
            Some((front, rest)) => {
                (front, Some(rest.trim_end().strip_suffix(']')?.split_whitespace().map(str::to_owned).collect::<Vec<_>>()))
            }
            None => (entry, None),
        };
        let mut words = front.split_whitespace().map(str::to_owned);
        let program = words.next()?;
        let named = !program.contains('/') || (program.starts_with('/') && absolute(&program, "/") == program);
        let plain = |word: &str| text::control(word).is_none() && !word.contains(['*', '\\', '$', '`', ';', '|', '&']);
        (named && plain(&program)).then(|| Self { program, leading: words.collect(), options })
    }

    fn is(&self, program: &str) -> bool {
        self.program == program
            || (!self.program.contains('/') && PLACES.iter().any(|place| program.strip_prefix(place) == Some(&self.program)))
    }
}

impl Policy {
    /// A policy of these programs: `git`, `/opt/x/tool`, `git status` (these words must come first), `ls [-l --all]` (only these options).
    ///
    /// # Errors
    /// [`Error::Policy`] where the list is empty, an entry is none of these, or the folder is not absolute and plain.
    pub fn new(allowed: &[String], ways: Ways, cwd: Option<&str>) -> Result<Self, Error> {
        if allowed.is_empty() {
            return Err(Error::Policy { key: "allowed", why: "there must be at least one program" });
        }
        let entries = allowed.iter().map(|entry| Allowed::parse(entry)).collect::<Option<Vec<_>>>();
        let allowed = entries.ok_or(Error::Policy {
            key: "allowed",
            why: "a program is a bare name or an absolute path, with words or [options] behind it",
        })?;
        if cwd.is_some_and(|cwd| !cwd.starts_with('/') || cwd.split('/').any(|name| name == "..")) {
            return Err(Error::Policy { key: "cwd", why: "the folder is an absolute path without `..`" });
        }
        Ok(Self { allowed, ways, cwd: cwd.map(|cwd| absolute(cwd, "/")) })
    }

    /// Judges a command that is one string. Its normal form quotes every word that needs it; its operation is none where it cannot be told.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, value: &str) -> Result<Judged, Refused> {
        if value.len() > COMMAND {
            return Err(Refused::whole(Reason::TooLong));
        }
        let shell = match self.ways.shell {
            Way::Denied => Shell::Words,
            Way::Allowed => Shell::Anything,
        };
        let odd = text::find(value, |letter| letter.is_control() && letter != '\t' && (shell == Shell::Words || letter != '\n'));
        if let Some(at) = odd.or_else(|| text::hidden(value)) {
            return Err(Refused::new(Reason::ArgvControl, at));
        }
        let mut words = words::words(value, shell)?;
        let set = words.iter().take_while(|word| is_assignment(word)).count();
        if set > 0 && self.ways.env_prefix == Way::Denied {
            return Err(Refused::whole(Reason::ArgvVariable));
        }
        let rest = words.split_off(set);
        self.command(&rest)?;
        // A variable may name a program to start, and what a shell makes of the words is not in them.
        let operation = if set > 0 || shell == Shell::Anything { None } else { effect::of(&rest) };
        words.extend(rest);
        Ok(Judged { normal: quoted(&words), operation, replace: None })
    }

    /// Judges a command that is a list of words.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge_words(&self, words: &[String]) -> Result<Judged, Refused> {
        if words.iter().map(String::len).sum::<usize>() > COMMAND {
            return Err(Refused::whole(Reason::TooLong));
        }
        self.command(words)?;
        Ok(Judged { normal: quoted(words), operation: effect::of(words), replace: None })
    }

    fn command(&self, words: &[String]) -> Result<(), Refused> {
        if words.len() > WORDS {
            return Err(Refused::whole(Reason::TooLong));
        }
        for word in words {
            if word.contains('\0') || text::hidden(word).is_some() {
                return Err(Refused::whole(Reason::ArgvControl));
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.started(&words, 0).map_err(Refused::whole)
    }

    /// One program with its words, and those that it starts in turn.
    fn started(&self, words: &[&str], depth: usize) -> Result<(), Reason> {
        let Some((program, arguments)) = words.split_first() else { return Err(Reason::ArgvEmpty) };
        if program.trim().is_empty() {
            return Err(Reason::ArgvEmpty);
        }
        if depth > DEPTH {
            return Err(Reason::ArgvExec);
        }
        let entries: Vec<&Allowed> = self.allowed.iter().filter(|entry| entry.is(program)).collect();
        if entries.is_empty() {
            return Err(if program.contains(['/', '\\']) { Reason::ArgvPath } else { Reason::ArgvProgram });
        }
        let fits = entries.iter().map(|entry| entry.fits(arguments)).reduce(Result::or).unwrap_or(Err(Reason::ArgvProgram));
        fits?;
        let name = program.rsplit('/').next().unwrap_or(program);
        let paths = self.effects(name, arguments, depth)?;
        if self.ways.paths_outside_cwd == Way::Denied && paths.iter().any(|word| self.leads_out(word)) {
            return Err(Reason::ArgvOutside);
        }
        Ok(())
    }

    /// What the program would do with its words; gives those that may be paths.
    fn effects<'a>(&self, name: &str, words: &[&'a str], depth: usize) -> Result<Vec<&'a str>, Reason> {
        if name == "git" {
            return match (git::judge(words), self.ways.exec_options) {
                (Err(_), Way::Allowed) => Ok(words.to_vec()),
                (judged, _) => judged,
            };
        }
        let Some(known) = program::of(name) else { return self.unknown(words) };
        match known.operands {
            Operands::Text => Ok(Vec::new()),
            Operands::Anything => self.may_start().map(|()| words.to_vec()),
            Operands::Words => self.worded(known, name, words),
            Operands::Plain | Operands::Pattern | Operands::Script(_) | Operands::Source | Operands::Command => {
                self.scan(known, name, words, depth)
            }
        }
    }

    fn may_start(&self) -> Result<(), Reason> {
        if self.ways.exec_options == Way::Denied { Err(Reason::ArgvExec) } else { Ok(()) }
    }

    fn may_hold_code(&self) -> Result<(), Reason> {
        if self.ways.inline_code == Way::Denied { Err(Reason::ArgvInline) } else { Ok(()) }
    }

    /// A program that is not in the table: options whose names tell that they start something.
    fn unknown<'a>(&self, words: &[&'a str]) -> Result<Vec<&'a str>, Reason> {
        for word in words.iter().take_while(|word| **word != "--").filter(|word| word.len() > 2 && word.starts_with('-')) {
            let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
            let telling = name.split('-').next().is_some_and(|first| matches!(first, "exec" | "eval")) || program::TELLING.contains(&name);
            if telling {
                self.may_start()?;
            }
        }
        Ok(words.to_vec())
    }

    /// A program whose options have one hyphen and whole names.
    fn worded<'a>(&self, known: &Program, name: &str, words: &[&'a str]) -> Result<Vec<&'a str>, Reason> {
        for word in words.iter().filter(|word| word.starts_with('-')) {
            let option = word.trim_start_matches('-').split('=').next().unwrap_or_default();
            let short = option.split(':').next().unwrap_or_default();
            let among = |list: &[&str]| list.contains(&option) || list.contains(&short);
            if among(known.code) {
                self.may_hold_code()?;
            }
            if among(known.exec) {
                self.may_start()?;
            }
        }
        let first = words.iter().find(|word| !word.starts_with('-'));
        if first.is_some_and(|word| known.verbs.contains(word))
            || (name == "sqlite3" && words.iter().any(|word| word.trim_start().starts_with('.') && !word.contains('/')))
        {
            self.may_start()?;
        }
        Ok(words.to_vec())
    }

    /// A program with options as POSIX and GNU have them.
    fn scan<'a>(&self, known: &Program, name: &str, words: &[&'a str], depth: usize) -> Result<Vec<&'a str>, Reason> {
        let mut scan = Scan {
            policy: self,
            known,
            name,
            paths: Vec::new(),
            operands: 0,
            verb: true,
            behind_option: false,
            scripts: 0,
            rest: Rest::Own,
        };
        let mut at = 0;
        let mut behind = false;
        while let Some(word) = words.get(at).copied() {
            at += 1;
            let next = words.get(at).copied();
            if !behind && word == "--" {
                behind = true;
                continue;
            }
            if !behind && word.len() > 1 && word.starts_with('-') {
                let used = if let Some(long) = word.strip_prefix("--") { scan.long(long, next)? } else { scan.short(word, next)? };
                scan.paths.push(word);
                at += used;
                if scan.rest == Rest::Others {
                    return Ok([scan.paths.as_slice(), words.get(at..).unwrap_or_default()].concat());
                }
                scan.behind_option = used == 0 && !word.contains('=');
                continue;
            }
            match known.operands {
                Operands::Command => {
                    if name == "env" && (is_assignment(word) || word == "-") {
                        if word != "-" && self.ways.env_prefix == Way::Denied {
                            return Err(Reason::ArgvVariable);
                        }
                        continue;
                    }
                    let skip = usize::from(name == "timeout");
                    if scan.operands < skip {
                        scan.operands += 1;
                        continue;
                    }
                    self.started(words.get(at - 1..).unwrap_or_default(), depth + 1)?;
                    return Ok(scan.paths);
                }
                Operands::Source => {
                    if word == "-" {
                        self.may_hold_code()?;
                    }
                    return Ok([scan.paths.as_slice(), words.get(at - 1..).unwrap_or_default()].concat());
                }
                Operands::Plain | Operands::Pattern | Operands::Script(_) | Operands::Text | Operands::Words | Operands::Anything => {
                    scan.operand(word)?
                }
            }
        }
        let asks = |word: &&str| matches!(*word, "--version" | "--help" | "-V" | "-v" | "-h" | "-VV" | "--list-options");
        if known.operands == Operands::Source && !words.iter().any(asks) {
            // Without a file it reads code from its input.
            self.may_hold_code()?;
        }
        Ok(scan.paths)
    }

    /// Whether a word is, or holds, a path outside the folder.
    fn leads_out(&self, word: &str) -> bool {
        let mut parts = vec![word];
        if let Some((_, value)) = word.split_once('=') {
            parts.push(value);
        }
        if word.starts_with('-') && !word.starts_with("--") {
            parts.extend(word.char_indices().nth(2).and_then(|(at, _)| word.get(at..)));
        }
        for part in parts.clone() {
            if !part.contains("://") {
                parts.extend(part.split(':').skip(1));
            }
        }
        parts.iter().any(|part| self.is_outside(part.trim().trim_start_matches('@').trim_matches(['"', '\''])))
    }

    fn is_outside(&self, part: &str) -> bool {
        if part.to_ascii_lowercase().starts_with("file:") {
            return true;
        }
        if part.contains("://") || part == "/dev/null" {
            return false;
        }
        let mut letters = part.chars();
        let drive = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
            && letters.next() == Some(':')
            && letters.next().is_some_and(|letter| letter == '\\' || letter == '/');
        let home = part.strip_prefix('~').is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['/', '+', '-']) || rest.starts_with(|letter: char| letter.is_ascii_alphabetic())
        });
        if drive || home || part.starts_with("\\\\") {
            return true;
        }
        let slashed = part.replace('\\', "/");
        let climbs = slashed.split('/').any(|name| name == "..");
        if !slashed.starts_with('/') && !climbs {
            return false;
        }
        match &self.cwd {
            Some(cwd) => [part, slashed.as_str()].iter().any(|path| !under(&absolute(path, cwd), cwd)),
            None => true,
        }
    }
}

impl Allowed {
    fn fits(&self, words: &[&str]) -> Result<(), Reason> {
        if self.leading.iter().zip(words).filter(|(one, other)| one == *other).count() < self.leading.len() {
            return Err(Reason::ArgvLeading);
        }
        let Some(options) = &self.options else { return Ok(()) };
        let given =
            words.iter().skip(self.leading.len()).take_while(|word| **word != "--").filter(|word| word.len() > 1 && word.starts_with('-'));
        for word in given {
            let whole = options.iter().any(|option| {
                option == word || word.strip_prefix(option.as_str()).is_some_and(|rest| option.starts_with("--") && rest.starts_with('='))
            });
            let bundle = !word.starts_with("--")
                && word
                    .chars()
                    .skip(1)
                    .all(|letter| options.iter().any(|option| option.strip_prefix('-') == Some(letter.encode_utf8(&mut [0; 4]))));
            if !whole && !bundle {
                return Err(Reason::ArgvUnlisted);
            }
        }
        Ok(())
    }
}

/// The words of one program on the way through.
struct Scan<'p, 'a> {
    policy: &'p Policy,
    known: &'p Program,
    name: &'p str,
    paths: Vec<&'a str>,
    operands: usize,
    /// Whether the next operand may be the verb: all before it may be values of options.
    verb: bool,
    behind_option: bool,
    /// Patterns and scripts that were given.
    scripts: usize,
    rest: Rest,
}

/// Whose the words are that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// The program's.
    Own,
    /// Those of what it runs.
    Others,
}

impl<'a> Scan<'_, 'a> {
    fn long(&mut self, long: &'a str, next: Option<&'a str>) -> Result<usize, Reason> {
        let (option, value) = long.split_once('=').map_or((long, None), |(option, value)| (option, Some(value)));
        self.refuse_long(option)?;
        if let (Operands::Script(Language::Sed), true) = (self.known.operands, !option.is_empty() && "expression".starts_with(option)) {
            self.script(value.or(next).unwrap_or_default())?;
            return Ok(usize::from(value.is_none()));
        }
        if self.known.operands == Operands::Pattern && matches!(option, "regexp" | "file") {
            self.scripts += 1;
            return Ok(usize::from(value.is_none() && option == "regexp"));
        }
        Ok(match (self.known.operands, option) {
            (Operands::Script(Language::Jq), "arg" | "argjson") => 2,
            (Operands::Script(Language::Jq), "indent") => 1,
            (Operands::Script(Language::Jq), "slurpfile" | "rawfile") => 1,
            (Operands::Script(Language::Jq), "from-file") => {
                self.scripts += 1;
                0
            }
            _ => 0,
        })
    }

    /// An option by its name or by the beginning of it, as GNU programs take it.
    fn refuse_long(&self, option: &str) -> Result<(), Reason> {
        let among = |list: &[&str]| {
            list.iter().any(|known| known.len() > 1 && (*known == option || (!option.is_empty() && known.starts_with(option))))
        };
        if among(self.known.code) {
            self.policy.may_hold_code()?;
        }
        if among(self.known.exec) {
            self.policy.may_start()?;
        }
        Ok(())
    }

    /// A cluster of short options; gives how many words behind it are values.
    fn short(&mut self, word: &'a str, next: Option<&'a str>) -> Result<usize, Reason> {
        for (at, letter) in word.char_indices().skip(1) {
            let rest = word.get(at + letter.len_utf8()..).unwrap_or_default();
            let mut buffer = [0; 4];
            let name: &str = letter.encode_utf8(&mut buffer);
            if self.known.code.contains(&name) {
                self.policy.may_hold_code()?;
            }
            if self.known.exec.contains(&name) {
                self.policy.may_start()?;
            }
            let value = if rest.is_empty() { next } else { Some(rest) };
            let used = usize::from(rest.is_empty());
            match (self.known.operands, letter) {
                (Operands::Script(Language::Sed), 'e') => {
                    self.script(value.unwrap_or_default())?;
                    return Ok(used);
                }
                (Operands::Script(Language::Sed), 'i') => return Ok(0),
                (Operands::Script(Language::Jq), 'f') | (Operands::Pattern, 'f') => {
                    self.scripts += 1;
                    return Ok(0);
                }
                (Operands::Pattern, 'e') => {
                    self.scripts += 1;
                    return Ok(used);
                }
                (Operands::Source, 'm') if self.name.starts_with("py") => {
                    if value.is_some_and(|module| program::PYTHON_MODULES.contains(&module)) {
                        self.policy.may_hold_code()?;
                    }
                    // Behind `-m module` stands what is the module's own.
                    self.rest = Rest::Others;
                    return Ok(used);
                }
                _ if self.known.valued.contains(letter) => {
                    self.paths.extend(value);
                    return Ok(used);
                }
                _ => {}
            }
        }
        // Old ways of writing options in whole words behind one hyphen.
        self.refuse_long(word.get(1..).filter(|word| word.len() > 2).and_then(|word| word.split('=').next()).unwrap_or("-")).map(|()| 0)
    }

    fn script(&mut self, script: &str) -> Result<(), Reason> {
        self.scripts += 1;
        match self.known.operands {
            Operands::Script(language) if program::acts(language, script) => self.policy.may_start(),
            _ => Ok(()),
        }
    }

    fn operand(&mut self, word: &'a str) -> Result<(), Reason> {
        let first = self.verb;
        self.verb = self.verb && self.behind_option;
        self.behind_option = false;
        self.operands += 1;
        if matches!(self.known.operands, Operands::Pattern | Operands::Script(_)) && self.scripts == 0 {
            return self.script(word);
        }
        if first && self.known.verbs.contains(&word) {
            self.policy.may_start()?;
        }
        let fetches = ["npm", "cargo", "pip"].iter().any(|name| self.known.names.contains(name));
        if fetches && (word.contains("://") || word.starts_with("git+") || word.starts_with("git@")) {
            self.policy.may_start()?;
        }
        // `tar xIf`: letters without a hyphen. `less +!id`, `make SHELL=x`.
        let letters = self.known.names.contains(&"tar")
            && self.operands == 1
            && word.chars().all(|letter| letter.is_ascii_alphabetic())
            && word.contains(['I', 'F', 'P']);
        let keys = self.known.names.contains(&"less") && word.starts_with('+');
        let sets = self.known.names.contains(&"make")
            && is_assignment(word)
            && (word.contains("$(") || ["SHELL=", ".SHELLFLAGS=", "MAKEFLAGS=", "MAKE="].iter().any(|name| word.starts_with(name)));
        if letters || keys || sets {
            self.policy.may_start()?;
        }
        self.paths.push(word);
        Ok(())
    }
}

/// Whether a word sets a variable (POSIX.1-2024, section 2.9.1).
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_[]".contains(&byte))
    })
}

/// Words as one string that a shell cuts into the same words.
fn quoted(words: &[String]) -> String {
    let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte));
    let one = |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    words.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
