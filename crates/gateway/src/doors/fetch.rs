//! What a server offers right now, to be compared with what was approved, or to be approved.

use super::link::refused;
use super::{Broken, Closed, Contents, Link, Servers, Unopened, content_of};
use crate::gate::Gate;
use crate::session::Abilities;
use crate::snapshot::{Carrier, Server};
use mcp::{Method, Node, Outcome, Revision};
use response::Scope;
use std::sync::Arc;
use supply::{Content, Definition, Fetched, Kind, Offered};

/// Pages of one list.
const PAGES: usize = 100;
/// Definitions of one list.
const MOST: usize = 10_000;
/// Bytes of them: no more would go into a lock with those of other servers.
const MOST_BYTES: usize = 16 << 20;

/// Everything that a server offers over an open link.
///
/// # Errors
/// [`Broken`], and [`Broken::Refused`] when a list that was declared cannot be had.
pub(super) async fn offered(link: &Arc<Link>, content: Content) -> Result<Fetched, Broken> {
    let handshake = link.handshake().ok_or(Broken::Gone)?;
    let root = handshake.root();
    let definition = |node: Option<Node<'_>>| {
        let mut text = Vec::new();
        match node {
            Some(node) => node.canonical(&mut text),
            None => text.extend_from_slice(b"{}"),
        }
        Definition::parse(&text).map_err(|_| malformed())
    };
    let mut fetched = Fetched {
        content,
        revision: link.revision().as_str().to_owned(),
        server_info: definition(root.get("serverInfo").or_else(|| root.get("_meta")?.get("io.modelcontextprotocol/serverInfo")))?,
        capabilities: definition(root.get("capabilities"))?,
        instructions: root.get("instructions").and_then(Node::text).map(std::borrow::Cow::into_owned),
        tools: Vec::new(),
        prompts: Vec::new(),
        templates: Vec::new(),
    };
    let capable = |name: &str| root.get("capabilities").is_some_and(|all| all.get(name).is_some());
    if capable("tools") {
        fetched.tools = list(link, Method::ListTools, "tools", Kind::Tool).await?;
    }
    if capable("prompts") {
        fetched.prompts = list(link, Method::ListPrompts, "prompts", Kind::Prompt).await?;
    }
    if capable("resources") {
        fetched.templates = match list(link, Method::ListResourceTemplates, "resourceTemplates", Kind::Template).await {
            Err(Broken::Refused { code: mcp::METHOD_NOT_FOUND, .. }) => Vec::new(),
            other => other?,
        };
    }
    Ok(fetched)
}

async fn list(link: &Arc<Link>, method: Method, key: &str, kind: Kind) -> Result<Vec<Offered>, Broken> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    let mut bytes = 0_usize;
    for _ in 0..PAGES {
        let params = cursor.as_ref().map(|cursor| {
            let mut text = Vec::new();
            let mut object = mcp::json::Object::open(&mut text);
            object.text("cursor", cursor);
            object.close();
            text
        });
        let response = link.ask(method, params.as_deref()).await?;
        let Outcome::Result(result) = response.outcome() else { return Err(refused(method, &response)) };
        mcp::check_result(method, result, link.revision()).map_err(Broken::Malformed)?;
        for node in result.get(key).into_iter().flat_map(Node::items) {
            let mut text = Vec::with_capacity(node.raw().len());
            node.canonical(&mut text);
            bytes = bytes.saturating_add(text.len());
            all.push(Offered::parse(kind, &text).map_err(|_| malformed())?);
        }
        cursor = result.get("nextCursor").and_then(Node::text).map(std::borrow::Cow::into_owned);
        if cursor.is_none() || all.len() > MOST || bytes > MOST_BYTES {
            break;
        }
    }
    if cursor.is_some() || all.len() > MOST || bytes > MOST_BYTES {
        return Err(malformed());
    }
    Ok(all)
}

fn malformed() -> Broken {
    Broken::Malformed(mcp::Fault::of_row(68, mcp::Revision::NEWEST_LEGACY, None))
}

/// Whether a server said of itself what there is, in whatever era.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    Yes,
    No,
}

/// Starts or dials a server that need not be approved yet, asks what it offers, and ends it again: for `lock`. A package is
/// started from the tree of `installed`.
///
/// # Errors
/// [`Closed`]; [`Closed::Content`] for a local server, too, that changes what would be approved by running.
pub async fn fetch(
    gate: &Arc<Gate>,
    server: &Arc<Server>,
    contents: &Arc<dyn Contents>,
    installed: Option<&Content>,
) -> Result<Fetched, Closed> {
    let servers: &Servers = &gate.servers;
    let stopped = |scope: &Scope| *scope == Scope::All || *scope == Scope::Server(server.name.clone());
    let alive = || match gate.epochs.stops().into_iter().find(|stop| stopped(&stop.scope)) {
        Some(stop) => Err(Closed::Stopped(response::Stopped { scope: stop.scope })),
        None => Ok(()),
    };
    alive()?;
    let state = servers.state(server);
    let look = async |only: Option<Revision>| {
        let (content, link) = match &server.carrier {
            Carrier::Run(run) => {
                let found = content_of(contents, run, installed).await?;
                (found.content.clone(), super::local::start(servers, gate, None, server, run, found, &state).await?)
            }
            Carrier::Remote(remote) => {
                let content = Content::Remote { url: remote.url.to_string(), transport: remote.transport, spki: remote.pins.clone() };
                (content, servers.dial(gate, None, server, remote, &state).await?)
            }
        };
        // Whoever asked may go away; what was started for them ends all the same.
        let _ended = Unopened(Some(Arc::clone(&link)));
        state.enter(&link);
        // A kill ends the links that it finds; this one may have come after it looked.
        let asked = async {
            alive().map_err(|_| Broken::Gone)?;
            link.open(Abilities::ALL, only).await?;
            offered(&link, content).await
        };
        let outcome = tokio::time::timeout(super::OPENING, asked).await.unwrap_or(Err(Broken::Slow));
        link.leave().await;
        let met = if link.handshake().is_some() { Met::Yes } else { Met::No };
        Ok::<_, Closed>((outcome, met))
    };
    let fetched = match (look(server.revision).await?, &server.carrier, server.revision) {
        // A process may not live through a question that it does not know: it is started anew, and not asked that.
        ((Err(Broken::Gone | Broken::Wire(_)), Met::No), Carrier::Run(_), None) => {
            alive()?;
            look(Some(Revision::NEWEST_LEGACY)).await?.0?
        }
        ((outcome, _), ..) => outcome?,
    };
    if let Carrier::Run(run) = &server.carrier
        && content_of(contents, run, installed).await?.content != fetched.content
    {
        return Err(Closed::Content("it changes its own files by running: let it write elsewhere".to_owned()));
    }
    Ok(fetched)
}
