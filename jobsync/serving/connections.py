"""Who is let in: so many connections in all and of one address.

A newcomer takes the place of the one that has been quiet for longest.
"""

import ipaddress
import resource
from collections import OrderedDict, defaultdict
from contextlib import suppress

from eventlet import greenio

from jobsync.serving.limits import CONNECTIONS, FILES, REFUSED


def raise_open_files():
    """Raise the limit of open files to the most that this process may have.

    Returns the limits as they were: processes that it starts get those.
    """
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # then the old one holds
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return before


def _open_files():
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS + FILES if soft == resource.RLIM_INFINITY else soft


def address_of(peer):
    """Return what counts as one address of a peer: a loopback or IPv4 address, a network of 64
    bits of IPv6, "" for what is neither.
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return "loopback"  # 16 million addresses, all of this machine
    return (
        str(address)
        if address.version == 4
        else str(ipaddress.ip_network((address, 64), strict=False))
    )


class Connection:
    """One connection of a client. `peer`: `(host, port)`; connections: all of them."""

    def __init__(self, socket, peer, connections):
        self._connections = connections
        self.socket = socket
        self.peer = peer
        self.address = address_of(peer[0])
        self.name = f"{peer[0]} (port {peer[1]})"

    def close(self):
        """Wake whoever reads or writes it, and have it end."""
        greenio.shutdown_safe(self.socket)

    def keep(self):
        """Note that it waits for the server, as those of viewers do: it is not closed for a
        newcomer.
        """
        self._connections.keep(self)

    def release(self):
        """Note that it waits for its client again."""
        self._connections.release(self)


class Connections:
    """All connections.

    `most`: in all; a fourth of that is kept for other addresses than the one that has most.
    """

    def __init__(self):
        self.most = max(16, min(CONNECTIONS, _open_files() - FILES))
        self.most_each = self.most * 3 // 4
        # those that may be closed for a newcomer, of each address, the longest quiet first
        self._quiet = defaultdict(OrderedDict)
        self._number = defaultdict(int)  # of each address
        self._all = set()

    def __iter__(self):
        return iter(list(self._all))

    def admit(self, connection):
        """Let a connection in if there is room or room can be made. Returns whether it is in."""
        if not self._make_room(connection.address):
            REFUSED.tell(
                f"{connection.name} is refused: {self._number[connection.address]} "
                f"connections of its address are at work, {len(self._all)} in all"
            )
            return False
        self._all.add(connection)
        self._number[connection.address] += 1
        self._quiet[connection.address][connection] = None
        return True

    def _make_room(self, address):
        if self._number[address] >= self.most_each:
            return self._close_quiet(address)
        if len(self._all) >= self.most:
            return self._close_quiet(max(self._number, key=self._number.get))
        return True

    def close_one(self):
        """Close the longest quiet one of the address that has most, for its open file.

        Returns whether there was one.
        """
        return bool(self._all) and self._close_quiet(max(self._number, key=self._number.get))

    def _close_quiet(self, address):
        if not self._quiet[address]:
            return False
        connection = next(iter(self._quiet[address]))
        self.leave(connection)
        connection.close()
        return True

    def heard(self, connection):
        """Note that a connection has just sent a request."""
        quiet = self._quiet.get(connection.address, ())
        if connection in quiet:
            quiet.move_to_end(connection)

    def keep(self, connection):
        """Count a connection no longer among the quiet ones."""
        if connection in self._all:
            self._quiet[connection.address].pop(connection, None)

    def release(self, connection):
        """Count a connection among the quiet ones again."""
        if connection in self._all:
            self._quiet[connection.address][connection] = None

    def leave(self, connection):
        """Forget a connection that has ended or is being closed."""
        if connection not in self._all:
            return
        self._all.discard(connection)
        address = connection.address
        self._quiet[address].pop(connection, None)
        self._number[address] -= 1
        if not self._number[address]:
            del self._number[address], self._quiet[address]
