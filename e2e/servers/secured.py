"""A server of the Python SDK inside TLS that asks for certificates. Usage: secured.py PORT CERTIFICATE KEY AUTHORITY [old]; `old` speaks nothing newer than TLS 1.2."""

import ssl
import sys

import uvicorn
from mcp.server.mcpserver import MCPServer

port, certificate, key, authority = int(sys.argv[1]), *sys.argv[2:5]
mcp = MCPServer(name="secured", version="1.0.0")


@mcp.tool(annotations={"readOnlyHint": True})
def echo(text: str) -> str:
    """Gives a text back."""
    return text


config = uvicorn.Config(
    mcp.streamable_http_app(),
    host="127.0.0.1",
    port=port,
    ssl_certfile=certificate,
    ssl_keyfile=key,
    ssl_ca_certs=authority,
    ssl_cert_reqs=ssl.CERT_REQUIRED,
)
config.load()
if "old" in sys.argv:
    config.ssl.maximum_version = ssl.TLSVersion.TLSv1_2
uvicorn.Server(config).run()
