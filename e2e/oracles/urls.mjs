// What the URL libraries of Node take a value for: a list of texts a line in, a list of readings for each out.
import { createInterface } from "node:readline";
import { isIP } from "node:net";
import { domainToASCII, parse, resolve, urlToHttpOptions } from "node:url";

process.removeAllListeners("warning");
process.on("warning", () => {});
const usual = { "http:": 80, "https:": 443, "ws:": 80, "wss:": 443 };
const modern = (value) => { const url = new URL(value); return [url.protocol, url.hostname, url.port]; };
const readers = {
  "WHATWG": modern,
  "WHATWG with a base": (value) => { const url = new URL(value, "https://api.shop.test/base/"); return [url.protocol, url.hostname, url.port]; },
  "options of http": (value) => { const options = urlToHttpOptions(new URL(value)); return [options.protocol, options.hostname, options.port]; },
  "url.parse": (value) => { const url = parse(value); return [url.protocol, url.hostname, url.port]; },
  "url.parse with slashes": (value) => { const url = parse(value, false, true); return [url.protocol ?? "https:", url.hostname, url.port]; },
  "url.resolve": (value) => { const url = parse(resolve("https://api.shop.test/base/", value)); return [url.protocol, url.hostname, url.port]; },
  "fetch": (value) => modern(new Request(value).url),
};

function address(host) {
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIP(bare)) return bare;
  try {
    const read = new URL(`http://${host}/`).hostname.replace(/^\[|\]$/g, "");
    return isIP(read) ? read : null;
  } catch { return null; }
}

function readings(value) {
  const found = [];
  for (const [name, reader] of Object.entries(readers)) {
    try {
      const [protocol, host, port] = reader(value);
      if (!protocol || !host) continue;
      const ascii = /^[\x00-\x7f]*$/.test(host) ? host : domainToASCII(host);
      found.push([name, protocol.toLowerCase().replace(/:$/, ""), ascii.replace(/^\[|\]$/g, ""), Number(port) || usual[protocol] || null, address(ascii)]);
    } catch { /* it reads no URL in it */ }
  }
  return found;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(JSON.parse(line).map(readings)) + "\n");
}
