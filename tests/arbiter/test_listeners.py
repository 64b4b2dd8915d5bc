"""Listening sockets: every form of address, every way to fail, and nothing left behind."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from logserve.arbiter.listeners import Listeners
from logserve.errors import ConfigurationError


class Pause:
    """Stands for the arbiter's sleep between tries: counts them, may do something, may end them."""

    def __init__(self, end_after: int = 99) -> None:
        self.slept = 0
        self.end_after = end_after

    def __call__(self, _seconds: float) -> bool:
        self.slept += 1
        return self.slept >= self.end_after


def opened(
    *addresses: str, reuse_port: bool = False, lanes: int = 1, pause: Pause | None = None
) -> Listeners:
    listeners = Listeners(addresses, backlog=16, reuse_port=reuse_port)
    listeners.open(lanes, pause or Pause())
    return listeners


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """Somebody else's socket on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_the_port_that_the_system_chose_is_named_and_answers() -> None:
    with closing(opened("127.0.0.1:0")) as listeners:
        (name,) = listeners.names()
        host, port = name.removeprefix("http://").split(":")
        assert int(port) > 0
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"GET")
            (listener,) = listeners.sockets()
            listener.setblocking(True)
            connection, _peer = listener.accept()
            with connection:
                assert connection.recv(3) == b"GET"
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "inherited"


def test_ipv6() -> None:
    with closing(opened("[::1]:0")) as listeners:
        (name,) = listeners.names()
        assert name.startswith("http://[::1]:")


def test_several_addresses_and_no_blocking(tmp_path: Path) -> None:
    with closing(opened("127.0.0.1:0", f"unix:{tmp_path}/s", "127.0.0.1:0")) as listeners:
        assert len(listeners.names()) == len(set(listeners.names())) == 3
        assert [listener.getblocking() for listener in listeners.sockets()] == [False] * 3
        assert not any(os.get_inheritable(listener.fileno()) for listener in listeners.sockets())


def test_a_connection_without_a_byte_stays_with_the_kernel() -> None:
    """And costs nothing that keeps a connection alive: the first request's bytes bring it in."""
    with closing(opened("127.0.0.1:0")) as listeners:
        (listener,) = listeners.sockets()
        with socket.create_connection(listener.getsockname(), timeout=10) as client:
            with pytest.raises(BlockingIOError):
                listener.accept()
            client.sendall(b"first")
            listener.setblocking(True)
            connection, _peer = listener.accept()
            with connection:
                for word in (b"first", b"second", b"third"):
                    if word != b"first":
                        client.sendall(word)
                    assert connection.recv(10) == word
                    connection.sendall(word)
                    assert client.recv(10) == word


# ------------------------------------------------------------------------------------------- unix sockets


def test_a_unix_socket_is_removed_at_the_end(tmp_path: Path) -> None:
    listeners = opened(f"unix:{tmp_path}/s")
    assert listeners.names() == [f"unix:{tmp_path}/s"]
    assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)
    listeners.close()
    assert list(tmp_path.iterdir()) == []


def test_one_that_somebody_else_made_meanwhile_is_left(tmp_path: Path) -> None:
    listeners = opened(f"unix:{tmp_path}/s")
    (tmp_path / "s").unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{tmp_path}/s")
        listeners.close()
        assert (tmp_path / "s").exists()


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/s")
        left.listen()
    with closing(opened(f"unix:{tmp_path}/s")), socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/s")


def test_one_that_somebody_listens_on_is_in_use(tmp_path: Path) -> None:
    with closing(opened(f"unix:{tmp_path}/s")):
        with pytest.raises(
            ConfigurationError, match=rf"^--bind: 'unix:{tmp_path}/s': another process listens"
        ):
            opened(f"unix:{tmp_path}/s")
        assert (tmp_path / "s").exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(ConfigurationError, match="exists and is no socket"):
        opened(f"unix:{tmp_path}/s")
    assert (tmp_path / "s").read_text() == "precious"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the socket's directory does not exist"):
        opened(f"unix:{tmp_path}/none/s")


# ------------------------------------------------------------------------------------------------- errors


