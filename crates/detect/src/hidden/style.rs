//! Whether an element of a page is seen: by its kind, its attributes, its own style, and the rules of a sheet in the same text.

use std::collections::HashMap;

/// The most rules of sheets, and the longest of them, in bytes.
const RULES: usize = 1_024;
const RULE: usize = 2_048;

/// How an element is kept from being seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// By itself; nothing in the text shows it again.
    Always,
    /// By a rule of a sheet that programs do not take back.
    BySheet,
    /// Until somebody opens it or asks for it, or a program shows it.
    OnDemand,
}

/// The start tag of an element.
pub(super) struct Element {
    head: String,
    style: Style,
}

impl Element {
    /// Reads what stands between `<` and `>`.
    pub fn read(head: &str) -> Self {
        let head = head.to_ascii_lowercase();
        let style = Style::read(attribute(&head, "style").unwrap_or_default());
        Self { head, style }
    }

    pub fn name(&self) -> &str {
        let len = self.head.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(self.head.len());
        self.head.get(..len).unwrap_or_default()
    }

    /// The colour of its background, where it sets one.
    pub fn ground(&self) -> Option<Colour> {
        self.style.ground().or_else(|| attribute(&self.head, "bgcolor").and_then(Colour::read))
    }

    /// Whether it is not seen on `around`, the background that was set last.
    pub fn unseen(&self, around: Option<Colour>) -> Option<Unseen> {
        let has = |name: &str| self.head.split_ascii_whitespace().skip(1).any(|word| word == name || word.split('=').next() == Some(name));
        let says = |name: &str, wanted: &str| attribute(&self.head, name).is_some_and(|value| value == wanted);
        let ink = attribute(&self.head, "color").and_then(Colour::read);
        if has("hidden")
            || self.name() == "template"
            || says("type", "hidden")
            || self.style.hides()
            || says("fill", "none") && self.name() == "text"
            || says("fill-opacity", "0")
            || self.style.ink().or(ink).is_some_and(|ink| ink.vanishes(self.ground().or(around), self.style.pictured()))
        {
            return Some(Unseen::Always);
        }
        let on_demand = match self.name() {
            "noframes" | "datalist" => true,
            "dialog" => !has("open"),
            "script" => attribute(&self.head, "type").is_some_and(|kind| !kind.contains("javascript") && kind != "module"),
            _ => false,
        };
        on_demand.then_some(Unseen::OnDemand)
    }

    /// Whether it describes the drawing that it stands in (SVG 2 §5.8).
    pub fn describes(&self) -> Option<Unseen> {
        matches!(self.name(), "desc" | "title" | "metadata").then_some(Unseen::OnDemand)
    }
}

/// The value of an attribute, with or without quotes.
fn attribute<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    memchr::memmem::find_iter(head.as_bytes(), name.as_bytes()).find_map(|at| {
        head.get(..at)?.ends_with(|before: char| before.is_ascii_whitespace() || matches!(before, '"' | '\'')).then_some(())?;
        let value = head.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        match quote {
            Some(quote) => value.get(1..)?.split(quote).next(),
            None => value.split_ascii_whitespace().next().map(|value| value.trim_end_matches('/')),
        }
    })
}

/// Declarations of a style, without blanks; the last of a name counts.
#[derive(Default)]
struct Style(HashMap<String, String>);

