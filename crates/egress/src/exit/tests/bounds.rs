//! Attempts to have more than there is, or to change what was checked.

use super::world::{LONG, SILENCE, Setting, World};
use crate::attempt::tests::Memory;
use crate::attempt::{Attempts, Entry, Kept, Reason, Unrecorded};
use crate::exit::checks::{Check, Checks};
use crate::exit::{Exit, Terms};
use crate::hello::tests::{message, records, sni};
use crate::limits::Limits;
use crate::query::tests::ask;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SHORT: Duration = Duration::from_millis(300);

fn hello() -> Vec<u8> {
    records(&message(&[sni("ok.example")]), 16_000)
}

async fn world(out: &[Check], change: impl FnOnce(&mut Limits)) -> World {
    let mut setting = Setting { out: out.to_vec(), ..Setting::default() };
    change(&mut setting.limits);
    World::new(setting).await
}

#[tokio::test]
async fn a_name_that_changes_its_address_after_the_check_gains_nothing() {
    let sets = ["8.8.8.8", "127.0.0.1"].map(|one| vec![one.parse::<IpAddr>().unwrap()]);
    for (out, address) in [(vec![], "8.8.8.8"), (vec![Check::Pin], "127.0.0.1")] {
        let world = World::new(Setting { addresses: sets.to_vec(), out, ..Setting::default() }).await;
        World::say(world.open("ok.example", 443).await, &hello()).await;
        world.recorded(&format!("opened ok.example {address}")).await;
    }
}

#[tokio::test]
async fn a_name_that_turns_inwards_is_said_to_do_so() {
    let sets = ["8.8.8.8", "10.0.0.1"].map(|one| vec![one.parse::<IpAddr>().unwrap()]);
    for (out, bytes) in [(vec![], hello().len()), (vec![Check::Reach], 2 * hello().len())] {
        let held = out.is_empty();
        let world = World::new(Setting { addresses: sets.to_vec(), out, ..Setting::default() }).await;
        World::say(world.open("ok.example", 443).await, &hello()).await;
        World::say(world.open("ok.example", 443).await, &hello()).await;
        if held {
            world.recorded("stopped rebinding").await;
        }
        assert_eq!(world.got.lock().len(), bytes);
    }
}

#[tokio::test]
async fn a_sandbox_has_so_many_names() {
    for (out, given) in [(vec![], 3), (vec![Check::Names], 10)] {
        let world = world(&out, |limits| limits.names = 3).await;
        let mut count = 0;
        for at in 0..10 {
            let answer = world.ask(&ask(&format!("data{at}.wild.example"), 1)).await.unwrap();
            count += usize::from(answer[7]);
        }
        assert_eq!(count, given);
        assert_eq!(world.exit.meter().traffic().stopped.contains_key(&Reason::Names), out.is_empty());
    }
}

#[tokio::test]
async fn a_server_asks_so_many_questions() {
    for (out, bounded) in [(vec![], true), (vec![Check::Questions], false)] {
        let world = world(&out, |limits| limits.questions = 1).await;
        let (mut unanswered, most) = (0, if bounded { SILENCE } else { LONG });
        for _ in 0..4 {
            unanswered += usize::from(world.ask_for(&ask("ok.example", 28), most).await.is_none());
        }
        assert_eq!(unanswered > 0, bounded);
    }
}

