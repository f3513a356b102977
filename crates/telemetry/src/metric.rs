//! Metrics, as `metrics.proto` has them, out of the text that `/metrics` shows: one registry, told twice.

use crate::protobuf::Writer;
use crate::span::{Resource, Value, attribute};

/// When what is told began to count, and when it is told.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// Since when it is counted, in nanoseconds since 1970.
    pub since: u64,
    /// The moment, in nanoseconds since 1970.
    pub now: u64,
}

/// What was printed.
#[derive(Clone, Debug)]
pub struct Printed {
    /// An `ExportMetricsServiceRequest`.
    pub text: Vec<u8>,
    /// How many points are in it.
    pub points: u64,
}

/// A family of series, as the text has it.
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    sort: &'a str,
    lines: Vec<Line<'a>>,
}

/// One line of values.
struct Line<'a> {
    suffix: &'a str,
    labels: Vec<(&'a str, String)>,
    value: &'a str,
}

/// Names that the semantic conventions of OpenTelemetry give; in the text their dots are underscores, and a unit stands behind.
const CONVENTIONAL: [(&str, &str); 1] = [("mcp_server_operation_duration_seconds", "mcp.server.operation.duration")];
/// Labels likewise.
const LABELS: [(&str, &str); 3] = [("mcp_method_name", "mcp.method.name"), ("error_type", "error.type"), ("server", "bastide.server")];

/// Prints what `text` shows, an exposition of ours (OpenMetrics 1.0, sections 5 and 6). Every sum is since `moments.since`.
pub fn print_metrics(text: &str, resource: &Resource, moments: Moments) -> Printed {
    let families = read(text);
    let mut points = 0;
    let mut out = Writer::default();
    out.message(1, |all| {
        resource.write(all);
        all.message(2, |scoped| {
            resource.scope(scoped);
            for family in families.iter().filter(|family| !family.lines.is_empty()) {
                scoped.message(2, |metric| points += print(family, moments, metric));
            }
        });
    });
    Printed { text: out.finish(), points }
}

fn read(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            families.push(Family { name, help, sort: "", lines: Vec::new() });
        } else if let (Some(sort), Some(family)) = (line.strip_prefix("# TYPE "), families.last_mut()) {
            family.sort = sort.rsplit(' ').next().unwrap_or_default();
        } else if !line.starts_with('#')
            && let Some(family) = families.last_mut()
            && let Some(line) = line.strip_prefix(family.name).and_then(row)
        {
            family.lines.push(line);
        }
    }
    families
}

/// A line without the name: a suffix, labels in braces, a value.
fn row(rest: &str) -> Option<Line<'_>> {
    let (head, value) = rest.rsplit_once(' ')?;
    let (suffix, labels) = match head.split_once('{') {
        None => (head, Vec::new()),
        Some((suffix, labels)) => (suffix, labelled(labels.strip_suffix('}')?)?),
    };
    Some(Line { suffix, labels, value })
}

fn labelled(mut rest: &str) -> Option<Vec<(&str, String)>> {
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    letter => letter,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name, value));
        rest = after.get(end..)?.trim_start_matches(',');
    }
    Some(labels)
}

fn print(family: &Family<'_>, moments: Moments, out: &mut Writer) -> u64 {
    let told = CONVENTIONAL.iter().find(|(name, _)| *name == family.name).map(|(_, told)| *told);
    out.bytes(1, told.unwrap_or(family.name).as_bytes());
    out.bytes(2, family.help.as_bytes());
    let unit = if family.name.ends_with("_seconds") { "s" } else { "1" };
    out.bytes(3, unit.as_bytes());
    let mut points = 0;
    match family.sort {
        "histogram" => out.message(9, |histogram| {
            for series in split(&family.lines) {
                points += 1;
                histogram.message(1, |point| distribution(series, moments, point));
            }
            histogram.uint(2, 2);
        }),
        "counter" => out.message(7, |sum| {
            for line in family.lines.iter().filter(|line| line.suffix == "_total") {
                points += 1;
                sum.message(1, |point| number(line, moments, point));
            }
            sum.uint(2, 2);
            sum.uint(3, 1);
        }),
        _ => out.message(5, |gauge| {
            for line in &family.lines {
                points += 1;
                gauge.message(1, |point| number(line, moments, point));
            }
        }),
    }
    points
}