impl Style {
    fn read(text: &str) -> Self {
        let bare: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let each = bare.split(';').filter_map(|one| one.split_once(':'));
        let mut all: HashMap<String, String> =
            each.map(|(name, value)| (name.to_owned(), value.trim_end_matches("!important").to_owned())).collect();
        // The shorthand loses its blanks above: its size stands before `/` or its unit.
        if let Some(size) = all.get("font").filter(|font| font.starts_with("0/")).map(|_| "0".to_owned()) {
            all.insert("font-size".to_owned(), size);
        }
        Self(all)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<f32> {
        self.value(name).and_then(number)
    }

    fn is(&self, name: &str, wanted: &[&str]) -> bool {
        self.value(name).is_some_and(|value| wanted.contains(&value))
    }

    fn ink(&self) -> Option<Colour> {
        self.value("color").and_then(Colour::read)
    }

    fn ground(&self) -> Option<Colour> {
        self.value("background-color").or_else(|| self.value("background")).and_then(Colour::read)
    }

    /// Whether there is a background of which the colour is not known.
    fn pictured(&self) -> bool {
        self.0.keys().any(|name| name.starts_with("background"))
    }

    /// Whether it is taken out, as programs do with what they show later.
    fn toggled(&self) -> bool {
        self.is("display", &["none"])
            || self.is("visibility", &["hidden", "collapse"])
            || self.is("content-visibility", &["hidden"])
            || self.number("opacity").is_some_and(|opacity| opacity < 0.05)
    }

    fn hides(&self) -> bool {
        self.toggled() || self.away() || self.small() || self.clipped() || self.is("mso-hide", &["all"])
    }

    /// Whether it stands where no window reaches, or below everything.
    fn away(&self) -> bool {
        let far = |name: &&str| {
            let beyond = self.value(name).is_some_and(|value| value.ends_with("vw") || value.ends_with("vh"));
            self.number(name).is_some_and(|at| at <= -500.0 || at >= 5_000.0 || beyond && at.abs() >= 100.0)
        };
        let sides = ["left", "top", "right", "bottom", "text-indent", "margin-left", "margin-top"];
        let moved = |name: &&str| {
            self.call("transform", name).and_then(|inside| number(inside.split(',').next()?)).is_some_and(|by| by.abs() >= 500.0)
        };
        sides.iter().any(far)
            || ["translate", "translatex", "translatey", "translate3d"].iter().any(moved)
            || self.number("z-index").is_some_and(|level| level <= -99.0)
    }

    fn small(&self) -> bool {
        let font = self.number("font-size").is_some_and(|size| {
            size < 1.5 && !self.value("font-size").is_some_and(|value| (value.ends_with("em") || value.ends_with("rem")) && size >= 0.4)
        });
        let scaled = ["scale", "scalex", "scaley", "scale3d"].iter().any(|name| {
            self.call("transform", name).and_then(|inside| number(inside.split(',').next()?)).is_some_and(|by| by.abs() < 0.05)
        });
        let faded = self.call("filter", "opacity").and_then(number).is_some_and(|by| by < 0.05);
        let flat = ["height", "width", "max-height", "max-width"].iter().any(|name| self.number(name).is_some_and(|size| size < 2.0));
        font || scaled || faded || flat && self.is("overflow", &["hidden"])
    }

    fn clipped(&self) -> bool {
        let rect = self.call("clip", "rect").is_some_and(|inside| {
            let sides: Vec<f32> = inside.split(',').filter_map(number).collect();
            matches!(sides.as_slice(), [top, right, bottom, left] if bottom - top < 2.0 && right - left < 2.0)
        });
        let inset =
            self.call("clip-path", "inset").is_some_and(|inside| inside.ends_with('%') && number(inside).is_some_and(|by| by >= 50.0));
        rect || inset || self.call("clip-path", "circle").and_then(number).is_some_and(|radius| radius < 1.0)
    }

    /// What stands in the brackets of a function.
    fn call(&self, name: &str, function: &str) -> Option<&str> {
        let value = self.value(name)?;
        let at = value.find(&format!("{function}("))?;
        value.get(at + function.len() + 1..)?.split(')').next()
    }
}

fn number(value: &str) -> Option<f32> {
    value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == '%').parse().ok()
}

/// A colour: red, green, blue, and how much of it is seen, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour([f32; 4]);

impl Colour {
    /// Reads the notations of CSS Color 4 §4–§7, without blanks.
    fn read(value: &str) -> Option<Self> {
        if let Some(digits) = value.strip_prefix('#') {
            let wide: String =
                if digits.len() <= 4 { digits.chars().flat_map(|digit| [digit, digit]).collect() } else { digits.to_owned() };
            let part =
                |at: usize| wide.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).map(|part| f32::from(part) / 255.0);
            return Some(Self([part(0)?, part(2)?, part(4)?, part(6).unwrap_or(1.0)]));
        }
        if let Some((name, inside)) = value.trim_end_matches(')').split_once('(') {
            let parts: Vec<&str> = inside.split([',', '/']).collect();
            let share = |at: usize, whole: f32| {
                let part = parts.get(at)?;
                Some(number(part)? / if part.ends_with('%') { 100.0 } else { whole })
            };
            let seen = share(3, 1.0).unwrap_or(1.0);
            return match name {
                "rgb" | "rgba" => Some(Self([share(0, 255.0)?, share(1, 255.0)?, share(2, 255.0)?, seen])),
                // Grey where there is no saturation; other hues are not compared.
                "hsl" | "hsla" => share(2, 100.0)
                    .filter(|light| share(1, 100.0) == Some(0.0) || *light <= 0.02 || *light >= 0.98)
                    .map(|light| Self([light, light, light, seen])),
                _ => None,
            };
        }
        NAMED.iter().find(|(name, _)| *name == value).map(|(_, parts)| Self(*parts))
    }

    /// Whether letters of it are not seen on `ground`; on an unknown one where they are as good as white, unless a picture is behind them.
    fn vanishes(self, ground: Option<Self>, pictured: bool) -> bool {
        let Self([red, green, blue, seen]) = self;
        let near = |other: &Self| self.0.iter().zip(&other.0).take(3).map(|(one, other)| (one - other).abs()).sum::<f32>() < 0.12;
        seen < 0.05 || ground.as_ref().map_or(!pictured && red.min(green).min(blue) >= 0.97, near)
    }
}

