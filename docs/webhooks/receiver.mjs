// Prints the webhooks of addcard, after it has verified them. It is an example to copy
// from, and needs nothing but Node.js 20 or newer:
//
//   WEBHOOK_SECRET=whsec_… PORT=9000 node receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const tolerance = 5 * 60; // seconds: how old a request may be, and how wrong the clocks
const maxBody = 1 << 20;

const key = Buffer.from((process.env.WEBHOOK_SECRET ?? '').replace(/^whsec_/, ''), 'base64');
if (key.length === 0) {
  console.error("WEBHOOK_SECRET must be the endpoint's secret: whsec_ and base64");
  process.exit(1);
}

// Reports whether the request was signed with the key within the tolerance.
function verify(headers, body) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'] ?? '';
  if (!id || !(Math.abs(Date.now() / 1000 - Number(timestamp)) <= tolerance)) return false;
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
  const want = Buffer.from(`v1,${mac.digest('base64')}`);
  // There are two signatures for a day after the secret was changed.
  return signatures.split(' ').map((s) => Buffer.from(s))
    .some((got) => got.length === want.length && timingSafeEqual(got, want)); // in constant time
}

const seen = new Set(); // a real receiver keeps this in its database

// Does the work once for each id: an event can come twice. A real receiver stores the id
// and what it does in the same transaction. It ignores types that it does not know.
function handle(id, body) {
  if (seen.has(id)) return;
  const { type, data } = JSON.parse(body);
  console.log(type, JSON.stringify(data));
  seen.add(id);
}

// The signature is of these bytes: read them before anything parses them.
async function read(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > maxBody) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const server = createServer(async (req, res) => {
  try {
    const body = await read(req);
    if (body === null || !verify(req.headers, body)) return res.writeHead(400).end('bad signature\n');
    handle(req.headers['webhook-id'], body);
    res.writeHead(204).end();
  } catch (err) {
    console.error(err);
    res.writeHead(500).end('try again later\n'); // addcard sends it again
  }
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${process.env.PORT}`));
