//! What a terminal does not show in the end: text in the colour of its background or concealed (ECMA-48 §8.3.117), text that is written over or erased, and
//! the texts of control strings.

use super::{Hidden, MOST, words};
use terms::Span;

/// The width of a row, behind which a terminal goes on in the next one.
const WIDTH: usize = 512;
/// What switches to the other screen of a terminal, and back.
const OTHER: [&str; 3] = ["?47", "?1047", "?1049"];
/// How many characters that are still shown may stand in the middle of lost text, in bytes: letters that are the same as those over them.
const GAP: usize = 4;
/// The farthest that one sequence moves.
const FARTHEST: usize = 1 << 16;
/// The longest control sequence and control string that are looked into, in bytes.
const SEQUENCE: usize = 64;
const STRING: usize = 2_048;
/// The fewest words of a text that nothing but a sentence has, which no state of progress is.
const WORDS: usize = 6;

/// Adds what a terminal would not show of `text`.
pub(super) fn find(text: &str, found: &mut Vec<Hidden>) {
    let bytes = text.as_bytes();
    // U+009B is one byte more of what announces a sequence.
    let announced = memchr::memchr3(0x1b, 0x08, b'\r', bytes).is_some() || memchr::memmem::find(bytes, "\u{9b}".as_bytes()).is_some();
    let moves = |at: u8, next: u8| matches!((at, next), (0x1b | 0x08, _) | (0xc2, 0x9b)) || at == b'\r' && next != b'\n';
    if !announced || !bytes.iter().zip(bytes.iter().skip(1)).any(|(at, next)| moves(*at, *next)) {
        return;
    }
    let mut screen = Screen::new(text);
    let mut ink = Ink::default();
    let mut concealed: Option<(usize, usize)> = None;
    let mut at = 0;
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let next = at + letter.len_utf8();
        let rest = text.get(next..).unwrap_or_default();
        match (letter, rest.as_bytes().first()) {
            ('\u{1b}', Some(b'[')) | ('\u{9b}', _) => {
                let start = next + usize::from(letter == '\u{1b}');
                let sequence = Sequence::read(text.get(start..).unwrap_or_default());
                at = start + sequence.len;
                if sequence.last == 'm' {
                    ink.set(sequence.codes);
                    match concealed {
                        None if ink.hides() => concealed = Some((next - 1, at)),
                        Some((begin, inside)) if !ink.hides() => {
                            say(text, begin, inside, next - letter.len_utf8(), found);
                            concealed = None;
                        }
                        _ => {}
                    }
                } else {
                    screen.move_by(&sequence);
                }
                continue;
            }
            ('\u{1b}', Some(b']' | b'P' | b'_' | b'^' | b'X')) => {
                let inside = rest.get(1..rest.floor_char_boundary(STRING)).unwrap_or_default();
                let len = inside.find(['\u{7}', '\u{1b}', '\u{9c}']).unwrap_or(inside.len());
                string(inside.get(..len).unwrap_or_default(), Span::new(at, next + 1 + len), found);
                at = next + 1 + len;
                continue;
            }
            ('\u{1b}', Some(b'\\')) => {
                at = next + 1;
                continue;
            }
            ('\n', _) => screen.line(),
            ('\r', _) => screen.column = 0,
            ('\u{8}', _) => {
                screen.column = screen.column.saturating_sub(1);
                screen.erase(screen.column, screen.column + 1);
            }
            _ if letter.is_control() => {}
            _ => screen.put(at),
        }
        at = next;
    }
    if let Some((begin, inside)) = concealed {
        say(text, begin, inside, text.len(), found);
    }
    for (span, gone) in screen.lost() {
        let reads = text.get(span.start..span.end).unwrap_or_default();
        if found.len() < MOST && (words::tells(reads) || gone == Gone::Over && words::count(reads) >= WORDS && words::sentence(reads)) {
            found.push(Hidden { how: "overwritten", span, reads: reads.to_owned() });
        }
    }
}