/// The names that are near white or black, and those that pages use most.
const NAMED: [(&str, [f32; 4]); 14] = [
    ("white", [1.0, 1.0, 1.0, 1.0]),
    ("black", [0.0, 0.0, 0.0, 1.0]),
    ("transparent", [0.0, 0.0, 0.0, 0.0]),
    ("snow", [1.0, 0.98, 0.98, 1.0]),
    ("ivory", [1.0, 1.0, 0.94, 1.0]),
    ("ghostwhite", [0.97, 0.97, 1.0, 1.0]),
    ("floralwhite", [1.0, 0.98, 0.94, 1.0]),
    ("whitesmoke", [0.96, 0.96, 0.96, 1.0]),
    ("red", [1.0, 0.0, 0.0, 1.0]),
    ("green", [0.0, 0.5, 0.0, 1.0]),
    ("blue", [0.0, 0.0, 1.0, 1.0]),
    ("navy", [0.0, 0.0, 0.5, 1.0]),
    ("yellow", [1.0, 1.0, 0.0, 1.0]),
    ("gray", [0.5, 0.5, 0.5, 1.0]),
];

/// Rules of the sheets in a text that keep elements from being seen: the last simple selector of each, and how.
#[derive(Default)]
pub(super) struct Sheet(HashMap<String, Unseen>);

