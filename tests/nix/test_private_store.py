"""The tests' own store is a store: what is built in it knows what it needs, and is collected when nothing holds it."""

from pathlib import Path

from tests.nix.private_store import PrivateStore, make_private_store


def test_a_closure_is_known(private_store: PrivateStore) -> None:
    data = private_store.derive("data", "echo data > $out")
    program = private_store.derive("program", f"echo 'exec cat {data}' > $out", data)
    unused = private_store.derive("unused", "echo nothing > $out", data)
    assert sorted(private_store.requisites(program)) == sorted([data, program])
    assert private_store.requisites(unused) == [unused]
    assert private_store.requisites(private_store.busybox) == [private_store.busybox]


def test_a_root_keeps_a_path(tmp_path: Path) -> None:
    store = make_private_store(tmp_path / "nix")
    kept, left = (Path(store.derive(name, f"echo {name} > $out")) for name in ("kept", "left"))
    store.root_for(str(kept), tmp_path / "root")
    store.collect_garbage()
    assert (kept.exists(), left.exists()) == (True, False)
    (tmp_path / "root").unlink()
    store.collect_garbage()
    assert not kept.exists()
    assert store.requisites(store.busybox) == [store.busybox]