#[tokio::test]
async fn a_server_has_so_many_connections_at_once() {
    for (out, reached) in [(vec![], false), (vec![Check::Connections], true)] {
        let world = world(&out, |limits| limits.connections = 2).await;
        let address = world.address("ok.example").await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = world.reach(address, 443).await;
            stream.write_all(&hello()).await.unwrap();
            held.push(stream);
        }
        assert!(world.gets(2 * hello().len(), LONG).await);
        World::say(world.reach(address, 443).await, &hello()).await;
        assert_eq!(world.got.lock().len() > 2 * hello().len(), reached);
        if !reached {
            world.recorded("stopped connections").await;
            drop(held);
            // A place is free again once one has ended.
            world.recorded("closed").await;
            while world.got.lock().len() == 2 * hello().len() {
                World::say(world.reach(address, 443).await, &hello()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_server_opens_so_many_connections_a_second() {
    for (out, bounded) in [(vec![], true), (vec![Check::Opening], false)] {
        let world = world(&out, |limits| limits.opening = 2).await;
        let address = world.address("ok.example").await;
        for _ in 0..12 {
            World::say(world.reach(address, 443).await, &hello()).await;
        }
        assert_eq!(world.exit.meter().traffic().stopped.contains_key(&Reason::Opening), bounded);
    }
}

#[tokio::test]
async fn an_hour_has_so_many_bytes() {
    for (out, whole) in [(vec![], false), (vec![Check::Bytes], true)] {
        let world = world(&out, |limits| limits.bytes_out = 300_000).await;
        let bytes = [hello(), vec![0; 1_000_000]].concat();
        World::say(world.open("ok.example", 443).await, &bytes).await;
        world.recorded("closed").await;
        assert_eq!(world.got.lock().len() == bytes.len(), whole);
        assert!(whole || world.got.lock().len() <= 300_000);
        if !whole {
            world.recorded("stopped bytes").await;
        }
    }
}

#[tokio::test]
async fn bytes_flow_at_a_rate() {
    for (out, bounded) in [(vec![], true), (vec![Check::Rate], false)] {
        let world = world(&out, |limits| limits.rate = 4 * 1024).await;
        let mut stream = world.open("ok.example", 443).await;
        let bytes = [hello(), vec![0; 512 * 1024]].concat();
        tokio::spawn(async move {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        });
        let most = if bounded { SHORT } else { LONG };
        assert_eq!(world.gets(hello().len() + 512 * 1024, most).await, !bounded);
    }
}

#[tokio::test]
async fn a_connection_without_a_word_ends() {
    for (out, held) in [(vec![], true), (vec![Check::Silent], false)] {
        let world = world(&out, |limits| limits.first = SHORT).await;
        let mut stream = world.open("ok.example", 443).await;
        // Half a hello, and never the rest in time.
        let whole = hello();
        let (front, rest) = whole.split_at(20);
        stream.write_all(front).await.unwrap();
        if held {
            world.recorded("stopped silent").await;
        } else {
            tokio::time::sleep(SHORT * 2).await;
        }
        let _ = World::say(stream, rest).await;
        assert_eq!(world.got.lock().is_empty(), held);
    }
}

#[tokio::test]
async fn a_connection_without_traffic_ends() {
    const IDLE: Duration = Duration::from_secs(2);
    for (out, held) in [(vec![], true), (vec![Check::Idle], false)] {
        let world = world(&out, |limits| limits.idle = IDLE).await;
        let mut stream = world.open("ok.example", 443).await;
        stream.write_all(&hello()).await.unwrap();
        assert!(world.gets(hello().len(), LONG).await);
        if held {
            world.recorded("closed idle").await;
        } else {
            tokio::time::sleep(IDLE * 2).await;
        }
        let _ = stream.write_all(b"more").await;
        let _ = World::say(stream, b"more").await;
        assert_eq!(world.got.lock().len() == hello().len(), held);
    }
}

/// A log that takes nothing.
struct Broken(Memory);

impl Attempts for Broken {
    fn record(&self, entry: Entry<'_>) -> Kept {
        drop(self.0.record(entry));
        Box::pin(std::future::ready(Err(Unrecorded)))
    }
}

#[tokio::test]
async fn what_cannot_be_put_on_record_does_not_happen() {
    for (out, held) in [(vec![], true), (vec![Check::Record], false)] {
        let usual = World::new(Setting::default()).await;
        let outside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let checks = Checks { out, detour: Some(outside.local_addr().unwrap()) };
        let terms: Terms = usual.exit.terms.clone();
        let exit = Arc::new(Exit::with(terms, usual.exit.resolver.clone(), Arc::new(Broken(Memory::default())), checks));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let doors = crate::Doors { proxy: listener, ports: Vec::new(), names: std::net::UdpSocket::bind("127.0.0.1:0").unwrap() };
        let serving = tokio::spawn(exit.serve(doors));
        let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
        stream.write_all(b"CONNECT ok.example:443 HTTP/1.1\r\n\r\n").await.unwrap();
        stream.write_all(&hello()).await.unwrap();
        let (mut outer, _) = outside.accept().await.unwrap();
        let mut got = vec![0; 16];
        let count = tokio::time::timeout(LONG, outer.read(&mut got)).await.unwrap().unwrap_or(0);
        assert_eq!(count == 0, held);
        serving.abort();
    }
}

#[tokio::test]
async fn when_the_doors_are_shut_every_connection_is_cut() {
    let world = World::new(Setting::default()).await;
    let mut stream = world.open("ok.example", 443).await;
    stream.write_all(&hello()).await.unwrap();
    assert!(world.gets(hello().len(), LONG).await);
    let records = world.records.clone();
    drop(world);
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await.expect("it is still open");
    assert!(records.0.lock().iter().any(|line| line.starts_with("closed cut")));
}
