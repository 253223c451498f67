// Verifies access tokens with jose and with jsonwebtoken, each keeping its keys as it does in a service.
// A line in: {"library", "token", "jwks", "issuer", "audience", "anew"}; a line out: {"claims"} or {"error"}.
import { createInterface } from 'node:readline'
import { createPublicKey, webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto // node 18
const jose = await import('jose')
const jsonwebtoken = (await import('jsonwebtoken')).default
const remote = new Map()

async function byJose({ token, jwks, issuer, audience, anew }) {
  if (!remote.has(jwks)) remote.set(jwks, jose.createRemoteJWKSet(new URL(jwks), { cooldownDuration: 0 }))
  const keys = remote.get(jwks)
  if (anew) await keys.reload()
  return (await jose.jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', clockTolerance: 30 })).payload
}

async function byJsonwebtoken({ token, jwks, issuer, audience }) {
  const { header } = jsonwebtoken.decode(token, { complete: true })
  const { keys } = await (await fetch(jwks)).json()
  const jwk = keys.find((key) => key.kid === header.kid)
  if (!jwk) throw new Error('no key of that kid')
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return jsonwebtoken.verify(token, key, { issuer, audience, algorithms: [jwk.alg], clockTolerance: 30 })
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  try {
    const claims = await (asked.library === 'jose' ? byJose(asked) : byJsonwebtoken(asked))
    console.log(JSON.stringify({ claims }))
  } catch (error) {
    console.log(JSON.stringify({ error: error.code ?? error.message }))
  }
}
