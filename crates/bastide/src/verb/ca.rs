//! `ca`: the certificate authority of our own.

mod root;
mod token;

use super::{configured, member};
use crate::desk::Desk;
use crate::enrolled::{self, Drawn};
use crate::host::{SystemClock, SystemEntropy};
use crate::outcome::{self, Common, Failure};
use crate::screen::{ago, table};
use admin::{Act, Adoption, CertificateWish, Founding, KeyPlace, Renewal};
use clap::{Subcommand, ValueEnum};
use config::Span;
use identity::authority::{Domain, Role};
use root::Place;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use terms::{Clock as _, Name, Secret, Utc};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The variable that holds a code.
const CODE: &str = "BASTIDE_CODE";
/// The largest file of certificates or a key.
const LARGEST: u64 = 128 * 1024;

/// What is done with the authority.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Make a root and the issuer below it
    #[command(
        after_help = "Examples:\n  bastide ca init --domain example.internal\n  bastide ca init --domain example.internal --root-out /media/safe/root.pem\n  \
        bastide ca init --root 'pkcs11:/usr/lib/softhsm/libsofthsm2.so?token=ca&object=root' --pin pin.txt"
    )]
    Init(Init),
    /// Issue a certificate, or print a code by which its holder enrols once
    #[command(
        after_help = "Examples:\n  bastide ca issue --role agent codex --code\n  bastide ca issue --role server ledger --host ledger.internal --out ./ledger"
    )]
    Issue(Issue),
    /// Renew the issuer, or the certificate of a listener of the running gateway, before its time
    #[command(
        after_help = "Examples:\n  bastide ca renew issuer\n  bastide ca renew data\n  bastide ca renew issuer --root /media/safe/root.pem"
    )]
    Renew(Renew),
    /// Take a certificate back, or every one and every code of a name, at once
    #[command(after_help = "Example:\n  bastide ca revoke agent/codex --reason \"laptop lost\"")]
    Revoke(Revoke),
    /// Show the issuer and the certificates
    #[command(after_help = "Example:\n  bastide ca list --all")]
    List(List),
    /// Enrol this machine at a gateway by a code; the key is drawn here and stays here
    #[command(after_help = "Examples:\n  bastide ca enrol https://gateway.internal:8422 --code - --out ~/.bastide/codex --keep\n  \
        bastide ca enrol https://gateway.internal:8422 --out ~/.bastide/codex --keep     # again later, without a code: goes on renewing")]
    Enrol(Enrol),
    /// Put an outside issuer in place of our own
    #[command(after_help = "Example:\n  bastide ca import --certificate tls.crt --key tls.key --root ca.crt")]
    Import(Import),
}

/// What an authority is made of.
#[derive(clap::Args, Debug)]
pub struct Init {
    /// The trust domain, such as example.internal [default: ca.domain of the configuration]
    #[arg(long)]
    domain: Option<Domain>,
    /// Write the root's key to this file and do not keep it: the issuer then needs it to be renewed
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    root_out: Option<PathBuf>,
    /// Where the root's key is: pkcs11:MODULE?token=T&object=O; it is made there and never leaves it
    #[arg(long, value_name = "PLACE")]
    root: Option<Place>,
    /// The file of the token's PIN [default: asked]
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// An agent, that connects
    Agent,
    /// A listener or an MCP server
    Server,
    /// An operator, who connects to the admin listener
    Operator,
    /// Another gateway of the same fleet
    Replica,
}

/// Whom a certificate names.
#[derive(clap::Args, Debug)]
pub struct Issue {
    /// What it is for
    #[arg(long)]
    role: For,
    /// Its name
    name: Name,
    /// A name or address that it is connected to by; for servers and replicas
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// How long it lives, a minute to 30d [default: ca.life]
    #[arg(long, value_parser = span)]
    life: Option<Span>,
    /// The file of a request for it; else its key is drawn here
    #[arg(long, value_name = "FILE", conflicts_with = "code")]
    csr: Option<PathBuf>,
    /// The folder that key.pem, chain.pem and authority.pem are written to [default: ./NAME]
    #[arg(long, value_name = "FOLDER", conflicts_with = "code")]
    out: Option<PathBuf>,
    /// Print a code by which its holder enrols once
    #[arg(long)]
    code: bool,
    /// How long the code is good, at most 24h
    #[arg(long, default_value = "10m", value_parser = span, requires = "code")]
    within: Span,
}

