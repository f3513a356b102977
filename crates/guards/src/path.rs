//! Paths: under declared folders, in every reading that a program may give them.
//!
//! A path is judged as it stands, and as it reads when it is percent-decoded (several times over), folded to compatible characters, its backslashes
//! taken as separators, and its names trimmed as Windows and servlet containers do. Each reading must stay under a folder, and so must what the links
//! on it lead to. Nothing is asked of the file system but through [`Links`].
//!
//! Control: `tools.files`.

mod name;

use crate::text;
use crate::{Error, Judged, Reason, Refused};
use std::borrow::Cow;
use terms::{Operation, Span};
use unicode_normalization::UnicodeNormalization as _;

/// The longest path and name (Linux `PATH_MAX`, `NAME_MAX`), in bytes.
const PATH: usize = 4_096;
const NAME: usize = 255;

/// Whether what a path names may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// It may be written.
    Write,
}

/// What may become of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// They must lead to an open folder.
    Inside,
    /// They may lead anywhere but to devices.
    Anywhere,
}

/// What may be named.
#[derive(Clone, Debug)]
pub struct Policy {
    roots: Vec<Root>,
    cwd: String,
    access: Access,
    follow: Follow,
}

#[derive(Clone, Debug)]
struct Root {
    path: String,
    /// As programs read it that decode, fold and trim.
    read: Vec<String>,
}

impl Root {
    fn new(path: String) -> Self {
        let readings = text::readings(&path).unwrap_or_default();
        let forms = readings.iter().flat_map(|reading| {
            let slashed = reading.replace('\\', "/");
            [absolute(reading, "/"), absolute(&name::trimmed(&slashed), "/"), absolute(&slashed, "/")]
        });
        let read: Vec<String> = forms.collect();
        Self { read: read.into_iter().filter(|reading| *reading != path).collect(), path }
    }
}

/// Finds out where a path leads: the port to a file system.
pub trait Links {
    /// Where `path`, absolute and with its parent segments in it, leads once every link on it is followed in order. What is not there yet leads to
    /// itself under the deepest folder that is.
    ///
    /// # Errors
    /// [`Unresolved`] when that cannot be told.
    fn real(&self, path: &str) -> Result<Real, Unresolved>;
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Real {
    /// The path without links and parent segments.
    pub path: String,
    /// What is there.
    pub node: Node,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file or a folder, or nothing yet.
    Plain,
    /// A device, a pipe or a socket.
    Device,
}

/// It cannot be told where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresolved;

/// No file system: every path leads where it says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lexical;

impl Links for Lexical {
    fn real(&self, path: &str) -> Result<Real, Unresolved> {
        Ok(Real { path: absolute(path, "/"), node: Node::Plain })
    }
}

impl Policy {
    /// A policy of these folders; relative paths are from `cwd`, else from the first folder.
    ///
    /// # Errors
    /// [`Error::Policy`] where there is no folder, or one is not absolute and plain.
    pub fn new(roots: &[String], cwd: Option<&str>, access: Access, follow: Follow) -> Result<Self, Error> {
        let unfit = |key, why| Error::Policy { key, why };
        if roots.is_empty() {
            return Err(unfit("roots", "there must be at least one folder"));
        }
        let plain = |path: &str| path.starts_with('/') && !path.split('/').any(|name| name == "..") && text::control(path).is_none();
        if !roots.iter().all(|root| plain(root)) {
            return Err(unfit("roots", "a folder is an absolute path without `..`"));
        }
        if cwd.is_some_and(|cwd| !plain(cwd)) {
            return Err(unfit("cwd", "the folder is an absolute path without `..`"));
        }
        let roots: Vec<Root> = roots.iter().map(|root| Root::new(absolute(root, "/"))).collect();
        let first = roots.first().map(|root| root.path.clone()).unwrap_or_default();
        Ok(Self { cwd: cwd.map_or(first, |cwd| absolute(cwd, "/")), roots, access, follow })
    }

    /// Judges one path. Its normal form is absolute, without empty and parent segments.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, value: &str, links: &dyn Links) -> Result<Judged, Refused> {
        self.judge_from(value, &self.cwd, links)
    }

