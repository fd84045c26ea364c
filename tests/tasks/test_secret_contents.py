"""The digest of a secret: another one makes a definition another, and no answer leaves it as it was."""

import pytest

from orchestrator.core.parse import Parser
from orchestrator.core.resolve import resolve_spec
from orchestrator.core.show import show_spec
from orchestrator.model.action import Broken, Target
from orchestrator.model.definition import Definition
from orchestrator.model.facts import ContentQuestion, DigestAnswer, PathKind
from orchestrator.model.source import Source
from orchestrator.model.spec import ReadySpec, Spec
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.testing.directory import FakeWorld
from tests.core.helpers_world import learn
from tests.golden.test_golden import REGISTRY
from tests.tasks.helpers_reconcile import PASSWD, WEB

KEY, CREDENTIAL = ContentQuestion("/etc/key"), ContentQuestion("web.key", credential=True)
TEXTS = {
    KEY: f'{WEB}mounts."/run/key" = {{ type = "secret", file = "/etc/key" }}\n',
    CREDENTIAL: f'{WEB}mounts."/run/key" = {{ type = "secret", credential = "web.key" }}\n',
}


class Bench:
    """Compiles a definition again and again."""

    def __init__(self, question: ContentQuestion) -> None:
        self.world = FakeWorld({"/etc/key": PathKind.FILE}, PASSWD)
        self.question = question
        self.answer("aa" * 32)
        self.compiled: dict[str, Compiled] = {}

    def answer(self, digest: str | None, detail: str = "") -> None:
        self.world.contents[self.question] = DigestAnswer(digest, detail)

    async def compile(self) -> Target | Broken:
        source = Source("web", "web.toml", TEXTS[self.question])
        self.compiled = await compile_sources([source], self.compiled, Parser(REGISTRY), self.world)
        return self.compiled["web"].result

    async def digest(self) -> str:
        result = await self.compile()
        assert isinstance(result, Target), result
        return result.bundle.digest


@pytest.mark.parametrize("question", [KEY, CREDENTIAL])
async def test_another_secret_makes_another_bundle(question: ContentQuestion) -> None:
    bench = Bench(question)
    first = await bench.digest()
    assert await bench.digest() == first
    bench.answer("bb" * 32)
    second = await bench.digest()
    assert second != first
    bench.answer("aa" * 32)
    assert await bench.digest() == first


async def test_no_answer_leaves_it_as_it_was() -> None:
    bench = Bench(KEY)
    first = await bench.digest()
    bench.world.unanswered = frozenset({KEY})
    bench.answer(None, "it does not answer")
    assert await bench.digest() == first


async def test_its_file_is_followed_and_a_credential_is_not() -> None:
    bench = Bench(KEY)
    await bench.digest()
    assert bench.compiled["web"].depends == {"/etc/key"}
    bench.answer(None, "it is not a regular file")
    assert isinstance(await bench.compile(), Broken)
    assert "/etc/key" in bench.compiled["web"].depends
    bench = Bench(CREDENTIAL)
    await bench.digest()
    assert bench.compiled["web"].depends == frozenset()


@pytest.mark.parametrize("bundle", [False, True])
def test_its_digest_is_not_shown(bundle: bool) -> None:
    text = 'mounts."/run/key" = { type = "secret", file = "/srv/app.conf" }\n'
    text = ('bundle = "/srv/bundles/web"\n' if bundle else WEB) + text
    definition = Parser(REGISTRY).parse(Source("web", "web.toml", text))
    assert isinstance(definition, Definition)
    spec = resolve_spec("web", definition, learn("web", definition))
    assert isinstance(spec, ReadySpec if bundle else Spec)
    (content,) = spec.contents
    digest = "ab" * 32
    assert digest in content
    assert digest not in str(show_spec(spec))
    assert digest not in repr(spec)
