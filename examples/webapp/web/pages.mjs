// The pages of the shop. Everything that comes from outside is escaped.

const ESCAPED = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export const escape = (value) => String(value ?? '').replace(/[&<>"']/g, (found) => ESCAPED[found])

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
  header { display: flex; gap: 1rem; align-items: baseline; border-bottom: 1px solid #ccc; padding-bottom: .5rem }
  header h1 { font-size: 1.2rem; margin: 0 auto 0 0 }
  pre { background: #f4f4f4; padding: 1rem; overflow-x: auto }`

export function page(title, user, body) {
  const links = user
    ? '<a href="/profile">Profile</a> <a href="/orders">Orders</a> <a href="/logout">Sign out</a>'
    : '<a href="/login">Sign in</a>'
  return `<!DOCTYPE html>
<html lang="en">
<title>${escape(title)} · Acme Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>${STYLE}</style>
<header><h1>Acme Shop</h1> ${links}</header>
<main>
<h2>${escape(title)}</h2>
${body}
</main>
</html>`
}

export const json = (id, value) => `<pre id="${id}">${escape(JSON.stringify(value, null, 2))}</pre>`