/// What is renewed.
#[derive(clap::Args, Debug)]
pub struct Renew {
    /// issuer, data, admin or enrol
    #[arg(default_value = "issuer")]
    what: String,
    /// Where the root's key is, if it is not kept in the vault: a file, or pkcs11:MODULE?token=T&object=O
    #[arg(long, value_name = "PLACE")]
    root: Option<Place>,
    /// The file of the token's PIN [default: asked]
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
}

/// What is taken back.
#[derive(clap::Args, Debug)]
pub struct Revoke {
    /// A serial number, NAME or ROLE/NAME
    which: String,
    /// Why
    #[arg(long)]
    reason: String,
}

/// What is shown.
#[derive(clap::Args, Debug)]
pub struct List {
    /// Those that have ended or were taken back, too
    #[arg(long)]
    all: bool,
}

/// Where and as whom.
#[derive(clap::Args, Debug)]
pub struct Enrol {
    /// The gateway's enrolment listener, https://HOST:PORT
    url: Url,
    /// `-` for a line of standard input, or the code itself, which other processes of this machine then see
    #[arg(long, conflicts_with = "code_file")]
    code: Option<String>,
    /// The private file that holds the code; without it and without --code, $BASTIDE_CODE
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    /// The folder that key.pem, chain.pem, authority.pem and enrol.url are written to
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Stay, and renew the certificate at two thirds of its life
    #[arg(long)]
    keep: bool,
}

/// An outside issuer.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// The file of its certificate and those above it
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The file of its key, or vault:OWNER/NAME
    #[arg(long, value_name = "FILE")]
    key: String,
    /// The file of its root, where that is apart
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|()| "a span is a whole number and s, m, h or d, such as 12h".to_owned())
}

