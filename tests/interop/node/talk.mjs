// A conversation by lines of JSON: {"do": name, …} on standard input, {"said": value} or {"refused": why} back.
// What a step keeps for the next it keeps in its own module. The conversation ends with the input.
import { createInterface } from 'node:readline'

export async function talk(steps) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...given } = JSON.parse(line)
    let answer
    try {
      answer = { said: (await steps[name](given)) ?? null }
    } catch (error) {
      answer = { refused: why(error) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

// The codes of the libraries, and the issuer's own where it gave one, from the outer to the inner.
function why(error) {
  const said = []
  for (let one = error; one instanceof Error; one = one.cause) {
    said.push({ name: one.name, code: one.code, error: one.error, message: one.message })
  }
  return said
}