    /// Judges a path and the links on it that were found, each relative to the folder of the one before it.
    ///
    /// # Errors
    /// [`Refused`], where the first of them leads outside.
    pub fn judge_chain<'a>(&self, chain: impl IntoIterator<Item = &'a str>) -> Result<Judged, Refused> {
        let mut last: Option<Judged> = None;
        for target in chain {
            let folder = last.as_ref().map(|judged| parent(&judged.normal).to_owned());
            last = Some(self.judge_from(target, folder.as_deref().unwrap_or(&self.cwd), &Lexical)?);
        }
        last.ok_or(Refused::whole(Reason::PathEmpty))
    }

    fn judge_from(&self, value: &str, cwd: &str, links: &dyn Links) -> Result<Judged, Refused> {
        if value.trim().is_empty() {
            return Err(Refused::whole(Reason::PathEmpty));
        }
        if value.len() > PATH || value.split(['/', '\\']).any(|name| name.len() > NAME) {
            return Err(Refused::whole(Reason::PathLong));
        }
        if let Some(at) = text::control(value) {
            return Err(Refused::new(Reason::PathControl, at));
        }
        if let Some(at) = text::hidden(value) {
            return Err(Refused::new(Reason::PathHidden, at));
        }
        let normal = absolute(value, cwd);
        self.inside(&normal, value)?;
        name::check(value).map_err(Refused::whole)?;
        let bare = unquoted(value);
        let mut opened = vec![from(value, cwd)];
        let forms = if bare == normal { [Some(bare), None] } else { [Some(bare), Some(normal.as_str())] };
        for form in forms.into_iter().flatten() {
            for reading in text::readings(form).ok_or(Refused::whole(Reason::PathEncoded))? {
                self.reading(&reading, cwd)?;
                opened.extend(spellings(&reading).into_iter().map(|spelling| from(&spelling, cwd)));
            }
        }
        opened.sort_unstable();
        opened.dedup();
        for path in &opened {
            self.linked(path, links)?;
        }
        let operation = match self.access {
            Access::Read => Operation::Read,
            Access::Write => Operation::Write,
        };
        Ok(Judged { normal, operation: Some(operation), replace: None })
    }

    /// One reading, with its backslashes as they are and as separators, and with its names trimmed.
    fn reading(&self, reading: &str, cwd: &str) -> Result<(), Refused> {
        if text::control(reading).is_some() || reading.contains('\u{fffd}') {
            return Err(Refused::whole(Reason::PathControl));
        }
        name::check(reading).map_err(Refused::whole)?;
        let slashed = if reading.contains('\\') { Cow::Owned(reading.replace('\\', "/")) } else { Cow::Borrowed(reading) };
        if slashed != reading {
            name::check(&slashed).map_err(Refused::whole)?;
        }
        for path in [absolute(&slashed, cwd), absolute(&name::trimmed(&slashed), cwd)] {
            if is_kernel(&path) && !self.roots.iter().any(|root| is_kernel(&root.path) && under(&path, &root.path)) {
                return Err(Refused::whole(Reason::PathDevice));
            }
            if !self.roots.iter().any(|root| under(&path, &root.path) || root.read.iter().any(|read| under(&path, read))) {
                return Err(Refused::whole(Reason::PathReading));
            }
        }
        Ok(())
    }

    /// The folder that holds the path, as it stands.
    fn inside(&self, path: &str, value: &str) -> Result<(), Refused> {
        let whole = Span::new(0, value.len());
        match self.roots.iter().find(|root| under(path, &root.path)) {
            Some(root) if is_kernel(path) && !is_kernel(&root.path) => Err(Refused::new(Reason::PathDevice, whole)),
            Some(_) => Ok(()),
            // What is wrong with its form says more than that it is outside.
            None => Err(Refused::new(name::check(value).err().unwrap_or(Reason::PathOutside), whole)),
        }
    }

    /// Where one reading leads once the links on it are followed.
    fn linked(&self, path: &str, links: &dyn Links) -> Result<(), Refused> {
        let unresolved = |_| Refused::whole(Reason::PathUnresolved);
        let real = links.real(path).map_err(unresolved)?;
        match real.node {
            Node::Plain => {}
            Node::Device => return Err(Refused::whole(Reason::PathDevice)),
        }
        for root in &self.roots {
            let known = under(&real.path, &root.path) || root.read.iter().any(|read| under(&real.path, read));
            if known || under(&real.path, &links.real(&root.path).map_err(unresolved)?.path) {
                return Ok(());
            }
        }
        match self.follow {
            Follow::Anywhere if !is_kernel(&real.path) => Ok(()),
            Follow::Anywhere | Follow::Inside => Err(Refused::whole(Reason::PathLink)),
        }
    }
}