impl From<For> for Role {
    fn from(role: For) -> Self {
        match role {
            For::Agent => Self::Agent,
            For::Server => Self::Server,
            For::Operator => Self::Operator,
            For::Replica => Self::Replica,
        }
    }
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub async fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Init(args) => init(args, common).await?,
        Verb::Issue(args) => issue(args, common).await?,
        Verb::Renew(args) => renew(args, common).await?,
        Verb::Revoke(args) => revoke(args, common).await?,
        Verb::List(args) => {
            let mut answer = Desk::at(&configured(common)?, async |desk| desk.authority().await).await?;
            if !args.all
                && let Some(certificates) = answer.get_mut("certificates").and_then(Value::as_array_mut)
            {
                let now = SystemClock::new().utc();
                certificates.retain(|one| state(one, now) == "good");
            }
            common.answer(&answer, listed)?;
        }
        Verb::Enrol(args) => enrol(args, common).await?,
        Verb::Import(args) => import(args, common).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn init(args: &Init, common: &Common) -> Result<(), Failure> {
    let configured = configured(common)?;
    let domain = args.domain.clone().or_else(|| configured.loaded.file.ca.as_ref().map(|ca| ca.domain.clone()));
    let domain =
        domain.ok_or_else(|| Failure::usage("which trust domain is not said").next("bastide ca init --domain example.internal"))?;
    let desk = Desk::open(&configured).await?;
    let answer = desk
        .finish(async |desk| {
            let standing = desk.authority().await?;
            if standing["founded"] == json!(true) {
                return Err(Failure::usage(format!(
                    "there is an authority of `{}` already; nothing was changed",
                    member(&standing, "domain")
                )));
            }
            let (clock, entropy) = (SystemClock::new(), SystemEntropy);
            let made = match &args.root {
                Some(place) => root::made(place, args.pin.as_deref(), &domain, clock.utc(), &entropy)?,
                None => root::drawn(&domain, clock.utc(), &entropy)?,
            };
            if let (Some(path), Some(key)) = (&args.root_out, &made.key) {
                let bytes = Secret::new(key.open().clone().into_bytes());
                store::write_private(path, &bytes, &entropy)
                    .map_err(|cause| Failure::usage(cause.to_string()).next("name a file that is not there yet"))?;
            }
            let root_key = made.key.filter(|_| args.root_out.is_none());
            let founding = Founding { domain, root: made.root, root_key, issuer: made.issuer, issuer_key: made.issuer_key };
            desk.perform(Act::CaInit(Box::new(founding))).await
        })
        .await?;
    common.answer(&answer, |answer| {
        let mut out = format!(
            "domain     {}\nroot       sha256 {}\nissuer     {}, ends {}\nauthority  {}\ncrl        {}\n",
            member(answer, "domain"),
            member(answer, "root"),
            member(answer, "issuer"),
            member(answer, "ends"),
            member(answer, "authority"),
            member(answer, "crl")
        );
        if let Some(path) = &args.root_out {
            let _ = writeln!(out, "root key   {}: keep it away from this machine", path.display());
        }
        out
    })
}

async fn issue(args: &Issue, common: &Common) -> Result<(), Failure> {
    let configured = configured(common)?;
    let life_seconds = args.life.map(|life| life.duration().as_secs());
    let wish = CertificateWish { role: args.role.into(), name: args.name.clone(), hosts: args.hosts.clone(), life_seconds };
    if args.code {
        let act = Act::CaInvite { wish, within: args.within.duration() };
        let answer = Desk::at(&configured, async |desk| desk.perform(act).await).await?;
        return common.answer(&answer, |answer| {
            format!(
                "code  {}\nfor   {}\nends  {}\n\nThere:  bastide ca enrol https://HOST:PORT --code - --out FOLDER\n",
                member(answer, "code"),
                member(answer, "id"),
                member(answer, "ends")
            )
        });
    }
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    let drawn = if args.csr.is_none() { Some(Drawn::new()?) } else { None };
    let request = match (&args.csr, &drawn) {
        (Some(path), _) => pem(path)?,
        (None, Some(drawn)) => drawn.request.clone(),
        (None, None) => return Err(Failure::system("there is no request")),
    };
    let mut place = enrolled::Folder::take(&folder)?;
    place.free(&format!("/{}/{}", Role::from(args.role).as_str(), args.name.as_str()))?;
    if let Some(drawn) = &drawn {
        place.draft(drawn)?;
    }
    let mut answer = Desk::at(&configured, async |desk| desk.perform(Act::CaIssue { wish, request }).await).await?;
    let (chain, authority) = (member(&answer, "chain"), member(&answer, "authority"));
    match drawn {
        Some(drawn) => {
            drawn.keep(&folder, chain, authority)?;
        }
        None => {
            enrolled::replace(&folder.join(enrolled::CHAIN), chain.as_bytes(), 0o644)?;
            enrolled::replace(&folder.join(enrolled::AUTHORITY), authority.as_bytes(), 0o644)?;
        }
    }
    if let Some(members) = answer.as_object_mut() {
        members.insert("folder".to_owned(), json!(folder));
    }
    common.answer(&answer, |answer| {
        format!(
            "for     {}\nserial  {}\nends    {}\nin      {}\n",
            member(answer, "id"),
            member(answer, "serial"),
            member(answer, "ends"),
            folder.display()
        )
    })
}

async fn renew(args: &Renew, common: &Common) -> Result<(), Failure> {
    let configured = configured(common)?;
    let what = if args.what == "issuer" { Renewal::Issuer } else { Renewal::Listener(args.what.clone()) };
    let answer = Desk::at(&configured, async |desk| match &args.root {
        Some(_) if what != Renewal::Issuer => Err(Failure::usage("the root signs the issuer alone")),
        Some(place) => {
            let standing = desk.authority().await?;
            let domain =
                member(&standing, "domain").parse().map_err(|_| Failure::usage("there is no authority yet").next("bastide ca init"))?;
            let root = member(&standing, "own_root").to_owned();
            let below = root::below(place, args.pin.as_deref(), &root, &domain, SystemClock::new().utc(), &SystemEntropy)?;
            let adoption = Adoption { chain: below.certificate, root: Some(root), key: KeyPlace::Here(below.key) };
            desk.perform(Act::CaImport(Box::new(adoption))).await
        }
        None => desk.perform(Act::CaRenew(what)).await,
    })
    .await?;
    common.answer(&answer, |answer| format!("{} is renewed and ends {}\n", args.what, member(answer, "ends")))
}

async fn revoke(args: &Revoke, common: &Common) -> Result<(), Failure> {
    let act = Act::CaRevoke { which: args.which.clone(), reason: args.reason.clone() };
    let (mut answer, standing) = Desk::at(&configured(common)?, async |desk| {
        let answer = desk.perform(act).await?;
        // It is done, whether or not the rest can be looked at.
        Ok((answer, desk.authority().await.ok()))
    })
    .await?;
    let others = standing.map(|standing| still_good(&answer, &standing, SystemClock::new().utc()));
    if let Some(members) = answer.as_object_mut() {
        members.insert("still_good".to_owned(), json!(others));
    }
    common.answer(&answer, |answer| {
        let count = answer["serials"].as_array().map_or(0, Vec::len);
        let mut out = format!("{count} certificates and {} codes of {} are no longer good.\n", answer["codes"], args.which);
        for holder in others.iter().flatten() {
            let _ = writeln!(out, "Others of {holder} are still good.  bastide ca revoke {holder} --reason WHY");
        }
        out
    })
}

/// The holders of what was taken back that have other certificates which are good: who had one may have renewed it.
fn still_good(taken_back: &Value, standing: &Value, now: Utc) -> BTreeSet<String> {
    let serials = taken_back["serials"].as_array().map(Vec::as_slice).unwrap_or_default();
    let certificates = standing["certificates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let holders: BTreeSet<String> = certificates.iter().filter(|one| serials.contains(&one["serial"])).map(holder).collect();
    certificates.iter().filter(|one| state(one, now) == "good").map(holder).filter(|holder| holders.contains(holder)).collect()
}

async fn import(args: &Import, common: &Common) -> Result<(), Failure> {
    let configured = configured(common)?;
    let key = match args.key.parse() {
        Ok(address) => KeyPlace::Vault(address),
        Err(_) => KeyPlace::Here(Secret::new(pem(Path::new(&args.key))?)),
    };
    let root = args.root.as_deref().map(pem).transpose()?;
    let adoption = Adoption { chain: pem(&args.certificate)?, root, key };
    let answer = Desk::at(&configured, async |desk| desk.perform(Act::CaImport(Box::new(adoption))).await).await?;
    common.answer(&answer, |answer| {
        format!(
            "issuer  {} is in place, ends {}\nroot    sha256 {}\n",
            member(answer, "issuer"),
            member(answer, "ends"),
            member(answer, "root")
        )
    })
}

async fn enrol(args: &Enrol, common: &Common) -> Result<(), Failure> {
    let held = match code(args)? {
        Some(code) => enrolled::enrol(&args.url, code.open(), &args.out).await?,
        None if args.keep && args.out.join(enrolled::URL).exists() => enrolled::again(&args.out)?,
        None => {
            return Err(
                Failure::usage("a code of `bastide ca issue --code` is needed").next("--code -, --code-file FILE, or $BASTIDE_CODE")
            );
        }
    };
    let answer = json!({ "folder": args.out, "ends": held.ends.to_string(), "renews": held.due.to_string() });
    common.answer(&answer, |_| format!("{} holds a certificate that ends {}\n", args.out.display(), held.ends))?;
    if !args.keep {
        return Ok(());
    }
    let ending = CancellationToken::new();
    let told = |done: Result<enrolled::Held, Failure>| match done {
        Ok(held) => outcome::tell(&format!("renewed; it ends {}", held.ends)),
        Err(cause) => outcome::warn(&format!("not renewed: {cause}")),
    };
    let stop = ending.clone();
    tokio::select! {
        kept = enrolled::keep(&args.out, &ending, told) => kept,
        _ = tokio::signal::ctrl_c() => {
            stop.cancel();
            Ok(())
        }
    }
}

/// The code, where one is given.
fn code(args: &Enrol) -> Result<Option<Secret<String>>, Failure> {
    use std::io::{BufRead as _, IsTerminal as _, Read as _};
    if let Some(path) = &args.code_file {
        let file = store::read_private(path).map_err(|cause| Failure::usage(cause).next(format!("chmod 600 {}", path.display())))?;
        let file = file.ok_or_else(|| Failure::usage(format!("{} is not there", path.display())))?;
        let text = std::str::from_utf8(file.open()).map_err(|_| Failure::usage(format!("{} holds no code", path.display())))?;
        return Ok(Some(Secret::new(text.trim().to_owned())));
    }
    match args.code.as_deref() {
        Some("-") => {
            if std::io::stdin().is_terminal() {
                outcome::ask("Code: ");
            }
            let mut line = String::new();
            std::io::stdin().lock().take(1024).read_line(&mut line)?;
            Ok(Some(Secret::new(line)))
        }
        Some(code) => Ok(Some(Secret::new(code.to_owned()))),
        None => Ok(std::env::var(CODE).ok().filter(|code| !code.is_empty()).map(Secret::new)),
    }
}

/// The text of a small file.
fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unread = |cause: std::io::Error| Failure::usage(format!("`{}` cannot be read", path.display())).because(&cause);
    let mut text = String::new();
    std::fs::File::open(path).map_err(unread)?.take(LARGEST + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::usage(format!("`{}` is larger than {} KiB", path.display(), LARGEST >> 10)));
    }
    Ok(text)
}

