//! To a gateway elsewhere, over Streamable HTTP: lines of standard input are POSTed, what comes back are lines of standard output.

use super::Args;
use super::carry::Carrier;
use super::papers::{Papers, Read, Token};
use crate::enrolled;
use crate::outcome::{Failure, warn};
use egress::{Bounds, Egress};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use transport::line_frame::Lines;
use transport::upstream::http::{self as wire, Wire};
use url::Url;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// The longest that an answer is waited for: the gateway bounds its calls itself, and a person may be asked.
const ANSWER: Duration = Duration::from_secs(3600);
/// The longest line.
const LINE: usize = 16 << 20;
/// How long what is under way is given when the client has said all.
const GRACE: Duration = Duration::from_secs(5);

/// Carries messages until standard input ends.
///
/// # Errors
/// [`Failure`] when the URL, the token or the files cannot be used, or a line is too long.
pub(super) async fn run(url: &Url, args: &Args) -> Result<ExitCode, Failure> {
    let (papers, token) = (Papers::of(args), Token::of(args)?);
    token.header().map_err(Failure::usage)?;
    let renewed = args.identity.clone().filter(|folder| folder.join(enrolled::URL).exists());
    if let Some(folder) = &renewed {
        // Who is just renewing it finishes what there is to finish.
        let _ = enrolled::recover(folder);
    }
    let (url, read) = (endpoint(url, args), papers.read()?);
    let egress = Egress::new();
    let bounds = Bounds { answer: ANSWER, ..Bounds::default() };
    let client = egress.client(papers.target(url.clone(), &read)?.bounds(bounds)).map_err(Failure::usage)?;
    let wire = Wire::new(client.clone(), wire::Bounds { answer: ANSWER, answer_bytes: u64::MAX, ..wire::Bounds::default() });
    let carrier = Carrier::new(wire, token, tokio::io::stdout());
    let looking = tokio::spawn(look(papers, read, url, egress, client));
    let renewing = renewed.map(|folder| tokio::spawn(renew(folder)));
    let mut lines = Lines::new(tokio::io::stdin(), LINE);
    while let Some(line) = lines.next().await {
        carrier.take(line.map_err(|cause| Failure::caused(&cause))?).await;
    }
    if tokio::time::timeout(GRACE, carrier.close()).await.is_err() {
        warn("something was under way when the client ended");
    }
    looking.abort();
    renewing.inspect(tokio::task::JoinHandle::abort);
    Ok(ExitCode::SUCCESS)
}

/// Where messages are sent: `/mcp` where no path is given, and below it the one server.
fn endpoint(url: &Url, args: &Args) -> Url {
    let mut url = url.clone();
    if matches!(url.path(), "" | "/") {
        url.set_path("/mcp");
    }
    if let Some(server) = &args.server {
        let path = format!("{}/{server}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url
}

/// Renews the certificate where it was enrolled; what reads the folder finds the new one.
async fn renew(folder: PathBuf) {
    let told = |done: Result<enrolled::Held, Failure>| {
        if let Err(cause) = done {
            warn(&format!("the certificate is due and was not renewed: {cause}"));
        }
    };
    if let Err(cause) = enrolled::keep(&folder, &CancellationToken::new(), told).await {
        warn(&format!("the certificate is not renewed: {cause}"));
    }
}

/// Puts files that were replaced in force.
async fn look(papers: Papers, mut seen: Read, url: Url, egress: Egress, client: egress::Client) {
    loop {
        tokio::time::sleep(LOOK).await;
        // What is being replaced is not there for a moment.
        let Ok(read) = papers.read() else { continue };
        if read == seen {
            continue;
        }
        let target = papers.target(url.clone(), &read).map_err(|failure| failure.to_string());
        let renewed = target.and_then(|target| egress.renew(&client, target).map_err(|cause| cause.to_string()));
        if let Err(cause) = renewed {
            // A chain whose key is not there yet: it is tried again as soon as the files change.
            warn(&format!("the new certificate cannot be used, the last one is shown: {cause}"));
        }
        seen = read;
    }
}