def test_an_address_in_use_is_tried_five_times(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    pause = Pause()
    before = open_descriptors()
    with pytest.raises(
        ConfigurationError, match=rf"^--bind: '127.0.0.1:{port}': another process listens there"
    ):
        opened("127.0.0.1:0", f"127.0.0.1:{port}", pause=pause)
    assert pause.slept == 4
    assert open_descriptors() == before, "the first address's socket is closed again"


def test_an_address_that_becomes_free_is_taken(taken: socket.socket) -> None:
    class Freed(Pause):
        def __call__(self, seconds: float) -> bool:
            if self.slept == 1:
                taken.close()
            return super().__call__(seconds)

    port = taken.getsockname()[1]
    with closing(opened(f"127.0.0.1:{port}", pause=Freed())) as listeners:
        assert listeners.names() == [f"http://127.0.0.1:{port}"]


def test_a_signal_ends_the_tries(taken: socket.socket) -> None:
    pause = Pause(end_after=2)
    with pytest.raises(ConfigurationError):
        opened(f"127.0.0.1:{taken.getsockname()[1]}", pause=pause)
    assert pause.slept == 2


def test_an_address_of_another_machine() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'192\.0\.2\.1:8000': this machine does not have that address"
    ):
        opened("192.0.2.1:8000")


def test_a_host_that_does_not_resolve() -> None:
    with pytest.raises(ConfigurationError, match=r"the host 'nowhere\.invalid' cannot be resolved"):
        opened("nowhere.invalid:8000")


# --------------------------------------------------------------------------------------------- descriptors


def test_an_inherited_descriptor(taken: socket.socket) -> None:
    with closing(opened(f"fd://{taken.fileno()}")) as listeners:
        assert listeners.names() == [f"http://127.0.0.1:{taken.getsockname()[1]}"]
    assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), "it stays the parent's, and open"


def test_descriptors_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match=r"'fd://999999': descriptor 999999 is no open socket"):
        opened("fd://999999")
    reader, writer = os.pipe()
    with pytest.raises(ConfigurationError, match=rf"descriptor {reader} is no open socket"):
        opened(f"fd://{reader}")
    os.close(reader)
    os.close(writer)
    with socket.socket() as idle, pytest.raises(ConfigurationError, match="does not listen"):
        opened(f"fd://{idle.fileno()}")


# -------------------------------------------------------------------------------------------- --reuse-port


def test_without_reuse_port_all_workers_share_the_sockets() -> None:
    with closing(opened("127.0.0.1:0", lanes=3)) as listeners:
        assert listeners.lane(0) is listeners.lane(2)


def test_each_lane_has_a_socket_at_the_same_port(tmp_path: Path) -> None:
    with closing(opened("127.0.0.1:0", f"unix:{tmp_path}/s", reuse_port=True, lanes=3)) as listeners:
        lanes = [listeners.lane(number) for number in range(3)]
        assert len({lane[0].fileno() for lane in lanes}) == 3
        assert len({lane[0].getsockname() for lane in lanes}) == 1
        assert len({lane[1].fileno() for lane in lanes}) == 1, "a unix socket can only be shared"
        assert len(listeners.names()) == 2
        listeners.narrow(1)
        assert [lane[0].fileno() for lane in lanes[1:]] == [-1, -1]
        assert lanes[0][1].fileno() >= 0
        again = listeners.lane(1)
        assert again[0].getsockname() == lanes[0][0].getsockname()


def test_a_worker_keeps_its_own_lane_only(tmp_path: Path) -> None:
    with closing(opened("127.0.0.1:0", f"unix:{tmp_path}/s", reuse_port=True, lanes=3)) as listeners:
        mine = listeners.lane(1)
        pid = os.fork()
        if not pid:
            listeners.close_in_child(keep=1)
            closed = [lane[0].fileno() for lane in (listeners.lane(0), listeners.lane(2))]
            os._exit(0 if closed == [-1, -1] and min(one.fileno() for one in mine) >= 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert all(listener.fileno() >= 0 for listener in listeners.sockets())


def test_all_is_closed() -> None:
    before = open_descriptors()
    opened("127.0.0.1:0", "[::1]:0", reuse_port=True, lanes=4).close()
    assert open_descriptors() == before
