//! Small changes of a file's text: one entry of a list, one value, one role. Everything around stays as it was written.
//!
//! A change is made in the text and then read again: unless the file says exactly what it said before and the change, there is none.

use crate::amend;
use crate::tree::{self, Member, Node, Value};
use std::fmt::Write as _;

/// What is put at a path of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// A further entry of the list there, as YAML on one line; a list that is not there is made.
    Entry(String),
    /// The value there, as YAML on one line; one that is there already must be a scalar.
    Value(String),
    /// The whole mapping there, as lines of YAML in block form, without indentation; one that is there already is replaced with its comments.
    Block(Vec<String>),
}

/// A changed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// The first line that is another one, counted from 1.
    pub line: u32,
    /// The lines that went.
    pub before: Vec<String>,
    /// The lines that came.
    pub after: Vec<String>,
}

/// `text` with `put` at `path`; none where the file is written in a way that is not changed by a program, or does not come out as meant.
pub fn edit(text: &str, path: &[&str], put: &Put) -> Option<Edited> {
    let (root, problems) = tree::read(text);
    let root = root.filter(|_| problems.is_empty())?;
    let changed = changed(text, &root, path, put)?;
    let mut expected = root;
    apply(&mut expected, path, put)?;
    let (found, problems) = tree::read(&changed);
    if !problems.is_empty() || !amend::same(&expected, &found?) {
        return None;
    }
    Some(compared(text, changed))
}

/// `text` as a scalar of a YAML list or mapping on one line.
pub fn scalar(text: &str) -> String {
    amend::scalar(text)
}

fn compared(old: &str, new: String) -> Edited {
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let first = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let rest = before.len().min(after.len()).saturating_sub(first);
    let last = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let part = |lines: &[&str]| {
        let middle = lines.get(first..lines.len().saturating_sub(last)).unwrap_or_default();
        middle.iter().map(|line| (*line).to_owned()).collect()
    };
    let (before, after) = (part(&before), part(&after));
    Edited { line: u32::try_from(first + 1).unwrap_or(u32::MAX), before, after, text: new }
}

fn changed(text: &str, root: &Node, path: &[&str], put: &Put) -> Option<String> {
    let (member, rest) = deepest(root, path);
    let node = member.map_or(root, |member| &member.node);
    match (rest, put) {
        ([], Put::Entry(entry)) => append(text, node, entry),
        ([], Put::Value(value)) => replace(text, node, value),
        ([], Put::Block(lines)) => block(text, member?, lines),
        ([key], Put::Block(lines)) => {
            let Value::Map(_) = &node.value else { return None };
            let indent = indentation(node)?;
            let lines: Vec<String> = lines.iter().map(|line| format!("{indent}  {line}")).collect();
            insert(text, node, &[format!("{indent}{}:", amend::scalar(key))].into_iter().chain(lines).collect::<Vec<_>>())
        }
        (rest, Put::Entry(entry)) => grow(text, node, rest, &format!("[{entry}]")),
        (rest, Put::Value(value)) => grow(text, node, rest, value),
        (_, Put::Block(_)) => None,
    }
}

/// The member that `path` leads to as far as it goes, and what is left of the path.
fn deepest<'a, 'p>(root: &'a Node, path: &'p [&'p str]) -> (Option<&'a Member>, &'p [&'p str]) {
    let (mut found, mut rest): (Option<&Member>, _) = (None, path);
    while let Some((key, after)) = rest.split_first() {
        let node = found.map_or(root, |member| &member.node);
        let Some(member) = node.member(key) else { break };
        (found, rest) = (Some(member), after);
    }
    (found, rest)
}

/// A new member of the mapping `node`, nested as deep as `rest` says.
fn grow(text: &str, node: &Node, rest: &[&str], value: &str) -> Option<String> {
    let (key, deeper) = rest.split_first()?;
    let value = deeper.iter().rev().fold(value.to_owned(), |inner, key| format!("{{ {}: {inner} }}", amend::scalar(key)));
    let member = format!("{}: {value}", amend::scalar(key));
    match &node.value {
        Value::Map(members) if starts(text, node) == Some('{') => into_flow(text, node, &member, members.is_empty()),
        Value::Map(_) => insert(text, node, &[format!("{}{member}", indentation(node)?)]),
        Value::Null | Value::Text { .. } | Value::List(_) => None,
    }
}

fn append(text: &str, node: &Node, entry: &str) -> Option<String> {
    let Value::List(items) = &node.value else { return None };
    if starts(text, node) == Some('[') {
        return into_flow(text, node, entry, items.is_empty());
    }
    let last = items.last()?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = index(last.place.line)?;
    let before: String = lines.get(at)?.chars().take(index(last.place.column)?).collect();
    if before.trim() != "-" || !matches!(last.value, Value::Text { .. } | Value::Null) {
        return None;
    }
    let mut out = ended(lines.get(..=at)?.concat());
    let _ = writeln!(out, "{before}{entry}");
    out.push_str(&lines.get(at + 1..)?.concat());
    Some(out)
}

