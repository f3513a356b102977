//! Changes the `sandbox` entry of one server in a file's text, and nothing else: comments and everything around it stay as they were written.

use crate::file::Server;
use crate::tree::{self, Member, Node, Value};
use crate::unit::Size;
use std::fmt::Write as _;
use std::path::PathBuf;
use terms::ServerName;

/// What a server's entry is to say; its other members stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boxed {
    /// Folders and files that it may read.
    pub read: Vec<PathBuf>,
    /// Folders and files that it may read and write.
    pub write: Vec<PathBuf>,
    /// `host:port` that it may connect to.
    pub egress: Vec<String>,
    /// Bytes of memory.
    pub memory: Size,
    /// Processes and threads.
    pub processes: u64,
}

/// How a file is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amended {
    /// The whole text anew.
    Text(String),
    /// It is written in a way that is not changed by a program: the line that the server stands in, counted from 1, and the entry.
    ByHand {
        /// The line.
        line: u32,
        /// The entry, as lines of YAML.
        entry: String,
    },
}

const KEY: &str = "sandbox";
/// The members that a [`Boxed`] says.
const SAID: [&str; 5] = ["read", "write", "egress", "memory", "processes"];

impl Boxed {
    /// What `server` has now.
    pub fn of(server: &Server) -> Self {
        let sandbox = &server.sandbox;
        Self {
            read: sandbox.read.clone(),
            write: sandbox.write.clone(),
            egress: sandbox.egress.iter().map(ToString::to_string).collect(),
            memory: sandbox.memory,
            processes: u64::from(sandbox.processes),
        }
    }

    /// Its members as lines of YAML, without indentation.
    pub fn lines(&self) -> Vec<String> {
        let paths = |paths: &[PathBuf]| listed(paths.iter().map(|path| scalar(&path.to_string_lossy())));
        let mut lines = Vec::new();
        if !self.read.is_empty() {
            lines.push(format!("read: {}", paths(&self.read)));
        }
        if !self.write.is_empty() {
            lines.push(format!("write: {}", paths(&self.write)));
        }
        if !self.egress.is_empty() {
            lines.push(format!("egress: {}", listed(self.egress.iter().map(|host| scalar(host)))));
        }
        lines.push(format!("memory: {}", self.memory));
        lines.push(format!("processes: {}", self.processes));
        lines
    }
}

/// `text`, a file that can be read, with `entry` for `server`; none where it does not name that server.
pub fn amend(text: &str, server: &ServerName, entry: &Boxed) -> Option<Amended> {
    let root = tree::read(text).0?;
    let servers = root.member("servers")?;
    let named = servers.node.member(server.as_str())?;
    let kept: Vec<String> = named.node.member(KEY).map(|member| others(&member.node)).unwrap_or_default();
    let lines: Vec<String> = entry.lines().into_iter().chain(kept).collect();
    let changed = within(text, named, &lines).filter(|changed| is_same_but(text, changed, server));
    Some(changed.map_or_else(
        || {
            let entry = lines.iter().fold(format!("{KEY}:\n"), |out, line| format!("{out}  {line}\n"));
            Amended::ByHand { line: named.place.line, entry }
        },
        Amended::Text,
    ))
}

/// The members of an entry that stay, printed anew.
fn others(sandbox: &Node) -> Vec<String> {
    let Value::Map(members) = &sandbox.value else { return Vec::new() };
    let stay = members.iter().filter(|member| !SAID.contains(&member.key.as_str()));
    stay.map(|member| format!("{}: {}", scalar(&member.key), printed(&member.node))).collect()
}

fn within(text: &str, server: &Member, lines: &[String]) -> Option<String> {
    let Value::Map(members) = &server.node.value else { return None };
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let column = members.first()?.place.column;
    let begins = |member: &Member| {
        let line = usize::try_from(member.place.line).ok()?.checked_sub(1)?;
        let before = usize::try_from(member.place.column).ok()?.checked_sub(1)?;
        let blank = all.get(line)?.get(..before)?.bytes().all(|byte| byte == b' ');
        (blank && member.place.column == column && member.place.line != server.place.line).then_some(line)
    };
    let starts: Vec<usize> = members.iter().map(begins).collect::<Option<_>>()?;
    let indent = " ".repeat(usize::try_from(column).ok()?.checked_sub(1)?);
    let at = members.iter().position(|member| member.key == KEY);
    // A new one comes after the first member.
    let (member, first) = at.map_or_else(|| Some((0, None)), |at| Some((at, Some(*starts.get(at)?))))?;
    let end = extent(&all, *starts.get(member)?, starts.get(member + 1).copied(), indent.len());
    let from = first.unwrap_or(end);
    let mut out: String = all.get(..from)?.concat();
    if !out.ends_with('\n') {
        out.push('\n');
    }
    for comment in all.get(from..end)?.iter().filter_map(|line| comment(line)) {
        let _ = writeln!(out, "{indent}{comment}");
    }
    let _ = writeln!(out, "{indent}{KEY}:");
    for line in lines {
        let _ = writeln!(out, "{indent}  {line}");
    }
    out.push_str(&all.get(end..)?.concat());
    Some(out)
}

