// What the programs of this folder share: the lines in and out. The protocol is in ../README.md.

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createInterface } from 'node:readline'
import { Agent, buildConnector, fetch as undiciFetch } from 'undici'

/** The `{ host, port }` to dial for a host of a URL, if `connect` says another than the URL's own. */
export function redirect(host, connect) {
  if (!connect || isIP(host.replace(/^\[|\]$/g, ''))) return undefined
  const colon = connect.lastIndexOf(':')
  return { host: connect.slice(0, colon), port: connect.slice(colon + 1) }
}

/** A `fetch` that trusts only `ca_file`, and dials `connect` for every host that is not an IP address. */
export function fetchVia({ ca_file: caFile, connect: address }) {
  const connector = buildConnector(caFile ? { ca: readFileSync(caFile) } : {})
  const dispatcher = new Agent({
    connect(options, callback) {
      const there = redirect(options.hostname, address)
      if (!there) return connector(options, callback)
      connector({ ...options, hostname: there.host, port: there.port, servername: options.hostname }, callback)
    },
  })
  return (url, { headers, ...options } = {}) =>
    undiciFetch(url, { ...options, headers: Object.fromEntries(new Headers(headers)), dispatcher })
}

/** The library's own name for what went wrong: jose and openid-client set `code`, OAuth errors carry `error`. */
export function failure(error) {
  const name = error.error ?? error.code ?? error.name
  // `fetch` hides the TLS or socket error in the cause.
  const message = [error.message, error.error_description, error.cause?.message].filter(Boolean).join(': ')
  return { error: name, message }
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
