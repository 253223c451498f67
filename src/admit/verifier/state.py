"""What was proved outlives the process: a verifier that starts while its issuer is down goes on within the bound.

Freshness counts by the boot clock, so it is believed only within the same boot of the same machine. What holds for ever
is believed whatever its age: the greatest place that was seen (against a database that went back), ends, revoked keys.

The file is the operator's: keys in it are believed because nobody else can have written it. The head in it is verified
again all the same; a list is bound to it by its version, as it is to any head.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import msgspec

from admit.errors import AdmitError
from admit.jose import JWKSet
from admit.tokens import status_head, status_list
from admit.verifier import freshness, state_file
from admit.verifier import keys as key_rules
from admit.verifier.counters import Following
from admit.verifier.snapshot import Held, IssuerSnapshot, KeyView
from admit.verifier.status import Proof
from admit.verifier.trust import TrustedIssuer

_LOG = logging.getLogger("admit.verifier")
EVERY = 2.0
"""Seconds between two writings at least."""
MAX_SIZE = 32 * 1024 * 1024
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/timens_offsets")


class Saved(msgspec.Struct, forbid_unknown_fields=True):
    """The content of the file. Times are boot times of `boot`; a list is its number, version and packed bits.

    `later` are the lists that were signed to have all that the head tells of, and more; `second` is then the head that
    confirmed them. `proved` is the greatest place that was seen when they were: what was seen since, `epoch` and `seq`,
    takes nothing from a proof that is within the bound, and has to be reached by the next.
    """

    issuer: str
    boot: str | None
    fresh_at: float | None
    epoch: int
    seq: int
    went_back: bool
    revoked_kids: list[str]
    head: str | None
    nonce: str
    keys: bytes | None
    keys_at: float | None
    lists: list[tuple[int, str, bytes]]
    later: list[int] = []
    second: str | None = None
    second_nonce: str = ""
    proved: tuple[int, int] | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Saved).decode


def boot_identity() -> str | None:
    """Which boot this is, and by which boot clock (containers may have their own); None where that is unknown."""
    try:
        offsets = _TIME_NAMESPACE.read_text("ascii") if _TIME_NAMESPACE.exists() else ""
        return " ".join([_BOOT_ID.read_text("ascii").strip(), *offsets.split()])
    except (OSError, UnicodeError):
        return None


class StateKeeper:
    """Saves and loads the state of one issuer. Used by the thread that follows it.

    Raises:
        ConfigError: `folder` is not one that only this user can write to.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        trust: TrustedIssuer,
        *,
        boottime: Callable[[], float],
        counters: Following,
    ) -> None:
        where = Path(folder)
        state_file.check_folder(where)
        name = sha256(trust.issuer.encode()).hexdigest()[:32]
        self._path = where / f"{name}.state"
        self._turns = where / f"{name}.lock"
        self._trust = trust
        self._boottime = boottime
        self._counters = counters
        self._boot = boot_identity()
        self._saved_at: float | None = None
        self._last: Held | None = None
        self._proved: Held | None = None
        self._packed: dict[int, tuple[bytes, bytes]] = {}
        self._complained = False

    def load(self, keys: KeyView | None) -> IssuerSnapshot | None:
        """What was saved, as far as it is good now; None where nothing is. `keys` are those that were configured.

        The snapshot has no `head_at`: whoever comes first waits for the first answer, and only an issuer that gives
        none makes the saved state count.
        """
        saved = self._read()
        if saved is None:
            return None
        boot = self._boottime()
        is_here = is_same_boot(saved.boot, self._boot)
        if keys is None and is_here:
            keys = self._saved_keys(saved, boot)
        try:
            held = _held(saved)
        except AdmitError:
            _LOG.warning("a saved state of revocations is damaged, and is not used")
            return None
        terms = self._trust.follows
        fresh = terms is not None and is_here and freshness.is_fresh(held, boot, terms.bound)
        if not (fresh and keys is not None and self._is_proved(saved, held, keys)):
            held = freshness.distrust(held)
        self._counters.state_restored += 1
        return IssuerSnapshot(keys, held)

    def save(self, snapshot: IssuerSnapshot, proof: Proof | None, keys: bytes | None) -> None:
        """Write what is held, if that is news and the last writing was a while ago. Failure is logged, never raised."""
        held, boot = snapshot.held, self._boottime()
        if proof is not None and (self._proved is None or self._proved.fresh_at != held.fresh_at):
            self._proved = (
                held  # as it was proved: a question that fails after that may leave newer lists, and places
            )
        recent = self._saved_at is not None and 0 <= boot - self._saved_at < EVERY
        if recent or held is self._last or not (held.went_back or (held.fresh_at is not None and proof)):
            return
        try:
            with state_file.turn(self._turns) as mine:
                if mine and self._write(snapshot, proof, keys):
                    self._counters.state_saved += 1
        except OSError as error:
            if not self._complained:
                _LOG.error("the state of revocations cannot be saved: %s", error.strerror or "too large")
            self._complained = True
        else:
            self._complained = False
            self._saved_at, self._last = boot, held

    def _write(self, snapshot: IssuerSnapshot, proof: Proof | None, keys: bytes | None) -> bool:
        held = snapshot.held
        there = self._read()
        if there is not None and is_news_to(held, there, is_same_boot(there.boot, self._boot)) is False:
            return False
        (epoch, seq), went_back = remembered(held, there)
        view, proved = snapshot.keys, self._proved or held
        second = None if proof is None else proof.second
        if keys is None and there is not None and is_same_boot(there.boot, self._boot):
            keys = there.keys  # not fetched since they were loaded from here
        content = _encode(
            Saved(
                issuer=self._trust.issuer,
                boot=self._boot,
                fresh_at=held.fresh_at,
                epoch=epoch,
                seq=seq,
                went_back=went_back,
                revoked_kids=sorted(held.revoked_kids),
                head=None if proof is None else proof.token.decode("ascii"),
                nonce="" if proof is None else proof.nonce,
                keys=keys,
                keys_at=None if view is None else view.fetched_at,
                lists=[
                    (n, version, self._pack(n, held.bitmaps.get(n, proved.bitmaps[n])))
                    for n, version in proved.versions.items()
                ],
                later=[] if proof is None else sorted(proof.later),
                second=None if second is None else second.token.decode("ascii"),
                second_nonce="" if second is None else second.nonce,
                proved=(proved.epoch, proved.seq),
            )
        )
        if len(content) >= MAX_SIZE - 65:
            raise OSError("too large")
        state_file.replace(self._path, sha256(content).hexdigest().encode() + b"\n" + content)
        return True

    def _pack(self, n: int, bitmap: bytes) -> bytes:
        known = self._packed.get(n)
        if known is None or known[0] is not bitmap:
            known = self._packed[n] = (bitmap, status_list.compress(bitmap))
        return known[1]

    def _read(self) -> Saved | None:
        try:
            content = state_file.read(self._path, MAX_SIZE)
        except state_file.NotOursError:
            _LOG.error(
                "a saved state of revocations belongs to somebody else or is writable, and is not used"
            )
            return None
        except OSError:
            _LOG.warning("a saved state of revocations cannot be read")
            return None
        if content is None:
            return None
        digest, _, body = content.partition(b"\n")
        try:
            saved = _decode(body) if digest.decode() == sha256(body).hexdigest() else None
        except (msgspec.MsgspecError, UnicodeError):
            saved = None
        if saved is None or saved.issuer != self._trust.issuer:
            _LOG.warning("a saved state of revocations is damaged, and is not used")
            return None
        return saved

    def _saved_keys(self, saved: Saved, boot: float) -> KeyView | None:
        if (
            saved.keys is None
            or saved.keys_at is None
            or not 0 <= boot - saved.keys_at <= key_rules.MAX_STALE
        ):
            return None
        try:
            return key_rules.read(
                saved.keys,
                issuer=self._trust.issuer,
                rsa_alg=self._trust.rsa_alg,
                okp_alg=self._trust.okp_alg,
                algorithms=self._trust.algorithms,
                admit=True,
                revoked=frozenset(saved.revoked_kids),
                fetched_at=saved.keys_at,
            )
        except AdmitError:
            return None

    def _is_proved(self, saved: Saved, held: Held, keys: KeyView) -> bool:
        """Whether heads say of these lists, by signatures that hold, that they were all, and nobody had seen more."""
        if saved.head is None:
            return False
        later = frozenset(saved.later) & held.bitmaps.keys()
        issuer = self._trust.issuer
        try:
            head = verify_head(saved.head, keys.status, issuer, saved.nonce)
            last = (
                head
                if saved.second is None
                else verify_head(saved.second, keys.status, issuer, saved.second_nonce)
            )
        except AdmitError:
            return False
        epoch, seq = saved.proved or (held.epoch, held.seq)
        return freshness.is_confirmed(replace(held, epoch=epoch, seq=seq), head, last, later)


