"""A server of the Python SDK, both eras, that tells what is in a file, in every place in which a server can say something.

Usage: teller.py FILE [PORT]; over HTTP with a port, over its pipes without. The file is one text, read anew at each use. What `keep` is given goes to FILE.kept.
"""

import sys
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents
from pydantic import BaseModel

FILE = sys.argv[1]
mcp = MCPServer(name="teller", version="1.0.0")


def told() -> str:
    with open(FILE, encoding="utf-8") as file:
        return file.read()


class Told(BaseModel):
    about: str
    list: list[str]


@mcp.tool(annotations={"readOnlyHint": True})
def tell() -> str:
    """Tells it."""
    return told()


@mcp.tool(annotations={"readOnlyHint": True})
def tell_fields() -> Told:
    """Tells it in fields."""
    return Told(about=told(), list=told().splitlines())


@mcp.tool(annotations={"readOnlyHint": True})
def tell_blocks() -> CallToolResult:
    """Tells it in blocks, a part of it in each."""
    text = told()
    third = len(text) // 3
    parts = [text[:third], text[third : 2 * third], text[2 * third :]]
    blocks: list[Any] = [TextContent(type="text", text=part) for part in [text, *parts]]
    blocks.append(EmbeddedResource(type="resource", resource=TextResourceContents(uri="teller://inside", text=text)))
    return CallToolResult(content=blocks, _meta={"about": text})


@mcp.tool(annotations={"readOnlyHint": True})
def fail() -> CallToolResult:
    """Fails with it."""
    return CallToolResult(content=[TextContent(type="text", text=told())], is_error=True)


@mcp.tool(annotations={"readOnlyHint": True})
def fault() -> str:
    """Answers with an error of the protocol."""
    raise MCPError(-32000, told(), {"about": told()})


@mcp.tool(annotations={"readOnlyHint": True})
async def note(ctx: Context) -> str:
    """Tells it beside its answer: as progress, and as a log."""
    for line in told().splitlines():
        await ctx.report_progress(progress=1, total=2, message=line)
        await ctx.info(line)
    return "done"


@mcp.tool()
def keep(text: str) -> str:
    """Keeps a text."""
    with open(f"{FILE}.kept", "a", encoding="utf-8") as file:
        file.write(text + "\n")
    return "kept"


@mcp.resource("teller://page")
def page() -> str:
    """A page."""
    return told()


if len(sys.argv) > 2:
    mcp.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
else:
    mcp.run(transport="stdio")
