//! URLs: listed schemes, hosts and ports, and nothing that two programs would take to different hosts.
//!
//! A URL is read twice: by the grammar of RFC 3986 here, and by the WHATWG URL Standard in the `url` crate. Where the two do not agree on scheme, host
//! and port, it is refused. Names are not looked up: where one leads is judged anew when it is connected to.
//!
//! Control: `tools.http`.

mod host;

use crate::text;
use crate::{Error, Judged, Reason, Refused};
use host::{Host, Pattern};
use terms::{Reach, Span, reach};

/// The longest URL, in bytes.
const URL: usize = 8_192;
/// Redirects that a chain may have.
const HOPS: usize = 10;

/// Ports that no browser connects to (Fetch Standard, section 2.9, "Port blocking"), and those of stores that answer to HTTP requests.
const BARRED: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
    117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601,
    636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2375, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566,
    6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017,
];

/// Whether inner addresses, and names that lead to such, are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// They are.
    Refused,
    /// They may be reached where they are listed.
    Open,
}

/// What may be asked for.
#[derive(Clone, Debug)]
pub struct Policy {
    schemes: Vec<String>,
    hosts: Vec<Pattern>,
    inner: Inner,
}

/// A URL in its parts, as RFC 3986 has them.
struct Parts<'a> {
    scheme: String,
    host: &'a str,
    port: Option<u16>,
    /// Path, query and fragment.
    rest: &'a str,
}

impl Policy {
    /// A policy of these schemes and hosts. A host is `name`, `*.name` (names below it), `*` (all), an address, each with `:port` or `:*` behind it.
    /// Without a port it stands for the port of the scheme; `*` for all but those that browsers bar.
    ///
    /// # Errors
    /// [`Error::Policy`] where a list is empty or an entry is none of these.
    pub fn new(schemes: &[String], hosts: &[String], inner: Inner) -> Result<Self, Error> {
        let unfit = |key, why| Error::Policy { key, why };
        if schemes.is_empty() {
            return Err(unfit("schemes", "there must be at least one scheme, such as https"));
        }
        let known = |scheme: &String| ["http", "https", "ws", "wss"].contains(&scheme.as_str());
        if !schemes.iter().all(known) {
            return Err(unfit("schemes", "a scheme is http, https, ws or wss"));
        }
        if hosts.is_empty() {
            return Err(unfit("allow_hosts", "there must be at least one host"));
        }
        let patterns = hosts.iter().map(|host| Pattern::parse(host)).collect::<Option<Vec<_>>>();
        let hosts = patterns.ok_or(unfit("allow_hosts", "a host is a name, *.name, * or an address, with or without a port"))?;
        Ok(Self { schemes: schemes.to_vec(), hosts, inner })
    }