fn number(line: &Line<'_>, moments: Moments, out: &mut Writer) {
    out.fixed64(2, moments.since);
    out.fixed64(3, moments.now);
    match line.value.parse::<i64>() {
        Ok(value) => out.fixed64(6, u64::from_le_bytes(value.to_le_bytes())),
        Err(_) => out.double(4, line.value.parse().unwrap_or_default()),
    }
    labels(line, 7, out);
}

fn labels(line: &Line<'_>, field: u32, out: &mut Writer) {
    for (name, value) in line.labels.iter().filter(|(name, value)| *name != "le" && !value.is_empty()) {
        let name = LABELS.iter().find(|(label, _)| label == name).map_or(*name, |(_, told)| *told);
        attribute(out, field, name, &Value::Text(value.clone()));
    }
}

/// The lines of each series of a histogram: from the sum of one to the sum of the next.
fn split<'a>(lines: &'a [Line<'a>]) -> Vec<&'a [Line<'a>]> {
    let starts: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| line.suffix == "_sum").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    starts.iter().zip(ends).filter_map(|(from, to)| lines.get(*from..to)).collect()
}

fn distribution(lines: &[Line<'_>], moments: Moments, out: &mut Writer) {
    let of = |suffix: &str| lines.iter().find(|line| line.suffix == suffix).map_or("0", |line| line.value);
    out.fixed64(2, moments.since);
    out.fixed64(3, moments.now);
    out.fixed64(4, of("_count").parse().unwrap_or_default());
    out.double(5, of("_sum").parse().unwrap_or_default());
    let buckets: Vec<(f64, u64)> = lines
        .iter()
        .filter(|line| line.suffix == "_bucket")
        .map(|line| {
            let bound = line.labels.iter().find(|(name, _)| *name == "le").and_then(|(_, bound)| bound.parse().ok());
            (bound.unwrap_or(f64::INFINITY), line.value.parse().unwrap_or_default())
        })
        .collect();
    let mut below = 0;
    let counts: Vec<u64> = buckets
        .iter()
        .map(|(_, count)| {
            let within = count.saturating_sub(below);
            below = *count;
            within
        })
        .collect();
    out.packed(6, counts.into_iter());
    let bounds: Vec<u64> = buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).map(f64::to_bits).collect();
    out.packed(7, bounds.into_iter());
    if let Some(line) = lines.first() {
        labels(line, 9, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP bastide_messages Messages\n# TYPE bastide_messages counter\n\
        bastide_messages_total{verdict=\"allowed\",control=\"-\"} 7\n# HELP mcp_server_operation_duration_seconds Durations.\n\
        # TYPE mcp_server_operation_duration_seconds histogram\n\
        mcp_server_operation_duration_seconds_sum{mcp_method_name=\"tools/call\",error_type=\"\"} 1.5\n\
        mcp_server_operation_duration_seconds_count{mcp_method_name=\"tools/call\",error_type=\"\"} 3\n\
        mcp_server_operation_duration_seconds_bucket{le=\"0.5\",mcp_method_name=\"tools/call\",error_type=\"\"} 1\n\
        mcp_server_operation_duration_seconds_bucket{le=\"+Inf\",mcp_method_name=\"tools/call\",error_type=\"\"} 3\n\
        # HELP bastide_sessions Open\n# TYPE bastide_sessions gauge\nbastide_sessions 2\n# EOF\n";

    #[test]
    fn what_the_text_shows_is_read() {
        let families = read(TEXT);
        let names: Vec<_> = families.iter().map(|family| (family.name, family.sort, family.lines.len())).collect();
        assert_eq!(
            names,
            [
                ("bastide_messages", "counter", 1),
                ("mcp_server_operation_duration_seconds", "histogram", 4),
                ("bastide_sessions", "gauge", 1)
            ]
        );
        assert_eq!(families[0].lines[0].labels, [("verdict", "allowed".to_owned()), ("control", "-".to_owned())]);
        assert_eq!(labelled(r#"a="x\"y\\z\n",b="}""#).unwrap(), [("a", "x\"y\\z\n".to_owned()), ("b", "}".to_owned())]);
        assert_eq!(split(&families[1].lines).len(), 1);
        let printed = print_metrics(TEXT, &Resource { attributes: Vec::new(), version: "1" }, Moments { since: 1, now: 2 });
        assert_eq!(printed.points, 3);
        let holds = |needle: &[u8]| printed.text.windows(needle.len()).any(|window| window == needle);
        assert!(holds(b"mcp.server.operation.duration") && holds(b"mcp.method.name") && !holds(b"error.type"));
    }
}
