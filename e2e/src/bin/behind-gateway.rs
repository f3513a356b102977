//! The conformance suite's Python client, its server behind a gateway of its own.
//!
//! `behind-gateway SPOKEN CLIENT URL`: the server at `URL` speaks revision `SPOKEN`, the client speaks `CLIENT` with the gateway. The suite starts
//! this and appends the address of its server. Everything that is started ends with it; the exit code is the client's.
#![allow(clippy::expect_used, reason = "a harness fails by panicking")]

use e2e::Peers;
use std::process::{Command, ExitCode};
use std::time::Duration;
use testkit::{Running, World, binary};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [spoken, client, url] = arguments.as_slice() else {
        eprintln!("behind-gateway SPOKEN CLIENT URL");
        return ExitCode::from(2);
    };
    let peers = Peers::find().expect("the peers");
    let screens = ["secrets", "financial", "pii", "injection", "errors"].map(|kind| format!("{kind}: {{ action: flag }}"));
    // In the place of the canary, so it is the only server.
    let world =
        World::with().server("canary", &format!("url: {url}\nrevision: \"{spoken}\"")).section("inspect", &screens.join("\n")).start();
    let mut command = Command::new(binary("bastide-testkit", "token-relay"));
    let relay = Running::start(
        command.arg(world.data().to_string()).env("RELAY_TOKEN", world.token("agent:tester", &[])),
        &world.path("relay.log"),
    );
    let address = relay.line(Duration::from_secs(30)).expect("the relay's address");
    let mut command = Command::new(peers.python("python"));
    command.arg(peers.conformance_client()).arg(format!("http://{address}/mcp/canary")).env("MCP_CONFORMANCE_PROTOCOL_VERSION", client);
    let ended = command.status().expect("a client that starts");
    if std::env::var_os("BASTIDE_KEEP").is_some() {
        for record in world.audit() {
            eprintln!("{record}");
        }
        eprintln!("{}", std::fs::read_to_string(world.path("serve.log")).unwrap_or_default());
    }
    ended.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
