// Reads a Token Status List from the draft's text alone: statuses of access tokens, asked for over HTTP.
// In: {"tokens", "jwks"}; out: a list of statuses.
import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto // node 18
const jose = await import('jose')
const { tokens, jwks } = JSON.parse(readFileSync(0, 'utf8'))
const keys = jose.createRemoteJWKSet(new URL(jwks))

async function statusOf(token) {
  const { idx, uri } = jose.decodeJwt(token).status.status_list
  const response = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' } })
  if (response.headers.get('content-type') !== 'application/statuslist+jwt') throw new Error('no list')
  const { payload } = await jose.jwtVerify(await response.text(), keys, { subject: uri, typ: 'statuslist+jwt' })
  const { bits, lst } = payload.status_list
  if (![1, 2, 4, 8].includes(bits)) throw new Error('bits')
  const list = inflateSync(Buffer.from(lst, 'base64url'))
  if (idx >= (list.length * 8) / bits) throw new Error('idx is beyond the list')
  const perOctet = 8 / bits
  return (list[Math.floor(idx / perOctet)] >> ((idx % perOctet) * bits)) & ((1 << bits) - 1)
}

const statuses = []
for (const token of tokens) statuses.push(await statusOf(token))
console.log(JSON.stringify(statuses))
