// Signs tokens with jose and with jsonwebtoken, under keys made here; a second key of the same kid signs the forged one.
// In: {"library", "alg", "claims", "secret"}; out: {"good", "forged", "jwks"}.
import { readFileSync } from 'node:fs'
import { createSecretKey, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto // node 18
const jose = await import('jose')
const jsonwebtoken = (await import('jsonwebtoken')).default
const { library, alg, claims, secret } = JSON.parse(readFileSync(0, 'utf8'))

function pair() {
  if (alg.startsWith('RS')) return generateKeyPairSync('rsa', { modulusLength: 2048 })
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

async function sign(key) {
  const header = { alg, typ: 'at+jwt', kid: 'theirs' }
  if (library === 'jose') return new jose.SignJWT(claims).setProtectedHeader(header).sign(key)
  return jsonwebtoken.sign(claims, key, { algorithm: alg, header })
}

if (alg.startsWith('HS')) {
  const good = await sign(createSecretKey(Buffer.from(secret, 'hex')))
  console.log(JSON.stringify({ good, forged: await sign(createSecretKey(randomBytes(32))), jwks: { keys: [] } }))
} else {
  const mine = pair()
  const jwk = { ...mine.publicKey.export({ format: 'jwk' }), kid: 'theirs', alg, use: 'sig' }
  const [good, forged] = [await sign(mine.privateKey), await sign(pair().privateKey)]
  console.log(JSON.stringify({ good, forged, jwks: { keys: [jwk] } }))
}
