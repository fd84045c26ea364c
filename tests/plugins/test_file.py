"""The `file` mount."""

from orchestrator_mounts.file import InlineFile

from orchestrator.plugin import BundleFile, Contribution, FileEntry, FileMode, MountKind, Use
from tests.core.helpers_world import answer


def test_it_is_a_file_of_the_bundle() -> None:
    kind = InlineFile(text="größer\n", mode=FileMode(0o500))
    assert isinstance(kind, MountKind)
    assert kind.contribute(Use("web", "/etc/app.conf"), answer(kind.questions())) == Contribution(
        files=(BundleFile("/etc/app.conf", "größer\n", 0o500),), entries=(FileEntry("/etc/app.conf"),)
    )


def test_it_may_be_empty_and_anybody_may_read_it() -> None:
    (file,) = InlineFile(text="").contribute(Use("web", "/x"), answer(())).files
    assert file == BundleFile("/x", "", 0o444)
