"""`/health/probe`: how a request of `admit doctor` arrived. For everybody else there is nothing here."""

import msgspec
from starlette.responses import Response

from admit.issuer.app import answers, probe
from admit.issuer.app.call import Call
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.storage import Keyring


def routes(keyring: Keyring) -> list[Route]:
    """GET only. A wrong question is answered as any path that is not there is."""

    async def get(call: Call) -> Response:
        asked = next((value for name, value in call.headers if name == probe.HEADER.encode()), b"")
        nonce = probe.nonce_of(keyring, asked.decode("latin-1"), now=call.now)
        if nonce is None:
            raise answers.NotFoundError
        body = msgspec.json.encode(probe.seen(call.scope, now=call.now))
        proof = probe.answer_mac(keyring, nonce, body)
        return Response(body, media_type=answers.JSON, headers={probe.HEADER: proof})

    return [Route(path=probe.PATH, handlers={"GET": get}, face=Face.PAGE)]