def verify_head(token: str, keys: JWKSet, issuer: str, nonce: str) -> status_head.Head:
    """The head that was saved, verified as on the day it came. Raises TokenError where it does not hold."""
    return status_head.verify(token, keys, issuer=issuer, nonce=nonce)


def is_same_boot(saved: str | None, now: str | None) -> bool:
    """Whether boot times of then can be compared with those of now."""
    return saved is not None and saved == now


def is_news_to(held: Held, there: Saved, same_boot: bool) -> bool:
    """Whether `held` says more than what another worker saved."""
    (epoch, seq), went_back = remembered(held, there)
    if (epoch, seq, went_back) != (there.epoch, there.seq, there.went_back):
        return True
    if held.fresh_at is None or (held.epoch, held.seq) != (epoch, seq):
        return False
    return not same_boot or there.fresh_at is None or held.fresh_at > there.fresh_at + EVERY / 2


def remembered(held: Held, there: Saved | None) -> tuple[tuple[int, int], bool]:
    """The greatest place that any worker saw, and whether the database went back from it since."""
    mine = (held.epoch, held.seq)
    if there is None or there.epoch < held.epoch:
        return mine, held.went_back
    theirs = (there.epoch, there.seq)
    if there.epoch > held.epoch:
        return theirs, there.went_back
    return max(mine, theirs), held.went_back or there.went_back


def _held(saved: Saved) -> Held:
    """Raises AdmitError where a list is damaged."""
    bitmaps = {n: status_list.decompress(packed) for n, _, packed in saved.lists}
    fresh_at = None if saved.went_back else saved.fresh_at
    return Held(
        epoch=saved.epoch,
        seq=saved.seq,
        bitmaps=MappingProxyType(bitmaps),
        versions=MappingProxyType({n: version for n, version, _ in saved.lists}),
        list_at=MappingProxyType({} if fresh_at is None else dict.fromkeys(bitmaps, fresh_at)),
        revoked_kids=frozenset(saved.revoked_kids),
        fresh_at=fresh_at,
        went_back=saved.went_back,
    )
