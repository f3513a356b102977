//! Why a guard refuses: one table, so that nothing of a value can get into a sentence.

use terms::{Code, Span};

/// A value that its guard does not let through: what, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub reason: Reason,
    /// Where, in bytes of the value; empty where it is the whole.
    pub at: Span,
}

impl Refused {
    pub(crate) const fn new(reason: Reason, at: Span) -> Self {
        Self { reason, at }
    }

    /// Where a path leads cannot be told.
    pub const fn unresolved() -> Self {
        Self::whole(Reason::PathUnresolved)
    }

    pub(crate) const fn whole(reason: Reason) -> Self {
        Self { reason, at: Span::new(0, 0) }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.reason.as_str(), self.reason.sentence())?;
        if self.at.is_empty() { Ok(()) } else { write!(out, " (bytes {} to {})", self.at.start, self.at.end) }
    }
}

macro_rules! reasons {
    ($($name:ident: $code:ident, $word:literal, $sentence:literal;)*) => {
        /// What is wrong with a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in records.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it is and what helps, for the operator.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// What the peer is told.
            pub const fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)* }
            }
        }
    };
}

reasons! {
    NoText: GuardUnfit, "no-text", "the guard judges text, or a list of texts, and the value is neither";
    TooLong: GuardUnfit, "too-long", "the value is longer than the guard reads; send less at once";
    Flag: Smuggled, "flag", "a member that the tool does not declare bears the name of a check, a policy or an approval";
    SafetyOff: Smuggled, "safety-off", "the value switches a check of the tool off; bound the argument in the file to allow that";
    OwnName: Smuggled, "own-name", "a member stands in the gateway's own name";
    SafetyOption: Smuggled, "safety-option", "the value is an option that switches a check off";

    PathEmpty: FilesForm, "empty", "the path is empty";
    PathLong: FilesForm, "long", "the path has more than 4096 bytes, or a name in it more than 255";
    PathControl: FilesForm, "control", "the path holds a control character, plain or encoded";
    PathHidden: FilesForm, "hidden", "the path holds a character that is not seen";
    PathEncoded: FilesForm, "encoded", "the path is encoded over and over; write it plainly";
    PathHome: FilesForm, "home", "the path begins with a home folder; write it in full";
    PathVariable: FilesForm, "variable", "the path holds a variable or a substitution; write what it stands for";
    PathAddress: FilesForm, "address", "the path is an address such as `file:`; give a path";
    PathDrive: FilesForm, "drive", "the path begins with a drive letter";
    PathShare: FilesForm, "share", "the path begins with two separators, which may name another machine";
    PathDevice: FilesForm, "device", "the path names a device, or a folder of the kernel's own";
    PathStream: FilesForm, "stream", "the path names a stream of a file";
    PathOutside: FilesOutside, "outside", "the path is not under a folder that is open to the argument";
    PathReading: FilesOutside, "reading", "a program that decodes or normalises the path would be led outside the open folders";
    PathLink: FilesOutside, "link", "a link on the path leads outside the open folders";
    PathUnresolved: FilesFault, "unresolved", "where the path leads could not be found out";

    UrlControl: HttpForm, "control", "the URL holds a control character or begins or ends with a space";
    UrlHidden: HttpForm, "hidden", "the URL holds a character that is not seen";
    UrlShape: HttpForm, "shape", "the URL is not of the form scheme://host/path";
    UrlUser: HttpForm, "user", "the URL holds a user name or an @ before its path";
    UrlSplit: HttpForm, "split", "programs disagree where the host of the URL ends";
    UrlName: HttpForm, "name", "the host is written in characters that programs map to different names";
    UrlNumber: HttpForm, "number", "the host is an address in octal, hexadecimal, decimal or short form";
    UrlPort: HttpHost, "port", "the port is not open to the argument; add it to allow_hosts as host:port";
    UrlBreak: HttpForm, "break", "the path of the URL holds an encoded line break or NUL";
    UrlScheme: HttpScheme, "scheme", "the scheme is not in schemes";
    UrlHost: HttpHost, "host", "the host is not in allow_hosts";
    UrlInner: HttpAddress, "inner-address", "the host is an address that is not public";
    UrlInnerName: HttpAddress, "inner-name", "the host is a name that leads to inner addresses";
    UrlDowngrade: HttpScheme, "downgrade", "a redirect leads from https to http";
    UrlHops: HttpForm, "hops", "there are more redirects than are followed";

    SqlUnreadable: DatabaseForm, "unreadable", "the SQL is not read by the parser of its dialect";
    SqlDeep: DatabaseForm, "deep", "the SQL is nested deeper, or has more parts, than is read";
    SqlComment: DatabaseForm, "comment", "the SQL has a comment that servers run, or read differently";
    SqlLiteral: DatabaseForm, "literal", "the SQL has a literal whose end depends on settings of the server";
    SqlEmpty: DatabaseForm, "empty", "there is no statement";
    SqlStacked: DatabaseStatement, "stacked", "there is more than one statement";
    SqlStatement: DatabaseStatement, "statement", "a statement of this kind is not open to the argument";
    SqlHidden: DatabaseStatement, "hidden-write", "a query writes, locks or stores what it reads";
    SqlShape: DatabaseStatement, "shape", "a query has a part whose effect is not known";
    SqlAssignment: DatabaseStatement, "assignment", "a query sets a variable";
    SqlRows: DatabaseStatement, "rows", "the limit on rows is higher than allowed, or not a plain number";
    SqlInline: DatabaseStatement, "inline-literal", "values have to arrive as parameters, not in the text";
    SqlFunction: DatabaseFunction, "function", "a function is called that is not known to be free of effects";
    SqlLarge: DatabaseFunction, "large", "a function is asked for more than a million repetitions";
    SqlTable: DatabaseTable, "table", "a table is named that is not in tables";
    SqlColumn: DatabaseTable, "column", "a column is named, or all are, that the table's entry does not list";
    SqlSystem: DatabaseTable, "system", "a table of the database system that holds credentials is named";

    ArgvEmpty: ProcessProgram, "empty", "there is no program";
    ArgvProgram: ProcessProgram, "program", "the program is not in allowed";
    ArgvPath: ProcessProgram, "program-path", "the program is named by a path that is not listed";
    ArgvLeading: ProcessOption, "leading", "the words after the program are not those that are allowed";
    ArgvUnlisted: ProcessOption, "unlisted", "an option is given that is not listed with the program";
    ArgvControl: ProcessShell, "control", "the command holds a line break, another control character, or one that is not seen";
    ArgvOperator: ProcessShell, "operator", "the command holds an operator of the shell";
    ArgvSubstitution: ProcessShell, "substitution", "the command holds a variable or a substitution";
    ArgvPattern: ProcessShell, "pattern", "the command holds a pattern that a shell would expand; quote it, or give a list";
    ArgvQuote: ProcessShell, "quote", "a quotation does not end";
    ArgvVariable: ProcessShell, "variable", "a variable is set before the program";
    ArgvInline: ProcessOption, "inline-code", "an interpreter is given code";
    ArgvExec: ProcessOption, "exec", "an option or operand starts another program";
    ArgvOutside: ProcessPath, "outside", "a word is a path outside the folder";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_within_a_control() {
        let mut seen = BTreeSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert((reason.code().control().id(), reason.as_str())), "{reason:?}");
        }
    }
}