/// A reading as file systems store it that know one form of letters with marks, and with backslashes as separators.
fn spellings(reading: &str) -> Vec<Cow<'_, str>> {
    let mut all = vec![Cow::Borrowed(reading)];
    if !reading.is_ascii() {
        all.extend([Cow::Owned(reading.nfc().collect()), Cow::Owned(reading.nfd().collect())]);
    }
    if reading.contains('\\') {
        let slashed: Vec<Cow<'_, str>> = all.iter().map(|one| Cow::Owned(one.replace('\\', "/"))).collect();
        all.extend(slashed);
    }
    all
}

/// `path` from `cwd`, with all its segments.
fn from(path: &str, cwd: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", cwd.trim_end_matches('/')) }
}

/// The value as programs read it that trim spaces and take quotation marks away.
fn unquoted(value: &str) -> &str {
    value.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '`'))
}

/// `path` from `cwd`, absolute, without empty, `.` and `..` segments.
pub(crate) fn absolute(path: &str, cwd: &str) -> String {
    let before = if path.starts_with('/') { "" } else { cwd };
    let mut names: Vec<&str> = Vec::new();
    for name in before.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() {
        return "/".to_owned();
    }
    let mut out = String::with_capacity(before.len() + path.len() + 1);
    for name in names {
        out.push('/');
        out.push_str(name);
    }
    out
}