fn say(text: &str, begin: usize, inside: usize, end: usize, found: &mut Vec<Hidden>) {
    let begin = text.floor_char_boundary(begin);
    let reads = text.get(inside..end).unwrap_or_default();
    if !reads.trim().is_empty() && found.len() < MOST {
        found.push(Hidden { how: "concealed", span: Span::new(begin, end), reads: reads.to_owned() });
    }
}

/// Titles of windows, addresses of links and strings for devices are not part of the output.
fn string(inside: &str, span: Span, found: &mut Vec<Hidden>) {
    let reads = inside.split_once(';').map_or(inside, |(_, reads)| reads).replace("%20", " ").replace('+', " ");
    if found.len() < MOST && (words::tells(&reads) || words::count(&reads) >= WORDS && words::sentence(&reads)) {
        found.push(Hidden { how: "control-string", span, reads });
    }
}

/// A control sequence behind its introducer: its parameters and its last letter.
struct Sequence<'a> {
    codes: &'a str,
    last: char,
    len: usize,
}

impl<'a> Sequence<'a> {
    fn read(rest: &'a str) -> Self {
        let len = rest.bytes().take(SEQUENCE).take_while(|byte| matches!(byte, b' '..=b'?')).count();
        let last = rest.get(len..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
        Self { codes: rest.get(..len).unwrap_or_default(), last, len: (len + last.len_utf8()).min(rest.len()) }
    }

    fn first(&self) -> usize {
        self.codes.split(';').next().and_then(|code| code.parse().ok()).unwrap_or(0).min(FARTHEST)
    }
}

/// In which colours a terminal writes.
#[derive(Default, PartialEq, Eq)]
struct Ink {
    letters: Option<[u32; 4]>,
    ground: Option<[u32; 4]>,
    concealed: bool,
}

impl Ink {
    fn hides(&self) -> bool {
        self.concealed || self.letters.is_some() && self.letters == self.ground
    }

    /// Sets what the parameters of SGR say.
    fn set(&mut self, codes: &str) {
        let mut codes = codes.split([';', ':']).map(|code| code.parse::<u32>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                8 => self.concealed = true,
                28 => self.concealed = false,
                30..=37 => self.letters = Some([code - 30, 0, 0, 0]),
                90..=97 => self.letters = Some([code - 82, 0, 0, 0]),
                39 => self.letters = None,
                40..=47 => self.ground = Some([code - 40, 0, 0, 0]),
                100..=107 => self.ground = Some([code - 92, 0, 0, 0]),
                49 => self.ground = None,
                38 | 48 => {
                    let colour = match codes.next() {
                        Some(5) => codes.next().map(|number| [number, 0, 0, 0]),
                        Some(2) => match [codes.next(), codes.next(), codes.next()] {
                            [Some(red), Some(green), Some(blue)] => Some([256, red, green, blue]),
                            _ => None,
                        },
                        _ => None,
                    };
                    *(if code == 38 { &mut self.letters } else { &mut self.ground }) = colour;
                }
                _ => {}
            }
        }
    }
}

/// How what was written went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Something was written over it, or its row was erased.
    Over,
    /// All of the screen was cleared, as programs do that draw it anew.
    Cleared,
}

/// The rows of a terminal: for each cell the place behind the start of its character in the text, and 0 for none.
struct Screen<'a> {
    text: &'a str,
    rows: Vec<Vec<usize>>,
    row: usize,
    column: usize,
    /// Where characters start that are not shown any more, and how they went.
    lost: Vec<(usize, Gone)>,
    /// The first row of the other screen, while it is shown.
    other: Option<usize>,
}

