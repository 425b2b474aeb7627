"""The judge: the verdict about credentials, row by row (checklist A3 to A10)."""

import pytest

from msilod.auth.judge import Judge
from msilod.auth.judgement import Judgement, Verdict
from msilod.auth.nonce import LIFETIME, SPAN
from msilod.auth.throttle import FREE_PAIR
from msilod.auth.users import Users
from msilod.sip import digest
from msilod.sip.uri import user_of

DOMAIN, URI, METHOD, HERE = "example.test", b"sip:example.test", b"REGISTER", "192.0.2.1"
WALL = 1_800_000_000.0


class Here:
    """The sender of a request; by default not registered, and without a sign-off."""

    def __init__(self, bound: bool = False, removes: bool = False, place: str = "udp 192.0.2.1 5060") -> None:
        self.bound = bound
        self.removes = removes
        self.at = place

    def is_bound(self, aor: str) -> bool:
        return self.bound

    def place(self) -> str:
        return self.at

    def is_removal(self) -> bool:
        return self.removes

    def accepts(self, uri: bytes) -> bool:
        return uri == b"sip:192.0.2.99"

    def domain_of(self, host: str) -> str:
        return {DOMAIN: DOMAIN, "192.0.2.99": DOMAIN}.get(host, "")


class Room:
    """A judge, the users alice and jäsøn with the password `secret`, and the credentials of a client."""

    def __init__(self) -> None:
        self.users = Users()
        for name in (b"alice", "jäsøn".encode()):
            values = [
                (algorithm, digest.ha1(algorithm, name, DOMAIN.encode(), b"secret"))
                for algorithm in (b"MD5", b"SHA-256")
            ]
            self.users.put(f"{user_of(name)}@{DOMAIN}", values)
        self.judge = Judge(self.users, (b"SHA-256", b"MD5"), b"s" * 32, b"r1")

    def nonce(self, key: bytes = b"key", source: str = HERE, wall: float = WALL) -> bytes:
        first = self.judge.challenges(DOMAIN, key, source, wall)[0]
        return first.partition(b'nonce="')[2].partition(b'"')[0]

    def judged(
        self, *values: bytes, aor: str = f"alice@{DOMAIN}", realm: str = DOMAIN, method: bytes = METHOD,
        source: str = HERE, now: float = 0.0, wall: float = WALL, here: Here | None = None,
    ) -> Judgement:  # fmt: skip
        return self.judge.judge(values, method, URI, aor, realm, source, now, wall, here or Here())


def proof(
    nonce: bytes, count: int = 1, password: bytes = b"secret", name: bytes = b"alice", algorithm: bytes = b"MD5",
    form: str = "auth", realm: bytes = b"example.test", method: bytes = METHOD,
) -> bytes:  # fmt: skip
    """An Authorization value; `form` is auth, old (RFC 2069, without qop) or int (auth-int)."""
    ha1 = digest.ha1(algorithm, name, realm, password)
    nc = b"%08x" % count
    qop = {"auth": b"auth", "old": b"", "int": b"auth-int"}[form]
    ha2 = digest.ha2(algorithm, method, URI, b"d41d8cd98f00b204e9800998ecf8427e" if form == "int" else b"")
    response = digest.response(algorithm, ha1, ha2, nonce, nc if qop else b"", b"c0" if qop else b"", qop)
    tail = b', cnonce="c0", nc=%b, qop=%b' % (nc, qop) if qop else b""
    return b'Digest username="%b", realm="%b", nonce="%b", uri="%b", response="%b", algorithm=%b%b' % (
        name,
        realm,
        nonce,
        URI,
        response,
        algorithm,
        tail,
    )


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.parametrize("algorithm", [b"MD5", b"SHA-256"])
def test_a2_a_right_password_in_each_algorithm(room: Room, algorithm: bytes) -> None:
    found = room.judged(proof(room.nonce(), algorithm=algorithm))
    assert (found.verdict, found.user) == (Verdict.RIGHT, "alice@example.test")


def test_a2_a_disabled_algorithm_is_refused(room: Room) -> None:
    room.judge.algorithms = (b"SHA-256",)
    assert len(room.judge.challenges(DOMAIN, b"key", HERE, WALL)) == 1
    assert room.judged(proof(room.nonce())).verdict is Verdict.NONE


