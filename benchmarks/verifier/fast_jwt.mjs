// fast-jwt in turns with the others: reads `NAME COUNT` lines, does that much, answers with nanoseconds for one.
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const [modules, settings] = process.argv.slice(2)
const { createVerifier } = createRequire(modules)('fast-jwt')
const { token, key, issuer, audience } = JSON.parse(settings)
const terms = { key, algorithms: ['ES256'], allowedIss: issuer, allowedAud: audience, clockTolerance: 30_000 }
const remembered = new Map()
const digest = () => createHash('sha256').update(token).digest('base64')
remembered.set(digest(), { sub: 'u' })

const jobs = {
  cached: createVerifier({ ...terms, cache: true }),
  anew: createVerifier(terms),
  floor: () => remembered.get(digest()),
}

let kept
createInterface({ input: process.stdin }).on('line', line => {
  const [name, count] = line.split(' ')
  const job = jobs[name]
  const times = Number(count)
  const start = process.hrtime.bigint()
  for (let turn = 0; turn < times; turn++) kept = job(token)
  const taken = process.hrtime.bigint() - start
  if (!kept) throw new Error('not verified')
  process.stdout.write(`${Number(taken) / times}\n`)
})