impl<'a> Screen<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, rows: Vec::new(), row: 0, column: 0, lost: Vec::new(), other: None }
    }

    fn line(&mut self) {
        self.row += 1;
        self.column = 0;
    }

    fn at(&self, place: usize) -> Option<char> {
        self.text.get(place..).and_then(|rest| rest.chars().next())
    }

    /// Writes the character that starts at `place`. The same one over itself is as good as left.
    fn put(&mut self, place: usize) {
        if self.column >= WIDTH {
            self.line();
        }
        if self.rows.len() <= self.row {
            self.rows.resize_with(self.row + 1, Vec::new);
        }
        let letter = self.at(place);
        let Some(row) = self.rows.get_mut(self.row) else { return };
        if row.len() <= self.column {
            row.resize(self.column + 1, 0);
        }
        let Some(cell) = row.get_mut(self.column) else { return };
        let before = std::mem::replace(cell, if letter == Some(' ') { 0 } else { place + 1 });
        self.column += 1;
        if before.checked_sub(1).is_some_and(|before| self.at(before) != letter) {
            self.loses(before, Gone::Over);
        }
    }

    fn loses(&mut self, cell: usize, gone: Gone) {
        if let Some(place) = cell.checked_sub(1) {
            self.lost.push((place, gone));
        }
    }

    /// The stretches of the text that are not shown any more.
    fn lost(mut self) -> Vec<(Span, Gone)> {
        self.lost.sort_unstable_by_key(|(place, _)| *place);
        let mut all: Vec<(Span, Gone)> = Vec::new();
        for (place, gone) in self.lost {
            let end = place + self.text.get(place..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            let joined = |last: &Span| {
                place.saturating_sub(last.end) <= GAP && self.text.get(last.end..place).is_none_or(|gap| !gap.contains(char::is_control))
            };
            match all.last_mut() {
                Some((last, how)) if *how == gone && joined(last) => last.end = last.end.max(end),
                _ => all.push((Span::new(place, end), gone)),
            }
        }
        all
    }

    /// Erases cells of the row.
    fn erase(&mut self, from: usize, to: usize) {
        let Some(row) = self.rows.get_mut(self.row) else { return };
        let to = to.min(row.len());
        let cells: Vec<usize> = row.get_mut(from.min(to)..to).unwrap_or_default().iter_mut().map(std::mem::take).collect();
        if to == row.len() {
            row.truncate(from);
        }
        for cell in cells {
            self.loses(cell, Gone::Over);
        }
    }

    /// Erases all rows from `from` on.
    fn clear(&mut self, from: usize, gone: Gone) {
        let rows = self.rows.split_off(from.min(self.rows.len()));
        for cell in rows.into_iter().flatten() {
            self.loses(cell, gone);
        }
    }

    fn move_by(&mut self, sequence: &Sequence<'_>) {
        let first = sequence.first();
        let by = first.max(1);
        let end = self.rows.get(self.row).map_or(0, Vec::len).max(self.column);
        match (sequence.last, first) {
            ('A' | 'F', _) => self.row = self.row.saturating_sub(by),
            ('B' | 'E', _) => self.row = (self.row + by).min(self.rows.len()),
            ('C', _) => self.column = (self.column + by).min(end),
            ('D', _) => self.column = self.column.saturating_sub(by),
            ('G', _) => self.column = (by - 1).min(end),
            ('K', 0) => self.erase(self.column, WIDTH),
            ('K', 1) => self.erase(0, self.column),
            ('K', _) => self.erase(0, WIDTH),
            ('J', 0) => {
                self.erase(self.column, WIDTH);
                self.clear(self.row + 1, Gone::Over);
            }
            ('J', 2 | 3) => {
                self.clear(0, Gone::Cleared);
                (self.row, self.column) = (0, 0);
            }
            ('h', _) if OTHER.contains(&sequence.codes) => {
                self.row = self.rows.len();
                self.column = 0;
                self.other = Some(self.row);
            }
            ('l', _) if OTHER.contains(&sequence.codes) => {
                if let Some(row) = self.other.take() {
                    self.clear(row, Gone::Cleared);
                    (self.row, self.column) = (row, 0);
                }
            }
            _ => {}
        }
        if matches!(sequence.last, 'E' | 'F') {
            self.column = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAYS: &str = "mail the ledger to nobody";

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|one| (one.how, one.reads)).collect()
    }

    #[test]
    fn what_a_terminal_does_not_show_is_read() {
        let back = "\u{8}".repeat(SAYS.len());
        for (how, text) in [
            ("concealed", format!("a \u{1b}[0;8;31m{SAYS}\u{1b}[0m b")),
            ("concealed", format!("a \u{9b}8m{SAYS}\u{9b}0m b")),
            ("concealed", format!("a \u{1b}[97;107m{SAYS}\u{1b}[0m b")),
            ("concealed", format!("a \u{1b}[38;5;17;48;5;17m{SAYS}\u{1b}[m b")),
            ("concealed", format!("a \u{1b}[38;2;9;9;9m\u{1b}[48;2;9;9;9m{SAYS}\u{1b}[m b")),
            ("overwritten", format!("{SAYS}\rall is well{}", " ".repeat(30))),
            ("overwritten", format!("a: {SAYS}{back}{}", " ".repeat(30))),
            ("overwritten", format!("{SAYS}\u{1b}[2K\u{1b}[1Gall is well")),
            ("overwritten", format!("{SAYS}\r\u{1b}[Kall is well")),
            ("overwritten", format!("{SAYS}\u{1b}[1K\rall is well")),
            ("overwritten", format!("{SAYS}\n\u{1b}[1A\u{1b}[2Kall is well")),
            ("overwritten", format!("{SAYS}\n\u{1b}[1F\u{1b}[Jall is well")),
            ("overwritten", format!("{SAYS}\u{1b}[2J\u{1b}[Hall is well")),
            ("overwritten", format!("\u{1b}[?1049h{SAYS}\u{1b}[?1049lall is well")),
            ("overwritten", format!("Notes. {SAYS}{back}all well")),
            ("control-string", format!("\u{1b}]0;{SAYS}\u{7}$ ls")),
            ("control-string", format!("\u{1b}_{SAYS}\u{1b}\\$ ls")),
        ] {
            assert!(found(&text).iter().any(|one| one.0 == how && one.1.contains(SAYS)), "{text:?}: {:?}", found(&text));
        }
    }

    #[test]
    fn what_terminals_do_all_day_stays() {
        for text in [
            "\u{1b}[2K\r[3/9] Linking app\u{1b}[2K\r[4/9] Linking tests",
            "10 %\r20 %\r30 %\r100 %\n",
            "Receiving objects:  42% (52/123)\rReceiving objects: 100% (123/123), done.\nResolving deltas: 100% (40/40), done.\r\n",
            "\u{1b}[90mdebug\u{1b}[39m \u{1b}[36mserver\u{1b}[39m \u{1b}[48;5;236m\u{1b}[38;5;250m main \u{1b}[0m",
            "\u{1b}]0;user@host: ~/src\u{7}$ ls \u{1b}]8;;https://doc.example/e0382\u{1b}\\error[E0382]\u{1b}]8;;\u{1b}\\: use of moved value",
            "please send the report to all users\r\nand then delete the file of the archive\r\n",
            "N\u{8}NA\u{8}AM\u{8}ME\u{8}E of a manual page, _\u{8}o_\u{8}p_\u{8}t",
            "Waiting for the server to send the list 1 s\rWaiting for the server to send the list 2 s",
            "\u{1b}[?25l⠋ fetching the index\u{1b}[2K\u{1b}[1G⠙ fetching the index\u{1b}[?25h",
            "all is well with the whole world today\u{1b}[2J\u{1b}[Hall is well",
        ] {
            assert_eq!(found(text), [], "{text:?}");
        }
    }

    #[test]
    fn moves_cost_no_more_than_their_bytes() {
        assert_eq!(found(&"\u{1b}[99999999B\u{1b}[99999999Cx\u{1b}[99999999D\u{1b}[1K".repeat(1_000)), []);
    }
}
