//! Statements: what queries are made of, and what attacks hide in them.

use super::chance::Chance;

/// What a dialect offers.
pub struct Grammar {
    /// Tables that policies open, with columns.
    pub open: &'static [&'static str],
    pub columns: &'static [&'static str],
    /// Tables and the like that they do not open.
    pub shut: &'static [&'static str],
    /// Expressions without effect.
    pub plain: &'static [&'static str],
    /// Expressions with effects, or that reach further.
    pub sharp: &'static [&'static str],
    /// Whole statements that do more than read.
    pub acts: &'static [&'static str],
    /// What stands before and behind a query.
    pub before: &'static [&'static str],
    pub behind: &'static [&'static str],
    /// Every function that there is, as calls.
    pub calls: Vec<String>,
}

/// Pieces that a mutation puts in.
const LETTERS: &[&str] = &[
    ";",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    "(",
    ")",
    ",",
    ".",
    "$$",
    "\\",
    " ",
    "\n",
    "/**/",
    "--\n",
    "$a$",
    "E'",
    "U&'",
    "\u{a0}",
    "\u{feff}",
    "'||'",
    "::",
    "`",
    "[",
    "]",
    "#",
    "@",
    "*",
    " AS ",
    " FROM ",
    " people ",
    ";DELETE FROM orders",
    " INTO x ",
    " UNION SELECT ",
    "0x",
    "\\'",
    "\0",
    "\u{2018}",
    "x'",
    "{",
    "}",
    "=",
    " NOT ",
    " NULL ",
    "?",
    "$1",
    ":a",
];

impl Grammar {
    fn expression(&self, chance: &mut Chance, depth: usize) -> String {
        match chance.below(if depth == 0 { 8 } else { 13 }) {
            0..=3 => chance.one(self.columns).to_owned(),
            4..=6 => chance.one(self.plain).to_owned(),
            7 if chance.in_hundred(12) => chance.one(self.sharp).to_owned(),
            7 if chance.in_hundred(30) && !self.calls.is_empty() => self.calls[chance.below(self.calls.len())].clone(),
            7 => "1".to_owned(),
            8 => format!("({} + {})", self.expression(chance, depth - 1), self.expression(chance, depth - 1)),
            9 => format!("({})", self.query(chance, depth - 1)),
            10 => format!("coalesce({}, {})", self.expression(chance, depth - 1), self.expression(chance, depth - 1)),
            11 => format!(
                "CASE WHEN {} IS NULL THEN {} ELSE {} END",
                self.expression(chance, 0),
                self.expression(chance, depth - 1),
                self.expression(chance, 0)
            ),
            _ => format!("CAST({} AS text)", self.expression(chance, depth - 1)),
        }
    }

    fn table(&self, chance: &mut Chance, depth: usize) -> String {
        match chance.below(if depth == 0 { 20 } else { 26 }) {
            0..=17 => chance.one(self.open).to_owned(),
            18..=19 => chance.one(self.shut).to_owned(),
            20..=22 => format!("({}) AS d{}", self.query(chance, depth - 1), chance.below(3)),
            23 => {
                let (left, right) = (self.table(chance, 0), self.table(chance, 0));
                let join = chance.one(&["NATURAL JOIN", "NATURAL LEFT JOIN", "CROSS JOIN", ",", "JOIN"]);
                let end =
                    if join == "JOIN" { chance.one(&[" USING (id)", " USING (secret)", " ON true", " USING (id, secret)"]) } else { "" };
                format!("{left} {join} {right}{end}")
            }
            24 => format!("{} AS o{}", self.table(chance, 0), chance.one(&["", "(a, b)"])),
            _ => format!("{}, LATERAL ({}) l", self.table(chance, 0), self.query(chance, depth - 1)),
        }
    }

    pub fn query(&self, chance: &mut Chance, depth: usize) -> String {
        let items: Vec<String> = (0..=chance.below(3))
            .map(|_| {
                if chance.in_hundred(8) {
                    chance.one(&["*", "orders.*", "orders", "o.*", "count(*)", "customers", "d0.*"]).to_owned()
                } else {
                    self.expression(chance, depth)
                }
            })
            .collect();
        let mut made = format!("SELECT {}{}", if chance.in_hundred(8) { "DISTINCT " } else { "" }, items.join(", "));
        if chance.in_hundred(92) {
            made.push_str(&format!(" FROM {}", self.table(chance, depth)));
        }
        if chance.in_hundred(30) {
            made.push_str(&format!(" WHERE {} IS NOT NULL", self.expression(chance, depth)));
        }
        if depth > 0 && chance.in_hundred(6) {
            made.push_str(&format!(" {} {}", chance.one(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]), self.query(chance, depth - 1)));
        }
        if depth > 0 && chance.in_hundred(8) {
            let name = chance.one(&["w", "orders", "people", "customers", "pg_class", "w2"]);
            let inner = if chance.in_hundred(80) { self.query(chance, depth - 1) } else { chance.one(self.acts).to_owned() };
            made = format!(
                "WITH {}{name} AS ({inner}) {}",
                chance.one(&["", "", "RECURSIVE "]),
                if chance.in_hundred(60) { format!("SELECT * FROM {name}") } else { made }
            );
        }
        if chance.in_hundred(8) {
            made.push_str(chance.one(self.behind));
        }
        made
    }

    pub fn statement(&self, chance: &mut Chance) -> String {
        let depth = chance.below(3);
        let mut made = match chance.below(100) {
            0..=3 => chance.one(self.acts).to_owned(),
            4..=7 => format!("{}{}", chance.one(self.before), chance.one(self.acts)),
            8..=13 => format!("{}{}", chance.one(self.before), self.query(chance, depth)),
            14..=17 if !self.calls.is_empty() => format!("SELECT {}", self.calls[chance.below(self.calls.len())]),
            18..=19 => format!("{}; {}", self.query(chance, depth), chance.one(self.acts)),
            _ => self.query(chance, depth),
        };
        if chance.in_hundred(10) {
            made.push_str(chance.one(&[";", " -- x", " /* x */", ";;", "; --", "\n", " /* ; DROP TABLE orders */"]));
        }
        if chance.in_hundred(14) { chance.bent(&made, LETTERS, 2) } else { made }
    }
}