/// Whether `path` is `root` or below it; both absolute and plain.
pub(crate) fn under(path: &str, root: &str) -> bool {
    root == "/" || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether it is one of the kernel's own folders.
fn is_kernel(path: &str) -> bool {
    ["/dev", "/proc", "/sys"].iter().any(|folder| under(path, folder))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map(|(folder, _)| if folder.is_empty() { "/" } else { folder }).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        let roots = ["/srv/data".to_owned(), "/var/tmp/box".to_owned()];
        Policy::new(&roots, None, Access::Write, Follow::Inside).unwrap()
    }

    fn judge(value: &str) -> Result<String, Reason> {
        policy().judge(value, &Lexical).map(|judged| judged.normal).map_err(|refused| refused.reason)
    }

    #[test]
    fn plain_paths_pass_in_their_normal_form() {
        for (value, normal) in [
            ("/srv/data", "/srv/data"),
            ("/srv/data/", "/srv/data"),
            ("a/b.txt", "/srv/data/a/b.txt"),
            ("./a//b/../c", "/srv/data/a/c"),
            ("/srv/data/x/../../data/y", "/srv/data/y"),
            ("/var/tmp/box/ü/日本.md", "/var/tmp/box/ü/日本.md"),
            ("/srv/data/100%.txt", "/srv/data/100%.txt"),
            ("/srv/data/50%20off.txt", "/srv/data/50%20off.txt"),
            ("/srv/data/%c3%a9t%c3%a9.txt", "/srv/data/%c3%a9t%c3%a9.txt"),
            ("/srv/data/Acme Inc./q.pdf", "/srv/data/Acme Inc./q.pdf"),
            ("/srv/data/..gitkeep", "/srv/data/..gitkeep"),
            ("/srv/data/wait…what.txt", "/srv/data/wait…what.txt"),
            ("routes/$postId.tsx", "/srv/data/routes/$postId.tsx"),
            ("Outer$Inner.class", "/srv/data/Outer$Inner.class"),
            ("A$B.class", "/srv/data/A$B.class"),
            ("console.log", "/srv/data/console.log"),
            ("~$report.docx", "/srv/data/~$report.docx"),
            ("/srv/data/~/x", "/srv/data/~/x"),
            ("src\\main.rs", "/srv/data/src\\main.rs"),
            ("/srv/data/it's \"quoted\".txt", "/srv/data/it's \"quoted\".txt"),
            ("/srv/data/dev/null", "/srv/data/dev/null"),
            ("[id].tsx", "/srv/data/[id].tsx"),
            ("a:b:c.txt", "/srv/data/a:b:c.txt"),
        ] {
            let expected = if value == "a:b:c.txt" { Err(Reason::PathDrive) } else { Ok(normal.to_owned()) };
            assert_eq!(judge(value), expected, "{value}");
        }
    }

    #[test]
    fn what_leads_out_in_any_reading_is_refused() {
        for value in [
            "/etc/passwd",
            "/srv/database",
            "..",
            "../data2/x",
            "/srv/data/../other",
            "/var/tmp/box/../../../srv/other",
            "/srv/data/%2e%2e/%2e%2e/etc",
            "/srv/data/.%2e/x",
            "/srv/data/..%2f..%2fetc",
            "/srv/data/..%252f..%252fetc",
            "/srv/data/%c0%ae%c0%ae/%c0%ae%c0%ae/x",
            "/srv/data/%u002e%u002e/%u002e%u002e/x",
            "/srv/data/..\\..\\etc",
            "/srv/data/..%5c..%5cetc",
            "/srv/data/．．/．．/etc",
            "/srv/data/‥/‥/etc",
            "/srv/data/..∕..∕etc",
            "/srv/data/%ef%bc%8e%ef%bc%8e/%ef%bc%8e%ef%bc%8e/etc",
            "/srv/data/....//....//etc",
            "/srv/data/.. /.. /etc",
            "/srv/data/..;/..;/etc",
            "/srv/data/..;x=1/..;y/etc",
            " /etc/passwd",
            "\"/etc/passwd\"",
            "'../../etc'",
            "{a,../../../etc/passwd}",
            "/SRV/DATA/x",
        ] {
            assert!(judge(value).is_err(), "{value}: {:?}", judge(value));
        }
    }

    #[test]
    fn what_is_no_plain_path_is_refused_for_what_it_is() {
        for (value, reason) in [
            ("", Reason::PathEmpty),
            ("  ", Reason::PathEmpty),
            ("/srv/data/a\0b", Reason::PathControl),
            ("/srv/data/a\nb", Reason::PathControl),
            ("/srv/data/a%00.png", Reason::PathControl),
            ("/srv/data/a%0ab", Reason::PathControl),
            ("/srv/data/a\u{202e}b", Reason::PathHidden),
            ("/srv/data/.g\u{200c}it/x", Reason::PathHidden),
            ("/srv/data/%2525252525252e", Reason::PathEncoded),
            ("~/.ssh/id", Reason::PathHome),
            ("~", Reason::PathHome),
            ("~root/.ssh", Reason::PathHome),
            ("$HOME/.aws", Reason::PathVariable),
            ("${HOME}/.aws", Reason::PathVariable),
            ("$HOME$x/.aws", Reason::PathVariable),
            ("a$HOME/.aws", Reason::PathVariable),
            ("a/$(id)", Reason::PathVariable),
            ("a/`id`", Reason::PathVariable),
            ("%USERPROFILE%\\x", Reason::PathVariable),
            ("$env:APPDATA\\x", Reason::PathVariable),
            ("file:///srv/data/x", Reason::PathAddress),
            ("FILE:/srv/data/x", Reason::PathAddress),
            ("file:x", Reason::PathAddress),
            ("php://filter/x", Reason::PathAddress),
            ("C:\\x", Reason::PathDrive),
            ("c:/x", Reason::PathDrive),
            ("\\\\host\\share", Reason::PathShare),
            ("//host/share", Reason::PathShare),
            ("\\\\?\\C:\\x", Reason::PathShare),
            ("/dev/sda", Reason::PathOutside),
            ("CON", Reason::PathDevice),
            ("a/nul.txt", Reason::PathDevice),
            ("a/com1", Reason::PathDevice),
            ("a/COM¹.log", Reason::PathDevice),
            ("aux. ", Reason::PathDevice),
            ("a.txt::$DATA", Reason::PathStream),
        ] {
            assert_eq!(judge(value), Err(reason), "{value}");
        }
        assert_eq!(judge(&format!("/srv/data/{}", "x".repeat(300))), Err(Reason::PathLong));
        assert_eq!(judge(&"a/".repeat(3_000)), Err(Reason::PathLong));
    }

    #[test]
    fn a_root_of_everything_does_not_open_the_kernels_folders() {
        let all = Policy::new(&["/".to_owned()], None, Access::Read, Follow::Anywhere).unwrap();
        assert_eq!(all.judge("/etc/hosts", &Lexical).unwrap().normal, "/etc/hosts");
        for value in ["/dev/sda", "/proc/self/environ", "/sys/x", "/etc/../dev/mem", "/%64ev/mem"] {
            assert_eq!(all.judge(value, &Lexical).unwrap_err().reason, Reason::PathDevice, "{value}");
        }
        let shm = Policy::new(&["/dev/shm/a".to_owned()], None, Access::Read, Follow::Inside).unwrap();
        assert!(shm.judge("x", &Lexical).is_ok() && shm.judge("../b", &Lexical).is_err());
    }

    #[test]
    fn a_root_with_odd_letters_holds_what_is_under_it() {
        let odd = Policy::new(&["/srv/a%20b\\c".to_owned()], None, Access::Read, Follow::Inside).unwrap();
        assert!(odd.judge("x.txt", &Lexical).is_ok());
        assert!(odd.judge("../x.txt", &Lexical).is_err());
    }

    #[test]
    fn roots_are_absolute_and_plain() {
        for bad in [vec![], vec!["data".to_owned()], vec!["/srv/../etc".to_owned()], vec!["~/x".to_owned()]] {
            assert!(Policy::new(&bad, None, Access::Read, Follow::Inside).is_err(), "{bad:?}");
        }
        assert!(Policy::new(&["/a".to_owned()], Some("b"), Access::Read, Follow::Inside).is_err());
    }

    struct Linked;
    impl Links for Linked {
        fn real(&self, path: &str) -> Result<Real, Unresolved> {
            match path {
                "/srv/data" => Ok(Real { path: "/mnt/disk/data".into(), node: Node::Plain }),
                "/srv/data/pipe" => Ok(Real { path: "/mnt/disk/data/pipe".into(), node: Node::Device }),
                "/srv/data/out/../x" => Ok(Real { path: "/etc/x".into(), node: Node::Plain }),
                "/srv/data/dark" => Err(Unresolved),
                "/srv/data/leak" => Ok(Real { path: "/etc".into(), node: Node::Plain }),
                _ => Ok(Real {
                    path: absolute(path, "/").replace("/srv/data/leak", "/etc").replace("/srv/data", "/mnt/disk/data"),
                    node: Node::Plain,
                }),
            }
        }
    }

    #[test]
    fn links_are_followed_in_the_order_of_the_path() {
        let judge = |value| policy().judge(value, &Linked).map(drop).map_err(|refused| refused.reason);
        assert_eq!(judge("x"), Ok(()));
        assert_eq!(judge("out/../x"), Err(Reason::PathLink));
        assert_eq!(judge("pipe"), Err(Reason::PathDevice));
        assert_eq!(judge("dark"), Err(Reason::PathUnresolved));
        for value in ["leak", "le%61k", "le%2561k", " leak", "'leak'", "ｌeak", "x\\..\\leak"] {
            assert_eq!(judge(value), Err(Reason::PathLink), "{value}");
        }
    }

    #[test]
    fn a_chain_of_links_is_judged_at_each_step() {
        let judge = |chain: &[&str]| policy().judge_chain(chain.iter().copied()).map(|judged| judged.normal).ok();
        assert_eq!(judge(&["/srv/data/a", "./b/c"]).as_deref(), Some("/srv/data/b/c"));
        assert_eq!(judge(&["/srv/data/a", "../data/c"]).as_deref(), Some("/srv/data/c"));
        assert_eq!(judge(&["/srv/data/a", "/var/tmp/box", "/root"]), None);
        assert_eq!(judge(&["/srv/data/a/b", "../../../x"]), None);
    }

    proptest! {
        #[test]
        fn the_normal_form_is_fixed(value in "(/srv/data/|/|\\.|\\.\\.|%2e|%2f|\\\\|é|．|;|~|\\$|[a-z ]){0,12}") {
            if let Ok(normal) = judge(&value) {
                prop_assert!(normal.starts_with("/srv/data") || normal.starts_with("/var/tmp/box"));
                prop_assert_eq!(judge(&normal), Ok(normal.clone()));
            }
        }

        #[test]
        fn nothing_panics(value in ".{0,200}") {
            let _ = judge(&value);
        }

        #[test]
        fn names_below_a_root_pass(names in proptest::collection::vec("[a-zA-Z0-9_][a-zA-Z0-9_-]{0,11}e", 1..6)) {
            let path = format!("/srv/data/{}", names.join("/"));
            prop_assert!(judge(&path).is_ok());
        }
    }
}