    /// Judges one URL. Its normal form is the serialisation of the WHATWG URL Standard.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, value: &str) -> Result<Judged, Refused> {
        let parts = parts(value)?;
        let whole = |reason| Refused::new(reason, Span::new(0, value.len()));
        if !self.schemes.contains(&parts.scheme) {
            return Err(whole(Reason::UrlScheme));
        }
        let host = Host::parse(parts.host).map_err(whole)?;
        let read = url::Url::parse(value).map_err(|_| whole(Reason::UrlShape))?;
        let same = read.scheme() == parts.scheme
            && read.host_str() == Some(host.printed().as_ref())
            && read.port_or_known_default() == parts.port.or_else(|| default_port(&parts.scheme))
            && read.username().is_empty()
            && read.password().is_none();
        if !same {
            return Err(whole(Reason::UrlSplit));
        }
        let path = parts.rest.split(['?', '#']).next().unwrap_or_default();
        if text::decoded(path).is_some_and(|path| path.contains(['\r', '\n', '\0'])) {
            return Err(whole(Reason::UrlBreak));
        }
        self.host(&host, &parts).map_err(whole)?;
        // A dot at the end of a name is the same name to the resolver, and another one to those who compare.
        let mut normal = read;
        if let Host::Name { name, dot: true, .. } = &host {
            normal.set_host(Some(name)).map_err(|_| whole(Reason::UrlName))?;
        }
        Ok(Judged { normal: normal.into(), operation: None, replace: None })
    }

    /// Judges a URL and the redirects that follow from it, each relative to the one before it.
    ///
    /// # Errors
    /// [`Refused`], where the first of them is, or leads from https to http, or there are more than ten.
    pub fn judge_chain<'a>(&self, chain: impl IntoIterator<Item = &'a str>) -> Result<Judged, Refused> {
        let mut last: Option<Judged> = None;
        for (at, hop) in chain.into_iter().enumerate() {
            if at > HOPS {
                return Err(Refused::whole(Reason::UrlHops));
            }
            let judged = match last.as_ref().and_then(|judged| url::Url::parse(&judged.normal).ok()) {
                // A reference without a scheme is relative; one that begins with two slashes names a host.
                Some(base) if !hop.contains("://") && hop.starts_with(['/', '?', '.']) && !hop.starts_with("//") && !hop.contains('\\') => {
                    self.judge(base.join(hop).map_err(|_| Refused::whole(Reason::UrlShape))?.as_str())?
                }
                Some(base) => {
                    let judged = self.judge(hop)?;
                    if base.scheme() == "https" && judged.normal.starts_with("http:") {
                        return Err(Refused::whole(Reason::UrlDowngrade));
                    }
                    judged
                }
                None => self.judge(hop)?,
            };
            last = Some(judged);
        }
        last.ok_or(Refused::whole(Reason::UrlShape))
    }

    fn host(&self, host: &Host, parts: &Parts<'_>) -> Result<(), Reason> {
        let usual = default_port(&parts.scheme);
        let port = parts.port.or(usual);
        let known: Vec<&Pattern> = self.hosts.iter().filter(|pattern| pattern.holds(host)).collect();
        match (self.inner, host) {
            (Inner::Open, _) => {}
            (Inner::Refused, Host::Address(address)) if reach(*address) != Reach::Public || host::is_compatible(*address) => {
                return Err(Reason::UrlInner);
            }
            (Inner::Refused, Host::Address(_)) => {}
            (Inner::Refused, Host::Name { name, .. }) => {
                let spelled = known.iter().any(|pattern| pattern.spells(name));
                if host::is_own(name) || (host::leads_in(name) && !spelled) {
                    return Err(Reason::UrlInnerName);
                }
            }
        }
        if known.is_empty() {
            return Err(Reason::UrlHost);
        }
        let open =
            |pattern: &&Pattern| pattern.opens(port, usual) && (!pattern.is_all() || port.is_some_and(|port| !BARRED.contains(&port)));
        if known.iter().any(open) { Ok(()) } else { Err(Reason::UrlPort) }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The parts of a URL (RFC 3986 section 3), refused where another grammar would cut elsewhere.
fn parts(value: &str) -> Result<Parts<'_>, Refused> {
    let refuse = |reason| Err(Refused::whole(reason));
    if value.len() > URL {
        return refuse(Reason::TooLong);
    }
    if let Some(at) = text::control(value) {
        return Err(Refused::new(Reason::UrlControl, at));
    }
    if let Some(at) = text::hidden(value) {
        return Err(Refused::new(Reason::UrlHidden, at));
    }
    if value.trim() != value {
        return refuse(Reason::UrlControl);
    }
    let Some((scheme, after)) = value.split_once("://") else { return refuse(Reason::UrlShape) };
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if !is_scheme || authority.is_empty() {
        return refuse(Reason::UrlShape);
    }
    // Old readers look for the last `@` before the first slash, whatever stands between.
    let loose = rest.strip_prefix(['?', '#']).map(|rest| rest.split(['/', '\\']).next().unwrap_or_default());
    if authority.contains('@') || loose.is_some_and(|loose| loose.contains('@')) {
        return refuse(Reason::UrlUser);
    }
    let breaks = |letter: char| letter.is_whitespace() || "\\<>\"{}|^`%;,&=+$!*'()".contains(letter);
    if authority.contains(breaks) {
        return refuse(Reason::UrlSplit);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let Some((address, port)) = inner.split_once(']') else { return refuse(Reason::UrlShape) };
            let host = authority.get(..address.len() + 2).unwrap_or_default();
            match port.strip_prefix(':') {
                Some(port) => (host, port),
                None if port.is_empty() => (host, ""),
                None => return refuse(Reason::UrlShape),
            }
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = match port {
        "" => None,
        digits if digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| Refused::whole(Reason::UrlShape))?)
        }
        _ => return refuse(Reason::UrlShape),
    };
    // Between the slash of a path and the host there is nothing that WHATWG reads as another slash.
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with("/\\") || path.starts_with('\\') {
        return refuse(Reason::UrlSplit);
    }
    Ok(Parts { scheme: scheme.to_ascii_lowercase(), host, port, rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|one| (*one).to_owned()).collect()
    }

    fn listed() -> Policy {
        let hosts = strings(&["api.shop.test", "*.cdn.shop.test", "files.shop.test:8443", "any.shop.test:*", "8.8.8.8"]);
        Policy::new(&strings(&["https"]), &hosts, Inner::Refused).unwrap()
    }

    fn open() -> Policy {
        Policy::new(&strings(&["http", "https"]), &strings(&["*"]), Inner::Refused).unwrap()
    }

    fn judge(policy: &Policy, value: &str) -> Result<String, Reason> {
        policy.judge(value).map(|judged| judged.normal).map_err(|refused| refused.reason)
    }

    #[test]
    fn listed_hosts_pass_in_their_normal_form() {
        for (value, normal) in [
            ("https://api.shop.test", "https://api.shop.test/"),
            ("HTTPS://API.shop.TEST:443/a/../b?x=http://127.0.0.1#@y", "https://api.shop.test/b?x=http://127.0.0.1#@y"),
            ("https://api.shop.test./x", "https://api.shop.test/x"),
            ("https://a.b.cdn.shop.test/x", "https://a.b.cdn.shop.test/x"),
            ("https://files.shop.test:8443/", "https://files.shop.test:8443/"),
            ("https://any.shop.test:9999/", "https://any.shop.test:9999/"),
            ("https://api.shop.test/@scope/pkg", "https://api.shop.test/@scope/pkg"),
            ("https://api.shop.test/q?path=C:\\x&t=%0d%0a", "https://api.shop.test/q?path=C:\\x&t=%0d%0a"),
            ("https://api.shop.test/a b", "https://api.shop.test/a%20b"),
            ("https://8.8.8.8/dns-query", "https://8.8.8.8/dns-query"),
        ] {
            assert_eq!(judge(&listed(), value).as_deref(), Ok(normal), "{value}");
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        for (value, reason) in [
            ("http://api.shop.test/", Reason::UrlScheme),
            ("ftp://api.shop.test/", Reason::UrlScheme),
            ("file:///etc/passwd", Reason::UrlShape),
            ("javascript:alert(1)", Reason::UrlShape),
            ("//api.shop.test/", Reason::UrlShape),
            ("https:/api.shop.test/", Reason::UrlShape),
            ("https:api.shop.test", Reason::UrlShape),
            ("https:///api.shop.test/", Reason::UrlShape),
            ("https://evil.test/", Reason::UrlHost),
            ("https://cdn.shop.test/", Reason::UrlHost),
            ("https://api.shop.test.evil.test/", Reason::UrlHost),
            ("https://evilapi.shop.test/", Reason::UrlHost),
            ("https://xcdn.shop.test/", Reason::UrlHost),
            ("https://evil.test#api.shop.test", Reason::UrlHost),
            ("https://evil.test?.cdn.shop.test", Reason::UrlHost),
            ("https://api.shop.test:8443/", Reason::UrlPort),
            ("https://files.shop.test/", Reason::UrlPort),
            ("https://api.shop.test@evil.test/", Reason::UrlUser),
            ("https://evil.test@api.shop.test/", Reason::UrlUser),
            ("https://user:pw@api.shop.test/", Reason::UrlUser),
            ("https://api.shop.test#@evil.test/", Reason::UrlUser),
            ("https://api.shop.test?@evil.test/", Reason::UrlUser),
            ("https://api.shop.test\\@evil.test/", Reason::UrlUser),
            ("https://api.shop.test\\.evil.test/", Reason::UrlSplit),
            ("https://evil.test\\api.shop.test/", Reason::UrlSplit),
            ("https://evil.test;api.shop.test/", Reason::UrlSplit),
            ("https://api.shop.test https://evil.test/", Reason::UrlSplit),
            ("https://api.shop.test%2eevil.test/", Reason::UrlSplit),
            ("https://api.shop.test:443:80/", Reason::UrlShape),
            ("https://api.shop.test:99999/", Reason::UrlShape),
            ("https://api.shop.test:4x3/", Reason::UrlShape),
            (" https://api.shop.test/", Reason::UrlControl),
            ("ht\ttps://api.shop.test/", Reason::UrlControl),
            ("https://api.shop.test/\r\nHost: x", Reason::UrlControl),
            ("https://api.shop\u{200b}.test/", Reason::UrlHidden),
            ("https://api.shop.test/%0d%0aX: y", Reason::UrlBreak),
            ("https://api。shop。test/", Reason::UrlName),
            ("https://ａpi.shop.test/", Reason::UrlName),
            ("https://аpi.shop.test/", Reason::UrlHost),
            ("https://stra\u{df}e.test/", Reason::UrlName),
            ("https://-.-/", Reason::UrlHost),
            ("https://a..b/", Reason::UrlName),
        ] {
            assert_eq!(judge(&listed(), value).map_err(|reason| (reason, value)), Err((reason, value)));
        }
    }

    #[test]
    fn inner_addresses_are_refused_in_every_spelling() {
        for value in [
            "http://127.0.0.1/",
            "http://127.0.0.1./",
            "http://10.0.0.1/",
            "http://172.31.255.1/",
            "http://192.168.0.1:8080/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest",
            "http://168.63.129.16/",
            "http://0.0.0.0/",
            "http://0/",
            "http://127.1/",
            "http://2130706433/",
            "http://017700000001/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.0.0.01/",
            "http://１２７.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://127。0。0。1/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fe80::1%25eth0]/",
            "http://[fd00:ec2::254]/",
            "http://[0:0:0:0:0:ffff:127.0.0.1]/",
            "http://localhost/",
            "http://LOCALHOST.:3000/",
            "http://a.localhost/",
            "http://localhost.localdomain/",
            "http://metadata.google.internal/",
            "http://metadata/",
            "http://kubernetes.default.svc/",
            "http://x.svc.cluster.local/",
            "http://printer.local/",
            "http://router.lan/",
            "http://router.home.arpa/",
            "http://host.docker.internal/",
            "http://intranet/",
            "http://127.0.0.1.nip.io/",
            "http://10-0-0-1.sslip.io/",
            "http://localtest.me/",
            "http://7f000001.c0a80001.rbndr.us/",
            "http://1.0.0.127.in-addr.arpa/",
        ] {
            assert!(judge(&open(), value).is_err(), "{value}");
        }
    }

    #[test]
    fn public_hosts_pass_where_all_are_open() {
        for value in [
            "http://93.184.216.34/",
            "https://example.org:8443/x",
            "https://10.example.org/",
            "https://127.0.0.1.example.org/",
            "https://[2606:4700::1111]/",
            "https://münchen.example/",
            "https://xn--mnchen-3ya.example/",
            "https://例え.テスト/",
            "https://localhost.example.com/",
            "https://internal.example.com/",
            "https://a_b.example.com/",
            "https://example.org/?u=http://localhost/",
        ] {
            assert!(judge(&open(), value).is_ok(), "{value}: {:?}", judge(&open(), value));
        }
        assert_eq!(judge(&open(), "http://example.org:6379/"), Err(Reason::UrlPort));
        assert_eq!(judge(&open(), "https://example.org:22/"), Err(Reason::UrlPort));
    }

    #[test]
    fn an_inner_name_is_open_only_where_it_is_spelled_out() {
        let named = Policy::new(&strings(&["http"]), &strings(&["build.corp", "localhost", "*"]), Inner::Refused).unwrap();
        assert!(judge(&named, "http://build.corp/").is_ok());
        assert_eq!(judge(&named, "http://other.corp/"), Err(Reason::UrlInnerName));
        assert_eq!(judge(&named, "http://localhost/"), Err(Reason::UrlInnerName));
        let inner = Policy::new(&strings(&["http"]), &strings(&["10.0.0.5:8080", "localhost:3000"]), Inner::Open).unwrap();
        assert!(judge(&inner, "http://10.0.0.5:8080/").is_ok() && judge(&inner, "http://localhost:3000/").is_ok());
        assert!(judge(&inner, "http://10.0.0.6:8080/").is_err());
    }

    #[test]
    fn every_hop_is_judged_and_none_goes_down() {
        let chain = |policy: &Policy, hops: &[&str]| policy.judge_chain(hops.iter().copied()).map(|judged| judged.normal);
        let hops = ["https://api.shop.test/a", "/b", "https://x.cdn.shop.test/c"];
        assert_eq!(chain(&listed(), &hops).as_deref(), Ok("https://x.cdn.shop.test/c"));
        for last in
            ["https://evil.test/", "http://api.shop.test/", "//evil.test/", "/\\evil.test", "\\\\evil.test", "file:///x", "javascript:x"]
        {
            assert!(chain(&listed(), &["https://api.shop.test/a", last]).is_err(), "{last}");
        }
        assert!(chain(&open(), &["https://a.example/", "http://a.example/"]).is_err());
        assert!(chain(&open(), &["http://a.example/", "http://169.254.169.254/"]).is_err());
        assert!(chain(&open(), &["http://a.example/"; 12]).is_err());
    }

    #[test]
    fn a_policy_that_says_nothing_is_none() {
        let good = strings(&["*"]);
        assert!(Policy::new(&[], &good, Inner::Refused).is_err());
        assert!(Policy::new(&strings(&["file"]), &good, Inner::Refused).is_err());
        for bad in ["", "https://x", "a*b.test", "*.*.test", "x:y", "x/y", "0x7f.1", "a b", "*."] {
            assert!(Policy::new(&strings(&["https"]), &strings(&[bad]), Inner::Refused).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_read_the_same_by_both(value in "https?:(//|/\\\\|/)([a-z0-9.]|@|\\\\|#|\\?|:|%|é|。|\\[|\\]|-){0,16}(/[a-z]{0,4})?") {
            if let Ok(normal) = judge(&open(), &value) {
                prop_assert_eq!(judge(&open(), &normal), Ok(normal.clone()));
                prop_assert!(url::Url::parse(&normal).is_ok());
            }
        }

        #[test]
        fn nothing_panics(value in "(https?://)?.{0,100}") {
            let _ = judge(&open(), &value);
        }

        #[test]
        fn inner_addresses_never_pass(a in 0_u32..=0x00ff_ffff, net in proptest::sample::select(vec![127_u32, 10, 0])) {
            let number = net << 24 | a;
            let [w, x, y, z] = number.to_be_bytes();
            for host in [
                format!("{w}.{x}.{y}.{z}"),
                number.to_string(),
                format!("0x{number:x}"),
                format!("{w}.{a}"),
                format!("0{w:o}.{x}.{y}.{z}"),
                format!("[::ffff:{w}.{x}.{y}.{z}]"),
                format!("[2002:{:x}:{:x}::]", number >> 16, number & 0xffff),
            ] {
                prop_assert!(judge(&open(), &format!("http://{host}/")).is_err(), "{}", host);
            }
        }
    }
}
