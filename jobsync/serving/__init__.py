"""How connections are taken and read, so that one client isn't felt by the others. Used by `app.py`
alone, with eventlet patched in.

`limits.py` has all figures, `connections.py` who is let in, `protocol.py` HTTP, `websocket.py` its
frames, `sessions.py` Engine.IO's sessions `server.py` the loop that accepts and `stacks.py` what
everything is doing.
"""

from jobsync.serving.connections import raise_open_files as raise_open_files
from jobsync.serving.server import Server as Server
from jobsync.serving.sessions import Engine as Engine
from jobsync.serving.stacks import log_stacks as log_stacks
