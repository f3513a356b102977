//! To the gateway of this machine, over its local socket.
//!
//! What clients launch. It holds no token: who it is, the gateway sees for itself; which agent it is, it says.

use super::Args;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::start;
use crate::wire::Configured;
use gateway::local::Hello;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Whether nobody listens there, as against somebody who does not let us in.
fn absent(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

/// Carries lines both ways until either side ends. Where no gateway runs, one is started; it stays when the client leaves.
///
/// # Errors
/// [`Failure`] when no gateway listens in the end: there is no other way to a server.
pub(super) async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = Configured::read(common.config.as_deref(), &SystemClock::new())?;
    let path = configured.loaded.file.state.join("bastide.sock");
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(cause) if absent(&cause) && !args.no_start => start::connected(&configured, &path).await?,
        Err(cause) => {
            let failure = Failure::system(format!("no gateway listens at {}", path.display())).because(&cause);
            return Err(failure.next(start::command(&configured)));
        }
    };
    let uid = stream.peer_cred()?.uid();
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(Failure::system(format!("user {uid} listens at {}, and is told nothing", path.display())).next("bastide doctor"));
    }
    let hello = Hello { bastide: 1, agent: args.agent.clone(), server: args.server.clone() };
    let (mut from, mut to) = stream.into_split();
    let mut line = serde_json::to_vec(&hello)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    let up = async {
        let mut input = tokio::io::stdin();
        let copied = tokio::io::copy(&mut input, &mut to).await;
        let _ = to.shutdown().await;
        copied
    };
    let down = async {
        let mut output = tokio::io::stdout();
        let mut piece = vec![0_u8; 64 * 1024];
        loop {
            let length = from.read(&mut piece).await?;
            let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
            output.write_all(read).await?;
            output.flush().await?;
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::pin!(up);
    tokio::pin!(down);
    tokio::select! {
        ended = &mut down => ended?,
        ended = &mut up => {
            ended?;
            // The client has said all; what the gateway still answers is passed on.
            let _ = tokio::time::timeout(Duration::from_secs(5), down).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}
