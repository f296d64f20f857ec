/** A reverse proxy before the console, as docs/console.md describes it. */
import { createServer, request } from 'node:http'

/**
 * Starts a proxy that serves target below prefix on a free port.
 * @param {string} target
 * @param {string} prefix
 * @param {'pass' | 'remove'} style whether the prefix is passed on or removed
 * @returns {Promise<{ origin: string, stop: () => Promise<void> }>}
 */
export async function startProxy(target, prefix, style) {
  const server = createServer((incoming, answer) => {
    if (incoming.url !== prefix && !incoming.url.startsWith(`${prefix}/`)) {
      answer.writeHead(404).end('this path is not of the console')
      return
    }
    const path = style === 'remove' ? incoming.url.slice(prefix.length) || '/' : incoming.url
    const headers = {
      ...incoming.headers,
      'x-forwarded-for': incoming.socket.remoteAddress,
      'x-forwarded-proto': 'http',
    }
    const outgoing = request(new URL(target), { method: incoming.method, path, headers }, (response) => {
      answer.writeHead(response.statusCode, response.rawHeaders)
      response.pipe(answer)
    })
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  }
}
