//! `network.dns`: names are answered by the gateway, nothing is forwarded, and the address that was judged is the one that is connected to.

use super::{CLIENT, Names, Outside, refused, run, world, world_with};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;
use testkit::{Running, World};

#[test]
fn listed_names_have_an_address_each_and_nothing_leaves_by_a_question() {
    let code = r#"
import base64
secret = base64.b32encode(b'the secret of this server').decode().strip('=').lower()
said = json.dumps([
    ask('localhost')[0], ask('localhost')[1].startswith('198.18.'), ask('localhost') == ask('LOCALHOST'), ask('a.wild.example') != ask('b.wild.example'),
    ask('localhost', 28), ask('localhost', 16), ask(secret + '.localhost'), ask('wild.example'), ask('localhost', 1, b'behind')[0],
    tried(lambda: say('127.0.0.53', 53, 'x')),
])"#;
    let outside = Outside::new();
    let world = world(code, &outside, &format!("{}, \"*.wild.example:443\"", outside.listed()));
    assert_eq!(run(&world), json!([0, true, true, true, [0, null], [0, null], [3, null], [3, null], 1, "failed"]));
    for (reason, control) in [("name", "network.egress"), ("question", "network.dns")] {
        let record = refused(&world, reason);
        assert_eq!((&record["detail"]["door"], &record["decision"]["control"]), (&json!("names"), &json!(control)), "{record}");
    }
}

#[test]
fn a_listed_name_that_leads_inwards_is_refused_unless_that_is_listed_too() {
    let code = r#"said = json.dumps(tried(lambda: say(ask('localhost')[1], PORT, get % 'localhost:PORT')).endswith('outside'))"#;
    let outside = Outside::new();
    let held = world(code, &outside, &format!("\"http://localhost:{}\"", outside.port));
    assert_eq!((run(&held), outside.came()), (json!(false), 0));
    let record = refused(&held, "inner-address");
    assert_eq!(
        (&record["decision"]["control"], &record["severity"], &record["detail"]["name"]),
        (&json!("tools.http"), &json!("high"), &json!("localhost"))
    );
    let listed = world(code, &outside, &outside.listed());
    assert_eq!((run(&listed), outside.came()), (json!(true), 1));
}

#[test]
fn a_name_that_changes_its_address_is_judged_anew_and_held() {
    // It leads to a listed address when it is looked at, and to another one the next time.
    let code = r#"said = json.dumps([tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')).endswith('outside') for _ in range(2)])"#;
    let outside = Outside::new();
    let names = Names::new(|_, asked| if asked == 0 { [127, 0, 0, 1] } else { [127, 0, 0, 2] });
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    assert_eq!((run(&world), outside.came()), (json!([true, false]), 1));
    let record = refused(&world, "inner-address");
    assert_eq!((&record["detail"]["name"], &record["detail"]["address"]), (&json!("web.example"), &json!("127.0.0.2")), "{record}");
}

/// A resolver by DNS over TLS (RFC 7858): every name has the address 127.0.0.1.
const OVER_TLS: &str = r#"
import socket, ssl, struct, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1], sys.argv[2]); context.set_alpn_protocols(['dot'])
listener = socket.create_server(('127.0.0.1', 0)); print(listener.getsockname()[1], flush=True)
while True:
    try:
        stream = context.wrap_socket(listener.accept()[0], server_side=True); asked = stream.makefile('rb')
        for _ in range(2):
            question = asked.read(struct.unpack('>H', asked.read(2))[0])
            is_a = question[-3] == 1
            answer = question[:2] + b'\x81\x80' + question[4:6] + bytes([0, is_a, 0, 0, 0, 0]) + question[12:]
            if is_a: answer += b'\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1'
            stream.sendall(struct.pack('>H', len(answer)) + answer)
    except (OSError, struct.error): pass
"#;

/// Whether a script reaches `outside` by a name that only a resolver over TLS knows, certified for `named` by an authority that the gateway trusts.
fn reached_over_tls(named: &str, outside: &Outside) -> (World, bool) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![named.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let code = "said = json.dumps(tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')).endswith('outside'))";
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let code = code.replace("PORT", &outside.port.to_string());
    let setup = crate::runtime::python("script", &code, &format!("sandbox: {{ egress: [{list}], memory: 1GiB }}"))
        .file("resolver.py", OVER_TLS)
        .file("authority.pem", &authority.pem())
        .file("leaf.pem", &leaf.pem())
        .file("key.pem", &key.serialize_pem());
    let root = setup.path();
    let mut resolver = Command::new("/usr/bin/python3");
    resolver.args(["resolver.py", "leaf.pem", "key.pem"]).current_dir(&root);
    let resolver = Running::start(&mut resolver, &root.join("resolver.log"));
    let port = resolver.line(Duration::from_secs(30)).unwrap();
    // The gateway trusts what the system trusts, which is this file.
    let wrapper =
        format!("#!/bin/sh\nSSL_CERT_FILE='{}' exec '{}' \"$@\"\n", root.join("authority.pem").display(), env!("CARGO_BIN_EXE_bastide"));
    let setup = setup.file("wrapped", &wrapper).section("dns", &format!("resolver: \"tls://127.0.0.1:{port}\""));
    let wrapped = root.join("wrapped");
    std::fs::set_permissions(&wrapped, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut world = setup.program(&wrapped.display().to_string()).write();
    crate::runtime::prepend(&world, CLIENT);
    world.json(&["lock", "--yes"]);
    world.serve();
    let reached = run(&world) == json!(true);
    (world, reached)
}

#[test]
fn a_resolver_over_tls_is_asked_and_must_prove_who_it_is() {
    let outside = Outside::new();
    let (_world, reached) = reached_over_tls("127.0.0.1", &outside);
    assert_eq!((reached, outside.came()), (true, 1));
    let (world, reached) = reached_over_tls("127.0.0.2", &outside);
    assert_eq!((reached, outside.came()), (false, 1));
    let unresolved = || super::events(&world, "network.failed").into_iter().find(|record| record["detail"]["reason"] == "unresolved");
    crate::runtime::until(|| unresolved().is_some());
    let record = unresolved().unwrap();
    assert!(record.to_string().contains("certificate not valid for name"), "{record}");
}
