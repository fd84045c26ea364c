"""What a definition's sockets are, decided: together, handed over and claimed."""

from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.exec_process import Wanted, make_exec_process
from orchestrator.core.notify import without_agent
from orchestrator.core.parse import parse_definition
from orchestrator.core.render import render_bundle
from orchestrator.core.sockets import LISTEN_VARIABLES, choose_sockets, claim_ports, listen_variables
from orchestrator.model.contribution import PATHS, PortClaim
from orchestrator.model.definition import Definition
from orchestrator.model.option import Change, options_of
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import At, Fault
from orchestrator.model.registry import Registry
from orchestrator.model.sockets import ListenSpec, Socket, SocketKind
from orchestrator.model.source import Source
from orchestrator.model.spec import Spec
from orchestrator.model.types import EnvName
from orchestrator.testing.strategies import dump_toml
from tests.core.helpers_world import GROUP, PASSWD, host_definition, resolve


def define(sockets: object) -> Definition | tuple[Fault, ...]:
    text = f'args = ["/bin/true"]\nsockets = {dump_toml(sockets)}\n'
    return parse_definition(Source("web", "web.toml", text), Registry())


def choose(sockets: object) -> tuple[ListenSpec, ...]:
    """The sockets of a good definition."""
    definition = define(sockets)
    assert isinstance(definition, Definition), definition
    chosen, faults = choose_sockets(definition, PASSWD, GROUP)
    assert faults == ()
    return chosen


def faults_of(sockets: object) -> list[tuple[KeyPath, str, str]]:
    faults = define(sockets)
    assert isinstance(faults, tuple), "they are good"
    return [(fault.path[1:], fault.message, fault.hint) for fault in faults]


def spec(address: str, **fields: Any) -> ListenSpec:  # noqa: ANN401 - as ListenSpec has them
    usual: dict[str, Any] = {"name": "web", "kind": SocketKind.STREAM, "mode": 0o666, "uid": 0, "gid": 0}
    return ListenSpec(**{**usual, "backlog": 4096, "reuse_port": False, "address": address, **fields})


def test_a_bare_value_is_where_a_stream_listens() -> None:
    assert choose({"web": "80"}) == choose({"web": {"stream": "80"}}) == (spec("*:80"),)


def test_all_that_is_written_is_decided() -> None:
    sockets = {
        "web": {"stream": "[::1]:80", "backlog": 5, "reuse_port": True, "nonblocking": True},
        "log": {"datagram": "/run/log.sock", "mode": "0640", "owner": "www-data:adm"},
    }
    assert choose(sockets) == (
        spec("/run/log.sock", name="log", kind=SocketKind.DATAGRAM, mode=0o640, uid=33, gid=4),
        spec("[::1]:80", backlog=5, reuse_port=True, nonblocking=True),
    )


def test_their_order_is_that_of_their_names_whatever_a_file_has() -> None:
    assert [each.name for each in choose({"b": "81", "C": "82", "a": "80"})] == ["C", "a", "b"]
    assert choose({"a": "80", "b": "81"}) == choose({"b": "81", "a": "80"})


TOGETHER: list[tuple[object, list[tuple[KeyPath, str, str]]]] = [
    ({"web": {}}, [(("web",), "it has neither stream nor datagram", 'write stream = "0.0.0.0:80", or datagram')]),
    (
        {"web": {"stream": "80", "datagram": "80"}},
        [(("web", "datagram"), "cannot be given with stream", "write two sockets")],
    ),
    (
        {"web": {"stream": "/web", "reuse_port": True}},
        [(("web", "reuse_port"), "is for ports, and this is a path", "take it away")],
    ),
    (
        {"web": {"stream": "80", "mode": "0600", "owner": "web"}},
        [
            (("web", "mode"), "is for a path, and this is a port", "take it away"),
            (("web", "owner"), "is for a path, and this is a port", "take it away"),
        ],
    ),
    (
        {"b": "localhost:80", "a": {"stream": "127.0.0.1:80", "reuse_port": True}},
        [
            (
                ("a", "stream"),
                'the socket "b", further up, has this address',
                "take one away, or write reuse_port in both",
            )
        ],
    ),
    (
        {"a": "/run/web", "b": {"stream": "/run//web"}},
        [(("b", "stream"), 'the socket "a", further up, has this address', "take one of them away")],
    ),
]


@pytest.mark.parametrize(("sockets", "expected"), TOGETHER)
def test_what_cannot_stand_together(sockets: object, expected: list[tuple[KeyPath, str, str]]) -> None:
    assert faults_of(sockets) == expected


@pytest.mark.parametrize(
    "sockets",
    [
        {"a": {"stream": "53"}, "b": {"datagram": "53"}},
        {"a": {"stream": "80", "reuse_port": True}, "b": {"stream": "80", "reuse_port": True}},
        {"a": "127.0.0.1:80", "b": "127.0.0.2:80"},
        # What is so anyhow may be said.
        {"a": {"stream": "80", "mode": "0666", "owner": "0:0"}, "b": {"stream": "/run/b", "reuse_port": False}},
    ],
)
def test_what_can_stand_together(sockets: object) -> None:
    assert isinstance(define(sockets), Definition)


def test_a_key_that_is_out_of_place_is_pointed_at() -> None:
    faults = define({"web": {"stream": "80", "mode": "0600"}})
    assert isinstance(faults, tuple)
    assert [fault.at for fault in faults] == [At.KEY]