impl Sheet {
    /// Reads the `<style>` elements of `text`. Rules inside of conditions (`@media`) are left out.
    pub fn read(text: &str) -> Self {
        let mut sheet = Self::default();
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find("<style")).map(|at| from + at) {
            let rest = text.get(at..).unwrap_or_default();
            let len = rest.find("</style").unwrap_or(rest.len());
            sheet.rules(rest.get(..len).and_then(|rest| rest.split_once('>')).map_or("", |(_, rules)| rules));
            from = at + len.max(1);
        }
        sheet
    }

    fn rules(&mut self, mut rest: &str) {
        while let Some((selectors, after)) = rest.split_once('{') {
            let selectors = selectors.rsplit(['}', ';']).next().and_then(|one| one.rsplit("*/").next()).unwrap_or_default().trim();
            let (body, more) = after.split_once('}').unwrap_or((after, ""));
            if selectors.starts_with('@') {
                // Its end is that of the rule in it before two brackets.
                rest = after.find("}}").or_else(|| after.find("}\n}")).and_then(|end| after.get(end + 2..)).unwrap_or_default();
                continue;
            }
            rest = more;
            let style = Style::read(&body.get(..body.floor_char_boundary(RULE)).unwrap_or_default().to_ascii_lowercase());
            let vanishes = || style.ink().is_some_and(|ink| style.ground().is_some_and(|ground| ink.vanishes(Some(ground), false)));
            let how = if style.toggled() {
                Unseen::OnDemand
            } else if style.hides() || vanishes() {
                Unseen::BySheet
            } else {
                continue;
            };
            for selector in selectors.to_ascii_lowercase().split(',') {
                let selector = selector.trim();
                let last = selector.split([' ', '>', '+', '~']).next_back().unwrap_or_default();
                let simple = last.rfind(['.', '#']).map_or(last, |at| last.get(at..).unwrap_or_default());
                // The name of an element alone says too little where it is bound to a place.
                let bound = simple.len() < selector.len() && !simple.starts_with(['.', '#']);
                if !simple.is_empty() && !bound && !simple.contains(':') && self.0.len() < RULES {
                    self.0.insert(simple.to_owned(), how);
                }
            }
        }
    }

    /// Whether a rule keeps `element` from being seen.
    pub fn hides(&self, element: &Element) -> Option<Unseen> {
        if self.0.is_empty() {
            return None;
        }
        let of_class = attribute(&element.head, "class")
            .and_then(|classes| classes.split_ascii_whitespace().find_map(|class| self.0.get(&format!(".{class}"))));
        let of_id = || attribute(&element.head, "id").and_then(|id| self.0.get(&format!("#{id}")));
        of_class.or_else(of_id).or_else(|| self.0.get(element.name())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(text: &str) -> Vec<Unseen> {
        let sheet = Sheet::read(text);
        let mut ground = None;
        let heads = text.split('<').skip(1).filter_map(|part| part.split_once('>')).filter(|(head, _)| !head.starts_with(['/', 's']));
        heads
            .filter_map(|(head, _)| {
                let element = Element::read(head);
                let how = element.unseen(ground).or_else(|| sheet.hides(&element));
                ground = element.ground().or(ground);
                how
            })
            .collect()
    }

    #[test]
    fn what_is_not_seen_is_known() {
        for head in [
            "td style=\"background:#fafafa;color:#fbfbfb\"",
            "p style='color: rgb(255, 255, 255); background-color: rgb(254,254,254)'",
            "p style=\"color:hsl(0,0%,100%);background:white\"",
            "p style=\"color:snow\"",
            "font color=\"white\" size=1",
            "FONT COLOR='#FFF'",
            "p style=\"font:0/0 a\"",
            "p style=\"opacity: 0%\"",
            "p style=\"filter:opacity(0)\"",
            "p style=\"transform: scale(0, 0);\"",
            "p style=\"transform:translateX(-10000px)\"",
            "p style=\"clip-path: inset(100%)\"",
            "p style=\"clip-path:circle(0)\"",
            "p style=\"clip: rect(0px, 0px, 0px, 0px);\"",
            "p style=\"position:fixed;left:200vw\"",
            "p style=\"max-width:0;overflow:hidden\"",
            "p style=\"z-index:-999\"",
            "p style=\"mso-hide:all\"",
            "text fill=\"none\"",
            "text fill-opacity=\"0\"",
        ] {
            assert_eq!(unseen(&format!("<{head}>")), [Unseen::Always], "{head}");
        }
        assert_eq!(unseen("<table bgcolor=\"#000000\"><font color=#000000>"), [Unseen::Always]);
        assert_eq!(unseen("<dialog>"), [Unseen::OnDemand]);
        assert_eq!(Element::read("desc").describes(), Some(Unseen::OnDemand));
    }

    #[test]
    fn rules_of_a_sheet_are_known() {
        let sheet =
            "<style>p{margin:0}\n.note , b.k7 { font-size: 0 ; } #a3{left:-9000px} u{opacity:0} .w{color:#fff;background:#fff}</style>";
        for (head, how) in [
            ("b class=\"lead k7\"", Unseen::BySheet),
            ("div id='a3'", Unseen::BySheet),
            ("u", Unseen::OnDemand),
            ("i class=w", Unseen::BySheet),
        ] {
            assert_eq!(unseen(&format!("{sheet}<{head}>")), [how], "{head}");
        }
        assert_eq!(
            unseen(
                "<style>@media print{.n{display:none}} .m:hover{opacity:0} .b{color:#fff;background:#06c} /* u */ div b{display:none}</style><b><p class=n><p class=m><p class=b>"
            ),
            []
        );
    }

    #[test]
    fn what_is_seen_stays() {
        for head in [
            "div style=\"transform:scale(1.05);opacity:.85;left:-1px\"",
            "p style=\"color:#fff;background:#0a5\"",
            "div style=\"color:white;background-image:url(h.jpg)\"",
            "font color=\"#333333\" size=\"1\"",
            "div style=\"font:12px/1.5 Arial;clip-path:circle(50%);filter:opacity(90%)\"",
            "p style=\"z-index:-1;position:relative;font-size:.8rem\"",
            "dialog open",
        ] {
            assert_eq!(unseen(&format!("<{head}>")), [], "{head}");
        }
        assert_eq!(unseen("<table bgcolor=\"#003366\"><font color=\"#ffffff\">"), []);
    }
}