/// The text of a PEM file (RFC 7468).
fn pem(path: &Path) -> Result<String, Failure> {
    let text = read(path)?;
    if !text.contains("-----BEGIN ") {
        return Err(Failure::usage(format!("`{}` is no PEM file: it has no line that begins with -----BEGIN", path.display())));
    }
    Ok(text)
}

fn state(certificate: &Value, now: Utc) -> &'static str {
    let ended = Utc::parse(member(certificate, "ends")).is_none_or(|end| end <= now);
    match certificate.get("revoked") {
        Some(Value::String(_)) => "revoked",
        _ if ended => "ended",
        _ => "good",
    }
}

/// Whom a certificate names, as it is taken back.
fn holder(certificate: &Value) -> String {
    format!("{}/{}", member(certificate, "role"), member(certificate, "name"))
}

fn listed(answer: &Value) -> String {
    if answer["founded"] != json!(true) {
        return "There is no authority yet.  bastide ca init --domain DOMAIN\n".to_owned();
    }
    let now = SystemClock::new().utc();
    let when = |one: &Value, name: &str| Utc::parse(member(one, name)).map(|at| ago(at, now)).unwrap_or_default();
    let mut out = format!("domain  {}\n", member(answer, "domain"));
    for issuer in answer["issuers"].as_array().into_iter().flatten() {
        let renews = if issuer["renews_itself"] == json!(true) { "renews itself" } else { "must be renewed by hand" };
        let _ = writeln!(
            out,
            "issuer  {} ({}), ends {}, {renews} {}",
            member(issuer, "id"),
            member(issuer, "origin"),
            when(issuer, "ends"),
            when(issuer, "renews")
        );
    }
    let certificates = answer["certificates"].as_array().map(Vec::as_slice).unwrap_or_default();
    if certificates.is_empty() {
        out.push_str("No certificate is good.  bastide ca issue --role agent NAME --code\n");
        return out;
    }
    let row = |one: &Value| {
        vec![member(one, "serial").to_owned(), holder(one), state(one, now).to_owned(), when(one, "ends"), when(one, "renews")]
    };
    out + &table(&["serial", "for", "state", "ends", "renews"], &certificates.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_until_it_ends_or_is_taken_back() {
        let now = Utc::parse("2026-11-21T00:00:00Z").unwrap();
        let of = |ends: &str, revoked: Value| state(&json!({ "ends": ends, "revoked": revoked }), now);
        assert_eq!(of("2026-11-22T00:00:00Z", Value::Null), "good");
        assert_eq!(of("2026-11-20T00:00:00Z", Value::Null), "ended");
        assert_eq!(of("2026-11-22T00:00:00Z", json!("2026-11-20T00:00:00Z")), "revoked");
    }
}