def test_an_owner_that_the_host_does_not_know_is_told_with_all_else() -> None:
    definition = define({"a": {"stream": "/a", "owner": "wbe"}, "b": {"stream": "/b", "owner": "web:amd"}, "c": "80"})
    assert isinstance(definition, Definition)
    chosen, faults = choose_sockets(definition, PASSWD, GROUP)
    assert [each.name for each in chosen] == ["c"]
    assert [(fault.path, fault.message) for fault in faults] == [
        (("sockets", "a", "owner"), 'no user "wbe" in the /etc/passwd of the host'),
        (("sockets", "b", "owner"), 'no group "amd" in the /etc/group of the host'),
    ]


def test_an_application_is_told_of_them_in_the_order_of_its_descriptors() -> None:
    sockets = choose({"http": "80", "admin": "81"})
    assert listen_variables(sockets) == {"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "admin:http"}
    assert tuple(listen_variables(sockets)) == LISTEN_VARIABLES
    assert listen_variables(()) == {}


def test_ports_are_claimed_by_the_sockets_that_say_so() -> None:
    sockets = choose(
        {
            "all": "80",
            "one": "127.0.0.1:81",
            "sixes": "[::]:84",
            "six": {"datagram": "[::1]:53"},
            "shared": {"stream": "82", "reuse_port": True},
            "path": "/run/web.sock",
        }
    )

    def port(protocol: str, number: int, address: str, **fields: Any) -> PortClaim:  # noqa: ANN401 - as it has them
        return PortClaim(protocol=protocol, port=number, address=address, **fields)

    found = {claim.path: evolve(claim, path=()) for claim in claim_ports(sockets)}
    assert found == {
        ("sockets", "all", "stream"): port("tcp", 80, ""),
        ("sockets", "one", "stream"): port("tcp", 81, "127.0.0.1", ipv6_only=True),
        ("sockets", "six", "datagram"): port("udp", 53, "::1", ipv6_only=True),
        ("sockets", "sixes", "stream"): port("tcp", 84, "::", ipv6_only=True),
        ("sockets", "shared", "stream"): port("tcp", 82, "", shared=True),
        ("sockets", "path", "stream"): port(PATHS, 0, "/run/web.sock"),
    }


def test_what_can_be_changed_while_it_is_held_makes_no_other_socket() -> None:
    one = spec("*:80")
    others = (
        evolve(one, name="http", backlog=1, nonblocking=True, mode=0o600, uid=33, gid=33),
        evolve(one, kind=SocketKind.DATAGRAM),
        evolve(one, address="127.0.0.1:80"),
        evolve(one, reuse_port=True),
        evolve(one, reuse_port=True, name="http"),
    )
    assert [each.place == one.place for each in others] == [True, False, False, False, False]
    assert len({each.place for each in others}) == 5


def make_spec(**fields: Any) -> Spec:  # noqa: ANN401 - as Definition has them
    return resolve(host_definition(**fields))


SOCKETS: dict[Any, Socket] = {"web": Socket(stream="*:80"), "admin": Socket(datagram="/run/admin")}  # type: ignore[arg-type]


def test_a_spec_has_them_and_a_bundle_is_another_by_each_of_their_options() -> None:
    plain, listening = render_bundle(make_spec()), render_bundle(make_spec(sockets=SOCKETS))
    assert [each.name for each in listening.sockets] == ["admin", "web"]
    assert {"LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=admin:web"} <= {*listening.config["process"]["env"]}
    digests = {plain.digest, listening.digest}
    changes = ({"mode": 0o600}, {"owner": "33"}, {"backlog": 1}, {"reuse_port": True}, {"nonblocking": True})
    for change in (*changes, {"stream": None, "datagram": "/a"}):
        digests.add(render_bundle(make_spec(sockets={"web": evolve(SOCKETS["web"], **change)})).digest)
    assert len(digests) == 8
    assert {field.metadata["change"] for field in options_of(Socket)} == {Change.REPLACE}


def test_what_a_user_says_wins() -> None:
    env = dict(make_spec(sockets=SOCKETS, env={EnvName("LISTEN_FDNAMES"): "a:b"}).env)
    assert (env["LISTEN_FDNAMES"], env["LISTEN_FDS"]) == ("a:b", "2")


def test_whoever_runs_a_bundle_without_an_agent_is_handed_none_and_told_of_none() -> None:
    bundle = render_bundle(make_spec(sockets=SOCKETS, env={EnvName("LISTEN_FDNAMES"): "own"}))
    env = without_agent(bundle)["process"]["env"]
    assert [each for each in env if each.startswith("LISTEN_")] == ["LISTEN_FDNAMES=own"]
    assert without_agent(render_bundle(make_spec(sockets=SOCKETS))) == render_bundle(make_spec()).config


def test_a_further_command_is_not_told_of_the_applications_sockets() -> None:
    own = {"env": ["PATH=/bin", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=web"], "user": {"uid": 0, "gid": 0}}
    process = make_exec_process(own, Wanted(args=("sh",), mark="1", env={"LISTEN_FDNAMES": "asked-for"}))
    assert process["env"][:-1] == ["PATH=/bin", "LISTEN_FDNAMES=asked-for"]