fn replace(text: &str, node: &Node, value: &str) -> Option<String> {
    let Value::Text { .. } = &node.value else { return None };
    let from = offset(text, node)?;
    let length = token(text.get(from..)?);
    Some(format!("{}{value}{}", text.get(..from)?, text.get(from + length..)?))
}

/// Before the bracket that ends the collection at `node`.
fn into_flow(text: &str, node: &Node, entry: &str, is_empty: bool) -> Option<String> {
    let from = offset(text, node)?;
    let end = from + closing(text.get(from..)?)?;
    let inside = text.get(..end)?.trim_end();
    let spaced = text.get(from..end)?.starts_with('{');
    let comma = if is_empty || inside.ends_with(',') { "" } else { "," };
    let gap = if is_empty && !spaced { "" } else { " " };
    Some(format!("{inside}{comma}{gap}{entry}{}{}", if spaced { " " } else { "" }, text.get(end..)?))
}

/// After the last member of the mapping `node`, which is written in lines.
fn insert(text: &str, node: &Node, new: &[String]) -> Option<String> {
    let Value::Map(members) = &node.value else { return None };
    let last = members.last()?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (start, column) = begins(&lines, last)?;
    let end = amend::extent(&lines, start, None, column);
    let mut out = ended(lines.get(..end)?.concat());
    for line in new {
        let _ = writeln!(out, "{line}");
    }
    out.push_str(&lines.get(end..)?.concat());
    Some(out)
}

/// The mapping of `member` anew.
fn block(text: &str, member: &Member, new: &[String]) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (start, column) = begins(&lines, member)?;
    let inside = |line: &&str| line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() > column;
    let end = start + 1 + lines.iter().skip(start + 1).take_while(|line| inside(line)).count();
    let trailing = lines.get(start + 1..end)?.iter().rev().take_while(|line| line.trim().is_empty()).count();
    let end = end - trailing;
    let indent = " ".repeat(column);
    let mut out = ended(lines.get(..start)?.concat());
    let _ = writeln!(out, "{indent}{}:", amend::scalar(&member.key));
    for line in new {
        let _ = writeln!(out, "{indent}  {line}");
    }
    out.push_str(&lines.get(end..)?.concat());
    Some(out)
}

/// The line that `member` begins, and by how much it is indented; none where something else stands before it.
fn begins(lines: &[&str], member: &Member) -> Option<(usize, usize)> {
    let (line, column) = (index(member.place.line)?, index(member.place.column)?);
    lines.get(line)?.get(..column)?.bytes().all(|byte| byte == b' ').then_some((line, column))
}

fn indentation(node: &Node) -> Option<String> {
    let Value::Map(members) = &node.value else { return None };
    Some(" ".repeat(index(members.first()?.place.column)?))
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn index(counted: u32) -> Option<usize> {
    usize::try_from(counted).ok()?.checked_sub(1)
}

/// Where `node` begins, in bytes.
fn offset(text: &str, node: &Node) -> Option<usize> {
    let (line, column) = (index(node.place.line)?, index(node.place.column)?);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let inside: usize = text.get(before..)?.chars().take(column).map(char::len_utf8).sum();
    Some(before + inside)
}

fn starts(text: &str, node: &Node) -> Option<char> {
    text.get(offset(text, node)?..)?.chars().next()
}

/// The length in bytes of the scalar that `text` begins with.
pub(crate) fn token(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(text, quote).unwrap_or(text.len()),
        _ => {
            let line = text.lines().next().unwrap_or_default();
            let end = [",", "]", "}", " #", ": "].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
            line.get(..end).unwrap_or(line).trim_end().len()
        }
    }
}

/// The length of a quoted scalar, quotes included.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote == '"' {
            letters.next();
        } else if letter == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Where the bracket stands that closes the one `text` begins with.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut at, mut before) = (0_usize, 0, ' ');
    while let Some(letter) = text.get(at..)?.chars().next() {
        let rest = text.get(at..)?;
        match letter {
            '"' | '\'' if " [{,:\n".contains(before) => {
                at += quoted(rest, letter)?;
                before = letter;
                continue;
            }
            '#' if before.is_whitespace() => {
                at += rest.find('\n')?;
                continue;
            }
            '[' | '{' => depth += 1,
            ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        before = letter;
        at += letter.len_utf8();
    }
    None
}