/// The line after the last one of what begins at `start`, whose key is indented by `indent`; what comes next begins at `next`.
pub(crate) fn extent(all: &[&str], start: usize, next: Option<usize>, indent: usize) -> usize {
    let is_outside = |line: &&str| !is_empty(line) && line.len() - line.trim_start_matches(' ').len() < indent;
    let rest = all.iter().skip(start + 1);
    let end = next.unwrap_or_else(|| start + 1 + rest.take_while(|line| !is_outside(line)).count());
    // What stands between belongs to what follows.
    let trailing = all.get(start + 1..end).unwrap_or_default().iter().rev().take_while(|line| is_empty(line)).count();
    end - trailing
}

fn is_empty(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn comment(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.starts_with('#') {
        return Some(line);
    }
    line.find(" #").and_then(|at| line.get(at..)).map(str::trim)
}

/// Whether both texts say the same but for the entry of `server`.
fn is_same_but(text: &str, changed: &str, server: &ServerName) -> bool {
    let (Some(mut one), Some(mut other)) = (tree::read(text).0, tree::read(changed).0) else { return false };
    if !tree::read(changed).1.is_empty() {
        return false;
    }
    strip(&mut one, server);
    strip(&mut other, server);
    same(&one, &other)
}

fn strip(root: &mut Node, server: &ServerName) {
    let mut node = root;
    for key in ["servers", server.as_str()] {
        let Value::Map(members) = &mut node.value else { return };
        let Some(member) = members.iter_mut().find(|member| member.key == key) else { return };
        node = &mut member.node;
    }
    if let Value::Map(members) = &mut node.value {
        members.retain(|member| member.key != KEY);
    }
}

pub(crate) fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Text { text, plain }, Value::Text { text: other, plain: as_plain }) => text == other && plain == as_plain,
        (Value::List(items), Value::List(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(item, other)| same(item, other))
        }
        (Value::Map(members), Value::Map(others)) => {
            let both = members.iter().zip(others);
            members.len() == others.len() && both.into_iter().all(|(one, other)| one.key == other.key && same(&one.node, &other.node))
        }
        _ => false,
    }
}

pub(crate) fn printed(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Text { text, .. } => scalar(text),
        Value::List(items) => listed(items.iter().map(printed)),
        Value::Map(members) => {
            let members: Vec<String> = members.iter().map(|member| format!("{}: {}", scalar(&member.key), printed(&member.node))).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A scalar: as it is where nothing in it means anything, else in double quotes, which are those of JSON.
pub(crate) fn scalar(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'.');
    if begins && text.bytes().all(plain) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Boxed {
        Boxed {
            read: vec!["/data/a b".into(), "/data/c".into()],
            write: Vec::new(),
            egress: vec!["api.example.com:443".into()],
            memory: Size::mebibytes(128),
            processes: 16,
        }
    }

    fn amended(text: &str) -> String {
        match amend(text, &ServerName::new("files").unwrap(), &entry()) {
            Some(Amended::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    const NEW: &str = "    sandbox:\n      read: [\"/data/a b\", /data/c]\n      egress: [\"api.example.com:443\"]\n      memory: 128MiB\n      processes: 16\n";

    #[test]
    fn an_entry_comes_after_the_command_and_comments_stay() {
        let text = "# mine\nservers:\n  # one\n  files:\n    run: [/bin/x,\n      y]   # why\n    # later\n    call: 3s\n\n  git: { run: [/bin/g] }\n";
        let expected = text.replace("# why\n", &format!("# why\n{NEW}"));
        assert_eq!(amended(text), expected);
        let last = "servers:\n  files:\n    run: [/bin/x]";
        assert_eq!(amended(last), format!("{last}\n{NEW}"));
    }

    #[test]
    fn an_entry_is_replaced_with_its_comments_and_other_members_kept() {
        let text = "servers:\n  files:\n    run: [/bin/x]\n    sandbox:\n      # for the books\n      read: [/old] # all\n      cpu: 2\n\n    # patience\n    call: 3s\nroles: {}\n";
        let expected = format!(
            "servers:\n  files:\n    run: [/bin/x]\n    # for the books\n    # all\n{NEW}      cpu: 2\n\n    # patience\n    call: 3s\nroles: {{}}\n"
        );
        assert_eq!(amended(text), expected);
        let flow = "servers:\n  files:\n    run: [/bin/x]\n    sandbox: { read: [/old], files: 9 }\n# end\n";
        assert_eq!(amended(flow), format!("servers:\n  files:\n    run: [/bin/x]\n{NEW}      files: 9\n# end\n"));
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_people() {
        let files = ServerName::new("files").unwrap();
        for text in ["servers:\n  files: { run: [/bin/x] }\n", "{\"servers\": {\"files\": {\"run\": [\"/bin/x\"]}}}"] {
            let Some(Amended::ByHand { entry, .. }) = amend(text, &files, &entry()) else { panic!("{text}") };
            assert!(entry.starts_with("sandbox:\n  read: ["), "{entry}");
        }
        assert_eq!(amend("servers: {}", &files, &entry()), None);
        assert_eq!(amend(": [", &files, &entry()), None);
    }
}
