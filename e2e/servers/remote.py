"""A server that is launched, over HTTP on loopback. Usage: remote.py PORT MODULE [ARGUMENT...]; it runs with the rights and the network of its own."""

import sys
from fastmcp.server import create_proxy
config = {"mcpServers": {"one": {"command": sys.executable, "args": ["-m", *sys.argv[2:]]}}}
create_proxy(config, name="one").run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
