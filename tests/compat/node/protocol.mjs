// What the programs of this folder share: the lines in and out. The protocol is in ../README.md.

import { isIP } from 'node:net'
import { createInterface } from 'node:readline'

/** The `{ host, port }` to dial for a host of a URL, if `connect` says another than the URL's own. */
export function redirect(host, connect) {
  if (!connect || isIP(host.replace(/^\[|\]$/g, ''))) return undefined
  const colon = connect.lastIndexOf(':')
  return { host: connect.slice(0, colon), port: connect.slice(colon + 1) }
}

/** Answers each line of standard input by the operation it names; `failure` names what an exception means. */
export async function serve(operations, failure) {
  for await (const line of createInterface({ input: process.stdin })) {
    // Anything thrown is an answer: which code it has is what the tests ask.
    let reply
    try {
      const request = JSON.parse(line)
      const operation = operations[request.op]
      if (!operation) throw new Error(`unknown op ${request.op}`)
      reply = { ok: true, ...(await operation(request)) }
    } catch (error) {
      reply = { ok: false, ...failure(error) }
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`)
  }
}