/// The same change in the tree.
fn apply(root: &mut Node, path: &[&str], put: &Put) -> Option<()> {
    let mut node = root;
    for (at, key) in path.iter().enumerate() {
        let Value::Map(members) = &mut node.value else { return None };
        if !members.iter().any(|member| member.key == *key) {
            let value = if at + 1 < path.len() { Value::Map(Vec::new()) } else { Value::List(Vec::new()) };
            let place = node.place;
            members.push(Member { key: (*key).to_owned(), place, node: Node { place, value } });
        }
        node = &mut members.iter_mut().find(|member| member.key == *key)?.node;
    }
    match put {
        Put::Entry(entry) => {
            let Value::List(items) = &mut node.value else { return None };
            items.push(tree::read(entry).0?);
        }
        Put::Value(value) => *node = tree::read(value).0?,
        Put::Block(lines) => *node = tree::read(&lines.join("\n")).0?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\nservers: {}\nroles:\n  coder:   # the first\n    members: [\"agent:a\"] # who\n    allow:\n      files: [read_file, 'x]']\n      git:\n        - get_*\n        # last\n        - \"list\"\n    clearance: internal # why\n\n  # the second\n  guest: { members: [], allow: { files: [] } }\ntools: {}\n";

    fn entry(path: &[&str], text: &str) -> Edited {
        edit(TEXT, path, &Put::Entry(text.to_owned())).unwrap_or_else(|| panic!("{path:?}"))
    }

    #[test]
    fn an_entry_is_added_where_its_list_is() {
        for (path, from, to) in [
            (&["roles", "coder", "allow", "files"][..], "'x]']", "'x]', new]"),
            (&["roles", "coder", "allow", "git"], "- \"list\"\n", "- \"list\"\n        - new\n"),
            (&["roles", "coder", "members"], "[\"agent:a\"] # who", "[\"agent:a\", new] # who"),
            (&["roles", "coder", "allow", "db"], "- \"list\"\n", "- \"list\"\n      db: [new]\n"),
            (&["roles", "coder", "ask", "db"], "# why\n", "# why\n    ask: { db: [new] }\n"),
            (&["roles", "guest", "members"], "members: []", "members: [new]"),
            (&["roles", "guest", "allow", "files"], "files: []", "files: [new]"),
            (&["roles", "guest", "allow", "db"], "files: [] }", "files: [], db: [new] }"),
            (&["tools", "a__b", "list"], "tools: {}", "tools: { a__b: { list: [new] } }"),
            (&["more", "list"], "tools: {}\n", "tools: {}\nmore: { list: [new] }\n"),
        ] {
            assert_eq!(entry(path, "new").text, TEXT.replacen(from, to, 1), "{path:?}");
        }
        let edited = entry(&["roles", "coder", "allow", "files"], "new");
        assert_eq!((edited.line, edited.before.len(), edited.after.len()), (7, 1, 1));
        assert_eq!(entry(&["roles", "coder", "allow", "db"], "new").before, Vec::<String>::new());
    }

    #[test]
    fn a_value_is_put_and_replaced() {
        let put = |path: &[&str], value: &str| edit(TEXT, path, &Put::Value(value.to_owned())).map(|edited| edited.text);
        assert_eq!(put(&["roles", "coder", "clearance"], "public").unwrap(), TEXT.replace("internal # why", "public # why"));
        assert_eq!(put(&["roles", "guest", "clearance"], "public").unwrap(), TEXT.replace("[] } }", "[] }, clearance: public }"));
        assert_eq!(
            put(&["roles", "third"], "{ members: [\"agent:c\"] }").unwrap(),
            TEXT.replace("[] } }\n", "[] } }\n  third: { members: [\"agent:c\"] }\n")
        );
        assert_eq!(put(&["roles", "coder", "allow"], "x"), None, "a mapping is not replaced by a value");
    }

    #[test]
    fn a_mapping_is_written_anew() {
        let lines: Vec<String> = ["members: [x]", "allow:", "  files: [y]"].map(str::to_owned).to_vec();
        let text = edit(TEXT, &["roles", "coder"], &Put::Block(lines.clone())).unwrap().text;
        let from = TEXT.find("  coder:").unwrap();
        let to = TEXT.find("\n  # the second").unwrap();
        assert_eq!(text, format!("{}  coder:\n    members: [x]\n    allow:\n      files: [y]\n{}", &TEXT[..from], &TEXT[to..]));
        let text = edit(TEXT, &["roles", "new"], &Put::Block(lines)).unwrap().text;
        assert!(text.contains("[] } }\n  new:\n    members: [x]\n    allow:\n      files: [y]\ntools"), "{text}");
    }

    #[test]
    fn what_would_not_come_out_as_meant_is_not_done() {
        let put = Put::Entry("new".to_owned());
        assert_eq!(edit("roles: [", &["roles"], &put), None);
        assert_eq!(edit("roles: &a [x]\nother: *a\n", &["roles"], &put), None, "an alias would change with it");
        assert_eq!(edit("roles:\n", &["roles"], &put), None);
        assert_eq!(edit("roles: [x]\n", &["roles"], &Put::Entry("a, b".to_owned())), None);
    }
}
