//! Probes of what local servers reach: looked at from outside, at the canary while it runs.

use super::canaries::Reached;
use super::confinement::{interfaces, local, running};
use super::ground::Ground;
use super::outward::{recorded, tried_at};
use super::runtime::pid_of_gateway;
use super::secrets::drawn;
use super::steps::{Finding, Probed, Steps, Trouble};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The state of a socket that listens, in proc_net_tcp(5).
const LISTENS: &str = "0A";
/// An entry for public addresses that is wider than this is an open list.
const OPEN: u8 = 16;
/// A port that hardly any list has (tcpmux).
const UNLISTED: u16 = 1;

/// Whether the canary sits in a network of its own that leads nowhere.
pub async fn segments(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let (mut reached, process) = running(ground).await?;
    let gateway = Path::new("/proc").join(pid_of_gateway(ground)?.to_string());
    let space = |of: &PathBuf| std::fs::read_link(of.join("ns/net")).ok();
    let own = space(&process).is_some() && space(&process) != space(&gateway);
    steps.note("compared the network of the canary with the gateway's", "another one", if own { "another one" } else { "the same" }, own);
    let read = |name: &str| std::fs::read_to_string(process.join("net").join(name)).unwrap_or_default();
    steps.none("read its interfaces; looked for others than loopback", &interfaces(&process));
    let leads = |table: &str, skip: usize, device: usize| -> Vec<String> {
        let lines = table.lines().skip(skip).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        lines.filter(|fields| fields.get(device).is_some_and(|name| *name != "lo")).map(|fields| fields.join(" ")).collect()
    };
    let routes = [leads(&read("route"), 1, 0), leads(&read("ipv6_route"), 0, 9)].concat();
    steps.none("read its routes; looked for some that lead anywhere", &routes);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// Whether the canary has the doors that its list asks for and no others, gets through them to nothing else, and no list is open.
pub async fn egress(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let servers = &ground.file().servers;
    let lists = servers.iter().flat_map(|(name, server)| server.sandbox.egress.iter().map(move |entry| (name, entry)));
    let wide: Vec<String> = lists.filter(|(_, entry)| is_open(entry)).map(|(name, entry)| format!("{name}: {entry}")).collect();
    steps.none("read the lists of all servers; looked for open ones", &wide);
    let (mut reached, process) = running(ground).await?;
    let list = servers.get(&reached.server.name).map(|server| server.sandbox.egress.as_slice()).unwrap_or_default();
    let rules = ::egress::Rules::new(list).unwrap_or_default();
    let mut wanted: BTreeSet<u16> = rules.ports().into_iter().collect();
    if !wanted.is_empty() {
        wanted.insert(::egress::PROXY_PORT);
    }
    let tables = ["tcp", "tcp6"].map(|name| std::fs::read_to_string(process.join("net").join(name)).unwrap_or_default());
    let found: BTreeSet<u16> = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(listening).collect();
    let said = |ports: &BTreeSet<u16>| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
    };
    steps.note("read at which ports anything listens in its network", said(&wanted), said(&found), wanted == found);
    if !rules.is_empty() {
        unlisted(ground, &mut reached, &rules, steps).await?;
    }
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// Lets the canary ask the proxy for what its list does not have: a name, an address, and a listed name at another port.
async fn unlisted(ground: &Ground, reached: &mut Reached, rules: &::egress::Rules, steps: &mut Steps) -> Result<(), Trouble> {
    let since = ground.now();
    let stranger = format!("{}.invalid:443", drawn().to_lowercase());
    let mut asked = vec![
        ("a name that is not listed", stranger, "name"),
        ("an address that is not listed", format!("127.0.0.1:{UNLISTED}"), "address"),
    ];
    if let Some((name, _)) = rules.exact().next().filter(|_| !rules.ports().contains(&UNLISTED)) {
        asked.push(("a listed name at a port that is not", format!("{name}:{UNLISTED}"), "port"));
    }
    for (what, target, reason) in asked {
        let said = tried_at(reached, ("127.0.0.1", ::egress::PROXY_PORT), "connect", &target).await?;
        let refused = said.ends_with("the proxy refuses");
        steps.note(format!("asked the proxy for {what}"), "the proxy refuses", &said, refused);
        recorded(ground, reached, since, (reason, "network.egress"), steps).await?;
    }
    Ok(())
}

/// The port of a line of proc_net_tcp(5), where it listens.
fn listening(line: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    (state == LISTENS).then(|| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()).flatten()
}

/// Whether an entry lists a wide network of public addresses.
fn is_open(entry: &str) -> bool {
    let host = entry.split_once("://").map_or(entry, |(_, rest)| rest).rsplit_once(':').map_or(entry, |(host, _)| host);
    let network = host.trim_start_matches('[').trim_end_matches(']');
    let Some((address, bits)) = network.split_once('/') else { return false };
    let public = address.parse().is_ok_and(|address| ::egress::reach(address) == ::egress::Reach::Public);
    public && bits.parse::<u8>().is_ok_and(|bits| bits < OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_is_read_from_the_table() {
        assert_eq!(listening("   0: 0100007F:0C38 00000000:0000 0A 00000000:00000000 00:00000000"), Some(3128));
        assert_eq!(listening("   0: 0100007F:0C38 0100007F:8000 01 00000000:00000000 00:00000000"), None);
        assert_eq!(listening(""), None);
    }

    #[test]
    fn wide_networks_of_public_addresses_are_open_lists() {
        assert!(is_open("8.0.0.0/8:443") && is_open("tcp://[2000::/12]:443"));
        for closed in ["10.0.0.0/8:443", "8.8.0.0/16:443", "*.example.com:443", "8.8.8.8:53", "ssh://git.example.com:22"] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}
