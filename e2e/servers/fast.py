"""A server of FastMCP, both eras over HTTP. Usage: fast.py PORT."""

import sys

from fastmcp import FastMCP

server = FastMCP("fast")


@server.tool
def echo(message: str) -> str:
    """Gives a message back."""
    return f"Echo: {message}"


@server.tool
def hidden() -> str:
    """Is for nobody."""
    return "hidden"


server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
