// Names that end in `.localhost` lead to this machine (RFC 6761 section 6.3). Browsers know that by themselves; Node asks the
// system, and most systems do not. Needed on a laptop only, never in a cluster.

import dns from 'node:dns'

const system = dns.lookup

dns.lookup = (host, ...rest) => system(String(host).endsWith('.localhost') ? 'localhost' : host, ...rest)