def test_a3_another_qop_than_auth_is_refused(room: Room) -> None:
    assert room.judged(proof(room.nonce(), form="int")).verdict is Verdict.NONE


def test_a4_an_old_nonce_is_stale_with_the_right_password_and_wrong_with_another(room: Room) -> None:
    nonce, later = room.nonce(), WALL + LIFETIME + 2 * SPAN
    assert room.judged(proof(nonce), wall=later).verdict is Verdict.STALE
    assert room.judged(proof(nonce, password=b"x"), wall=later).verdict is Verdict.WRONG
    assert room.judged(proof(nonce), source="192.0.2.2").verdict is Verdict.STALE, "from elsewhere"


def test_a4_a_foreign_nonce_is_refused_before_the_password_is_checked(room: Room) -> None:
    for password in (b"secret", b"wrong"):
        assert room.judged(proof(b"A" * 32, password=password)).verdict is Verdict.NONE
    assert len(room.judge.throttle) == 0


def test_a5_a_replay_is_stale(room: Room) -> None:
    value = proof(room.nonce())
    assert room.judged(value).verdict is Verdict.RIGHT
    assert room.judged(value).verdict is Verdict.STALE
    assert room.judged(proof(room.nonce(), 2)).verdict is Verdict.RIGHT


def test_a5_credentials_of_another_method_are_wrong(room: Room) -> None:
    assert room.judged(proof(room.nonce()), method=b"MESSAGE").verdict is Verdict.WRONG


def test_a7_of_several_credentials_those_of_our_realm_count(room: Room) -> None:
    others = [b'Digest username="x", realm="r%d", nonce="n", uri="sip:x", response="y"' % n for n in range(3)]
    values = [b"Basic YWxpY2U6c2VjcmV0", b"Digest rubbish", *others, proof(room.nonce())]
    found = room.judged(*values)
    assert found.verdict is Verdict.RIGHT
    assert room.judged(proof(room.nonce(), realm=b"other.test")).verdict is Verdict.NONE


def test_a8_a_user_name_in_utf_8_equals_the_escaped_user_part(room: Room) -> None:
    found = room.judged(proof(room.nonce(), name="jäsøn".encode()))
    assert (found.verdict, found.user) == (Verdict.RIGHT, "j%C3%A4s%C3%B8n@example.test")


@pytest.mark.interpreted
def test_a10_unknown_users_and_wrong_passwords_get_the_same_answer_and_the_same_work(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[bytes] = []
    real = digest.Credentials.is_right

    def counted(self: digest.Credentials, ha1: bytes, method: bytes) -> bool:
        computed.append(ha1)
        return real(self, ha1, method)

    monkeypatch.setattr(digest.Credentials, "is_right", counted)
    wrong = room.judged(proof(room.nonce(), password=b"x"))
    unknown = room.judged(proof(room.nonce(), name=b"nobody"))
    assert (wrong.verdict, wrong.wait) == (unknown.verdict, unknown.wait) == (Verdict.WRONG, 0.0)
    assert [len(ha1) for ha1 in computed] == [16, 16]


def test_a10_guesses_count_for_the_source_that_got_the_nonce(room: Room) -> None:
    nonce = room.nonce(source="203.0.113.9")
    for _ in range(FREE_PAIR + 1):
        assert room.judged(proof(nonce, password=b"x"), source=HERE).verdict is Verdict.WRONG
    assert room.judged(proof(room.nonce())).verdict is Verdict.RIGHT, "whose address was written into them"
    found = room.judged(proof(nonce, 2))
    assert found.verdict is Verdict.TOO_SOON
    assert found.wait == 1


def test_a10_a_user_registered_from_the_same_place_does_not_wait(room: Room) -> None:
    for _ in range(FREE_PAIR + 1):
        room.judged(proof(room.nonce(), password=b"x"))
    assert room.judged(proof(room.nonce())).verdict is Verdict.TOO_SOON
    assert room.judged(proof(room.nonce()), here=Here(bound=True)).verdict is Verdict.RIGHT
    assert room.judged().verdict is Verdict.NONE


def test_a11_basic_is_never_accepted(room: Room) -> None:
    assert room.judged(b"Basic YWxpY2U6c2VjcmV0").verdict is Verdict.NONE
